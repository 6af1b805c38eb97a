using System.Runtime.InteropServices;

namespace Toolkit.Simulation;

/// <summary>A descriptor of an end of a simulated pipe that no loop has. Its value is no descriptor of the machine's.</summary>
internal sealed class SimulatedPipeHandle : SafeHandle
{
    private readonly SimulatedPipe.End _end;

    /// <param name="end">The end, of which the descriptor was taken.</param>
    public SimulatedPipeHandle(SimulatedPipe.End end)
        : base(-1, ownsHandle: true)
    {
        _end = end;

        // Nothing of the machine's is lost with it, and the finalizer's thread would close it at a moment of its own.
        GC.SuppressFinalize(this);
    }

    public override bool IsInvalid => false;

    public SimulatedPipe.End End => _end;

    protected override bool ReleaseHandle()
    {
        _end.LetGo(holder: null);
        return true;
    }
}
