using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Toolkit.Simulation;

/// <content>Pipes, whose ends count as descriptors.</content>
public sealed partial class SimulatedHost
{
    /// <summary>What a pipe of Linux holds, unless somebody asks for more (pipe(7)).</summary>
    private const int DefaultPipeCapacity = 64 * 1024;

    private readonly List<SimulatedPipe> _pipes = [];
    private long _lastPipe;

    /// <summary>
    /// Makes a pipe, as <c>pipe(2)</c> does: what is written into one end comes out of the other. The ends are for
    /// <c>loop.ConnectReadPipeAsync</c> and <c>loop.ConnectWritePipeAsync</c> of this host's loops; each is the loop's from then
    /// on, and is closed by disposing it otherwise. One that nobody disposes stays open.
    /// </summary>
    /// <remarks>
    /// Bytes are there as soon as they were written, and none are lost on the way. When its last reader has closed, the writer is
    /// told; when its last writer has, the reader finds the end behind what is still in the pipe. Nothing else can be done with
    /// the handles: they stand for nothing of the machine's.
    /// </remarks>
    /// <param name="capacity">How many bytes the pipe holds before its writer waits; 64 KiB by default, as on Linux.</param>
    /// <returns>The two ends.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The capacity is not positive.</exception>
    /// <exception cref="InvalidOperationException">The host has crashed.</exception>
    /// <exception cref="SocketException"><see cref="DescriptorLimit"/> leaves no room for two descriptors.</exception>
    public (SafeHandle Reader, SafeHandle Writer) CreatePipe(int capacity = DefaultPipeCapacity)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(capacity);
        if (IsDown)
        {
            throw new InvalidOperationException($"The host {Name} has crashed. Restart it first.");
        }

        if (DescriptorLimit - _descriptors < 2)
        {
            throw new SocketException((int)SocketError.TooManyOpenSockets);
        }

        var pipe = new SimulatedPipe(this, capacity, ++_lastPipe);
        _pipes.Add(pipe);
        return (Open(pipe.Reader), Open(pipe.Writer));
    }

    internal void Forget(SimulatedPipe pipe) => _pipes.Remove(pipe);

    private static SimulatedPipeHandle Open(SimulatedPipe.End end)
    {
        _ = end.TryHold(holder: null); // there is room
        return new SimulatedPipeHandle(end);
    }

    private void VanishPipes()
    {
        foreach (SimulatedPipe pipe in _pipes)
        {
            pipe.Vanish();
        }

        _pipes.Clear();
    }
}
