using System.Net;
using Toolkit.Backends;

namespace Toolkit.Simulation;

/// <summary>One end of a connection in memory: what its peer has sent, and how the two stand to each other.</summary>
internal sealed class MemoryHandle(IoBackend backend, EndPoint local, EndPoint remote, Chunking.Cut cut) : IoHandle(backend)
{
    // What has arrived and was not received, from _start on.
    private byte[] _arrived = [];
    private int _start;
    private long _received;

    public override EndPoint LocalEndPoint => local;

    public override EndPoint RemoteEndPoint => remote;

    /// <summary>The other end.</summary>
    public MemoryHandle Peer { get; private set; } = null!;

    /// <summary>How many bytes have arrived and were not received.</summary>
    public int Unread { get; private set; }

    /// <summary>How many of them are being told at this moment, and count as received when the end is closed.</summary>
    public int Lent { get; set; }

    /// <summary>Whether this end's sending side has ended.</summary>
    public bool HasEnded { get; set; }

    /// <summary>Whether the peer sends no more: behind what is unread stands the end of the stream.</summary>
    public bool PeerHasEnded => Peer.HasEnded || Peer.IsReleased;

    /// <summary>Whether the connection was reset from the other end.</summary>
    public bool WasReset { get; private set; }

    /// <summary>Makes the two a pipe, whose directions are one.</summary>
    public static void ConnectPipe(MemoryHandle reader, MemoryHandle writer)
    {
        reader.Kind = IoHandleKind.PipeReader;
        writer.Kind = IoHandleKind.PipeWriter;
    }

    public static void Connect(MemoryHandle first, MemoryHandle second)
    {
        first.Peer = second;
        second.Peer = first;
    }

    /// <summary>Bytes arrive.</summary>
    public void Append(ReadOnlySpan<byte> data)
    {
        if (data.Length > _arrived.Length - _start - Unread)
        {
            MakeRoom(data.Length);
        }

        data.CopyTo(_arrived.AsSpan(_start + Unread));
        Unread += data.Length;
    }

    /// <summary>The next chunk to be received. It moves when more arrives.</summary>
    public ReadOnlySpan<byte> NextChunk() => _arrived.AsSpan(_start, cut(_received, Unread));

    /// <summary>Bytes were received. They may be gone, when the connection was ended meanwhile.</summary>
    public void Consume(int count)
    {
        _received += count;
        count = Math.Min(count, Unread);
        _start += count;
        Unread -= count;
    }

    /// <summary>The connection is reset: what has arrived is lost.</summary>
    public void Reset()
    {
        WasReset = true;
        Drop();
    }

    /// <summary>Forgets what has arrived.</summary>
    public void Drop()
    {
        _arrived = [];
        _start = 0;
        Unread = 0;
    }

    // To the front when more than half is free, which makes the moves rare; else into an array that is larger by far.
    private void MakeRoom(int wanted)
    {
        long roomy = 2L * (Unread + wanted);
        byte[] target = roomy <= _arrived.Length ? _arrived : new byte[Math.Min(roomy, Array.MaxLength)];
        _arrived.AsSpan(_start, Unread).CopyTo(target);
        _arrived = target;
        _start = 0;
    }
}
