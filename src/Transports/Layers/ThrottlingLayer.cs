using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using Toolkit.Transports;

namespace Toolkit;

/// <summary>Holds a connection to a rate, in either direction: that of its own, or its share of one for many.</summary>
/// <remarks>
/// <para>
/// Give it to the connection instead of the protocol, with a <see cref="Throttle"/> for each direction that is to be slowed down:
/// <c>() =&gt; new ThrottlingLayer(new Echo(), writing: new Throttle(64 * 1024))</c> for a rate of each connection, and the same
/// throttle for all of them for a rate of the whole server. Two layers, one behind the other, are both.
/// </para>
/// <para>
/// Reading: the protocol is told no more bytes than there are tokens for, and meanwhile the transport does not receive, so that
/// the peer is slowed down by its own full buffers. What has come already waits in the layer, no more than the transport tells at
/// once. The protocol's transport says that it reads all the same, unless the protocol has paused it.
/// </para>
/// <para>
/// Writing: what there are no tokens for is held back. It is unsent as any other (<see cref="Transport.UnsentBytes"/> of the
/// protocol's transport), with the same marks for <see cref="StreamProtocol.PauseWriting"/> and the same hard cap. The end of the
/// sending side, and a close, come behind it: it leaves at the rate, and when no byte has left for
/// <see cref="TcpOptions.LingerTime"/>, the transport is aborted. An abort drops it. TLS in mid-stream does not wait for it: it
/// leaves before the handshake at once, and what follows pays for it.
/// </para>
/// </remarks>
public sealed class ThrottlingLayer : StreamLayer
{
    private static readonly Action<StreamLayer> s_release = static layer => ((ThrottlingLayer)layer).Release();
    private static readonly Action<StreamLayer> s_tellInput = static layer => ((ThrottlingLayer)layer).TellInput();
    private static readonly Action<StreamLayer> s_pauseAbove = static layer => layer.Protocol.PauseWriting();
    private static readonly Action<StreamLayer> s_resumeAbove = static layer => layer.Protocol.ResumeWriting();
    private static readonly Action<object?> s_lookAtMarks = static self => ((ThrottlingLayer)self!).LookAtMarks();
    private static readonly Action<object?> s_returnInput = static self => ((ThrottlingLayer)self!).ReturnInput();

    // Set once.
    private readonly ReadTurn? _reading;
    private readonly WriteTurn? _writing;

    // Loop thread only.
    private UnreadInput? _input; // what has come, and waits for tokens or was given back; made with the first of it
    private OutputBuffer _held; // what was written, and waits for tokens
    private PassedHandles? _handles; // that are held with it
    private long _released; // how much was held and has gone down, which says where handles belong
    private WriteLimits _limits; // the protocol's, while those below are lower
    private bool _areLimitsLowered;
    private bool _isPausedBelow; // for writing
    private bool _isPausedAbove;
    private bool _isHandingDown; // and calls nobody above
    private bool _isReturning; // TLS is about to begin, with what has come

    /// <summary>Makes a layer for one connection.</summary>
    /// <param name="protocol">The protocol, which has no connection yet.</param>
    /// <param name="reading">What it receives at; null for as fast as it comes.</param>
    /// <param name="writing">What it sends at; null for as fast as it goes. It may be the same, which is then for the
    /// sum.</param>
    /// <exception cref="ArgumentNullException">The protocol is null.</exception>
    public ThrottlingLayer(StreamProtocol protocol, Throttle? reading = null, Throttle? writing = null)
        : base(protocol)
    {
        _reading = reading is null ? null : new ReadTurn(this, reading);
        _writing = writing is null ? null : new WriteTurn(this, writing);
    }

    /// <summary>What the connection receives at; null for as fast as it comes.</summary>
    public Throttle? Reading => _reading?.Throttle;

    /// <summary>What the connection sends at; null for as fast as it goes.</summary>
    public Throttle? Writing => _writing?.Throttle;

