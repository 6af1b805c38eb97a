using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Toolkit.Backends;
using Toolkit.Transports;

namespace Toolkit;

/// <summary>A handle that listens, and what is said and known of it.</summary>
/// <param name="Handle">The handle.</param>
/// <param name="Tls">What its connections speak; null for no TLS.</param>
/// <param name="Asked">The address that it was asked for by, where the socket itself does not say all of it.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct ListeningHandle(IoHandle Handle, TlsServerOptions? Tls, ServiceAddress? Asked = null)
{
    /// <summary>What a client connects to; null when it has no name.</summary>
    public ServiceAddress? AddressOf(EndPoint bound) => Asked ?? bound switch
    {
        IPEndPoint ip when Tls is not null => new TlsAddress(ip.Address.ToString(), ip.Port),
        IPEndPoint ip => ServiceAddress.FromEndPoint(ip),
        UnixDomainSocketEndPoint unix when UnixAddress.FindPathProblem(unix.ToString()) is null =>
            ServiceAddress.FromEndPoint(unix),
        _ => null,
    };
}
