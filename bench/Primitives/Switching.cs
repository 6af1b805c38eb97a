namespace Toolkit.Bench.Primitives;

/// <summary>Coroutines that take turns.</summary>
internal static class Switching
{
    /// <summary>Has so many tasks give way, so many times in all.</summary>
    public static Task RunAsync(int tasks, int count)
        => Task.WhenAll(Enumerable.Range(0, tasks).Select(_ => GiveWayAsync(count / tasks)));

    private static async Task GiveWayAsync(int times)
    {
        for (int i = 0; i < times; i++)
        {
            await Task.Yield();
        }
    }
}
