using System.Diagnostics;

namespace Toolkit;

/// <summary>
/// A thread with a loop of its own, made by <see cref="EventLoop.StartThread"/>. All members may be used from any thread;
/// those of <see cref="Loop"/> follow the loop's rules.
/// </summary>
[DebuggerDisplay("{Name,nq}: {Completion.Status,nq}")]
public sealed class EventLoopThread : IDisposable, IAsyncDisposable
{
    private readonly Thread _thread;
    private readonly TaskCompletionSource _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);

    internal EventLoopThread(string name, EventLoop loop)
    {
        Loop = loop;
        Name = name;
        var running = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _thread = new Thread(() => RunLoop(running)) { Name = name, IsBackground = true };

        // The creator's ambient state is not the state of every connection that the loop will ever serve.
        _thread.UnsafeStart();
        _ = Task.WhenAny(running.Task, Completion).GetAwaiter().GetResult();
        if (Completion.IsFaulted)
        {
            Completion.GetAwaiter().GetResult();
        }
    }

    /// <summary>The loop.</summary>
    public EventLoop Loop { get; }

    /// <summary>The name of the thread.</summary>
    public string Name { get; }

    /// <summary>Ends when the loop has stopped and is disposed; fails when the loop itself failed.</summary>
    public Task Completion => _completion.Task;

    /// <summary>Stops the loop; <see cref="Completion"/> says when it and all that lived on it have ended.</summary>
    public void Stop() => Loop.Stop();

    /// <summary>
    /// Stops the loop and waits for its end. Called on the loop's own thread it does not wait, since that would be for ever.
    /// </summary>
    public void Dispose()
    {
        Stop();
        if (Thread.CurrentThread != _thread)
        {
            _thread.Join();
        }
    }

    /// <summary>Stops the loop and waits for its end, without blocking.</summary>
    public async ValueTask DisposeAsync()
    {
        Stop();
        if (Thread.CurrentThread != _thread)
        {
            await Completion.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private void RunLoop(TaskCompletionSource running)
    {
        try
        {
            using (Loop)
            {
                Loop.CallSoon(running.SetResult);
                Loop.RunForever();
            }

            _completion.SetResult();
        }
        catch (Exception exception)
        {
            _completion.SetException(exception);
        }
    }
}
