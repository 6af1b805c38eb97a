using System.Net.Sockets;
using System.Runtime.CompilerServices;
using Toolkit.Backends;

namespace Toolkit.Transports;

/// <summary>
/// TLS between a transport and the backend of its loop, as a backend of its own: so the transport over TLS is the same as over
/// anything else, and keeps the same contract. There is one for each loop that has TLS.
/// </summary>
/// <remarks>
/// <para>
/// What comes from the inner backend is told within its poll, and so is what follows from it. The rest (plaintext that was there
/// when reading was resumed, ends of operations) is told from a turn, a callback that it posts, which runs as a poll does: with
/// the synchronization context cleared, and the flush of writes behind it.
/// </para>
/// <para>
/// A step of a handshake costs up to a millisecond of signing and checking. Steps wait in line, and each turn makes one: between
/// any two of them the loop has polled, and those who have their handshake behind them are served.
/// </para>
/// <para>
/// Buffers are the loop's, and lent for the length of a call: one to receive ciphertext into, one for plaintext, one for
/// ciphertext on its way out. A connection holds memory for ciphertext only when it was received and cannot be told (reading was
/// paused within), or when the operating system does not take it.
/// </para>
/// <para>
/// Plaintext counts as sent when its ciphertext has left. So not much is encrypted ahead: what is left of one batch of records.
/// </para>
/// </remarks>
internal sealed partial class TlsBackend : TurnBackend
{
    private const int BufferSize = 64 * 1024;

    private static readonly ConditionalWeakTable<EventLoop, TlsBackend> s_ofLoop = [];
    private static readonly Action<object?> s_releaseExpired
        = static state => ((TlsBackend)((TlsHandle)state!).Backend).GiveUpRelease((TlsHandle)state!);

    // Loop thread only.
    private readonly Queue<TlsHandle> _queued = new();
    private readonly Queue<TlsHandle> _steps = new();
    private CipherBuffer? _spareOutput = new();
    private byte[]? _ciphertext;
    private byte[]? _plaintext;

    private TlsBackend(EventLoop loop)
        : base(loop)
    {
    }

    public override string Name => $"tls({Inner.Name})";

    /// <summary>Where ciphertext is received into, for the length of a call.</summary>
    public Memory<byte> ReceiveBuffer => _ciphertext ??= GC.AllocateUninitializedArray<byte>(BufferSize);

    private IoBackend Inner => Loop.Host.Backend;

    /// <summary>The loop's.</summary>
    public static TlsBackend Of(EventLoop loop) => s_ofLoop.GetValue(loop, static loop => new TlsBackend(loop));

    /// <summary>Puts TLS over a connection. It begins with <see cref="Begin"/>.</summary>
    /// <param name="inner">The connection.</param>
    /// <param name="receive">Its receive operation, which is taken over as it stands; null for a new one.</param>
    /// <param name="hangUp">Its watch, likewise.</param>
    /// <param name="options">Which side it is, and how.</param>
    /// <param name="user">How the user's callbacks are called.</param>
    /// <param name="owner">Who is told of the handshake.</param>
    public TlsHandle Wrap(
        IoHandle inner,
        ReceiveOperation? receive,
        HangUpOperation? hangUp,
        TlsOptions options,
        TlsUserCode user,
        ITlsOwner owner)
    {
        var handle = new TlsHandle(this, inner, receive, options, user, owner) { InnerHangUp = hangUp };
        if (hangUp is not null)
        {
            hangUp.Watcher = handle;
            inner.Backend.Cancel(hangUp);
        }

        return handle;
    }

    /// <summary>Lets the handshake begin, when what was written before has left.</summary>
    /// <param name="handle">The handle.</param>
    /// <param name="received">What was received already and is the beginning of the peer's ciphertext.</param>
    public void Begin(TlsHandle handle, ReadOnlySpan<byte> received)
    {
        if (handle.HasHeld)
        {
            // Came after what was given back, and was kept before it.
            byte[] later = handle.Input.ToArray();
            handle.DropHeld();
            handle.Hold(received);
            handle.Hold(later);
        }
        else
        {
            handle.Hold(received);
        }

        handle.MayBegin = true;
        BeginIfFlushed(handle);
    }

    /// <summary>So many bytes from before the upgrade have left, by an operation that was in flight then.</summary>
    public void OnPlainSent(TlsHandle handle, int count)
    {
        handle.PlainLeft -= count;
        BeginIfFlushed(handle);
    }

    public override int Poll(long untilTicks)
    {
        int told = TellPendingEnds();
        for (int i = Math.Min(_queued.Count, CompletionsPerPoll); i > 0; i--)
        {
            TlsHandle handle = _queued.Dequeue();
            handle.IsQueued = false;
            if (!handle.IsReleased)
            {
                told++;
                ServeReceive(handle);
                ServeSend(handle);
                UpdateInnerReceive(handle);
            }
        }

        if (_steps.TryDequeue(out TlsHandle? next))
        {
            next.IsStepQueued = false;
            told++;
            StepHandshake(next);
        }

        LastPoll = HasPendingEnds || _queued.Count > 0 || _steps.Count > 0 ? PollEnding.HasMore : PollEnding.ToldAll;
        return told;
    }

    public override IoHandle? Open(in HandleSpec spec, out SocketError error)
    {
        error = SocketError.OperationNotSupported;
        return null;
    }

    public override SocketError SetOption(IoHandle handle, IoOption option, int value)
        => Inner.SetOption(((TlsHandle)handle).Inner, option, value);

