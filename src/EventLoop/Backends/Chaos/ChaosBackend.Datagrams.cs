using System.Net;
using System.Net.Sockets;
using Toolkit.Backends;

namespace Toolkit.Simulation;

/// <content>
/// Datagrams, of which an injected error concerns one, and never the socket. None is lost, doubled or put out of order here: that
/// is for the network, of which <see cref="LinkConditions"/> has one.
/// </content>
public sealed partial class ChaosBackend
{
    /// <summary>A socket that holds more takes nothing from the inner backend, until its owner has taken some.</summary>
    private const int MaxHeldDatagrams = 256;

    private static readonly SocketError[] s_datagramFaults =
    [
        SocketError.ConnectionRefused, SocketError.HostUnreachable, SocketError.NetworkUnreachable, SocketError.AccessDenied,
        SocketError.NoBufferSpaceAvailable,
    ];

    /// <inheritdoc/>
    public override int TrySendTo(IoHandle handle, ReadOnlySpan<OutgoingDatagram> datagrams, out SocketError error)
    {
        IoHandle inner = InnerOf(handle);
        error = _errors.Chance(_options.SendError) ? Pick(s_datagramFaults)
            : _times.Chance(_options.WouldBlock) ? SocketError.WouldBlock
            : SocketError.Success;
        if (error != SocketError.Success)
        {
            return 0;
        }

        int part = (int)PartOf(datagrams.Length, _options.ShortSend);
        int sent = _inner.TrySendTo(inner, datagrams[..part], out error);
        if (error == SocketError.Success && part < datagrams.Length)
        {
            error = SocketError.WouldBlock;
        }

        return sent;
    }

    /// <inheritdoc/>
    public override IoHandle? AdoptDatagrams(Socket socket, out SocketError error)
        => _inner.AdoptDatagrams(socket, out error) is { } adopted ? new ChaosHandle(this, adopted) : null;

    /// <inheritdoc/>
    public override SocketError SetMembership(IoHandle handle, IPAddress group, int interfaceIndex, bool isMember)
        => _inner.SetMembership(InnerOf(handle), group, interfaceIndex, isMember);

    /// <summary>The read side of a datagram socket.</summary>
    private sealed class DatagramReceivingSide : Side, IDatagramReceiver
    {
        private readonly ChaosBackend _chaos;
        private readonly ChaosHandle _handle;
        private readonly DatagramReceiveOperation _mirror;
        private readonly HeldDatagrams _held = new();
        private SocketError? _error; // behind the datagrams

        public DatagramReceivingSide(ChaosBackend chaos, ChaosHandle handle, int receiveSize)
        {
            _chaos = chaos;
            _handle = handle;
            _mirror = new DatagramReceiveOperation(handle.Inner, this, receiveSize);
        }

        /// <summary>Whether there is something to tell to whoever receives.</summary>
        public bool HasUntold => _held.Count > 0 || _error is not null;

        private bool IsRead
            => _handle.ReadSide is DatagramReceiveOperation { State: IoOperationState.Armed or IoOperationState.Delivering };

        private bool IsWanted => IsRead && !_handle.IsReleased && _error is null && _held.Count < MaxHeldDatagrams;

        private bool AreBuffersExhausted => _chaos._exhaustedUntil > _chaos._polls;

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

        /// <summary>Nobody will want what is held any more.</summary>
        public void Discard() => _held.Clear();

        public override int Tell()
        {
            int told = 0;
            switch (_handle.ReadSide)
            {
                case DatagramReceiveOperation { State: IoOperationState.Ending } cancelled:
                    End(cancelled, SocketError.OperationAborted);
                    told = 1;
                    break;
                case DatagramReceiveOperation { State: IoOperationState.Armed } receive:
                    told = Tell(receive);
                    break;
            }

            if (!_handle.IsReleased)
            {
                Update();
                Continue();
            }

            return told;
        }

