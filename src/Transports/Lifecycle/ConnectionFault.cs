using System.Collections.Concurrent;
using System.Net.Sockets;

namespace Toolkit.Transports;

/// <summary>What the network's error codes mean for a connection: the one place that says so.</summary>
internal static class ConnectionFault
{
    private static readonly ConcurrentDictionary<SocketError, string> s_texts = new();

    /// <summary>Whether the peer is gone, which the read side notices too.</summary>
    public static bool MeansPeerIsGone(SocketError error)
        => error is SocketError.ConnectionReset or SocketError.ConnectionAborted or SocketError.Shutdown;

    public static CloseReason ReasonOf(SocketError error) => error switch
    {
        SocketError.ConnectionReset or SocketError.ConnectionAborted or SocketError.Shutdown
            or SocketError.NetworkReset or SocketError.NotConnected or SocketError.Disconnecting => CloseReason.Reset,
        SocketError.TimedOut => CloseReason.Timeout,
        _ => CloseReason.NetworkError,
    };

    public static ConnectionException ToException(SocketError error)
    {
        CloseReason reason = ReasonOf(error);
        string message = reason switch
        {
            CloseReason.Reset => "The connection was reset by the peer.",
            CloseReason.Timeout => "The peer did not answer in time.",
            _ => $"The connection failed: {error}.",
        };

        // A socket exception asks the system for its text each time, which takes longer than all else about an end.
        string text = s_texts.GetOrAdd(error, static error => new SocketException((int)error).Message);
        return new ConnectionException(reason, message, new SocketException((int)error, text));
    }
}