    protected override void Arm(IoOperation operation)
    {
        var handle = (TlsHandle)operation.Handle;
        switch (operation)
        {
            case ReceiveOperation:
                if (handle.Current == TlsHandle.Stage.Failed || HasSomethingToTell(handle))
                {
                    Queue(handle);
                }

                UpdateInnerReceive(handle);
                break;
            case SendOperation send:
                ArmSend(handle, send);
                break;
            case HangUpOperation watch:
                ArmHangUp(handle, watch);
                break;
            default:
                EndLater(operation, SocketError.OperationNotSupported);
                PostTurn();
                break;
        }
    }

    protected override void Disarm(IoOperation operation)
    {
        var handle = (TlsHandle)operation.Handle;
        switch (operation)
        {
            case SendOperation when handle is { IsSendingPlain: true, IsInnerSending: true }:
                handle.Inner.Backend.Cancel(handle.InnerSend!); // whose end is the end of this one: it has the memory
                return;
            case HangUpOperation when handle.InnerHangUp is { } watch && !handle.Inner.IsReleased:
                handle.Inner.Backend.Cancel(watch);
                break;
        }

        EndLater(operation, SocketError.OperationAborted);
        PostTurn();
        UpdateInnerReceive(handle);
    }

    protected override void Close(IoHandle handle, bool reset)
    {
        var released = (TlsHandle)handle;
        released.Engine?.Dispose();
        released.Engine = null;
        released.Owner = null;
        released.DropHeld();
        released.Lent = default;
        if (released.InnerHangUp is { } watch && !released.Inner.IsReleased)
        {
            released.Inner.Backend.Cancel(watch);
        }

        if (released.IsSurrendered)
        {
            return; // what is still to leave does so while the peer's end is waited for
        }

        if (reset && released.Current != TlsHandle.Stage.Failed)
        {
            ReleaseInner(released, reset: true);
            return;
        }

        released.EndsSending = true;
        if (released.Output.IsEmpty && !released.IsInnerSending)
        {
            FinishRelease(released);
            return;
        }

        Loop.Host.AddResident(released);
        released.ReleaseLimit = Loop.UnsafeCallLater(
            released.Options.ShutdownTimeout, s_releaseExpired, released);
    }

    /// <summary>The time is over for what is left to be sent by a handle that was released.</summary>
    public void GiveUpRelease(TlsHandle handle)
    {
        if (handle.ReleaseLimit is not null)
        {
            EndRelease(handle);
            ReleaseInner(handle, reset: true);
        }
    }

    private static bool HasSomethingToTell(TlsHandle handle)
        => handle.Current == TlsHandle.Stage.Open
            && (handle.MayHavePlaintext || handle.HasHeld || handle.InputEnd is not null || handle.IsPeerClosed);

    // Somebody whose TLS has failed has been sent an alert, which a reset would destroy.
    private void FinishRelease(TlsHandle handle)
    {
        EndRelease(handle);
        if (handle is { Current: TlsHandle.Stage.Failed, InputEnd: null, SendFault: SocketError.Success })
        {
            Inner.ShutdownSend(handle.Inner);
            _ = new LingeringClose(Loop, handle.InnerReceive, FarewellOf(handle.Options));
        }
        else
        {
            ReleaseInner(handle, reset: false);
        }
    }

    private static TcpOptions FarewellOf(TlsOptions options)
        => TcpOptions.Default with { LingerTime = options.ShutdownTimeout, DiscardLimit = 1024 * 1024 };

    private void EndRelease(TlsHandle handle)
    {
        if (handle.ReleaseLimit is not null)
        {
            handle.ReleaseLimit.Cancel();
            handle.ReleaseLimit = null;
            Loop.Host.RemoveResident(handle);
        }
    }

    private static void ReleaseInner(TlsHandle handle, bool reset)
    {
        handle.Inner.Backend.Release(handle.Inner, reset);
        if (!handle.IsInnerSending)
        {
            handle.Output.Clear();
        }
    }

    private void ArmHangUp(TlsHandle handle, HangUpOperation watch)
    {
        if (handle.HungUp is { } error)
        {
            EndLater(watch, error);
            PostTurn();
            return;
        }

        handle.InnerHangUp ??= new HangUpOperation(handle.Inner, handle);
        if (!handle.InnerHangUp.IsArmed)
        {
            handle.Inner.Backend.Submit(handle.InnerHangUp);
        }
    }

    /// <summary>The watch on the connection has ended.</summary>
    public static void OnInnerHungUp(TlsHandle handle, SocketError error)
    {
        if (handle.IsReleased || handle.Inner.IsReleased)
        {
            return;
        }

        if (error == SocketError.OperationAborted)
        {
            if (handle.HangUp is { State: IoOperationState.Armed })
            {
                handle.Inner.Backend.Submit(handle.InnerHangUp!); // asked for again, before the cancellation had come through
            }

            return;
        }

        handle.HungUp = error;
        if (handle.HangUp is { State: IoOperationState.Armed } watch)
        {
            End(watch, error);
        }
    }

    private void Queue(TlsHandle handle)
    {
        if (!handle.IsQueued)
        {
            handle.IsQueued = true;
            _queued.Enqueue(handle);
            PostTurn();
        }
    }

    // Ciphertext that is being made, within one call. Calls may be nested, by way of the user's callbacks.
    private CipherBuffer RentOutput()
    {
        CipherBuffer output = _spareOutput ?? new CipherBuffer();
        _spareOutput = null;
        return output;
    }

    private void ReturnOutput(CipherBuffer output)
    {
        output.Clear();
        _spareOutput = output;
    }
}
