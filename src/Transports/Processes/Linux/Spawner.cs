using System.Collections.Concurrent;
using System.Runtime.Versioning;

namespace Toolkit.Transports.Linux;

/// <summary>
/// The one thread of the process that starts children, since the call blocks its caller for up to tens of milliseconds.
/// </summary>
/// <remarks>
/// One and not several: the kernel starts one child of a process at a time anyway, because it copies the table of descriptors,
/// and a second thread would only wait. It is there from the first child on.
/// </remarks>
[SupportedOSPlatform("linux")]
internal static class Spawner
{
    private static readonly BlockingCollection<Action> s_work = [];
    private static readonly Lazy<Thread> s_thread = new(StartThread);

    /// <summary>Has the work done on the spawner's thread. It does not throw. Any thread.</summary>
    public static void Run(Action work)
    {
        _ = s_thread.Value;
        s_work.Add(work);
    }

    private static Thread StartThread()
    {
        var thread = new Thread(static () =>
        {
            foreach (Action work in s_work.GetConsumingEnumerable())
            {
                work();
            }
        })
        {
            IsBackground = true,
            Name = "Toolkit spawner",
        };
        thread.UnsafeStart();
        return thread;
    }
}
