using System.Runtime.InteropServices;

namespace Toolkit;

/// <summary>Ends a connection that waits for its peer for too long (<see cref="ConnectionTimeouts"/>).</summary>
/// <remarks>
/// <para>
/// Give it to the connection instead of the protocol:
/// <c>() =&gt; new TimeoutLayer(new Echo(), new ConnectionTimeouts { Idle = TimeSpan.FromMinutes(2) })</c>. When a time is over,
/// <see cref="TimedOut"/> is asked, and unless it keeps the connection, that ends with a <see cref="ConnectionTimeoutException"/>
/// and <see cref="CloseReason.Timeout"/>: an idle one that has everything is closed in good order, every other one is aborted.
/// </para>
/// <para>
/// A connection has one timer at the most. Traffic notes the time; the timer looks at that when it fires, and is set anew for
/// what is left. So a time takes effect at its very end, and traffic seldom touches the timer.
/// </para>
/// <para>
/// Time during which the loop did not run, since the process was halted or a callback held it up, counts against nobody. What the
/// peer has sent meanwhile is told before the timer fires, as the loop has it of all timers. When a time is found over much too
/// late, by an eighth of it or more, the peer gets as much again, and the whole of it at the most: it may have waited for us.
/// </para>
/// <para>
/// Of several layers, this is to stand next to the transport. Behind a <see cref="ThrottlingLayer"/>, what that holds back would
/// count against the peer.
/// </para>
/// </remarks>
public class TimeoutLayer : StreamLayer
{
    private const int LatePart = 8; // later than this part of a time is too late

    private static readonly Action<object?> s_onTimer = static self => ((TimeoutLayer)self!).OnTimer();
    private static readonly Action<StreamLayer> s_look = static layer => ((TimeoutLayer)layer).Look();

    // Set once.
    private readonly ConnectionTimeouts _times;

    // Loop thread only. Times are the loop's.
    private TimerHandle? _timer;
    private TimeSpan _byteAt; // the last byte in either direction
    private TimeSpan _receivedAt; // the last byte of the peer's; or bytes have been expected only since then
    private TimeSpan _unsentSince; // or since then none has left
    private long _received; // what was given back, and is told again, is not the peer's doing
    private bool _wasReading; // at the last look, or since
    private bool _peerHasEnded;
    private int _prolonged; // a bit for each time whose wait has been prolonged, since it was found over too late

    /// <summary>Makes a layer for one connection.</summary>
    /// <param name="protocol">The protocol, which has no connection yet.</param>
    /// <param name="times">How long may be waited.</param>
    /// <exception cref="ArgumentNullException">One of the two is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A time is not positive.</exception>
    public TimeoutLayer(StreamProtocol protocol, ConnectionTimeouts times)
        : base(protocol)
    {
        ArgumentNullException.ThrowIfNull(times);
        times.Validate();
        _times = times;
    }

    /// <summary>
    /// What <see cref="TimedOut"/> calls, with the layer and the time that is over: true keeps the connection, false ends it.
    /// Null, the default, ends it.
    /// </summary>
    public Func<TimeoutLayer, ConnectionTimeout, bool>? OnTimeout { get; init; }

    /// <inheritdoc/>
    public override void DataReceived(ReadOnlySpan<byte> data)
    {
        NoteReceived();
        base.DataReceived(data);
    }

    /// <inheritdoc/>
    public override bool EofReceived()
    {
        _peerHasEnded = true;
        return base.EofReceived();
    }

    /// <inheritdoc/>
    public override void ConnectionLost(Exception? reason)
    {
        Stop();
        base.ConnectionLost(reason);
    }

    /// <inheritdoc/>
    protected override void BufferUpdated(ReadOnlySpan<byte> data)
    {
        NoteReceived();
        base.BufferUpdated(data);
    }

    /// <inheritdoc/>
    protected override WriteStatus Write(ReadOnlySpan<byte> data)
    {
        NoteWrite(data.Length);
        return base.Write(data);
    }

    /// <inheritdoc/>
    protected override WriteStatus WriteVectored(ReadOnlySpan<ReadOnlyMemory<byte>> buffers)
    {
        long length = 0;
        foreach (ReadOnlyMemory<byte> buffer in buffers)
        {
            length += buffer.Length;
        }

        NoteWrite(length);
        return base.WriteVectored(buffers);
    }

    /// <inheritdoc/>
    protected override WriteStatus WriteWithHandles(ReadOnlySpan<byte> data, ReadOnlySpan<SafeHandle> handles)
    {
        NoteWrite(data.Length);
        return base.WriteWithHandles(data, handles);
    }

    /// <inheritdoc/>
    protected override bool SendingFile(long count)
    {
        NoteWrite(count);
        return true;
    }

    /// <inheritdoc/>
    protected override void ResumeReading()
    {
        bool wasReading = Transport.IsReading;
        base.ResumeReading();
        if (!wasReading && _times.Read is { } limit)
        {
            BeginReading(Loop.Time);
            ArmFor(_receivedAt, limit);
        }
    }

    /// <inheritdoc/>
    protected override void Replaced() => Stop();

    /// <summary>
    /// A time is over. Called from the loop, as the protocol's callbacks are; what it throws ends the connection. It may use the
    /// protocol's <see cref="Transport"/>, to ask the peer for a sign of life, or to end the connection in a way of its own.
    /// </summary>
    /// <param name="timeout">Which one.</param>
    /// <returns>True to keep the connection, whose time begins anew; false to end it. The base asks <see
    /// cref="OnTimeout"/>.</returns>
    protected virtual bool TimedOut(ConnectionTimeout timeout) => OnTimeout?.Invoke(this, timeout) ?? false;

