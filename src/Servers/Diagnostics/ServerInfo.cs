using System.Net;
using Toolkit.Backends;

namespace Toolkit;

/// <summary>What a server does.</summary>
public enum ServerState
{
    /// <summary>It accepts.</summary>
    Serving,

    /// <summary>It listens and does not accept: not yet, or <see cref="Server.PauseServing"/>. Newcomers wait.</summary>
    Paused,

    /// <summary>It accepts no more because it has as many connections as it may. Newcomers wait.</summary>
    Full,

    /// <summary>It listens no more, and some of its connections have not ended.</summary>
    Closed,
}

/// <summary>How a server stands, as a value. Immutable; any thread.</summary>
public sealed record ServerInfo
{
    /// <summary>Where it was made to listen.</summary>
    public required IReadOnlyList<EndPoint> EndPoints { get; init; }

    /// <summary>What it does.</summary>
    public required ServerState State { get; init; }

    /// <summary>How many connections there are.</summary>
    public required int Connections { get; init; }

    /// <summary>How many there may be; null for any number.</summary>
    public required int? MaxConnections { get; init; }

    /// <summary>How many newcomers are in their TLS handshake.</summary>
    public required int Handshakes { get; init; }

    /// <summary>How many connections were accepted.</summary>
    public required long Accepted { get; init; }

    /// <summary>How many newcomers were closed at once because descriptors were running out.</summary>
    public required long Shed { get; init; }

    /// <summary>How many a limit has ended, or turned away.</summary>
    public required long Limited { get; init; }

    /// <summary>Whether it speaks TLS from the beginning.</summary>
    public required bool IsTls { get; init; }

    /// <summary>Whether it serves diagnostics.</summary>
    public required bool IsDiagnostics { get; init; }
}

/// <summary>The servers of a loop, for those who look on.</summary>
public static class ServerListing
{
    /// <param name="loop">The loop.</param>
    extension(EventLoop loop)
    {
        /// <summary>
        /// How each server of the loop stands at this moment, until it is closed and its last connection has ended. In no
        /// particular order. Loop thread only.
        /// </summary>
        /// <exception cref="InvalidOperationException">This is not the loop's thread.</exception>
        /// <exception cref="ObjectDisposedException">The loop is disposed.</exception>
        public IReadOnlyList<ServerInfo> DescribeServers()
            => [.. loop.Host.Residents.OfType<IDescribedResident<ServerInfo>>().Select(resident => resident.Describe())];
    }
}
