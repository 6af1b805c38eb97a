using System.Diagnostics;

namespace Toolkit;

/// <summary>
/// How many bytes may pass in a time: a bucket of tokens, one for a byte, that fills at a steady rate. Given to one
/// <see cref="ThrottlingLayer"/>, it is the rate of a connection; given to several, of all of them together, who take turns.
/// </summary>
/// <remarks>
/// <para>
/// It follows the clock of the loop of its first layer, and belongs to that loop. Whoever finds too few tokens waits in line, and
/// so does whoever comes after. What comes in is shared among those who wait: each gets its part and goes to the end of the line.
/// </para>
/// <para>
/// It is exact: <c>n</c> bytes that are ready at once have passed after <c>(n - burst) / rate</c> seconds, rounded up to the
/// clock's ticks. They pass in pieces of a twentieth of a second or a burst, whichever is less, and of what there is.
/// </para>
/// </remarks>
[DebuggerDisplay("{BytesPerSecond} bytes a second, {_line.Count} waiting")]
public sealed class Throttle
{
    /// <summary>The greatest rate and burst: 512 GiB.</summary>
    public const long MaxBytes = 1L << 39;

    private const long Unit = TimeSpan.TicksPerSecond; // a token in the unit of the level, so that a tick brings a whole number
    private const int PiecesPerSecond = 20;
    private const long SmallestShare = 1024; // a smaller piece costs more than it is worth

    private static readonly Action<object?> s_serve = static self => ((Throttle)self!).OnTimer();

    private readonly LinkedList<ThrottleTurn> _line = []; // who waits; each brings its own node

    // The loop's thread only, once there is one.
    private EventLoop? _loop;
    private TimerHandle? _timer;
    private long _rate;
    private long _burst;
    private long _level; // in units; below zero after what could not wait
    private TimeSpan _filledAt;
    private bool _isServing;

    /// <summary>Makes a full bucket.</summary>
    /// <param name="bytesPerSecond">See <see cref="BytesPerSecond"/>.</param>
    /// <param name="burst">See <see cref="Burst"/>; what a second brings when null.</param>
    /// <exception cref="ArgumentOutOfRangeException">One of them is not positive, or more than <see
    /// cref="MaxBytes"/>.</exception>
    public Throttle(long bytesPerSecond, long? burst = null)
    {
        Validate(bytesPerSecond, nameof(bytesPerSecond));
        Validate(burst ?? 1, nameof(burst));
        _rate = bytesPerSecond;
        _burst = burst ?? bytesPerSecond;
        _level = _burst * Unit;
    }

    /// <summary>The rate. May be changed at any time, on the loop's thread; who waits goes on at the new one.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is not positive, or more than <see cref="MaxBytes"/>.</exception>
    /// <exception cref="InvalidOperationException">This is not the thread of the loop that uses it.</exception>
    public long BytesPerSecond
    {
        get => _rate;
        set
        {
            Validate(value, nameof(value));
            BeginChange();
            _rate = value;
            Arm();
        }
    }

    /// <summary>
    /// How many bytes may pass at once after a pause that was long enough: what the bucket holds. May be changed at any time, on
    /// the loop's thread.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">It is not positive, or more than <see cref="MaxBytes"/>.</exception>
    /// <exception cref="InvalidOperationException">This is not the thread of the loop that uses it.</exception>
    public long Burst
    {
        get => _burst;
        set
        {
            Validate(value, nameof(value));
            BeginChange();
            _burst = value;
            _level = _loop is null ? _burst * Unit : Math.Min(_level, _burst * Unit);
            Arm();
        }
    }

    // Woken less often than that, a connection would be jerky; more often, busy.
    private long Piece => Math.Clamp(_rate / PiecesPerSecond, 1, _burst);

    /// <summary>A layer is going to use it.</summary>
    internal void Join(EventLoop loop)
    {
        if (_loop is null)
        {
            _loop = loop;
            _filledAt = loop.Time;
        }
        else if (_loop != loop)
        {
            throw new InvalidOperationException(
                "A throttle belongs to the loop of its first connection. Make one for each loop, with its part of the rate.");
        }
    }

    /// <summary>Takes tokens that are there, unless others wait for them.</summary>
    /// <returns>How many; none or some of those that are wanted, or all.</returns>
    internal long Take(long wanted)
    {
        if (_line.Count > 0 || _isServing)
        {
            return 0;
        }

        Fill();
        long taken = Math.Min(wanted, Available());
        _level -= taken * Unit;
        return taken;
    }

