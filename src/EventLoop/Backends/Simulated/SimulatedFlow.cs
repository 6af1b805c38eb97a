using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Toolkit.Simulation;

/// <summary>
/// One direction of a connection: the send buffer of one end, what is under way, and what its sender knows of the other's
/// window.
/// </summary>
/// <remarks>
/// Segments arrive in order, since an application cannot see them otherwise. One that is lost is sent again after a time that
/// doubles, and those behind it wait. Nothing is scheduled as long as nothing is lost: the world knows of a loss at once, and so
/// an idle connection leaves the world idle.
/// </remarks>
internal sealed class SimulatedFlow(SimulatedConnection sender)
{
    private static readonly long s_firstRetry = TimeSpan.FromMilliseconds(200).Ticks;
    private static readonly long s_longestRetry = TimeSpan.FromSeconds(120).Ticks;

    /// <summary>What fifteen retransmissions take, with the times of Linux.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(924.6);

    private readonly ByteQueue _unsent = new();
    private readonly List<Segment> _underWay = []; // in order: the acknowledged are gone, the arrived come first
    private int _arrived; // so many of them
    private long _arrivedBytes; // from the beginning
    private long _sent; // bytes, from the beginning
    private long _edge; // up to where the receiver is known to have room
    private long _acknowledged;
    private long _lastArrival;
    private long _retryTime;
    private long _failingSince = -1;
    private bool _endIsQueued;
    private bool _endIsSent;
    private bool _isRetrying;
    private bool _isStarted;
    private bool _isDropped;

    /// <summary>How many bytes the send buffer takes now. It holds what is not yet acknowledged.</summary>
    public int Room => Math.Max(0, sender.SendCapacity - _unsent.Length - (int)(_sent - _acknowledged));

    /// <summary>Where it stands, for messages.</summary>
    public string Description
        => $"{_unsent.Length} bytes unsent, {_sent - _acknowledged} under way, window {_edge - _sent}";

    private SimulatedWorld World => sender.Host.World;

    private SimulatedConnection Receiver => sender.Peer!;

    private SimulatedLink Way => World.LinkBetween(sender.Host, Receiver.Host);

    private SimulatedLink WayBack => World.LinkBetween(Receiver.Host, sender.Host);

    /// <summary>The connection is established: the receiver's window is known.</summary>
    public void Start()
    {
        _isStarted = true;
        _edge = Receiver.FreeWindow;
        Transmit();
    }

    public void Write(ReadOnlySpan<byte> data)
    {
        _unsent.Append(data);
        Transmit();
    }

    /// <summary>The end of the stream, behind all that was written.</summary>
    public void End()
    {
        _endIsQueued = true;
        Transmit();
    }

    /// <summary>What is left is never sent.</summary>
    public void Drop()
    {
        _isDropped = true;
        _unsent.Clear();
    }

    /// <summary>The receiver has read, which may open a window that was closed, or nearly.</summary>
    public void OnReceiverRead()
    {
        long open = _arrivedBytes + Receiver.FreeWindow;
        if (!_isDropped && open - _edge >= Math.Min(Receiver.ReceiveCapacity / 2, Way.Conditions.MaxSegment))
        {
            Acknowledge();
        }
    }

    /// <summary>A reset, behind what is under way.</summary>
    public void SendReset(SimulatedConnection peer)
    {
        SimulatedLink way = World.LinkBetween(sender.Host, peer.Host);
        if (!way.TryPass(World.Now, 0, World.Network, out long arrival))
        {
            return;
        }

        _lastArrival = Math.Max(arrival, _lastArrival);
        World.ScheduleInNetwork(_lastArrival, isLast: true, action: () => way.Arrive(() =>
        {
            World.Note($"#{sender.Number} reset arrives at {peer.Host.Name}");
            peer.OnReset();
        }));
    }

    private void Transmit()
    {
        if (!_isStarted || _isDropped)
        {
            return;
        }

        while (_unsent.Length > 0)
        {
            long window = _edge - _sent;
            if (window <= 0)
            {
                return; // an acknowledgement will open it
            }

            int size = (int)Math.Min(window, Math.Min(_unsent.Length, Way.Conditions.MaxSegment));
            if (size > 1 && World.Network.Chance(Way.Conditions.Fragmentation))
            {
                size = 1 + World.Network.Next(size);
            }

            byte[] data = new byte[size];
            _ = _unsent.Take(data);
            _sent += size;
            SendSegment(new Segment(data, isEnd: false));
        }

        if (_endIsQueued && !_endIsSent)
        {
            _endIsSent = true;
            SendSegment(new Segment([], isEnd: true));
        }
    }

