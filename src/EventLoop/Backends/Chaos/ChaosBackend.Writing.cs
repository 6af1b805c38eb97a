using System.Net.Sockets;
using Toolkit.Backends;

namespace Toolkit.Simulation;

/// <content>What is sent or connected, and the watch for the end of it all.</content>
public sealed partial class ChaosBackend
{
    /// <summary>The write side of a handle.</summary>
    private sealed class WritingSide(ChaosBackend chaos, ChaosHandle handle) : Side, ISender, IConnector
    {
        private SendOperation? _mirroredSend;
        private ConnectOperation? _mirroredConnect;
        private SocketError _connectFault; // what the connect is to end with, even if it succeeds
        private SocketError? _outcome;
        private int _sent;

        private IoOperation? Mirror => handle.WriteSide is ConnectOperation ? _mirroredConnect : _mirroredSend;

        public override void Arm(IoOperation operation)
        {
            if (handle.Fault is { } fault)
            {
                Complete(fault, 0);
            }
            else if (operation is SendOperation send)
            {
                _mirroredSend ??= new SendOperation(handle.Inner, this);
                _mirroredSend.Data = send.Data[..(int)chaos.PartOf(send.Data.Length, chaos._options.ShortSend)];
                _mirroredSend.Handles = send.Handles;
                chaos._inner.Submit(_mirroredSend);
            }
            else
            {
                Arm((ConnectOperation)operation);
            }
        }

        public override void Disarm(IoOperation operation)
        {
            if (Mirror is not { IsArmed: true } mirror)
            {
                chaos.HoldAnew(this, chaos.DrawDelay());
            }
            else if (handle.IsReleased)
            {
                // The release of the inner handle is about to end it.
            }
            else if (chaos._cancellations.Chance(chaos._options.LostCancel))
            {
                chaos.HoldAnew(this, chaos.DrawPolls(chaos._cancellations));
            }
            else
            {
                chaos._inner.Cancel(mirror);
            }
        }

        /// <summary>The connection is dead: nothing more leaves.</summary>
        public void Fail()
        {
            if (Mirror is { IsArmed: true } mirror)
            {
                chaos._inner.Cancel(mirror);
            }
        }

        public override int Tell()
        {
            if (handle.WriteSide is not { } operation)
            {
                return 0;
            }

            if (_outcome is not { } outcome)
            {
                if (operation.State == IoOperationState.Ending && Mirror is { } mirror)
                {
                    chaos._inner.Cancel(mirror); // the cancellation arrives at last
                }

                return 0;
            }

            _outcome = null;
            if (handle.IsReleased)
            {
                End(operation, SocketError.OperationAborted);
            }
            else if (operation is SendOperation send)
            {
                Tell(send, outcome);
            }
            else
            {
                End(operation, outcome);
            }

            return 1;
        }

        void ISender.OnSent(int count, SocketError error) => Complete(error, count);

        void IConnector.OnConnectEnded(SocketError error)
            => Complete(error == SocketError.Success ? _connectFault : error, 0);

        private void Arm(ConnectOperation connect)
        {
            _connectFault = chaos._errors.Chance(chaos._options.ConnectError) ? chaos.Pick(s_connectFaults) : SocketError.Success;
            _mirroredConnect = new ConnectOperation(handle.Inner, connect.RemoteEndPoint, this);
            if (_connectFault != SocketError.Success && chaos._errors.Chance(0.5))
            {
                Complete(_connectFault, 0); // the peer never hears of it
            }
            else
            {
                chaos._inner.Submit(_mirroredConnect);
            }
        }

        private void Complete(SocketError error, int sent)
        {
            _outcome = error;
            _sent = sent;
            chaos.Hold(this, chaos.DrawDelay());
        }

        private void Tell(SendOperation send, SocketError outcome)
        {
            if (outcome == SocketError.Success && handle.Fault is null && chaos._errors.Chance(chaos._options.SendError))
            {
                SocketError fault = chaos.Pick(s_sendFaults);
                handle.Fail(fault, readEnd: fault);
            }

            if (send.State == IoOperationState.Armed && handle.Fault is { } known)
            {
                outcome = known;
            }

            if (outcome == SocketError.Success)
            {
                EndSend(send, _sent);
            }
            else
            {
                End(send, outcome);
            }
        }
    }

    /// <summary>The watch for hang-up.</summary>
    private sealed class WatchingSide : Side, IHangUpWatcher
    {
        private readonly ChaosBackend _chaos;
        private readonly ChaosHandle _handle;
        private readonly HangUpOperation _mirror;
        private SocketError? _end;

        public WatchingSide(ChaosBackend chaos, ChaosHandle handle)
        {
            _chaos = chaos;
            _handle = handle;
            _mirror = new HangUpOperation(handle.Inner, this);
        }

        /// <summary>The error that the inner backend has told the watch, and nobody else.</summary>
        public SocketError? UntoldError => _end is SocketError.Success ? null : _end;

        private bool IsWatched => _handle.HangUp is { State: IoOperationState.Armed };

        // An error is told behind the bytes, to whoever reads; to the watch only when nobody does.
        private SocketError? News
            => _handle.IsRead ? (_end is SocketError.Success ? _end : null)
            : _handle.Fault ?? UntoldError ?? _handle.Receiving?.UntoldError ?? _end;

        public override void Arm(IoOperation operation)
        {
            Update();
            Notice();
        }

        public override void Disarm(IoOperation operation)
        {
            Update();
            _chaos.HoldAnew(this, _chaos.DrawDelay());
        }

        /// <summary>There may be something to tell.</summary>
        public void Notice()
        {
            if (IsWatched && News is not null)
            {
                _chaos.Hold(this, _chaos.DrawDelay());
            }
        }

        public override int Tell()
        {
            if (_handle.HangUp is not { } watch)
            {
                return 0;
            }

            if (watch.State == IoOperationState.Ending)
            {
                End(watch, SocketError.OperationAborted);
                return 1;
            }

            if (News is not { } news)
            {
                return 0; // somebody reads again, and is told
            }

            if (news == SocketError.Success)
            {
                _end = null; // asked again, the inner backend says it again
            }

            _chaos._inner.Cancel(_mirror);
            End(watch, news);
            return 1;
        }

        void IHangUpWatcher.OnHungUp(SocketError error)
        {
            if (error == SocketError.OperationAborted)
            {
                Update();
                return;
            }

            _end = error;
            Notice();
        }

        private void Update()
        {
            if (!IsWatched || _handle.IsReleased || _handle.Fault is not null || _end is not null)
            {
                _chaos._inner.Cancel(_mirror);
            }
            else if (!_mirror.IsArmed)
            {
                _chaos._inner.Submit(_mirror);
            }
        }
    }
}
