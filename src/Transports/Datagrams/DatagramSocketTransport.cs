using System.Net;
using System.Net.Sockets;
using Toolkit.Backends;

namespace Toolkit.Transports;

/// <summary>
/// The datagram transport, for every backend: it carries datagrams between a handle and a protocol, and keeps the contract that
/// <see cref="DatagramTransport"/> and <see cref="DatagramProtocol"/> promise.
/// </summary>
/// <remarks>
/// <para>
/// Sends are joined: they are copied into <see cref="DatagramQueue"/>, and the loop flushes once per batch of callbacks, so that
/// what a batch of received datagrams was answered with leaves in one system call, too. When the operating system takes no more,
/// the first becomes a send operation, and until that ends nothing else is tried; so the resumption after a pause always comes
/// from the loop.
/// </para>
/// <para>
/// Of errors none ends the end point. What the system says to a receive is told at once, since a poll is what it comes from; what
/// it says to a send is told by a post, because a send never calls back.
/// </para>
/// </remarks>
internal sealed partial class DatagramSocketTransport : DatagramTransport, IDatagramReceiver, IDescribedResident<TransportInfo>
{
    /// <summary>
    /// UDP has 16 bits for the length of a datagram with its header of 8, and IPv4 for that with its own of 20.
    /// </summary>
    private const int MaxLengthV4 = 65_507;
    private const int MaxLengthV6 = 65_527;

    // What is not about a datagram may last: memory that is short.
    private static readonly TimeSpan s_troublePause = TimeSpan.FromMilliseconds(100);

    private static readonly Action<object?> s_tellLost = static self => ((DatagramSocketTransport)self!).TellLost();
    private static readonly Action<object?> s_lingerExpired = static self => ((DatagramSocketTransport)self!).OnLingerExpired();
    private static readonly Action<object?> s_troubleOver = static self => ((DatagramSocketTransport)self!).OnTroubleOver();

    // Set once.
    private readonly EventLoop _loop;
    private readonly IoHandle _handle;
    private readonly DatagramOptions _options;
    private readonly ExecutionContext? _context;
    private readonly DatagramReceiveOperation _receive;
    private readonly long _startTicks;
    private readonly int _maxLength;
    private readonly AddressFamily _family;
    private readonly DatagramAddress _peer; // none when it is not connected

    // Loop thread only.
    private State _state;
    private bool _mayRead; // ConnectionMade has returned
    private bool _readingPaused;
    private TimerHandle? _trouble; // until which nothing is received
    private TimerHandle? _linger;
    private Exception? _exception;
    private CloseReason _closeReason;
    private long _received;
    private long _bytesReceived;
    private long _truncated;
    private long _errors;

    public DatagramSocketTransport(
        EventLoop loop, IoHandle handle, DatagramProtocol protocol, DatagramOptions options, ExecutionContext? context)
        : base(protocol)
    {
        _loop = loop;
        _handle = handle;
        _options = options;
        _context = context;
        _family = options.Family;
        _peer = options.RemoteEndPoint is { } remote ? DatagramAddress.FromEndPoint(remote) : default;
        _maxLength = _family switch
        {
            AddressFamily.InterNetwork => MaxLengthV4,
            AddressFamily.InterNetworkV6 => MaxLengthV6,
            _ => DatagramQueue.BlockSize,
        };
        _receive = new DatagramReceiveOperation(handle, this, options.ReceiveSize);
        _startTicks = loop.TimeProvider.GetUtcNow().Ticks;
        _offloads = options.SegmentationOffload
            && handle.Backend.SetOption(handle, IoOption.SegmentationOffload, 1) == SocketError.Success;
    }

    private enum State
    {
        Open,
        Closing, // what was accepted is still to be sent
        Lost, // ConnectionLost is on its way, or was told
    }

    public override DateTimeOffset StartTime => new(_startTicks, TimeSpan.Zero);

    public override EndPoint? LocalEndPoint => _handle.LocalEndPoint;

    public override EndPoint? RemoteEndPoint => _handle.RemoteEndPoint;

