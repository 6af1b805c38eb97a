using System.Net.Sockets;
using Toolkit.Backends;

namespace Toolkit.Transports;

/// <summary>The receiving side, and the handshake, which is driven by what arrives.</summary>
internal sealed partial class TlsBackend
{
    private bool _plaintextIsOwners; // whose buffer was asked for last

    /// <summary>Ciphertext has arrived in <see cref="ReceiveBuffer"/>.</summary>
    /// <returns>What the inner operation is answered.</returns>
    public bool OnCiphertext(TlsHandle handle, int count)
    {
        ReadOnlyMemory<byte> arrived = ReceiveBuffer[..count];
        switch (handle.Current)
        {
            case TlsHandle.Stage.Waiting:
                handle.Hold(arrived.Span);
                break;
            case TlsHandle.Stage.Handshaking:
                handle.Hold(arrived.Span);
                QueueStep(handle);
                break;
            case TlsHandle.Stage.Open when handle.HasHeld:
                handle.Hold(arrived.Span);
                ServeReceive(handle);
                break;
            case TlsHandle.Stage.Open:
                handle.Lent = arrived;
                ServeReceive(handle);
                if (!handle.IsReleased)
                {
                    handle.Hold(handle.Lent.Span);
                    handle.Lent = default;
                }

                break;
        }

        return handle.InnerReceive.Receiver != handle || WantsCiphertext(handle);
    }

    /// <summary>Nothing more arrives, or the cancellation of a paused reader has come through.</summary>
    public void OnInnerReceiveEnded(TlsHandle handle, SocketError error)
    {
        if (handle.IsReleased)
        {
            return;
        }

        if (error == SocketError.OperationAborted)
        {
            UpdateInnerReceive(handle);
            return;
        }

        handle.InputEnd = error;
        if (handle.Current == TlsHandle.Stage.Handshaking)
        {
            QueueStep(handle);
        }
        else
        {
            ServeReceive(handle);
        }
    }

    /// <summary>The buffer that plaintext is put into: the owner's, or the loop's.</summary>
    public Memory<byte> GetPlaintextBuffer(TlsHandle handle)
    {
        if (handle.ReadSide is not ReceiveOperation receive || !IsListening(receive))
        {
            return default;
        }

        _plaintextIsOwners = receive.Receiver.ProvidesBuffer;
        if (!_plaintextIsOwners)
        {
            return _plaintext ??= GC.AllocateUninitializedArray<byte>(BufferSize);
        }

        return TryGetBuffer(receive, out Memory<byte> buffer) ? buffer : default;
    }

    private static bool WantsCiphertext(TlsHandle handle)
    {
        if (handle is { IsReleased: true } or { InputEnd: not null } or { IsPeerClosed: true } or { HasHeld: true })
        {
            return false;
        }

        return handle.Current switch
        {
            TlsHandle.Stage.Handshaking => true,
            TlsHandle.Stage.Open => handle.ReadSide is { State: IoOperationState.Armed or IoOperationState.Delivering },
            _ => false,
        };
    }

    private static void UpdateInnerReceive(TlsHandle handle)
    {
        if (handle.Inner.IsReleased || handle.InnerReceive.Receiver != handle)
        {
            return;
        }

        if (!WantsCiphertext(handle))
        {
            if (handle.Current >= TlsHandle.Stage.Open)
            {
                handle.Inner.Backend.Cancel(handle.InnerReceive);
            }
        }
        else if (!handle.InnerReceive.IsArmed)
        {
            handle.Inner.Backend.Submit(handle.InnerReceive);
        }
    }

    private void BeginIfFlushed(TlsHandle handle)
    {
        if (handle is { Current: TlsHandle.Stage.Waiting, MayBegin: true, PlainLeft: 0, IsReleased: false })
        {
            handle.Current = TlsHandle.Stage.Handshaking;
            QueueStep(handle);
        }
    }

    private void QueueStep(TlsHandle handle)
    {
        if (!handle.IsStepQueued)
        {
            handle.IsStepQueued = true;
            _steps.Enqueue(handle);
            PostTurn();
        }
    }