    /// <inheritdoc/>
    protected override bool PassesBuffers => !SlowsReading;

    /// <inheritdoc/>
    protected override long UnsentBytes => _held.Length + base.UnsentBytes;

    /// <inheritdoc/>
    protected override long BytesReceived => base.BytesReceived - (_input?.Length ?? 0);

    /// <inheritdoc/>
    protected override WriteLimits WriteLimits
    {
        get => _areLimitsLowered ? _limits : base.WriteLimits;
        set
        {
            _areLimitsLowered = false;
            base.WriteLimits = value;
            if (_writing is not null && !Transport.IsClosing)
            {
                PauseIfHigh();
                Loop.UnsafeCallSoon(s_lookAtMarks, this);
            }
        }
    }

    private StreamTransport Below => Ground ?? throw new NotSupportedException(
        $"{Transport.GetType().Name} is no transport of the toolkit's, and cannot wait for what a layer holds back.");

    // A layer that was replaced slows down nothing: what is still written to it would come too late.
    [MemberNotNullWhen(true, nameof(_reading))]
    private bool SlowsReading => _reading is not null && !IsReplaced;

    [MemberNotNullWhen(true, nameof(_writing))]
    private bool SlowsWriting => _writing is not null && !IsReplaced;

    private bool HasInput => _input is { IsEmpty: false };

    /// <inheritdoc/>
    public override void ConnectionMade()
    {
        _ = Below;
        _reading?.Join();
        _writing?.Join();
        base.ConnectionMade();
    }

    /// <inheritdoc/>
    public override void DataReceived(ReadOnlySpan<byte> data)
    {
        if (!SlowsReading)
        {
            base.DataReceived(data);
            return;
        }

        int allowed = (int)_reading.Take(data.Length);
        if (allowed > 0)
        {
            base.DataReceived(data[..allowed]);
        }

        if (allowed < data.Length && !Transport.IsClosing)
        {
            if (IsReplaced)
            {
                Transport.Unread(data[allowed..]); // it is the other's
            }
            else
            {
                KeepInput(data[allowed..]);
            }
        }
    }

    /// <inheritdoc/>
    public override void PauseWriting()
    {
        if (!SlowsWriting)
        {
            base.PauseWriting();
            return;
        }

        _isPausedBelow = true;
        if (!_isHandingDown)
        {
            PauseAbove();
        }
    }

    /// <inheritdoc/>
    public override void ResumeWriting()
    {
        if (!SlowsWriting)
        {
            base.ResumeWriting();
            return;
        }

        _isPausedBelow = false;
        RestoreLimits();
        Release();
    }

    /// <inheritdoc/>
    public override void ConnectionLost(Exception? reason)
    {
        DropHeld();
        _input?.Clear();
        _writing?.End();
        _reading?.End();
        base.ConnectionLost(reason);
    }

    /// <inheritdoc/>
    protected override WriteStatus Write(ReadOnlySpan<byte> data)
    {
        if (!SlowsWriting)
        {
            return base.Write(data);
        }

        if (BeginWrite(data.Length) is { } refused)
        {
            return refused;
        }

        int allowed = _held.IsEmpty ? (int)_writing.Take(data.Length) : 0;
        if (allowed > 0)
        {
            WriteBelow(data[..allowed]);
        }

        Hold(data[allowed..]);
        return EndWrite();
    }

    /// <inheritdoc/>
    protected override WriteStatus WriteVectored(ReadOnlySpan<ReadOnlyMemory<byte>> buffers)
    {
        if (!SlowsWriting)
        {
            return base.WriteVectored(buffers);
        }

        long length = 0;
        foreach (ReadOnlyMemory<byte> buffer in buffers)
        {
            length += buffer.Length;
        }

        if (BeginWrite(length) is { } refused)
        {
            return refused;
        }

        long allowed = _held.IsEmpty ? _writing.Take(length) : 0;
        if (allowed == length)
        {
            using (HandDown())
            {
                base.WriteVectored(buffers);
            }

            return EndWrite();
        }

        foreach (ReadOnlyMemory<byte> buffer in buffers)
        {
            int part = (int)Math.Min(allowed, buffer.Length);
            allowed -= part;
            if (part > 0)
            {
                WriteBelow(buffer.Span[..part]);
            }

            Hold(buffer.Span[part..]);
        }

        return EndWrite();
    }

