using System.Runtime.ExceptionServices;

namespace Toolkit.Tests;

/// <summary>A thread whose failures reach the test, and which no test waits for without end.</summary>
public sealed class TestThread
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    private readonly Thread _thread;
    private ExceptionDispatchInfo? _failure;

    private TestThread(Action action, string? name)
    {
        _thread = new Thread(() =>
        {
            try
            {
                action();
            }
            catch (Exception exception)
            {
                _failure = ExceptionDispatchInfo.Capture(exception);
            }
        })
        {
            IsBackground = true,
            Name = name,
        };
    }

    public static TestThread Start(Action action, string? name = null)
    {
        var thread = new TestThread(action, name);
        thread._thread.Start();
        return thread;
    }

    /// <summary>Runs the action on a thread of its own and waits for it.</summary>
    public static void Run(Action action) => Start(action).Join();

    /// <summary>Waits for the thread, and throws what it threw.</summary>
    public void Join()
    {
        Assert.True(_thread.Join(s_patience), "The thread hangs.");
        _failure?.Throw();
    }

    /// <summary>Waits for something that another thread does.</summary>
    public static void WaitFor(Task task)
    {
        // The task's own failure is thrown by GetResult, and not wrapped.
        Assert.True(((IAsyncResult)task).AsyncWaitHandle.WaitOne(s_patience), "The task never ends.");
        task.GetAwaiter().GetResult();
    }

    /// <inheritdoc cref="WaitFor(Task)"/>
    public static void WaitFor(ManualResetEventSlim signal) => Assert.True(signal.Wait(s_patience), "The signal never comes.");
}
