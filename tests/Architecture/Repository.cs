using System.Runtime.CompilerServices;

namespace Toolkit.Tests.Architecture;

/// <summary>Where the sources are, by the place of this file.</summary>
internal static class Repository
{
    public static readonly string Root = Path.GetFullPath(Path.Combine(Here(), "..", ".."));

    public static string Tests { get; } = Path.Combine(Root, "tests", "Architecture");

    /// <summary>The hand-written source files below a folder.</summary>
    public static IEnumerable<string> SourcesOf(string folder)
        => Directory.EnumerateFiles(Path.Combine(Root, folder), "*.cs", SearchOption.AllDirectories)
            .Where(path => !IsBelow(path, "obj") && !IsBelow(path, "bin"))
            .Order(StringComparer.Ordinal);

    /// <summary>The path from the root, with forward slashes.</summary>
    public static string Relative(string path) => Path.GetRelativePath(Root, path).Replace('\\', '/');

    private static bool IsBelow(string path, string folder)
        => Relative(path).Split('/').Contains(folder, StringComparer.Ordinal);

    private static string Here([CallerFilePath] string path = "") => Path.GetDirectoryName(path)!;
}
