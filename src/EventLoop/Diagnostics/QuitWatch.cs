using System.Runtime.InteropServices;

namespace Toolkit.Diagnostics;

/// <summary>Writes the tasks of a loop down on SIGQUIT (Ctrl-\), for as long as the loop runs.</summary>
internal sealed class QuitWatch : IDisposable
{
    /// <summary>A loop that has not answered by then is held up by a callback.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(1);

    private readonly EventLoop _loop;
    private readonly TextWriter _writer;
    private readonly PosixSignalRegistration _registration;

    public QuitWatch(EventLoop loop, TextWriter writer)
    {
        _loop = loop;
        _writer = TextWriter.Synchronized(writer);
        _registration = PosixSignalRegistration.Create(PosixSignal.SIGQUIT, context =>
        {
            context.Cancel = true;
            OnSignal();
        });
    }

    /// <summary>The signal has come. Any thread but the loop's; waits for the loop's answer.</summary>
    public void OnSignal()
    {
        var answered = new ManualResetEventSlim(); // not disposed of: the loop may answer later
        bool isPosted = _loop.TryPost(
            state =>
            {
                _writer.Write(TaskDump.Of(_loop));
                _writer.Flush();
                ((ManualResetEventSlim)state!).Set();
            },
            answered);
        if (isPosted && !answered.Wait(s_patience))
        {
            _writer.WriteLine(
                $"The {_loop.BackendName} loop has not answered for {s_patience.TotalSeconds} s: a callback holds its thread.");
            _writer.Flush();
        }
    }

    public void Dispose() => _registration.Dispose();
}