    /// <summary>Takes tokens for what cannot wait, also those that are not there yet.</summary>
    internal void Charge(long count)
    {
        Fill();
        _level -= count * Unit;
        Arm();
    }

    /// <summary>Gives back tokens for which nothing has passed.</summary>
    internal void Refund(long count)
    {
        if (count > 0)
        {
            Fill();
            _level = Math.Min(_burst * Unit, _level + (count * Unit));
            Arm();
        }
    }

    /// <summary>Gets into line, unless it stands there.</summary>
    internal void Wait(ThrottleTurn turn)
    {
        if (turn.IsWaiting)
        {
            return;
        }

        _line.AddLast(turn.Place);
        if (_timer is not { IsScheduled: true })
        {
            Arm();
        }
    }

    /// <summary>Gets out of line.</summary>
    internal void Leave(ThrottleTurn turn)
    {
        if (turn.IsWaiting)
        {
            _line.Remove(turn.Place);
            Arm();
        }
    }

    private static void Validate(long value, string name)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(value, name);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(value, MaxBytes, name);
    }

    private void BeginChange()
    {
        if (_loop is not null)
        {
            _loop.VerifyAccess();
            Fill();
        }
    }

    private void Fill()
    {
        TimeSpan now = _loop!.Time;
        Int128 brought = (Int128)_rate * (now - _filledAt).Ticks;
        _filledAt = now;

        // For those who wait, what a tick has brought beyond the last whole token is not lost, or the rate would be lower.
        long most = (_burst * Unit) + (_line.Count == 0 ? 0 : _rate - 1);
        _level = (long)Int128.Min(most, _level + brought);
    }

    private long Available() => _level < Unit ? 0 : Math.Min(_burst, _level / Unit);

    private void OnTimer()
    {
        Fill();
        long share = Math.Max(Available() / Math.Max(_line.Count, 1), Math.Min(Piece, SmallestShare));
        _isServing = true;
        try
        {
            // Each has one turn, and then the loop: whoever gives back what it gets would stand in line for ever.
            for (int turns = _line.Count; turns > 0 && _line.First is { Value: var turn }; turns--)
            {
                long granted = Math.Min(Available(), Math.Min(share, turn.Wanted));
                if (granted == 0 && turn.Wanted > 0)
                {
                    break;
                }

                _line.RemoveFirst();
                _level -= granted * Unit;
                turn.Grant(granted); // and back into line, at its end
            }
        }
        finally
        {
            _isServing = false;
            Arm();
        }
    }

    // Sets the timer to when a piece is there for those who wait, or less if they want no more.
    private void Arm()
    {
        if (_isServing)
        {
            return;
        }

        if (_line.First is not { Value: var first })
        {
            if (_timer is { IsScheduled: true })
            {
                _timer.Cancel();
                _timer = null;
            }

            return;
        }

        Fill();
        long piece = Piece;
        long wanted = 0;
        for (LinkedListNode<ThrottleTurn>? place = _line.First; place is not null && wanted < piece; place = place.Next)
        {
            wanted += place.Value.Wanted;
        }

        long missing = (Math.Min(wanted, piece) * Unit) - _level;
        TimeSpan delay = missing <= 0 || first.Wanted == 0 ? TimeSpan.Zero : new TimeSpan(((missing - 1) / _rate) + 1);
        if (_timer is null)
        {
            _timer = _loop!.UnsafeCallLater(delay, s_serve, this);
        }
        else
        {
            _timer.Reschedule(delay);
        }
    }
}

/// <summary>A place in the line of those who wait for a <see cref="Throttle"/>.</summary>
internal abstract class ThrottleTurn
{
    protected ThrottleTurn() => Place = new LinkedListNode<ThrottleTurn>(this);

    /// <summary>The place in line, which the throttle puts there and takes away.</summary>
    public LinkedListNode<ThrottleTurn> Place { get; }

    /// <summary>Whether it stands in line.</summary>
    public bool IsWaiting => Place.List is not null;

    /// <summary>How many tokens are wanted; none by who has enough and waits for its turn alone.</summary>
    public abstract long Wanted { get; }

    /// <summary>
    /// Tokens were taken for it, at most as many as it wanted. It is out of line, and may get in again. Does not throw.
    /// </summary>
    public abstract void Grant(long count);
}