    /// <inheritdoc/>
    protected override WriteStatus WriteWithHandles(ReadOnlySpan<byte> data, ReadOnlySpan<SafeHandle> handles)
    {
        if (!SlowsWriting)
        {
            return base.WriteWithHandles(data, handles);
        }

        Below.RequirePassing();
        if (BeginWrite(data.Length) is { } refused)
        {
            return refused;
        }

        long allowed = _held.IsEmpty ? _writing.Take(data.Length) : 0;
        if (allowed == data.Length)
        {
            using (HandDown())
            {
                base.WriteWithHandles(data, handles);
            }

            return EndWrite();
        }

        _writing.Refund(allowed);
        _handles ??= new PassedHandles(maxReceived: 0);
        if (_handles.UnsentCount + handles.Length > PassedHandles.MaxUnsent)
        {
            Below.AbortForHandles(_handles.UnsentCount);
            DropHeld();
            return WriteStatus.Closed;
        }

        _handles.Add(_released + _held.Length, handles);
        Hold(data);
        return EndWrite();
    }

    /// <inheritdoc/>
    protected override bool SendingFile(long count) => !SlowsWriting;

    /// <inheritdoc/>
    protected override void ResumeReading()
    {
        base.ResumeReading();
        if (HasInput && !_isReturning)
        {
            _reading!.Wait();
        }
    }

    /// <inheritdoc/>
    protected override void Unread(ReadOnlySpan<byte> data)
    {
        if (!SlowsReading || data.IsEmpty || !(Below.CanRead || _isReturning))
        {
            base.Unread(data);
            return;
        }

        _reading.Refund(data.Length);
        KeepInput(data);
    }

    /// <inheritdoc/>
    protected override void StartingTls()
    {
        ReleaseAtOnce();
        if (_reading is not null)
        {
            // What the running callback still gives back comes before what waits here, and both before the handshake begins.
            _isReturning = true;
            _reading.End();
            Loop.UnsafeCallSoon(s_returnInput, this);
        }

        base.StartingTls();
    }

    /// <inheritdoc/>
    protected override void Abort(ConnectionException? reason)
    {
        base.Abort(reason);
        DropHeld();
    }

    /// <inheritdoc/>
    protected override void Replaced()
    {
        ReleaseAtOnce();
        _writing?.End();
        _reading?.End();
        RestoreLimits();
        if (_reading is not null)
        {
            ReturnInput();
        }
    }

    private WriteStatus? BeginWrite(long length)
    {
        if (!Below.TakesWrites)
        {
            return base.Write([]); // which says what is wrong
        }

        if (UnsentBytes > WriteLimits.HardCap && !Below.IsReleasing)
        {
            Below.AbortForOverflow(UnsentBytes, WriteLimits);
            DropHeld();
            return WriteStatus.Closed;
        }

        return length == 0 ? AcceptedStatus() : null;
    }

    private WriteStatus EndWrite()
    {
        PauseIfHigh();
        return AcceptedStatus();
    }

    private WriteStatus AcceptedStatus()
        => Below.IsBroken ? WriteStatus.Closed
            : _isPausedAbove ? WriteStatus.AcceptedOverHighWater
            : WriteStatus.Accepted;

    private void WriteBelow(ReadOnlySpan<byte> data)
    {
        using (HandDown())
        {
            base.Write(data);
        }
    }

    // Whoever is paused by what goes down must not write before the rest of what is being written is held.
    private HandingDown HandDown() => new(this);

