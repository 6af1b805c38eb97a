using System.Diagnostics;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Toolkit.Backends.Linux;

namespace Toolkit.Backends.Uring;

/// <content>
/// <para>
/// Datagrams. One multishot receive goes on for as long as its socket is read. It takes a whole buffer for each datagram, of a
/// group of its own: from a buffer that is taken piece by piece the last datagram would get what is left, and be cut.
/// </para>
/// <para>
/// Sends are tried by <c>sendmmsg(2)</c>, as on epoll. When the kernel takes no more, it is asked by a poll when it does, and
/// then tried again: a <c>sendmsg</c> entry would keep header, address and bytes in place for what hardly ever happens to
/// datagrams.
/// </para>
/// </content>
internal sealed unsafe partial class UringBackend
{
    private const ushort DatagramGroup = 1;

    /// <summary>Of 64 KiB each, of which the system gives only what is touched.</summary>
    private const int DatagramBuffers = 64;

    private static readonly int s_datagramPrefix
        = sizeof(IoUring.ReceivedMessage) + NativeAddress.MaxLength + DatagramBatch.ControlLength;

    private readonly Action<UringHandle, DatagramReceiveOperation> _rearm;
    private ProvidedBuffers? _datagramBuffers; // made for the first who receives datagrams
    private Libc.MessageHeader* _datagramHeader; // the same for all: how much room there is to be for name and control message

    private void StartReceiveDatagrams(UringHandle handle)
    {
        if (handle.HasInFlight(Work.ReceiveDatagrams))
        {
            return; // when it is being cancelled, its end starts it again
        }

        if (_datagramBuffers is null)
        {
            _datagramBuffers = new ProvidedBuffers(
                DatagramGroup,
                _options.Buffers ?? DatagramBuffers,
                s_datagramPrefix + DatagramReceiveOperation.MaxReceiveSize,
                incremental: false);
            _datagramHeader = (Libc.MessageHeader*)NativeMemory.AllocZeroed((nuint)sizeof(Libc.MessageHeader));
            _datagramHeader->NameLength = NativeAddress.MaxLength;
            _datagramHeader->ControlLength = DatagramBatch.ControlLength;
            RegisterDatagramBuffers(_ring!);
        }

        handle.HasReceived = false;
        ref SubmissionEntry entry = ref Submit(handle, Work.ReceiveDatagrams, IoUring.ReceiveMessage);
        entry.Flags = IoUring.EntryBufferSelect;
        entry.Priority = IoUring.ReceiveMultishot;
        entry.BufferGroup = DatagramGroup;
        entry.Address = (ulong)_datagramHeader;
        entry.Length = 1;
    }

    private void RegisterDatagramBuffers(Ring ring)
    {
        int errno = _datagramBuffers?.TryRegister(ring) ?? 0;
        if (errno != 0)
        {
            throw new BackendFailedException(Name, $"the buffers for datagrams could not be registered (errno {errno}).");
        }
    }

    private void FreeDatagramBuffers()
    {
        _datagramBuffers?.Dispose();
        _datagramBuffers = null;
        NativeMemory.Free(_datagramHeader);
        _datagramHeader = null;
    }

    private int CompleteReceiveDatagrams(UringHandle handle, in CompletionEntry completion)
    {
        int told = 0;
        if (completion.HasBuffer)
        {
            ProvidedBuffers.Piece piece = _datagramBuffers!.Take(completion);
            handle.HasReceived = true;
            if (!handle.IsReleased && piece.Bytes.Length >= s_datagramPrefix)
            {
                told += TellReceived(handle, piece.Bytes);
            }

            _datagramBuffers.Return(piece);
        }

        if (handle.IsReleased)
        {
            return told;
        }

        if (completion.Result < 0)
        {
            if (-completion.Result == Errno.NoBuffers)
            {
                (handle.HasReceived ? _fed : _starved).Enqueue(handle);
                return told;
            }

            if (!IsPassing(completion.Result))
            {
                SocketError error = NativeAddress.ErrorOf(-completion.Result);
                if (handle.Datagrams!.Held.Count == 0
                    && handle.ReadSide is DatagramReceiveOperation { State: IoOperationState.Armed } failed)
                {
                    End(failed, error);
                    return told + 1;
                }

                handle.Datagrams!.HeldError = error; // it is told once, so it is kept
            }
        }

        if (!completion.HasMore)
        {
            Start(handle.ReadSide);
        }

        return told;
    }

    private int TellReceived(UringHandle handle, ReadOnlySpan<byte> message)
    {
        var header = MemoryMarshal.Read<IoUring.ReceivedMessage>(message);
        ReadOnlySpan<byte> name = message.Slice(
            sizeof(IoUring.ReceivedMessage), (int)Math.Min(header.NameLength, NativeAddress.MaxLength));
        ReadOnlySpan<byte> control = message.Slice(
            sizeof(IoUring.ReceivedMessage) + NativeAddress.MaxLength,
            (int)Math.Min(header.ControlLength, DatagramBatch.ControlLength));
        int segmentSize = handle.Datagrams!.Coalesces ? DatagramBatch.SegmentSizeOf(control) : 0;
        int receiveSize = handle.ReadSide is DatagramReceiveOperation receive
            ? receive.ReceiveSize
            : DatagramReceiveOperation.MaxReceiveSize;
        int told = TellDatagrams(
            handle,
            message[s_datagramPrefix..],
            name,
            (header.Flags & Libc.MessageTruncated) != 0,
            segmentSize,
            receiveSize);
        if (!handle.IsReleased && handle.ReadSide is not DatagramReceiveOperation { State: IoOperationState.Armed })
        {
            Cancel(handle, Work.ReceiveDatagrams); // the kernel's own buffer is the one that is to fill
        }

        return told;
    }

    private int CompleteSendDatagram(UringHandle handle, int result)
    {
        if (handle.IsReleased || handle.WriteSide is not DatagramSendOperation { State: IoOperationState.Armed } send)
        {
            return 0;
        }

        if (result < 0 || (TrySendTo(handle, [send.Datagram], out SocketError error) == 0 && error == SocketError.WouldBlock))
        {
            Start(send);
            return 0;
        }

        Debug.Assert(error != SocketError.WouldBlock, "It would be tried again.");
        End(send, error);
        return 1;
    }
}