        bool IDatagramReceiver.OnDatagram(ReadOnlySpan<byte> data, in IoAddress from, bool isTruncated)
        {
            _held.Add(data, from, isTruncated);
            _chaos.Hold(this, _chaos.DrawDelay());
            _handle.Readable?.Update();
            if (_chaos._times.Chance(_chaos._options.BufferExhaustion))
            {
                _chaos._exhaustedUntil = _chaos._polls + _chaos.DrawPolls(_chaos._times);
            }

            return IsWanted && !AreBuffersExhausted;
        }

        void IDatagramReceiver.OnReceiveEnded(SocketError error)
        {
            if (error == SocketError.OperationAborted)
            {
                Update(); // wanted again meanwhile
            }
            else
            {
                _error = error;
                _chaos.Hold(this, _chaos.DrawDelay());
            }

            _handle.Readable?.Update();
        }

        private int Tell(DatagramReceiveOperation receive)
        {
            if (_held.Count > 0 && _chaos._errors.Chance(_chaos._options.ReceiveError))
            {
                End(receive, _chaos.Pick(s_datagramFaults)); // of one that was sent, and nothing is lost
                return 1;
            }

            int told = 0;
            for (long part = _chaos.PartOf(_held.Count, _chaos._options.ShortReceive); part > told && IsListening(receive);)
            {
                if (!_held.TryTake(out HeldDatagrams.Entry entry))
                {
                    break; // its handle was released
                }

                told++;
                Deliver(receive, entry.Data, entry.From, entry.IsTruncated);
                entry.Free();
            }

            if (_held.Count == 0 && IsListening(receive) && _error is { } error)
            {
                _error = null;
                End(receive, error);
                told++;
            }

            return told;
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
            if (IsRead && HasUntold)
            {
                _chaos.Hold(this, _chaos.DrawDelay());
            }
        }
    }

    /// <summary>The write side of a datagram socket.</summary>
    private sealed class DatagramSendingSide : Side, IDatagramSender
    {
        private readonly ChaosBackend _chaos;
        private readonly ChaosHandle _handle;
        private readonly DatagramSendOperation _mirror;
        private SocketError? _outcome;

        public DatagramSendingSide(ChaosBackend chaos, ChaosHandle handle)
        {
            _chaos = chaos;
            _handle = handle;
            _mirror = new DatagramSendOperation(handle.Inner, this);
        }

        public override void Arm(IoOperation operation)
        {
            _mirror.Datagram = ((DatagramSendOperation)operation).Datagram;
            _chaos._inner.Submit(_mirror);
        }

        public override void Disarm(IoOperation operation)
        {
            if (!_mirror.IsArmed)
            {
                _chaos.HoldAnew(this, _chaos.DrawDelay());
            }
            else if (_handle.IsReleased)
            {
                // The release of the inner handle is about to end it.
            }
            else if (_chaos._cancellations.Chance(_chaos._options.LostCancel))
            {
                _chaos.HoldAnew(this, _chaos.DrawPolls(_chaos._cancellations));
            }
            else
            {
                _chaos._inner.Cancel(_mirror);
            }
        }

        public override int Tell()
        {
            if (_handle.WriteSide is not DatagramSendOperation send)
            {
                return 0;
            }

            if (_outcome is not { } outcome)
            {
                if (send.State == IoOperationState.Ending)
                {
                    _chaos._inner.Cancel(_mirror); // the cancellation arrives at last
                }

                return 0;
            }

            _outcome = null;
            if (_handle.IsReleased)
            {
                outcome = SocketError.OperationAborted;
            }
            else if (outcome == SocketError.Success && _chaos._errors.Chance(_chaos._options.SendError))
            {
                outcome = _chaos.Pick(s_datagramFaults);
            }

            End(send, outcome);
            return 1;
        }

        void IDatagramSender.OnSent(SocketError error)
        {
            _outcome = error;
            _chaos.Hold(this, _chaos.DrawDelay());
        }
    }
}
