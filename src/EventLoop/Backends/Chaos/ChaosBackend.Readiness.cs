using System.Net.Sockets;
using Toolkit.Backends;

namespace Toolkit.Simulation;

/// <content>Waits until something is readable or writable, which take nothing.</content>
public sealed partial class ChaosBackend
{
    /// <summary>The read side of a handle that somebody waits to read from by other means.</summary>
    private sealed class ReadableSide(ChaosBackend chaos, ChaosHandle handle) : Side, IReadableWatcher
    {
        private ReadableOperation? _mirror;
        private SocketError? _outcome;

        public override void Arm(IoOperation operation)
        {
            _outcome = null;
            Update();
        }

        public override void Disarm(IoOperation operation)
        {
            if (_mirror is not { IsArmed: true })
            {
                chaos.HoldAnew(this, chaos.DrawDelay());
            }
            else if (!handle.IsReleased)
            {
                chaos._inner.Cancel(_mirror);
            }
        }

        /// <summary>Another side has taken something, or has left the inner handle to us, or the connection is dead.</summary>
        public void Update()
        {
            if (handle.ReadSide is not ReadableOperation { State: IoOperationState.Armed } || _outcome is not null)
            {
                return;
            }

            if (handle.HasUntold)
            {
                if (_mirror is { IsArmed: true })
                {
                    chaos._inner.Cancel(_mirror);
                }
                else
                {
                    Complete(SocketError.Success);
                }
            }
            else if (handle.Inner.ReadSide is null)
            {
                _mirror ??= new ReadableOperation(handle.Inner, this);
                chaos._inner.Submit(_mirror);
            }
        }

        public override int Tell()
        {
            if (handle.ReadSide is not ReadableOperation operation)
            {
                return 0;
            }

            bool isEnding = operation.State == IoOperationState.Ending && _mirror is not { IsArmed: true };
            if (_outcome is null && !isEnding)
            {
                return 0;
            }

            SocketError outcome = isEnding ? SocketError.OperationAborted : _outcome!.Value;
            _outcome = null;
            End(operation, outcome);
            return 1;
        }

        void IReadableWatcher.OnReadable(SocketError error)
            => Complete(error == SocketError.OperationAborted && handle.HasUntold ? SocketError.Success : error);

        private void Complete(SocketError outcome)
        {
            _outcome = outcome;
            chaos.Hold(this, chaos.DrawDelay());
        }
    }

    /// <summary>The write side of a handle that somebody waits to write to by other means.</summary>
    private sealed class WritableSide(ChaosBackend chaos, ChaosHandle handle) : Side, IWritableWatcher
    {
        private WritableOperation? _mirror;
        private SocketError? _outcome;

        public override void Arm(IoOperation operation)
        {
            _outcome = null;
            if (handle.Fault is not null)
            {
                Complete(SocketError.Success); // a try says why
                return;
            }

            _mirror ??= new WritableOperation(handle.Inner, this);
            chaos._inner.Submit(_mirror);
        }

        public override void Disarm(IoOperation operation)
        {
            if (_mirror is not { IsArmed: true })
            {
                chaos.HoldAnew(this, chaos.DrawDelay());
            }
            else if (!handle.IsReleased)
            {
                chaos._inner.Cancel(_mirror);
            }
        }

        /// <summary>The connection is dead.</summary>
        public void Fail()
        {
            if (_mirror is { IsArmed: true })
            {
                chaos._inner.Cancel(_mirror);
            }
        }

        public override int Tell()
        {
            if (handle.WriteSide is not WritableOperation operation || _outcome is not { } outcome)
            {
                return 0;
            }

            _outcome = null;
            End(operation, operation.State == IoOperationState.Ending ? SocketError.OperationAborted : outcome);
            return 1;
        }

        void IWritableWatcher.OnWritable(SocketError error)
            => Complete(error == SocketError.OperationAborted && handle.Fault is not null ? SocketError.Success : error);

        private void Complete(SocketError outcome)
        {
            _outcome = outcome;
            chaos.Hold(this, chaos.DrawDelay());
        }
    }
}
