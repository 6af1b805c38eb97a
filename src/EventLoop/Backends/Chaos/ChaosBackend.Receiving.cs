using System.Net.Sockets;
using Toolkit.Backends;

namespace Toolkit.Simulation;

/// <content>What arrives: bytes and their end, and newcomers.</content>
public sealed partial class ChaosBackend
{
    /// <summary>A handle that holds more takes nothing from the inner backend, until its owner has taken some.</summary>
    private const int MaxHeldBytes = 256 * 1024;

    /// <summary>The same of a listener's newcomers, each of whom holds a descriptor.</summary>
    private const int MaxHeldNewcomers = 16;

    /// <summary>The read side of a connection.</summary>
    private sealed class ReceivingSide : Side, IReceiver
    {
        private readonly ChaosBackend _chaos;
        private readonly ChaosHandle _handle;
        private readonly ReceiveOperation _mirror;
        private readonly HeldBytes _bytes = new();
        private SocketError? _end; // behind the bytes

        public ReceivingSide(ChaosBackend chaos, ChaosHandle handle)
        {
            _chaos = chaos;
            _handle = handle;
            _mirror = new ReceiveOperation(handle.Inner, this);
        }

        /// <summary>The error that waits behind the bytes.</summary>
        public SocketError? UntoldError => _end is SocketError.Success ? null : _end;

        /// <summary>Whether there is something to tell to whoever receives.</summary>
        public bool HasUntold => _bytes.Count > 0 || _end is not null;

        bool IReceiver.ProvidesBuffer => false;

        private bool IsWanted => _handle.IsRead && !_handle.IsReleased && _end is null && _bytes.Count <= MaxHeldBytes;

        private bool AreBuffersExhausted => _chaos._exhaustedUntil > _chaos._polls;

        public override void Arm(IoOperation operation)
        {
            _end ??= _handle.Fault;
            Update();
            Continue();
        }

        public override void Disarm(IoOperation operation)
        {
            Update();
            _chaos.HoldAnew(this, _chaos.DrawDelay());
            _handle.Watching?.Notice();
        }

        /// <summary>Nothing more arrives. What has arrived is told before the end, or lost.</summary>
        public void Fail(SocketError end)
        {
            _end = end;
            if (_chaos._errors.Chance(0.5))
            {
                _bytes.Clear();
            }

            Update();
            Continue();
        }

        public override int Tell()
        {
            int told = 0;
            switch (_handle.ReadSide)
            {
                case ReceiveOperation { State: IoOperationState.Ending } cancelled:
                    End(cancelled, SocketError.OperationAborted);
                    told = 1;
                    break;
                case ReceiveOperation { State: IoOperationState.Armed } receive:
                    told = Tell(receive);
                    break;
            }

            if (!_handle.IsReleased)
            {
                Update();
                Continue();
                _handle.Watching?.Notice();
            }

            return told;
        }

        Memory<byte> IReceiver.GetBuffer() => default;

        bool IReceiver.OnReceived(ReadOnlySpan<byte> data)
        {
            _bytes.Add(data);
            _chaos.Hold(this, _chaos.DrawDelay());
            _handle.Readable?.Update();
            if (_chaos._times.Chance(_chaos._options.BufferExhaustion))
            {
                _chaos._exhaustedUntil = _chaos._polls + _chaos.DrawPolls(_chaos._times);
            }

            return IsWanted && !AreBuffersExhausted;
        }

        bool IReceiver.OnBufferFilled(int count) => false;

        void IReceiver.OnReceiveEnded(SocketError error)
        {
            if (error == SocketError.OperationAborted || _end is not null)
            {
                Update(); // wanted again meanwhile, or dead
                _handle.Readable?.Update();
                return;
            }

            // Whoever watches may have been told of the error, which then does not show a second time.
            _end = error == SocketError.Success ? _handle.Watching?.UntoldError ?? error : error;
            _chaos.Hold(this, _chaos.DrawDelay());
            _handle.Watching?.Notice();
            _handle.Readable?.Update();
        }

        private int Tell(ReceiveOperation receive)
        {
            if (HasUntold && _handle.Fault is null && _chaos._errors.Chance(_chaos._options.ReceiveError))
            {
                SocketError fault = _chaos.Pick(s_faults);
                _handle.Fail(fault, readEnd: fault);
            }

            if (_bytes.Count > 0)
            {
                int part = (int)_chaos.PartOf(_bytes.Count, _chaos._options.ShortReceive);
                _bytes.Skip(DeliverTaken(receive, _bytes.Span[..part]));
                return 1;
            }

            if (_end is { } end)
            {
                _end = _handle.Fault; // asked again, the inner backend says it again, and a dead connection stays dead
                End(receive, end);
                return 1;
            }

            return 0;
        }

        // Has the inner backend receive, or not.
        private void Update()
        {
            if (!IsWanted || AreBuffersExhausted)
            {
                _chaos._inner.Cancel(_mirror);
                if (IsWanted)
                {
                    _chaos.Hold(this, _chaos._exhaustedUntil - _chaos._polls);
                }
            }
            else if (!_mirror.IsArmed)
            {
                _chaos._inner.Submit(_mirror);
            }
        }

