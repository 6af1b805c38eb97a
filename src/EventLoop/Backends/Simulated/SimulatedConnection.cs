using System.Net;
using System.Net.Sockets;
using Toolkit.Backends;

namespace Toolkit.Simulation;

/// <summary>Who holds a descriptor of a simulated socket, and looks when something has changed.</summary>
internal interface ISocketHolder
{
    /// <summary>The socket may have become readable, writable, connected or broken.</summary>
    void OnSocketChanged();
}

/// <summary>
/// One end of a simulated TCP connection: what the kernel of a host knows of it. It outlives its descriptor until what was
/// written has been acknowledged.
/// </summary>
/// <remarks>
/// The model is that of bytes and segments, not of headers. Kept are what applications can see: the order of bytes, windows and
/// what they do to a writer, segments of any size, delay by distance, bandwidth and retransmission, half-close, resets and what
/// they destroy, ends that are not told to a peer whose host is gone. A closed descriptor with unread data resets, as Linux does.
/// </remarks>
internal sealed class SimulatedConnection : ISimulatedStream
{
    public const int DefaultBuffer = 256 * 1024;
    private const int LeastBuffer = 2048;

    private readonly ByteQueue _received = new();
    private ISocketHolder? _holder;
    private bool _resetOnArrival; // the descriptor is gone, and what still comes is answered by a reset

    public SimulatedConnection(SimulatedHost host, EndPoint? local, EndPoint? remote, long number)
    {
        Host = host;
        Local = local;
        Remote = remote;
        Number = number;
        Outgoing = new SimulatedFlow(this);
    }

    public SimulatedHost Host { get; }

    /// <summary>This end's name; null of whoever has connected to a path.</summary>
    public EndPoint? Local { get; }

    public EndPoint? Remote { get; }

    /// <summary>Who the peer at a path is, of the time at which it has connected or been connected to.</summary>
    public PeerIdentity? PeerIdentity { get; set; }

    /// <summary>The number of the connection in its world, which both ends share.</summary>
    public long Number { get; }

    /// <summary>The other end; null while there is none.</summary>
    public SimulatedConnection? Peer { get; set; }

    public SimulatedFlow Outgoing { get; }

    public int ReceiveCapacity { get; set; } = DefaultBuffer;

    public int SendCapacity { get; set; } = DefaultBuffer;

    /// <summary>How long sent bytes may stay unacknowledged; null for the fifteen retransmissions of Linux.</summary>
    public TimeSpan? UserTimeout { get; set; }

    /// <summary>When an idle peer that does not answer is given up; null for never.</summary>
    public TimeSpan? KeepAlive { get; set; }

    /// <summary>How the connection has failed, once it has.</summary>
    public SocketError Failure { get; private set; }

    public bool IsEstablished { get; set; }

    public bool HasEndedSending { get; private set; }

    public bool PeerHasEnded { get; private set; }

    public bool IsClosed => _holder is null;

    public int Available => _received.Length;

    public int FreeWindow => Math.Max(0, ReceiveCapacity - _received.Length);

    public bool IsReadable => _received.Length > 0 || PeerHasEnded || Failure != SocketError.Success;

    public bool IsWritable => Failure != SocketError.Success || (IsEstablished && Outgoing.Room > 0);

    /// <summary>Whether neither direction has anything left to tell.</summary>
    public bool HasHungUp => Failure != SocketError.Success || (PeerHasEnded && HasEndedSending);

    private SimulatedWorld World => Host.World;

    /// <summary>The size of a buffer that was asked for, or not.</summary>
    public static int BufferOf(int? size) => Math.Max(size ?? DefaultBuffer, LeastBuffer);

    public void HoldBy(ISocketHolder holder) => _holder = holder;

    public int Send(ReadOnlySpan<byte> data, out SocketError error)
    {
        if (Failure != SocketError.Success)
        {
            error = Failure;
            return 0;
        }

        if (HasEndedSending)
        {
            error = SocketError.Shutdown;
            return 0;
        }

        int count = IsEstablished ? Math.Min(data.Length, Outgoing.Room) : 0;
        if (count > 0)
        {
            Outgoing.Write(data[..count]);
        }

        error = count == data.Length ? SocketError.Success : SocketError.WouldBlock;
        return count;
    }

    public int Receive(Span<byte> target)
    {
        int count = _received.Take(target);
        if (count > 0 && Peer is not null)
        {
            Peer.Outgoing.OnReceiverRead();
        }

        return count;
    }

    public SocketError ShutdownSend()
    {
        if (Failure != SocketError.Success)
        {
            return SocketError.NotConnected;
        }

        if (!HasEndedSending)
        {
            HasEndedSending = true;
            Outgoing.End();
            _holder?.OnSocketChanged();
        }

        return SocketError.Success;
    }

    /// <summary>The descriptor is closed.</summary>
    public void Close(bool reset)
    {
        _holder = null;
        _resetOnArrival = true;
        if (Failure != SocketError.Success)
        {
            return;
        }

        if (reset || _received.Length > 0 || !IsEstablished)
        {
            _received.Clear();
            SendReset();
            Fail(SocketError.ConnectionReset);
        }
        else if (!HasEndedSending)
        {
            HasEndedSending = true;
            Outgoing.End();
        }
    }

    /// <summary>The host has crashed: no more is known of the connection there, and nobody is told.</summary>
    public void Vanish()
    {
        _holder = null;
        _resetOnArrival = true;
        _received.Clear();
        Outgoing.Drop();
        Failure = SocketError.ConnectionReset;
    }

    /// <summary>A segment has arrived.</summary>
    public void OnArrived(byte[] data, bool isEnd)
    {
        if (Failure != SocketError.Success || (_resetOnArrival && data.Length > 0))
        {
            World.Note($"#{Number} {Host.Name} has no use for {data.Length} bytes, and resets");
            SendReset();
            if (Failure == SocketError.Success)
            {
                Fail(SocketError.ConnectionReset);
            }

            return;
        }

        _received.Append(data);
        PeerHasEnded |= isEnd;
        _holder?.OnSocketChanged();
    }

    /// <summary>The peer has reset the connection.</summary>
    public void OnReset()
    {
        if (Failure == SocketError.Success)
        {
            Fail(SocketError.ConnectionReset);
        }
    }

    /// <summary>The connection is over. What was received can still be read.</summary>
    public void Fail(SocketError error)
    {
        World.Note($"#{Number} {Host.Name} fails with {error}");
        Failure = error;
        Outgoing.Drop();
        Host.Forget(this);
        _holder?.OnSocketChanged();
    }

    /// <summary>There is room in the send buffer again.</summary>
    public void OnRoom() => _holder?.OnSocketChanged();

    /// <summary>All that was to be sent has been acknowledged, the end too.</summary>
    public void OnAllAcknowledged()
    {
        if (IsClosed)
        {
            Host.Forget(this);
        }
    }

    // A reset is sent once, and lost if the way is cut: the peer then finds out when it next sends.
    private void SendReset()
    {
        if (Peer is { } peer)
        {
            Outgoing.SendReset(peer);
        }
    }
}
