using System.Net;
using System.Net.Sockets;
using Toolkit.Backends;

namespace Toolkit.Simulation;

/// <content>Unix sockets: paths that are there, with or without somebody who listens. They outlive a crash, as files
/// do.</content>
public sealed partial class SimulatedHost
{
    private readonly Dictionary<string, SimulatedPath> _paths = new(StringComparer.Ordinal);

    /// <summary>
    /// What the peers of its Unix sockets are told of the host's processes, which count as one; process 1 of user 1000 by
    /// default. A connection keeps what was so when it was made.
    /// </summary>
    public PeerIdentity ProcessIdentity { get; set; } = new(1, 1000, 1000);

    /// <summary>The paths that are there: those where somebody listens, and those that were left behind or added.</summary>
    public IReadOnlyCollection<string> UnixPaths => [.. _paths.Keys.Order(StringComparer.Ordinal)];

    /// <summary>
    /// Has something be at a path: the socket of a server that was killed, which whoever listens there next takes over, or
    /// something else, which nobody does. What was there before is replaced, as if somebody had moved a file there.
    /// </summary>
    /// <param name="path">The path.</param>
    /// <param name="isSocket">Whether it is a socket on which nobody listens.</param>
    public void AddUnixPath(string path, bool isSocket = true)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        _paths[path] = new SimulatedPath(null, isSocket);
    }

    /// <summary>Removes what is at a path, whoever listens there. Does nothing when there is nothing.</summary>
    public void RemoveUnixPath(string path) => _paths.Remove(path);

    /// <summary>As <see cref="ConnectPeer(IPEndPoint, int?, int?)"/>, to a path of the host.</summary>
    /// <inheritdoc cref="ConnectPeer(IPEndPoint, int?, int?)"/>
    public SimulatedPeer ConnectPeer(
        UnixDomainSocketEndPoint remote, int? receiveBufferSize = null, int? sendBufferSize = null)
    {
        ArgumentNullException.ThrowIfNull(remote);
        ArgumentOutOfRangeException.ThrowIfNegative(receiveBufferSize ?? 0, nameof(receiveBufferSize));
        ArgumentOutOfRangeException.ThrowIfNegative(sendBufferSize ?? 0, nameof(sendBufferSize));
        return SimulatedPeer.Connect(this, remote, receiveBufferSize, sendBufferSize);
    }

    internal SocketError CheckPath(in HandleSpec spec, out EndPoint? bound)
    {
        bound = spec.LocalEndPoint;
        if (spec.LocalEndPoint is not (null or UnixDomainSocketEndPoint))
        {
            return SocketError.AddressFamilyNotSupported;
        }

        if (spec.LocalEndPoint is null)
        {
            return spec.Backlog is null ? SocketError.Success : SocketError.InvalidArgument;
        }

        return !_paths.TryGetValue(spec.LocalEndPoint.ToString()!, out SimulatedPath taken) ? SocketError.Success
            : !taken.IsSocket ? SocketError.NotSocket
            : taken.Listener is { IsOpen: true } ? SocketError.AddressAlreadyInUse
            : SocketError.Success;
    }

    private void TakePath(SimulatedListener listener)
    {
        if (listener.EndPoint is UnixDomainSocketEndPoint path)
        {
            _paths[path.ToString()] = new SimulatedPath(listener, IsSocket: true);
        }
    }

    // A host that has crashed removes nothing.
    private void LeavePath(SimulatedListener listener)
    {
        if (!IsDown && listener.EndPoint is UnixDomainSocketEndPoint path
            && _paths.TryGetValue(path.ToString(), out SimulatedPath taken) && taken.Listener == listener)
        {
            _paths.Remove(path.ToString());
        }
    }

    private SocketError TryConnect(
        UnixDomainSocketEndPoint path, ISocketHolder holder, Action<SocketError> ended, out SimulatedConnection? connection)
    {
        connection = null;
        if (!_paths.TryGetValue(path.ToString(), out SimulatedPath found))
        {
            return SocketError.AddressNotAvailable;
        }

        // Found by its path, and by nothing else: whoever has moved another file there has taken its clients.
        if (found.Listener is not { IsOpen: true })
        {
            return SocketError.ConnectionRefused;
        }

        connection = Connect(null, path, holder, ended);
        return SocketError.Success;
    }

    private readonly record struct SimulatedPath(SimulatedListener? Listener, bool IsSocket);
}