    public override DatagramCounters Counters => new()
    {
        Received = _received,
        BytesReceived = _bytesReceived,
        Truncated = _truncated,
        Sent = _sent,
        BytesSent = _bytesSent,
        Dropped = _dropped,
        Errors = _errors,
    };

    public override bool IsClosing => _state != State.Open;

    public override CloseReason CloseReason => _closeReason;

    public override bool IsReading => _mayRead && !_readingPaused && _state == State.Open;

    int ILoopResident.ResidentIndex { get; set; }

    /// <summary>Tells the protocol of the end point, and begins to receive.</summary>
    /// <returns>What ConnectionMade threw, after which the transport is on its way out; else null.</returns>
    public Exception? Start()
    {
        _loop.Host.AddResident(this);
        BindProtocol();
        try
        {
            using CallbackScope scope = EnterUserCode(nameof(DatagramProtocol.ConnectionMade));
            Protocol.ConnectionMade();
        }
        catch (Exception exception)
        {
            Report(exception, nameof(DatagramProtocol.ConnectionMade), "is aborted");
            Abort(CloseReason.ProtocolError, exception);
            return exception;
        }

        _mayRead = true;
        UpdateReading();
        return null;
    }

    public override void PauseReading()
    {
        VerifyAccess();
        _readingPaused = true;
        UpdateReading();
    }

    public override void ResumeReading()
    {
        VerifyAccess();
        _readingPaused = false;
        UpdateReading();
    }

    public override void JoinGroup(IPAddress group, int interfaceIndex = 0)
        => SetMembership(group, interfaceIndex, isMember: true);

    public override void LeaveGroup(IPAddress group, int interfaceIndex = 0)
        => SetMembership(group, interfaceIndex, isMember: false);

    public override void Close()
    {
        VerifyAccess();
        if (_state != State.Open)
        {
            return;
        }

        _state = State.Closing;
        _closeReason = CloseReason.LocalClose;
        UpdateReading();
        if (HasUnsent)
        {
            _linger = _loop.UnsafeCallLater(_options.LingerTime, s_lingerExpired, this);
        }
        else
        {
            Lose();
        }
    }

    public override void Abort()
    {
        VerifyAccess();
        Abort(CloseReason.LocalAbort, null);
    }

    TransportInfo IDescribedResident<TransportInfo>.Describe() => new()
    {
        Id = Id,
        Kind = _family == AddressFamily.Unix ? TransportKind.UnixDatagram : TransportKind.Udp,
        State = _state switch
        {
            State.Open => TransportState.Open,
            State.Closing => TransportState.Closing,
            _ => TransportState.Lost,
        },
        LocalEndPoint = LocalEndPoint,
        RemoteEndPoint = RemoteEndPoint,
        Age = _loop.TimeProvider.GetUtcNow() - StartTime,
        BytesReceived = _bytesReceived,
        BytesSent = _bytesSent,
        UnsentBytes = UnsentBytes,
        IsReadingPaused = _readingPaused,
        IsWritingPaused = _writingPaused,
    };

    void ILoopResident.OnLoopShutdown()
    {
        if (_state == State.Open)
        {
            OnLoopShutdownExpired();
        }
    }

    void ILoopResident.OnLoopShutdownExpired() => OnLoopShutdownExpired();

    bool IDatagramReceiver.OnDatagram(ReadOnlySpan<byte> data, in IoAddress from, bool isTruncated)
    {
        if (!IsReading)
        {
            return false;
        }

        _received++;
        _bytesReceived += data.Length;
        _loop.Host.Traffic.OnReceived(data.Length);
        DatagramFlags flags = DatagramFlags.None;
        if (isTruncated)
        {
            _truncated++;
            flags = DatagramFlags.Truncated;
        }

        try
        {
            using CallbackScope scope = EnterUserCode(nameof(DatagramProtocol.DatagramReceived));
            Protocol.DatagramReceived(data, DatagramAddresses.FromSeam(from), flags);
        }
        catch (Exception exception)
        {
            Report(exception, nameof(DatagramProtocol.DatagramReceived));
        }

        return IsReading;
    }

