using System.Net.Sockets;

namespace Toolkit.Simulation;

/// <summary>What bytes come out of or go into: an end of a connection, or of a pipe.</summary>
internal interface ISimulatedStream
{
    /// <summary>How many bytes can be received now.</summary>
    int Available { get; }

    /// <summary>How it has failed, and how its input ends; <see cref="SocketError.Success"/> if in good order.</summary>
    SocketError Failure { get; }

    /// <summary>Whether there are bytes, or the end.</summary>
    bool IsReadable { get; }

    /// <summary>Whether a send would take anything, or fail.</summary>
    bool IsWritable { get; }

    /// <summary>Whether no direction has anything left to tell.</summary>
    bool HasHungUp { get; }

    /// <summary>Takes as much as there is room for.</summary>
    int Send(ReadOnlySpan<byte> data, out SocketError error);

    /// <summary>Hands over as much as there is and fits.</summary>
    int Receive(Span<byte> target);
}
