using System.Net.Sockets;
using System.Runtime.InteropServices;
using Toolkit.Backends;

namespace Toolkit.Transports;

/// <summary>A watch of somebody else's descriptor: a wait until it is ready, again and again.</summary>
internal sealed class ReadinessWatch : IDisposable, ILoopResident, IReadableWatcher, IWritableWatcher
{
    private readonly EventLoop _loop;
    private readonly SafeHandle _theirs;
    private readonly IoHandle _handle;
    private readonly IoOperation _wait;
    private readonly Action _callback;
    private readonly ExecutionContext? _context;

    public ReadinessWatch(EventLoop loop, SafeHandle theirs, IoHandle handle, Action callback, bool isReading)
    {
        _loop = loop;
        _theirs = theirs;
        _handle = handle;
        _callback = callback;
        _context = LoopHost.CaptureContext();
        _wait = isReading ? new ReadableOperation(handle, this) : new WritableOperation(handle, this);
        loop.Host.AddResident(this);
        handle.Backend.Submit(_wait);
    }

    int ILoopResident.ResidentIndex { get; set; }

    public void Dispose()
    {
        if (!_handle.IsReleased)
        {
            _loop.VerifyAccess();
        }

        End();
    }

    void ILoopResident.OnLoopShutdown() => End();

    void ILoopResident.OnLoopShutdownExpired() => End();

    void IReadableWatcher.OnReadable(SocketError error) => OnReady(error);

    void IWritableWatcher.OnWritable(SocketError error) => OnReady(error);

    private void OnReady(SocketError error)
    {
        if (_handle.IsReleased)
        {
            return;
        }

        if (error != SocketError.Success || _theirs.IsClosed)
        {
            End();
            if (error != SocketError.Success)
            {
                _loop.ReportError(new LoopError(
                    "A descriptor cannot be watched, and the watch is over.", new SocketException((int)error)));
            }

            return;
        }

        Call();
        if (!_handle.IsReleased)
        {
            _handle.Backend.Submit(_wait); // told no sooner than by the next poll
        }
    }

    private void End()
    {
        if (_handle.IsReleased)
        {
            return;
        }

        _loop.Host.RemoveResident(this);
        _handle.Backend.Release(_handle, reset: false);
    }

    private void Call()
    {
        try
        {
            using CallbackScope scope = _loop.Host.EnterUserCode(_context, _callback.Target ?? _callback, _callback.Method.Name);
            _callback();
        }
        catch (Exception exception)
        {
            _loop.ReportError(new LoopError("The callback of a watched descriptor threw; the watch goes on.", exception));
        }
    }
}
