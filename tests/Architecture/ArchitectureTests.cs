using System.Reflection;
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace Toolkit.Tests.Architecture;

/// <summary>What the design says of the whole, held by looking at the assemblies and at the sources.</summary>
public sealed partial class ArchitectureTests
{
    private static readonly Assembly[] s_assemblies =
        [typeof(EventLoop).Assembly, typeof(Protocol).Assembly, typeof(TcpOptions).Assembly, typeof(Server).Assembly];

    public static TheoryData<string, string[]> Diamond => new()
    {
        { "EventLoop", [] },
        { "Protocols", [] },
        { "Transports", ["EventLoop", "Protocols"] },
        { "Servers", ["Transports"] },
    };

    [Theory]
    [MemberData(nameof(Diamond))]
    public void Project_References_AreThoseOfTheDiamond(string name, string[] expected)
    {
        XDocument project = XDocument.Load(Path.Combine(Repository.Root, "src", name, $"Toolkit.{name}.csproj"));

        string[] projects = [.. References(project, "ProjectReference").Select(path => path.Replace('\\', '/'))];
        string[] packages = References(project, "PackageReference");

        Assert.Equal(expected.Select(e => $"../{e}/Toolkit.{e}.csproj"), projects);
        Assert.Equal(name == "EventLoop" ? ["Microsoft.Extensions.Logging.Abstractions"] : [], packages.AsEnumerable());
        Assert.Empty(References(project, "Reference"));
        Assert.Empty(References(project, "FrameworkReference"));
    }

    [Theory]
    [MemberData(nameof(Diamond))]
    public void Assembly_References_AreThoseOfTheDiamond(string name, string[] expected)
    {
        Assembly assembly = Assembly.Load($"Toolkit.{name}");

        string[] ours = [.. assembly.GetReferencedAssemblies()
            .Select(reference => reference.Name!)
            .Where(reference => reference.StartsWith("Toolkit.", StringComparison.Ordinal))
            .Order(StringComparer.Ordinal)];

        // What a project refers to brings with it what that one refers to.
        HashSet<string> reachable = [.. expected.Select(e => $"Toolkit.{e}")];
        if (name == "Servers")
        {
            reachable.UnionWith(["Toolkit.EventLoop", "Toolkit.Protocols"]);
        }

        Assert.Subset(reachable, ours.ToHashSet(StringComparer.Ordinal));
        Assert.All(expected, reference => Assert.Contains($"Toolkit.{reference}", ours));
    }

    [Fact]
    public void PublicTypes_Namespaces_AreTheThreeOfTheDesign()
    {
        string[] allowed = ["Toolkit", "Toolkit.Backends", "Toolkit.Simulation"];

        string[] elsewhere = [.. s_assemblies
            .SelectMany(assembly => assembly.GetExportedTypes())
            .Where(type => !allowed.Contains(type.Namespace, StringComparer.Ordinal))
            .Select(type => type.FullName!)];

        Assert.True(
            elsewhere.Length == 0, $"Public types live in {string.Join(" or ", allowed)}: {string.Join(", ", elsewhere)}");
    }

    [Fact]
    public void EventLoop_Time_IsReadFromItsClockAlone()
        => RequireNone(
            "src/EventLoop",
            MachineTime(),
            "The loop's time is IoClock's, which may be virtual.",
            "src/EventLoop/Backends/IoClock.cs",
            "src/EventLoop/EventLoop.Running.cs"); // the bound of the shutdown, which a virtual clock would not end

    [Fact]
    public void EventLoopRunning_MachineTime_BoundsTheShutdownAlone()
    {
        string text = File.ReadAllText(Path.Combine(Repository.Root, "src/EventLoop/EventLoop.Running.cs"));

        Match one = Assert.Single(MachineTime().Matches(text));

        Assert.StartsWith("Stopwatch.StartNew()", text[one.Index..], StringComparison.Ordinal);
        int method = text.LastIndexOf("private void RunWhile(", one.Index, StringComparison.Ordinal);
        Assert.True(method >= 0 && !text[method..one.Index].Contains("\n    }", StringComparison.Ordinal));
    }

    [Fact]
    public void Sources_MachineTime_IsReadNowhereElse()
    {
        foreach (string folder in (string[])["src/Protocols", "src/Transports", "src/Servers"])
        {
            RequireNone(
                folder,
                MachineTime(),
                "Time is the loop's.",
                "src/Transports/Tls/TlsCertificate.cs"); // a certificate's is everybody's
        }
    }

    [Fact]
    public void Sources_TaskRun_IsNotUsed()
        => RequireNone(
            "src",
            TaskRun(),
            "What runs off the loop goes through RunInThreadAsync.",
            "src/EventLoop/Backends/Simulated/SimulationException.cs"); // which names it as a usual cause of trouble

    private static void RequireNone(string folder, Regex forbidden, string why, params string[] except)
    {
        string[] found = [.. Repository.SourcesOf(folder)
            .Where(path => !except.Contains(Repository.Relative(path), StringComparer.Ordinal))
            .SelectMany(path => File.ReadLines(path).Select((line, index) => (path, line, index)))
            .Where(line => !line.line.TrimStart().StartsWith("//", StringComparison.Ordinal) && forbidden.IsMatch(line.line))
            .Select(line => $"{Repository.Relative(line.path)}:{line.index + 1}: {line.line.Trim()}")];

        Assert.True(found.Length == 0, $"{why}\n{string.Join('\n', found)}");
    }

    private static string[] References(XDocument project, string kind)
        => [.. project.Descendants(kind).Select(element => element.Attribute("Include")!.Value).Order(StringComparer.Ordinal)];

    [GeneratedRegex(
        @"\b(DateTime|DateTimeOffset)\.(Utc)?Now\b|\bEnvironment\.TickCount|\bStopwatch\.|\bnew Stopwatch\b"
        + @"|\bTimeProvider\.System\b")]
    private static partial Regex MachineTime();

    [GeneratedRegex(@"\bTask\.Run\b|\bTask\.Factory\.StartNew\b")]
    private static partial Regex TaskRun();
}
