using System.Buffers;
using System.Diagnostics;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;

namespace Toolkit.Backends.Linux;

/// <summary>
/// Many datagrams in one system call: what a datagram costs is mostly the way into the kernel (3.6 us alone, 3.1 in batches,
/// measured). One of these serves all the sockets of a backend, one after the other.
/// </summary>
/// <remarks>
/// The headers are outside of the collected heap, and so is the memory that is received into, of which the system gives only what
/// is touched: 64 KiB for each datagram of a batch, for the sake of the one that is that long. The places are staggered, or the
/// first bytes of all of them would compete for the same lines of the cache.
/// </remarks>
[SupportedOSPlatform("linux")]
internal sealed unsafe class DatagramBatch : IDisposable
{
    /// <summary>Datagrams of one receive; libuv takes 20 to 32.</summary>
    public const int ReceiveCount = 32;

    /// <summary>Datagrams of one send.</summary>
    public const int SendCount = 64;

    /// <summary>Room for the control message of a receive or send.</summary>
    public const int ControlLength = 64;

    private const int UdpLevel = 17;
    private const int UdpSegment = 103;
    private const int UdpReceiveOffload = 104;
    private const int Stagger = 320;

    private readonly Libc.MultiMessageHeader* _headers;
    private readonly Libc.IoVector* _vectors;
    private readonly byte* _names;
    private readonly byte* _controls;
    private readonly byte* _memory;
    private readonly int _count;
    private readonly int _stride;

    /// <param name="count">How many datagrams there is room for.</param>
    /// <param name="receiveSize">How long each may be that is received; 0 for a batch that sends.</param>
    public DatagramBatch(int count, int receiveSize)
    {
        _count = count;
        _headers = (Libc.MultiMessageHeader*)NativeMemory.AllocZeroed((nuint)(count * sizeof(Libc.MultiMessageHeader)));
        _vectors = (Libc.IoVector*)NativeMemory.AllocZeroed((nuint)(count * sizeof(Libc.IoVector)));
        _names = (byte*)NativeMemory.AllocZeroed((nuint)(count * NativeAddress.MaxLength));
        _controls = (byte*)NativeMemory.AllocZeroed((nuint)(count * ControlLength));
        if (receiveSize > 0)
        {
            _stride = receiveSize + Stagger;
            _memory = (byte*)NativeMemory.Alloc((nuint)count * (nuint)_stride);
        }

        for (int i = 0; i < count; i++)
        {
            _headers[i].Header.Name = _names + (i * NativeAddress.MaxLength);
            _headers[i].Header.Vectors = _vectors + i;
            _headers[i].Header.VectorCount = 1;
        }
    }

    /// <summary>Receives what is there, as far as there is room.</summary>
    /// <returns>How many datagrams, or the negated error number.</returns>
    public int Receive(int fd, int receiveSize, bool coalesces)
    {
        Debug.Assert(receiveSize <= _stride, "The room was made for the longest.");
        for (int i = 0; i < _count; i++)
        {
            ref Libc.MessageHeader header = ref _headers[i].Header;
            header.NameLength = NativeAddress.MaxLength;
            header.Control = coalesces ? _controls + (i * ControlLength) : null;
            header.ControlLength = coalesces ? (nuint)ControlLength : 0;
            header.Flags = 0;
            _vectors[i].Base = _memory + ((nuint)i * (nuint)_stride);
            _vectors[i].Length = (nuint)(coalesces ? _stride : receiveSize); // of several, each is measured by itself
        }

        int received;
        do
        {
            received = Libc.ReceiveMessages(fd, _headers, (uint)_count, Libc.MessageDoNotWait, null);
        }
        while (received < 0 && Errno.Last == Errno.Interrupted);
        return received < 0 ? -Errno.Last : received;
    }

    /// <summary>One of those that were received.</summary>
    /// <param name="index">Which.</param>
    /// <param name="name">Who has sent it.</param>
    /// <param name="isTruncated">Whether its end is missing.</param>
    /// <param name="segmentSize">How long each is of several that came at once, or 0.</param>
    public ReadOnlySpan<byte> Received(int index, out ReadOnlySpan<byte> name, out bool isTruncated, out int segmentSize)
    {
        ref Libc.MultiMessageHeader message = ref _headers[index];
        name = new ReadOnlySpan<byte>(message.Header.Name, (int)Math.Min(message.Header.NameLength, NativeAddress.MaxLength));
        isTruncated = (message.Header.Flags & Libc.MessageTruncated) != 0;
        segmentSize = message.Header.Control is null
            ? 0
            : SegmentSizeOf(new ReadOnlySpan<byte>(message.Header.Control, (int)message.Header.ControlLength));
        return new ReadOnlySpan<byte>(_vectors[index].Base, (int)message.Length);
    }

