using System.Reflection;

namespace Toolkit.Tests.Architecture;

/// <summary>
/// The public surface of each assembly, as text next to this file: a change of it shows in review, and none happens by
/// oversight.
/// </summary>
public sealed class PublicApiTests
{
    private const string UpdateVariable = "TOOLKIT_UPDATE_API";

    [Theory]
    [InlineData("Toolkit.EventLoop")]
    [InlineData("Toolkit.Protocols")]
    [InlineData("Toolkit.Transports")]
    [InlineData("Toolkit.Servers")]
    public void PublicApi_IsTheApprovedOne(string assembly)
    {
        string path = Path.Combine(Repository.Tests, "PublicApi", $"{assembly}.txt");
        string[] actual = ApiText.Render(Assembly.Load(assembly));
        if (Environment.GetEnvironmentVariable(UpdateVariable) is "1" or "true")
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, string.Join('\n', actual) + '\n');
            return;
        }

        string[] approved = File.Exists(path) ? File.ReadAllLines(path) : [];

        string[] changes =
        [
            .. Context(approved).Except(Context(actual), StringComparer.Ordinal).Select(line => $"- {line}"),
            .. Context(actual).Except(Context(approved), StringComparer.Ordinal).Select(line => $"+ {line}"),
        ];
        Assert.True(
            changes.Length == 0 && actual.SequenceEqual(approved, StringComparer.Ordinal),
            $"The public surface of {assembly} has changed:\n\n{string.Join('\n', changes)}\n\n"
            + $"If it is meant: {UpdateVariable}=1 dotnet test --project tests/Architecture, and commit {Repository.Relative(path)}.");
    }

    // Each member with its type in front, so that a line says where it belongs.
    private static IEnumerable<string> Context(string[] lines)
    {
        string type = "";
        foreach (string line in lines)
        {
            if (line.StartsWith(' '))
            {
                yield return $"{type}: {line.Trim()}";
            }
            else if (line.Length > 0)
            {
                type = line;
                yield return line;
            }
        }
    }
}
