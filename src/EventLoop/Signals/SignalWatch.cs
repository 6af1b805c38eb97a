using System.Runtime.InteropServices;
using Toolkit.Backends;

namespace Toolkit.Signals;

/// <summary>
/// One signal of one loop, from its first registration to the end of its last. It comes on a thread of the runtime's, becomes one
/// post, however often it comes before that has run, and the post calls whoever is registered by then.
/// </summary>
internal sealed class SignalWatch
{
    private readonly EventLoop _loop;
    private readonly LoopSignals _owner;
    private readonly PosixSignal _signal;
    private readonly IDisposable _source;

    // Replaced as a whole, on the loop's thread; the signal's thread looks whether there is any.
    private volatile Registration[] _registrations = [];
    private volatile Func<PosixSignal, bool>? _interceptor;
    private int _isPosted;

    /// <exception cref="PlatformNotSupportedException">The system does not have the signal.</exception>
    public SignalWatch(EventLoop loop, LoopSignals owner, PosixSignal signal)
    {
        _loop = loop;
        _owner = owner;
        _signal = signal;
        _source = loop.Host.Backend.WatchSignal(signal, OnSignal);
    }

    public Registration Add(Action<PosixSignal> callback)
    {
        var registration = new Registration(this, callback, LoopHost.CaptureContext());
        _registrations = [.. _registrations, registration];
        return registration;
    }

    public Interception Intercept(Func<PosixSignal, bool> isTaken)
    {
        _interceptor = isTaken;
        return new Interception(this);
    }

    /// <summary>Nobody is told any more.</summary>
    public void Close()
    {
        _registrations = [];
        _interceptor = null;
        _source.Dispose();
        _owner.Forget(_signal);
    }

    // Any thread.
    private bool OnSignal()
    {
        bool isTaken = _interceptor?.Invoke(_signal) is true;
        if (_registrations.Length == 0)
        {
            return isTaken;
        }

        return Interlocked.Exchange(ref _isPosted, 1) != 0
            || _loop.TryPost(static watch => ((SignalWatch)watch!).Tell(), this)
            || isTaken;
    }

    private void Tell()
    {
        Interlocked.Exchange(ref _isPosted, 0); // before anybody is called: what comes from here on is told again
        foreach (Registration registration in _registrations)
        {
            registration.Call();
        }
    }

    private void CloseIfUnused()
    {
        if (_registrations.Length == 0 && _interceptor is null)
        {
            Close();
        }
    }

    /// <summary>A callback, until it is disposed of.</summary>
    internal sealed class Registration(SignalWatch watch, Action<PosixSignal> callback, ExecutionContext? context) : IDisposable
    {
        private bool _isDisposed;

        public void Call()
        {
            if (_isDisposed)
            {
                return; // by another that was called before it
            }

            try
            {
                using CallbackScope scope = watch._loop.Host.EnterUserCode(
                    context, callback.Target ?? callback, callback.Method.Name);
                callback(watch._signal);
            }
            catch (Exception exception)
            {
                watch._loop.ReportError(
                    new LoopError($"A callback for {SignalNumber.Describe(watch._signal)} threw.", exception));
            }
        }

        public void Dispose()
        {
            if (_isDisposed || watch._loop.IsDisposed)
            {
                return;
            }

            watch._loop.VerifyAccess();
            _isDisposed = true;
            watch._registrations = [.. watch._registrations.Where(other => other != this)];
            watch.CloseIfUnused();
        }
    }

    /// <summary>The interceptor's place.</summary>
    internal sealed class Interception(SignalWatch watch) : IDisposable
    {
        public void Dispose()
        {
            if (!watch._loop.IsDisposed)
            {
                watch._interceptor = null;
                watch.CloseIfUnused();
            }
        }
    }
}
