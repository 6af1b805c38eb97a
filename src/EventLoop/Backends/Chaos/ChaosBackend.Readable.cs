using System.Net.Sockets;
using Toolkit.Backends;

namespace Toolkit.Simulation;

/// <content>What becomes readable once, and is no stream.</content>
public sealed partial class ChaosBackend
{
    /// <summary>The read side of a handle that stands for an event.</summary>
    private sealed class ReadableSide(ChaosBackend chaos, ChaosHandle handle) : Side, IReadableWatcher
    {
        private ReadableOperation? _mirror;
        private SocketError? _outcome;

        public override void Arm(IoOperation operation)
        {
            _mirror ??= new ReadableOperation(handle.Inner, this);
            if (!_mirror.IsArmed)
            {
                chaos._inner.Submit(_mirror);
            }
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

        public override int Tell()
        {
            if (handle.ReadSide is not { } operation || _outcome is not { } outcome)
            {
                return 0;
            }

            _outcome = null;
            End(operation, operation.State == IoOperationState.Ending ? SocketError.OperationAborted : outcome);
            return 1;
        }

        void IReadableWatcher.OnReadable(SocketError error)
        {
            _outcome = error;
            chaos.Hold(this, chaos.DrawDelay());
        }
    }
}
