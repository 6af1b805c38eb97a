namespace Toolkit.Bench;

/// <summary>Where this program was built from.</summary>
internal static class Repository
{
    private static string Root { get; } = FindRoot();

    /// <summary>Where complete runs are reported.</summary>
    public static string Documents => Path.Combine(Root, "docs");

    /// <summary>Where all others are.</summary>
    public static string Artifacts => Path.Combine(Root, "artifacts", "bench");

    /// <summary>The figures of a run that goes on, or did not come to its end: cell by cell.</summary>
    public static string Unfinished => Path.Combine(Artifacts, "unfinished.json");

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Toolkit.sln")))
            {
                return folder.FullName;
            }
        }

        return Environment.CurrentDirectory;
    }
}