    /// <inheritdoc/>
    internal override void OnBytesLeft()
    {
        _byteAt = _unsentSince = Loop.Time;
        _prolonged = 0;
        base.OnBytesLeft();
    }

    /// <inheritdoc/>
    private protected override void Bound()
    {
        if (_times.IsNone)
        {
            return;
        }

        TimeSpan now = Loop.Time;
        _byteAt = _unsentSince = now;
        _received = Transport.BytesReceived;
        BeginReading(now);
        if (Least(_times.Idle, _times.Read) is { } time)
        {
            ArmFor(now, time);
        }
    }

    // A connection that ends has a bound of its own, and one that is another's is none of ours.
    private bool IsOver => Transport.IsClosing || IsReplaced;

    private static TimeSpan After(TimeSpan since, TimeSpan time)
        => time < TimeSpan.MaxValue - since ? since + time : TimeSpan.MaxValue;

    private static TimeSpan Least(TimeSpan first, TimeSpan second) => first < second ? first : second;

    private static TimeSpan? Least(TimeSpan? first, TimeSpan? second)
        => first is null || second < first ? second : first;

    private void NoteReceived()
    {
        long received = Transport.BytesReceived;
        if (received > _received)
        {
            _received = received;
            _byteAt = Loop.Time;
            BeginReading(_byteAt);
        }
    }

    private void BeginReading(TimeSpan now)
    {
        _receivedAt = now;
        _wasReading = true;
        _prolonged = 0;
    }

    private void NoteWrite(long length)
    {
        if (length == 0)
        {
            return;
        }

        _byteAt = Loop.Time;
        _prolonged = 0;
        if (_times.Write is { } limit && Transport.UnsentBytes == 0)
        {
            _unsentSince = _byteAt;
            ArmFor(_byteAt, limit);
        }
    }

    private void OnTimer()
    {
        if (!IsReplaced)
        {
            Tell(s_look, nameof(TimedOut));
        }
    }

    private void Look()
    {
        TimeSpan next = TimeSpan.MaxValue;
        Look(ConnectionTimeout.Write, _times.Write, ref next);
        Look(ConnectionTimeout.Read, _times.Read, ref next);
        Look(ConnectionTimeout.Idle, _times.Idle, ref next);
        if (next != TimeSpan.MaxValue && !IsOver)
        {
            Arm(next);
        }
    }

    // Looks at one of the times, and how soon that is to be done again.
    private void Look(ConnectionTimeout which, TimeSpan? limit, ref TimeSpan next)
    {
        if (limit is not { } time || IsOver)
        {
            return;
        }

        TimeSpan now = Loop.Time;
        if (!IsWaiting(which, now))
        {
            // Reading may go on without a word to us, as after a handshake, and so may the sending of a file.
            if (which == ConnectionTimeout.Read ? !_peerHasEnded : Transport.UnsentBytes > 0)
            {
                next = Least(next, After(now, time));
            }

            return;
        }

        ref TimeSpan since = ref SinceOf(which);
        TimeSpan late = now - since - time;
        if (late < TimeSpan.Zero)
        {
            next = Least(next, After(since, time));
        }
        else if (late >= time / LatePart && (late >= time || (_prolonged & (1 << (int)which)) == 0))
        {
            _prolonged |= 1 << (int)which;
            since = now - time + Least(late, time);
            next = Least(next, After(since, time));
        }
        else if (TimedOut(which))
        {
            since = Loop.Time;
            next = Least(next, After(since, time));
        }
        else if (!IsReplaced)
        {
            End(which, time);
        }
    }

    private bool IsWaiting(ConnectionTimeout which, TimeSpan now)
    {
        switch (which)
        {
            case ConnectionTimeout.Write:
                return Transport.UnsentBytes > 0 && Ground is not { IsReadingFile: true };
            case ConnectionTimeout.Read when !Transport.IsReading:
                _wasReading = false;
                return false;
            case ConnectionTimeout.Read when !_wasReading:
                BeginReading(now);
                return true;
            default:
                return true;
        }
    }

    private ref TimeSpan SinceOf(ConnectionTimeout which)
    {
        switch (which)
        {
            case ConnectionTimeout.Write:
                return ref _unsentSince;
            case ConnectionTimeout.Read:
                return ref _receivedAt;
            default:
                return ref _byteAt;
        }
    }

    private void End(ConnectionTimeout which, TimeSpan time)
    {
        var reason = new ConnectionTimeoutException(which, which switch
        {
            ConnectionTimeout.Idle => $"No byte went either way for {time}.",
            ConnectionTimeout.Read => $"The peer sent nothing for {time}.",
            _ => $"Bytes were unsent for {time}, and none left: the peer does not read.",
        });
        if (which == ConnectionTimeout.Idle && Transport.UnsentBytes == 0)
        {
            Transport.Close(reason);
        }
        else
        {
            Transport.Abort(reason);
        }
    }

    // The timer fires no later than any of the times is over.
    private void ArmFor(TimeSpan since, TimeSpan time)
    {
        TimeSpan due = After(since, time);
        if (!IsOver && (_timer is not { IsScheduled: true } || _timer.When > due))
        {
            Arm(due);
        }
    }

    private void Arm(TimeSpan due)
    {
        TimeSpan delay = due - Loop.Time;
        delay = delay < TimeSpan.Zero ? TimeSpan.Zero : delay;
        if (_timer is null)
        {
            _timer = Loop.UnsafeCallLater(delay, s_onTimer, this);
        }
        else
        {
            _timer.Reschedule(delay);
        }
    }

    private void Stop()
    {
        _timer?.Cancel();
        _timer = null;
    }
}