        private void Continue()
        {
            if (_handle.IsRead && HasUntold)
            {
                _chaos.Hold(this, _chaos.DrawDelay());
            }
        }
    }

    /// <summary>The read side of a listener.</summary>
    private sealed class AcceptingSide : Side, IAcceptor
    {
        private readonly ChaosBackend _chaos;
        private readonly ChaosHandle _handle;
        private readonly AcceptOperation _mirror;
        private readonly Queue<ChaosHandle> _newcomers = new();
        private int _shed;
        private SocketError? _end; // behind the newcomers

        public AcceptingSide(ChaosBackend chaos, ChaosHandle handle)
        {
            _chaos = chaos;
            _handle = handle;
            _mirror = new AcceptOperation(handle.Inner, this);
        }

        private bool IsListenedTo => _handle.ReadSide is { State: IoOperationState.Armed or IoOperationState.Delivering };

        private bool IsWanted => IsListenedTo && !_handle.IsReleased && _end is null && _newcomers.Count < MaxHeldNewcomers;

        /// <summary>Whether there is something to tell to whoever accepts.</summary>
        public bool HasUntold => _newcomers.Count > 0 || _shed > 0 || _end is not null;

        public override void Arm(IoOperation operation)
        {
            Update();
            Continue();
        }

        public override void Disarm(IoOperation operation)
        {
            Update();
            _chaos.HoldAnew(this, _chaos.DrawDelay());
        }

        /// <summary>Nobody will want the newcomers any more: they are reset, as those who still stand in the kernel's queue.</summary>
        public void Discard()
        {
            while (_newcomers.TryDequeue(out ChaosHandle? newcomer))
            {
                _chaos._inner.Release(newcomer.Inner, reset: true);
            }
        }

        public override int Tell()
        {
            int told = 0;
            switch (_handle.ReadSide)
            {
                case AcceptOperation { State: IoOperationState.Ending } cancelled:
                    End(cancelled, SocketError.OperationAborted);
                    told = 1;
                    break;
                case AcceptOperation { State: IoOperationState.Armed } accept when HasUntold:
                    told = Tell(accept);
                    break;
            }

            if (!_handle.IsReleased)
            {
                Update();
                Continue();
            }

            return told;
        }

        bool IAcceptor.OnAccepted(IoHandle connection)
        {
            _newcomers.Enqueue(new ChaosHandle(_chaos, connection));
            _chaos.Hold(this, _chaos.DrawDelay());
            _handle.Readable?.Update();
            return IsWanted;
        }

        void IAcceptor.OnShed()
        {
            _shed++;
            _chaos.Hold(this, _chaos.DrawDelay());
        }

        void IAcceptor.OnAcceptEnded(SocketError error)
        {
            if (error == SocketError.OperationAborted)
            {
                Update();
            }
            else
            {
                _end = error;
                _chaos.Hold(this, _chaos.DrawDelay());
            }

            _handle.Readable?.Update();
        }

        private int Tell(AcceptOperation accept)
        {
            if (_chaos._errors.Chance(_chaos._options.AcceptError))
            {
                End(accept, _chaos.Pick(s_exhaustion));
                return 1;
            }

            int told = 0;
            for (; _shed > 0 && IsListening(accept); _shed--)
            {
                DeliverShed(accept);
            }

            while (IsListening(accept) && _newcomers.TryDequeue(out ChaosHandle? newcomer))
            {
                Deliver(accept, newcomer);
                told++;
            }

            if (IsListening(accept) && _end is { } end)
            {
                _end = null;
                End(accept, end);
                told++;
            }

            return told;
        }

        private void Update()
        {
            if (!IsWanted)
            {
                _chaos._inner.Cancel(_mirror);
            }
            else if (!_mirror.IsArmed)
            {
                _chaos._inner.Submit(_mirror);
            }
        }

        private void Continue()
        {
            if (IsListenedTo && HasUntold)
            {
                _chaos.Hold(this, _chaos.DrawDelay());
            }
        }
    }

    /// <summary>Bytes that have arrived and were not told, in the order in which they came.</summary>
    private sealed class HeldBytes
    {
        private byte[] _buffer = [];
        private int _start;

        public int Count { get; private set; }

        public ReadOnlySpan<byte> Span => _buffer.AsSpan(_start, Count);

        public void Add(ReadOnlySpan<byte> data)
        {
            if (_start + Count + data.Length > _buffer.Length)
            {
                byte[] larger = Count + data.Length > _buffer.Length
                    ? new byte[Math.Max(Count + data.Length, Math.Min(_buffer.Length * 2, MaxHeldBytes))]
                    : _buffer;
                Span.CopyTo(larger);
                _buffer = larger;
                _start = 0;
            }

            data.CopyTo(_buffer.AsSpan(_start + Count));
            Count += data.Length;
        }

        /// <summary>Forgets the first of the bytes; they may have been cleared by whoever was told of them.</summary>
        public void Skip(int count)
        {
            Count -= Math.Min(count, Count);
            _start = Count == 0 ? 0 : _start + count;
        }

        public void Clear()
        {
            _start = 0;
            Count = 0;
        }
    }
}