    /// <summary>How long each of several datagrams is that came at once, as the control message says; else 0.</summary>
    public static int SegmentSizeOf(ReadOnlySpan<byte> control)
        => control.Length >= sizeof(Libc.ControlMessage)
            && MemoryMarshal.Read<Libc.ControlMessage>(control)
                is { Level: UdpLevel, Type: UdpReceiveOffload, Value: > 0 and var size }
            ? size
            : 0;

    /// <summary>Sends datagrams in their order.</summary>
    /// <returns>How many of the first were taken; when not all, the error is that of the next.</returns>
    public int Send(int fd, ReadOnlySpan<OutgoingDatagram> datagrams, out SocketError error)
    {
        int total = 0;
        error = SocketError.Success;
        while (total < datagrams.Length && error == SocketError.Success)
        {
            ReadOnlySpan<OutgoingDatagram> part = datagrams[total..Math.Min(datagrams.Length, total + _count)];
            total += SendPart(fd, part, out error);
        }

        return total;
    }

    public void Dispose()
    {
        NativeMemory.Free(_headers);
        NativeMemory.Free(_vectors);
        NativeMemory.Free(_names);
        NativeMemory.Free(_controls);
        NativeMemory.Free(_memory);
    }

    private int SendPart(int fd, ReadOnlySpan<OutgoingDatagram> datagrams, out SocketError error)
    {
        var pins = new PinBatch();
        int filled = 0;
        error = SocketError.Success;
        try
        {
            for (; filled < datagrams.Length; filled++)
            {
                pins[filled] = datagrams[filled].Data.Pin();
                if (!Fill(filled, datagrams[filled], (byte*)pins[filled].Pointer))
                {
                    pins[filled].Dispose();
                    error = SocketError.AddressFamilyNotSupported;
                    break;
                }
            }

            if (filled == 0)
            {
                return 0;
            }

            while (true)
            {
                int sent = Libc.SendMessages(fd, _headers, (uint)filled, Libc.MessageNoSignal);
                if (sent > 0)
                {
                    if (sent < filled)
                    {
                        error = SocketError.Success; // the next try says what is wrong with the next
                    }

                    return sent;
                }

                int errno = Errno.Last;
                if (errno != Errno.Interrupted)
                {
                    error = NativeAddress.ErrorOf(errno);
                    return 0;
                }
            }
        }
        finally
        {
            for (int i = 0; i < filled; i++)
            {
                pins[i].Dispose();
            }
        }
    }

    private bool Fill(int index, in OutgoingDatagram datagram, byte* data)
    {
        ref Libc.MessageHeader header = ref _headers[index].Header;
        int nameLength = 0;
        if (!datagram.To.IsNone)
        {
            byte* name = _names + (index * NativeAddress.MaxLength);
            nameLength = NativeAddress.Write(datagram.To, new Span<byte>(name, NativeAddress.MaxLength));
            if (nameLength == 0)
            {
                return false;
            }

            header.Name = name;
        }
        else
        {
            header.Name = null;
        }

        header.NameLength = (uint)nameLength;
        header.Flags = 0;
        _vectors[index].Base = data;
        _vectors[index].Length = (nuint)datagram.Data.Length;
        if (datagram.SegmentSize == 0)
        {
            header.Control = null;
            header.ControlLength = 0;
            return true;
        }

        byte* control = _controls + (index * ControlLength);
        *(Libc.ControlMessage*)control = new Libc.ControlMessage
        {
            Length = (nuint)(sizeof(nuint) + (2 * sizeof(int)) + sizeof(ushort)),
            Level = UdpLevel,
            Type = UdpSegment,
            Value = datagram.SegmentSize,
        };
        header.Control = control;
        header.ControlLength = (nuint)sizeof(Libc.ControlMessage);
        return true;
    }

    [System.Runtime.CompilerServices.InlineArray(SendCount)]
    private struct PinBatch
    {
        private MemoryHandle _first;
    }
}
