using System.Net.Sockets;
using Toolkit.Backends;

namespace Toolkit.Transports;

/// <summary>The sending side.</summary>
internal sealed partial class TlsBackend
{
    // How much is encrypted before it is tried to be sent: four full records, which leave by one call.
    private const int BatchSize = 64 * 1024;

    public override int TrySend(IoHandle handle, ReadOnlySpan<byte> data, out SocketError error)
    {
        var tls = (TlsHandle)handle;
        int sent = 0;
        while (true)
        {
            int known = (int)Math.Min(tls.TakeableCredit, data.Length - sent);
            tls.Credit -= known;
            sent += known;
            if (sent == data.Length)
            {
                error = SocketError.Success;
                return sent;
            }

            if (!MaySend(tls, out error))
            {
                return sent;
            }

            if (tls.PlainLeft == 0)
            {
                Encrypt(tls, data.Slice(sent, Math.Min(BatchSize, data.Length - sent)));
            }
            else
            {
                sent += SendPlain(tls, data[sent..], out error);
                if (error != SocketError.Success)
                {
                    return sent;
                }
            }
        }
    }

    public override long TrySend(IoHandle handle, ReadOnlySpan<ReadOnlyMemory<byte>> buffers, out SocketError error)
    {
        // Small buffers are to share a record: each has 22 bytes of overhead, and a call of the engine's.
        long total = 0;
        error = SocketError.Success;
        byte[]? joined = null;
        int index = 0;
        while (index < buffers.Length && error == SocketError.Success)
        {
            if (buffers[index].Length >= BatchSize / 4 || index == buffers.Length - 1)
            {
                total += TrySend(handle, buffers[index++].Span, out error);
                continue;
            }

            joined ??= SegmentPool.OfThread.Rent(BatchSize);
            int length = 0;
            while (index < buffers.Length && buffers[index].Length <= Math.Min(BatchSize, joined.Length) - length)
            {
                buffers[index].Span.CopyTo(joined.AsSpan(length));
                length += buffers[index++].Length;
            }

            total += TrySend(handle, joined.AsSpan(0, length), out error);
        }

        if (joined is not null)
        {
            SegmentPool.OfThread.Return(joined);
        }

        return total;
    }

    public override SocketError ShutdownSend(IoHandle handle)
    {
        var tls = (TlsHandle)handle;
        if (tls.EndsSending || tls.SendFault != SocketError.Success)
        {
            return tls.SendFault;
        }

        if (tls.Current == TlsHandle.Stage.Open)
        {
            CipherBuffer output = RentOutput();
            CipherBuffer outer = tls.Engine!.Output;
            try
            {
                tls.Engine.Output = output;
                tls.Engine.Shutdown();
                SendCiphertext(tls, output.Written);
            }
            catch (Exception exception)
            {
                tls.Fault ??= TlsFailure.OfRecord(exception); // the peer sees that TCP ends alone
            }
            finally
            {
                tls.Engine.Output = outer;
                ReturnOutput(output);
            }
        }

        tls.EndsSending = true;
        return EndSendingIfFlushed(tls);
    }

    /// <summary>A send of ciphertext, or of what was written before the upgrade, has ended.</summary>
    public void OnInnerSent(TlsHandle handle, int count, SocketError error)
    {
        if (handle.IsSendingPlain)
        {
            OnPlainSent(handle, count, error);
            return;
        }

        if (handle.IsReleased && handle.Inner.IsReleased)
        {
            handle.Output.Clear(); // the buffer was the operation's until now
            return;
        }

        if (error != SocketError.Success)
        {
            FailSending(handle, error);
        }
        else
        {
            handle.Output.Consume(count);
            FlushOutput(handle);
        }

        if (!handle.IsReleased)
        {
            ServeSend(handle);
        }
        else if (handle.ReleaseLimit is not null && handle.Output.IsEmpty && !handle.IsInnerSending)
        {
            FinishRelease(handle);
        }
    }

    private static SocketError EndSendingIfFlushed(TlsHandle handle)
        => handle.Output.IsEmpty && !handle.IsInnerSending && !handle.Inner.IsReleased
            ? handle.Inner.Backend.ShutdownSend(handle.Inner)
            : SocketError.Success;

    private void ArmSend(TlsHandle handle, SendOperation send)
    {
        if (handle.PlainLeft > 0 && !handle.IsInnerSending)
        {
            handle.IsSendingPlain = true;
            handle.InnerSend ??= new SendOperation(handle.Inner, handle);
            handle.InnerSend.Data = send.Data[..(int)Math.Min(handle.PlainLeft, send.Data.Length)];
            handle.Inner.Backend.Submit(handle.InnerSend);
        }
        else
        {
            Queue(handle); // for when there is nothing in flight that it would wait for
        }
    }