    private void Hold(ReadOnlySpan<byte> data)
    {
        if (data.IsEmpty || Below.IsBroken)
        {
            return;
        }

        _held.Append(data, isSending: false);
        Below.Hold(data.Length);
        if (!_isPausedBelow)
        {
            _writing!.Wait();
        }
    }

    // From the loop: there are tokens, or the transport takes bytes again.
    private void Release()
    {
        long before = _released;
        while (!_isPausedBelow && _writing!.Allowance > 0 && ReleaseFirst(_writing.Allowance) is > 0 and var count)
        {
            _writing.Allowance -= count;
        }

        if (_held.IsEmpty)
        {
            _writing!.End();
        }
        else if (!_isPausedBelow)
        {
            _writing!.Wait();
        }

        if (_released > before)
        {
            (Protocol as StreamLayer)?.OnBytesLeft();
        }

        LookAtMarks();
    }

    // What cannot wait: all that is held, and what comes later pays for it.
    private void ReleaseAtOnce()
    {
        if (_held.IsEmpty || _writing is null)
        {
            return;
        }

        long total = 0;
        while (ReleaseFirst(long.MaxValue) is > 0 and var count)
        {
            total += count;
        }

        _writing.Throttle.Charge(total);
        _writing.End();
        Loop.UnsafeCallSoon(s_lookAtMarks, this);
    }

    // How many bytes; none when there are none, or they are lost.
    private int ReleaseFirst(long limit)
    {
        if (_held.IsEmpty)
        {
            return 0;
        }

        ReadOnlyMemory<byte> part = _held.First;
        SafeHandle[]? handles = null;
        if (_handles is { UnsentCount: > 0 })
        {
            part = _handles.Cut(_released, part, out handles);
        }

        part = part[..(int)Math.Min(part.Length, limit)];
        using (HandDown())
        {
            Below.BeginRelease(part.Length);
            try
            {
                _ = handles is null ? base.Write(part.Span) : base.WriteWithHandles(part.Span, handles);
            }
            finally
            {
                Below.EndRelease();
                _handles?.OnSent(_released, part.Length);
                _released += part.Length;
                _held.Consume(part.Length);
            }
        }

        if (Below.IsBroken)
        {
            DropHeld();
        }

        return part.Length;
    }

    private void DropHeld()
    {
        if (!_held.IsEmpty && !_isHandingDown)
        {
            long lost = _held.Length;
            _held.Clear();
            Below.DropHeld(lost);
        }

        _handles?.DropUnsent();
    }

    private void PauseIfHigh()
    {
        if (_isPausedBelow || UnsentBytes > WriteLimits.High)
        {
            PauseAbove();
        }
    }

    private void PauseAbove()
    {
        if (!_isPausedAbove && MayTellOfWriting)
        {
            _isPausedAbove = true;
            Tell(s_pauseAbove, nameof(PauseWriting));
        }
    }

    // From the loop.
    private void LookAtMarks()
    {
        if (IsReplaced)
        {
            return;
        }

        if (_isPausedBelow)
        {
            PauseAbove();
        }
        else
        {
            ResumeIfLow();
        }
    }

    private void ResumeIfLow()
    {
        if (!_isPausedAbove || !MayTellOfWriting)
        {
            return;
        }

        if (UnsentBytes > WriteLimits.Low && _held.IsEmpty)
        {
            LowerLimits();
        }

        if (!_isPausedBelow && UnsentBytes <= WriteLimits.Low)
        {
            _isPausedAbove = false;
            Tell(s_resumeAbove, nameof(ResumeWriting));
        }
    }

    // What is left is the transport's, which tells of the low-water mark only when it has told of the high one.
    private void LowerLimits()
    {
        if (_isPausedBelow || _areLimitsLowered)
        {
            return;
        }

        _limits = base.WriteLimits;
        _areLimitsLowered = true;
        base.WriteLimits = new WriteLimits(_limits.Low, _limits.Low, _limits.HardCap);
        if (!_isPausedBelow)
        {
            RestoreLimits();
        }
    }

