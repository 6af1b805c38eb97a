using System.Text.RegularExpressions;

namespace Toolkit.Tests.Architecture;

/// <summary>What the guide says of the source is so.</summary>
public sealed partial class GuideTests
{
    [Theory]
    [InlineData("samples/probe/Program.cs")]
    [InlineData("samples/probe/ProbeService.cs")]
    public void Service_ShowsTheSourceAsItIs(string file)
        => Assert.True(
            Read("docs/guide/service.md").Contains($"```csharp\n{Read(file)}```\n", StringComparison.Ordinal),
            $"docs/guide/service.md does not have {file} in it, as it is now.");

    [Fact]
    public void Datagrams_ShowsTheSampleAsItIs()
        => Assert.Contains(
            $"```csharp\n{Read("samples/echo/EchoDatagrams.cs")}```\n",
            Read("docs/guide/datagrams.md"),
            StringComparison.Ordinal);

    [Fact]
    public void Reconnecting_ShowsWhatTheTestsRun()
        => Assert.Contains(
            $"```csharp\n{Read("tests/Simulation.Tests/Poller.cs").Split("\n\n", 2)[1]}```\n",
            Read("docs/guide/reconnecting.md"),
            StringComparison.Ordinal);

    [Fact]
    public void Observing_HasEveryInstrumentAndActivity()
    {
        string[] inSource = [.. Repository.SourcesOf("src").SelectMany(path => TelemetryName().Matches(File.ReadAllText(path)))
            .Select(match => match.Groups[1].Value).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
        string page = Read("docs/guide/observing.md");

        Assert.True(inSource.Length > 15, "The names were not found in the source.");
        Assert.DoesNotContain(inSource, name => !page.Contains($"`{name}`", StringComparison.Ordinal));
    }

    private static string Read(string path)
        => File.ReadAllText(Path.Combine(Repository.Root, path)).ReplaceLineEndings("\n");

    [GeneratedRegex("\"(toolkit\\.[a-z_.]+)\"", RegexOptions.NonBacktracking)]
    private static partial Regex TelemetryName();
}