    private void OnPlainSent(TlsHandle handle, int count, SocketError error)
    {
        handle.IsSendingPlain = false;
        handle.InnerSend!.Data = default;
        handle.PlainLeft -= count;
        var send = (SendOperation?)handle.WriteSide;
        if (send is not null && error == SocketError.Success)
        {
            EndSend(send, count);
        }
        else if (send is not null)
        {
            End(send, error);
        }

        BeginIfFlushed(handle);
    }

    // Whether the next bytes may go on their way: nothing is before them, and there is somebody to encrypt them.
    private static bool MaySend(TlsHandle handle, out SocketError error)
    {
        error = handle switch
        {
            { SendFault: not SocketError.Success } => handle.SendFault,
            { Current: TlsHandle.Stage.Failed } => SocketError.SocketError,
            { EndsSending: true } => SocketError.Shutdown,
            { IsInnerSending: true } => SocketError.WouldBlock,
            { Output.IsEmpty: false } => SocketError.WouldBlock,
            { PlainLeft: > 0 } => SocketError.Success,
            { Current: not TlsHandle.Stage.Open } => SocketError.WouldBlock,
            _ => SocketError.Success,
        };
        return error == SocketError.Success;
    }

    private int SendPlain(TlsHandle handle, ReadOnlySpan<byte> data, out SocketError error)
    {
        data = data[..(int)Math.Min(handle.PlainLeft, data.Length)];
        int sent = handle.Inner.Backend.TrySend(handle.Inner, data, out error);
        handle.PlainLeft -= sent;
        BeginIfFlushed(handle);
        return sent;
    }

    private void Encrypt(TlsHandle handle, ReadOnlySpan<byte> plaintext)
    {
        TlsEngine engine = handle.Engine!;
        CipherBuffer output = RentOutput();
        CipherBuffer outer = engine.Output; // of a step that called the user, who writes
        try
        {
            engine.Output = output;
            engine.Encrypt(plaintext);
            handle.BeginBatch(plaintext.Length, output.Length);
            SendCiphertext(handle, output.Written);
        }
        catch (Exception exception)
        {
            handle.Fault ??= TlsFailure.OfRecord(exception);
            FailSending(handle, SocketError.SocketError);
        }
        finally
        {
            engine.Output = outer;
            ReturnOutput(output);
        }
    }

    // Sends what the operating system takes, and keeps the rest.
    private static void SendCiphertext(TlsHandle handle, ReadOnlySpan<byte> ciphertext)
    {
        if (ciphertext.IsEmpty || handle.SendFault != SocketError.Success || handle.Inner.IsReleased)
        {
            return;
        }

        if (handle.Output.IsEmpty && !handle.IsInnerSending)
        {
            int sent = handle.Inner.Backend.TrySend(handle.Inner, ciphertext, out SocketError error);
            if (error is not (SocketError.Success or SocketError.WouldBlock))
            {
                FailSending(handle, error);
                return;
            }

            ciphertext = ciphertext[sent..];
        }

        handle.Output.Append(ciphertext, handle.IsInnerSending);
        SubmitOutput(handle);
    }

    private static void FlushOutput(TlsHandle handle)
    {
        while (!handle.Output.IsEmpty && !handle.IsInnerSending)
        {
            int sent = handle.Inner.Backend.TrySend(handle.Inner, handle.Output.First.Span, out SocketError error);
            if (sent > 0)
            {
                handle.Output.Consume(sent);
            }

            if (error == SocketError.WouldBlock)
            {
                SubmitOutput(handle);
            }
            else if (error != SocketError.Success)
            {
                FailSending(handle, error);
            }
        }

        if (handle.EndsSending && handle.SendFault == SocketError.Success)
        {
            EndSendingIfFlushed(handle);
        }
    }

    private static void SubmitOutput(TlsHandle handle)
    {
        if (!handle.Output.IsEmpty && !handle.IsInnerSending)
        {
            handle.InnerSend ??= new SendOperation(handle.Inner, handle);
            handle.InnerSend.Data = handle.Output.First;
            handle.Inner.Backend.Submit(handle.InnerSend);
        }
    }

    private static void FailSending(TlsHandle handle, SocketError error)
    {
        handle.SendFault = error;
        handle.Credit = 0; // what became of it is not known
        handle.Output.Clear();
    }

    // Goes on with the transport's send, if it waits for nothing any more. From a poll or a turn.
    private void ServeSend(TlsHandle handle)
    {
        if (handle.WriteSide is not SendOperation send || !IsListening(send) || handle.IsSendingPlain)
        {
            return;
        }

        int count = TrySend(handle, send.Data.Span, out SocketError error);
        if (count > 0)
        {
            EndSend(send, count);
        }
        else if (error != SocketError.WouldBlock)
        {
            End(send, error);
        }
        else if (handle.PlainLeft > 0 && !handle.IsInnerSending)
        {
            ArmSend(handle, send);
        }
    }
}
