namespace Toolkit.Tests.Architecture;

/// <summary>
/// Where the sources are, found upwards from the built tests: a build on a server maps source paths away, so the place the
/// compiler recorded for this file need not exist.
/// </summary>
internal static class Repository
{
    public static readonly string Root = Find();

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

    private static string Find()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Toolkit.sln")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName
            ?? throw new InvalidOperationException($"No Toolkit.sln above {AppContext.BaseDirectory}: run the tests from the repository.");
    }
}