    private void RestoreLimits()
    {
        if (_areLimitsLowered)
        {
            _areLimitsLowered = false;
            base.WriteLimits = _limits;
        }
    }

    private void KeepInput(ReadOnlySpan<byte> data)
    {
        _input ??= new UnreadInput();
        _input.Add(data);
        HoldReading();
        if (!_isReturning)
        {
            _reading!.Wait();
        }
    }

    // From the loop: there are tokens. One callback's worth.
    private void TellInput()
    {
        if (!HasInput || Transport.IsClosing)
        {
            _input?.Clear();
            _reading!.End();
            ReleaseReading();
            return;
        }

        if (!IsReading || _isReturning)
        {
            _reading!.End(); // a resumption gets into line again
            return;
        }

        int allowed = (int)_reading!.Take(_input!.Length);
        if (allowed > 0)
        {
            ReadOnlySpan<byte> data = _input.Lend(allowed);
            base.DataReceived(data);
            _input.EndLoan();
        }

        if (!HasInput)
        {
            _reading.End();
            ReleaseReading();
        }
        else if (IsReading && !_isReturning)
        {
            _reading.Wait();
        }
    }

    private void ReturnInput()
    {
        _isReturning = false;
        if (HasInput)
        {
            Transport.Unread(_input!.Lend());
            _input.EndLoan();
        }

        ReleaseReading();
    }

    /// <summary>While it lives, the layer calls nobody above.</summary>
    private readonly ref struct HandingDown
    {
        private readonly ThrottlingLayer _layer;

        public HandingDown(ThrottlingLayer layer)
        {
            _layer = layer;
            layer._isHandingDown = true;
        }

        public void Dispose() => _layer._isHandingDown = false;
    }

    /// <summary>The layer's place in a throttle's line, for one direction.</summary>
    private abstract class Turn(ThrottlingLayer layer, Throttle throttle) : ThrottleTurn
    {
        private bool _hasJoined;

        public Throttle Throttle => throttle;

        /// <summary>Tokens that were taken, and not used yet.</summary>
        public long Allowance { get; set; }

        protected ThrottlingLayer Layer => layer;

        public void Join()
        {
            if (!_hasJoined)
            {
                throttle.Join(layer.Loop);
                _hasJoined = true;
            }
        }

        /// <summary>Takes as many tokens as there are.</summary>
        public long Take(long wanted)
        {
            Join();
            long kept = Math.Min(wanted, Allowance);
            Allowance -= kept;
            return kept == wanted ? wanted : kept + throttle.Take(wanted - kept);
        }

        public void Refund(long count)
        {
            Join();
            throttle.Refund(count);
        }

        public void Wait()
        {
            Join();
            throttle.Wait(this);
        }

        /// <summary>Leaves the line, and gives back what was granted and not used.</summary>
        public void End()
        {
            if (_hasJoined)
            {
                throttle.Leave(this);
                long rest = Allowance;
                Allowance = 0;
                throttle.Refund(rest);
            }
        }
    }

    private sealed class ReadTurn(ThrottlingLayer layer, Throttle throttle) : Turn(layer, throttle)
    {
        public override long Wanted => Math.Max(0, (Layer._input?.Length ?? 0) - Allowance);

        public override void Grant(long count)
        {
            Allowance += count;
            Layer.Tell(s_tellInput, nameof(DataReceived));
        }
    }

    private sealed class WriteTurn(ThrottlingLayer layer, Throttle throttle) : Turn(layer, throttle)
    {
        public override long Wanted => Math.Max(0, Layer._held.Length - Allowance);

        public override void Grant(long count)
        {
            Allowance += count;
            Layer.Tell(s_release, nameof(ResumeWriting));
        }
    }
}
