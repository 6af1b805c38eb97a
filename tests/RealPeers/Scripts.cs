namespace Toolkit.Tests.RealPeers;

/// <summary>The scripts beside the tests.</summary>
internal static class Scripts
{
    public static string PathOf(string name) => Path.Combine(AppContext.BaseDirectory, "Python", name);

    /// <summary>Runs a script to its end, which must be a good one, and returns its output without the line feed.</summary>
    public static async Task<string> RunAsync(string name, params int[] arguments)
        => (await PeerProgram.RunAsync("python3", "", [PathOf(name), .. arguments.Select(argument => $"{argument}")])).TrimEnd();
}