    private void SendSegment(Segment segment)
    {
        _underWay.Add(segment);
        if (!_isRetrying)
        {
            Pass(segment);
        }
    }

    private void Pass(Segment segment)
    {
        if (Way.TryPass(World.Now, segment.Data.Length, World.Network, out long arrival))
        {
            segment.IsOnItsWay = true;
            _lastArrival = Math.Max(arrival, _lastArrival);
            World.Send(Way, _lastArrival, () => Arrive(segment));
        }
        else
        {
            RetryLater();
        }
    }

    private void Arrive(Segment segment)
    {
        SimulatedConnection receiver = Receiver;
        segment.IsOnItsWay = false;
        if (receiver.Host.IsDown)
        {
            RetryLater();
            return;
        }

        // A receiver keeps what comes before its turn, and tells of it in its turn.
        segment.IsThere = true;
        while (_arrived < _underWay.Count && _underWay[_arrived].IsThere)
        {
            Segment next = _underWay[_arrived++];
            _arrivedBytes += next.Data.Length;
            World.Note(next.IsEnd
                ? $"#{sender.Number} end arrives at {receiver.Host.Name}"
                : $"#{sender.Number} {next.Data.Length} bytes arrive at {receiver.Host.Name}");
            receiver.OnArrived(next.Data, next.IsEnd);
        }

        // Who has failed answers by a reset, or not at all.
        if (!_isDropped && receiver.Failure == SocketError.Success)
        {
            Acknowledge();
        }
    }

    // From the receiver back to the sender.
    private void Acknowledge()
    {
        Segment? last = _arrived > 0 ? _underWay[_arrived - 1] : null;
        long edge = _arrivedBytes + Receiver.FreeWindow;
        if (!WayBack.TryPass(World.Now, 0, World.Network, out long arrival))
        {
            RetryLater();
            return;
        }

        World.Send(WayBack, arrival, () => OnAcknowledged(last, edge));
    }

    private void OnAcknowledged(Segment? last, long edge)
    {
        if (_isDropped || sender.Host.IsDown)
        {
            return;
        }

        int count = last is null ? 0 : _underWay.IndexOf(last) + 1;
        long bytes = 0;
        foreach (Segment segment in CollectionsMarshal.AsSpan(_underWay)[..count])
        {
            bytes += segment.Data.Length;
        }

        _underWay.RemoveRange(0, count);
        _arrived -= count;
        _acknowledged += bytes;
        _edge = Math.Max(_edge, edge);
        _failingSince = _isRetrying ? World.Now : -1; // the way is open in both directions
        _retryTime = s_firstRetry;
        Transmit();
        if (bytes > 0)
        {
            sender.OnRoom();
        }

        if (_endIsSent && _underWay.Count == 0)
        {
            sender.OnAllAcknowledged();
        }
    }

    private void RetryLater()
    {
        if (_isRetrying || _isDropped)
        {
            return;
        }

        if (_failingSince < 0)
        {
            _failingSince = World.Now;
            _retryTime = s_firstRetry;
        }

        _isRetrying = true;
        long deadline = _failingSince + (sender.UserTimeout ?? s_patience).Ticks;
        World.ScheduleInNetwork(Math.Min(World.Now + _retryTime, deadline), Retry);
        _retryTime = Math.Min(_retryTime * 2, s_longestRetry);
    }

    private void Retry()
    {
        _isRetrying = false;
        if (_isDropped || sender.Host.IsDown)
        {
            return;
        }

        if (_failingSince >= 0 && World.Now >= _failingSince + (sender.UserTimeout ?? s_patience).Ticks)
        {
            sender.Fail(SocketError.TimedOut);
            return;
        }

        foreach (Segment segment in _underWay.ToArray())
        {
            if (segment.IsLost)
            {
                Pass(segment);
            }
        }

        // What has arrived and was not acknowledged is sent again, and acknowledged again; so is a window that has opened.
        if (_underWay.Count == _arrived)
        {
            if (Way.TryPass(World.Now, 0, World.Network, out _))
            {
                Acknowledge();
            }
            else
            {
                RetryLater();
            }
        }
    }

    /// <summary>Bytes on their way, or the end.</summary>
    private sealed class Segment(byte[] data, bool isEnd)
    {
        public byte[] Data { get; } = data;

        public bool IsEnd { get; } = isEnd;

        /// <summary>Whether the receiver's host has it.</summary>
        public bool IsThere { get; set; }

        /// <summary>Whether it will arrive; to send it again would only fill a narrow link.</summary>
        public bool IsOnItsWay { get; set; }

        public bool IsLost => !IsThere && !IsOnItsWay;
    }
}
