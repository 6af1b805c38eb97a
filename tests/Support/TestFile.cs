namespace Toolkit.Tests;

/// <summary>Files of tests.</summary>
public static class TestFile
{
    /// <summary>Makes a file of its own, which is gone with its last descriptor.</summary>
    public static FileStream Create(ReadOnlySpan<byte> content)
    {
        var file = new FileStream(
            Path.GetTempFileName(),
            new FileStreamOptions
            {
                Mode = FileMode.Open,
                Access = FileAccess.ReadWrite,
                Share = FileShare.ReadWrite | FileShare.Delete,
                Options = FileOptions.DeleteOnClose,
            });
        file.Write(content);
        return file;
    }
}