    void IDatagramReceiver.OnReceiveEnded(SocketError error)
    {
        if (error != SocketError.OperationAborted && _state == State.Open)
        {
            if (!DatagramFaults.IsOfOneDatagram(error))
            {
                _trouble = _loop.UnsafeCallLater(s_troublePause, s_troubleOver, this);
            }

            TellError(DatagramFaults.ToException(error, DatagramAddresses.ToSeam(_peer)));
        }

        UpdateReading();
    }

    protected override void VerifyAccess() => _loop.VerifyAccess();

    private void SetMembership(IPAddress group, int interfaceIndex, bool isMember)
    {
        ArgumentNullException.ThrowIfNull(group);
        ArgumentOutOfRangeException.ThrowIfNegative(interfaceIndex);
        VerifyAccess();
        bool isGroup = group.AddressFamily == AddressFamily.InterNetworkV6
            ? group.IsIPv6Multicast
            : (group.GetAddressBytes()[0] & 0xf0) == 0xe0;
        if (!isGroup || group.AddressFamily != _family)
        {
            throw new ArgumentException(
                $"{group} is no multicast address of this end point's family. Such are 224.0.0.0/4 and ff00::/8.", nameof(group));
        }

        ObjectDisposedException.ThrowIf(_state != State.Open, this);
        SocketError error = _handle.Backend.SetMembership(_handle, group, interfaceIndex, isMember);
        if (error != SocketError.Success)
        {
            throw new DatagramException(
                DatagramFault.Other,
                default,
                $"The group {group} cannot be {(isMember ? "joined" : "left")} on interface {interfaceIndex}: {error}.",
                new SocketException((int)error));
        }
    }

    private void UpdateReading()
    {
        if (_handle.IsReleased)
        {
            return;
        }

        if (!IsReading || _trouble is not null)
        {
            _handle.Backend.Cancel(_receive); // within its callback, what that returns decides
        }
        else if (!_receive.IsArmed)
        {
            _handle.Backend.Submit(_receive); // else its end is on its way, and brings us here again
        }
    }

    private void OnTroubleOver()
    {
        _trouble = null;
        UpdateReading();
    }

    private CallbackScope EnterUserCode(string member) => _loop.Host.EnterUserCode(_context, Protocol, member);

    private void TellError(DatagramException exception)
    {
        _errors++;
        try
        {
            using CallbackScope scope = EnterUserCode(nameof(DatagramProtocol.ErrorReceived));
            Protocol.ErrorReceived(exception);
        }
        catch (Exception thrown)
        {
            Report(thrown, nameof(DatagramProtocol.ErrorReceived));
        }
    }

    // And goes on: many peers share the end point, and the one who has found the flaw is not to end it for the others.
    private void Report(Exception exception, string member, string outcome = "goes on")
        => _loop.ReportError(new DatagramTransportError(
            $"{Protocol.GetType().Name}.{member} threw; the end point {outcome}.", exception, this, Protocol));

    private void OnLoopShutdownExpired()
        => Abort(CloseReason.LoopShutdown, new ConnectionException(CloseReason.LoopShutdown, "The loop was shut down."));

    private void OnLingerExpired()
        => Abort(CloseReason.Timeout, new ConnectionException(
            CloseReason.Timeout, $"No datagram has left for {_options.LingerTime} while closing."));

    private void Abort(CloseReason reason, Exception? exception)
    {
        if (_state == State.Lost)
        {
            return;
        }

        _closeReason = reason;
        _exception = exception;
        DropUnsent();
        Lose();
    }

    private void Lose()
    {
        _state = State.Lost;
        _linger?.Cancel();
        _trouble?.Cancel();
        _retry?.Cancel();
        _handle.Backend.Release(_handle, reset: false);
        _loop.UnsafeCallSoon(s_tellLost, this);
    }

    private void TellLost()
    {
        try
        {
            using CallbackScope scope = EnterUserCode(nameof(DatagramProtocol.ConnectionLost));
            Protocol.ConnectionLost(_exception);
        }
        catch (Exception exception)
        {
            _loop.ReportError(new DatagramTransportError(
                $"{Protocol.GetType().Name}.{nameof(DatagramProtocol.ConnectionLost)} threw.", exception, this, Protocol));
        }
        finally
        {
            _loop.Host.RemoveResident(this);
        }
    }
}