    private void StepHandshake(TlsHandle handle)
    {
        if (handle.IsReleased || handle.Current != TlsHandle.Stage.Handshaking)
        {
            return;
        }

        TlsStatus status = TlsStatus.NeedMoreData;
        Exception? failure = null;
        CipherBuffer output = RentOutput();
        try
        {
            handle.Engine ??= handle.Options.CreateEngine(handle.User);
            handle.Engine.Output = output;
            status = handle.Engine.Handshake(handle.Input, out int consumed);
            handle.Consume(consumed);
        }
        catch (Exception exception)
        {
            failure = exception;
        }

        if (!handle.IsReleased)
        {
            SendCiphertext(handle, output.Written);
        }

        ReturnOutput(output);
        if (handle.IsReleased)
        {
            return; // by a callback of the user's
        }

        if (failure is null && status == TlsStatus.NeedMoreData && handle.InputEnd is { } end)
        {
            Fail(handle, TlsFailure.OfNetwork(end));
        }
        else if (failure is not null)
        {
            Fail(handle, TlsFailure.OfHandshake(failure));
        }
        else if (status == TlsStatus.NeedMoreData)
        {
            UpdateInnerReceive(handle);
        }
        else
        {
            handle.Current = TlsHandle.Stage.Open;
            handle.MayHavePlaintext = true;
            handle.Info = handle.Engine!.Describe();
            UpdateInnerReceive(handle);
            Queue(handle);
            TellHandshakeEnded(handle, null);
        }
    }

    private static void TellHandshakeEnded(TlsHandle handle, TlsException? failure)
    {
        ITlsOwner? owner = handle.Owner;
        handle.Owner = null;
        owner?.OnHandshakeEnded(failure);
    }

    private static void Fail(TlsHandle handle, TlsException fault)
    {
        handle.Current = TlsHandle.Stage.Failed;
        handle.Fault = fault;
        handle.Engine?.Dispose();
        handle.Engine = null;
        handle.DropHeld();
        handle.Lent = default;
        if (handle.Owner is not null)
        {
            TellHandshakeEnded(handle, fault);
        }
        else if (handle.ReadSide is ReceiveOperation receive && IsListening(receive))
        {
            End(receive, SocketError.SocketError);
        }
    }

    // Tells plaintext and its end for as long as somebody listens and there is some. From a poll or a turn.
    private void ServeReceive(TlsHandle handle)
    {
        while (handle is { IsReleased: false, ReadSide: ReceiveOperation receive } && IsListening(receive))
        {
            if (handle.Current != TlsHandle.Stage.Open)
            {
                if (handle.Current == TlsHandle.Stage.Failed)
                {
                    End(receive, SocketError.SocketError);
                }

                return;
            }

            if (!TryDecrypt(handle, receive))
            {
                return;
            }
        }
    }

    // False when there is nothing to tell before more arrives.
    private bool TryDecrypt(TlsHandle handle, ReceiveOperation receive)
    {
        TlsStatus status;
        int produced;
        TlsEngine engine = handle.Engine!;
        CipherBuffer output = RentOutput();
        try
        {
            engine.Output = output;
            status = engine.Decrypt(handle.Input, handle, out int consumed, out produced);
            if (!handle.IsReleased)
            {
                handle.Consume(consumed);
            }
        }
        catch (Exception exception)
        {
            if (!handle.IsReleased)
            {
                SendCiphertext(handle, output.Written);
                Fail(handle, TlsFailure.OfRecord(exception));
            }

            ReturnOutput(output);
            return true;
        }

        if (!handle.IsReleased)
        {
            SendCiphertext(handle, output.Written);
        }

        ReturnOutput(output);
        handle.MayHavePlaintext = status == TlsStatus.Complete;
        switch (status)
        {
            case TlsStatus.Complete when produced > 0 && _plaintextIsOwners:
                DeliverFilled(receive, produced);
                return true;
            case TlsStatus.Complete when produced > 0:
                Deliver(receive, _plaintext.AsSpan(0, produced));
                return true;
            case TlsStatus.Complete:
                return true; // no buffer was to be had, which has ended the arming
            case TlsStatus.Closed:
                handle.IsPeerClosed = true;
                handle.DropHeld();
                handle.Lent = default;
                End(receive, SocketError.Success);
                return true;
            default:
                return TellInputEnd(handle, receive);
        }
    }

    private static bool TellInputEnd(TlsHandle handle, ReceiveOperation receive)
    {
        if (handle.InputEnd is not { } end)
        {
            return false;
        }

        if (end == SocketError.Success)
        {
            handle.Fault ??= TlsFailure.Truncated();
            end = SocketError.SocketError;
        }

        End(receive, end);
        return true;
    }
}
