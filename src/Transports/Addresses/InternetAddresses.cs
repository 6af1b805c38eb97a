using System.Globalization;
using System.Net;
using Toolkit.Transports;

namespace Toolkit;

/// <summary>An address of the internet: a host, which may be left out to listen on loopback, and a port.</summary>
public abstract record InternetAddress : ServiceAddress
{
    private protected InternetAddress(string? host, int port)
    {
        if (host is not null && FindHostProblem(host) is { } problem)
        {
            throw new ArgumentException(problem.Message, nameof(host));
        }

        if (port is < 0 or > IPEndPoint.MaxPort)
        {
            throw new ArgumentOutOfRangeException(nameof(port), port, "A port is 0 to 65535.");
        }

        Host = host;
        Port = port;
    }

    /// <summary>
    /// A name, or an IP address in its usual form, without brackets. Null for loopback, to listen at; all interfaces are
    /// <c>0.0.0.0</c> and <c>::</c>, each for one family.
    /// </summary>
    public string? Host { get; }

    /// <summary>The port; 0 leaves the choice to the system, to listen at.</summary>
    public int Port { get; }

    internal sealed override string Kind => $"{Scheme}://";

    /// <summary>Whether a text is an IPv6 address, which stands in brackets.</summary>
    internal static bool IsV6(string host) => host.Contains(':', StringComparison.Ordinal);

    internal static AddressProblem? FindHostProblem(string host)
    {
        int half = AddressText.FindLoneSurrogate(host);
        return half >= 0 ? new AddressProblem(AddressPart.Host, "Half a surrogate pair is no character.", half)
            : HostName.FindProblem(host, out int index) is { } problem ? new AddressProblem(AddressPart.Host, problem, index)
            : null;
    }

    internal override AddressProblem? FindProblem(AddressUse use) => use != AddressUse.Connect ? null
        : Host is null ? new AddressProblem(
            AddressPart.Host, $"Expected a host to connect to: {Scheme}://host:port. Only a server may leave it out.")
        : Port == 0 ? new AddressProblem(
            AddressPart.Port, "A port to connect to is 1 to 65535. Port 0 is for a server, for which the system chooses one.")
        : null;

    private protected string FormatAuthority()
    {
        string? host = Host is not null && IsV6(Host) ? $"[{Host}]" : Host;
        return string.Create(CultureInfo.InvariantCulture, $"{Scheme}://{host}:{Port}");
    }
}

/// <summary><c>tcp://host:port</c>.</summary>
public sealed record TcpAddress : InternetAddress
{
    /// <summary>Creates the address.</summary>
    /// <param name="host">A name, or an IP address in its usual form, without brackets; null for loopback, to listen at.</param>
    /// <param name="port">0 to 65535.</param>
    /// <exception cref="ArgumentException">The host can be neither a name nor an address; the port is no port.</exception>
    public TcpAddress(string? host, int port)
        : base(host, port)
    {
    }

    /// <inheritdoc/>
    public override string Scheme => "tcp";

    private protected override string Format() => FormatAuthority();
}

/// <summary><c>udp://host:port</c>: of datagrams.</summary>
public sealed record UdpAddress : InternetAddress
{
    /// <summary>Creates the address.</summary>
    /// <param name="host">
    /// A name, or an IP address in its usual form, without brackets; null for the loopback address of IPv4, to receive at.
    /// </param>
    /// <param name="port">0 to 65535.</param>
    /// <exception cref="ArgumentException">The host can be neither a name nor an address; the port is no port.</exception>
    public UdpAddress(string? host, int port)
        : base(host, port)
    {
    }

    /// <inheritdoc/>
    public override string Scheme => "udp";

    private protected override string Format() => FormatAuthority();
}

/// <summary>
/// <c>tls://host:port</c>: TLS over TCP. To listen at, with <c>?cert=</c> and <c>key=</c>; to connect to, with <c>?ca=</c> and
/// <c>name=</c>, all optional. Certificates are always checked; no parameter says otherwise.
/// </summary>
public sealed record TlsAddress : InternetAddress
{
    internal const string CertificateParameter = "cert";
    internal const string KeyParameter = "key";
    internal const string AuthorityParameter = "ca";
    internal const string NameParameter = "name";

    /// <summary>Creates the address.</summary>
    /// <param name="host">A name, or an IP address in its usual form, without brackets; null for loopback, to listen at.</param>
    /// <param name="port">0 to 65535.</param>
    /// <param name="certificatePath">To listen at: the server's certificate, in PEM; null when the options have one.</param>
    /// <param name="keyPath">To listen at: its key, in PEM; null when it is in the same file.</param>
    /// <param name="authorityPath">
    /// To connect to: the authorities that the server's certificate must come from, in PEM; null for the system's.
    /// </param>
    /// <param name="name">To connect to: the name that the certificate must be for; null for the host.</param>
    /// <exception cref="ArgumentException">
    /// The host can be neither a name nor an address; the port is no port; a parameter contradicts another.
    /// </exception>
    public TlsAddress(
        string? host,
        int port,
        string? certificatePath = null,
        string? keyPath = null,
        string? authorityPath = null,
        string? name = null)
        : base(host, port)
    {
        if (FindParameterProblem(certificatePath, keyPath, authorityPath, name) is { } problem)
        {
            throw new ArgumentException($"{problem.Part}: {problem.Message}");
        }

        CertificatePath = certificatePath;
        KeyPath = keyPath;
        AuthorityPath = authorityPath;
        Name = name;
    }

    /// <inheritdoc/>
    public override string Scheme => "tls";

    /// <summary>To listen at: the file of the server's certificate.</summary>
    public string? CertificatePath { get; }

    /// <summary>To listen at: the file of its key; null when it is in the certificate's.</summary>
    public string? KeyPath { get; }

    /// <summary>To connect to: the file of the authorities to trust, instead of the system's.</summary>
    public string? AuthorityPath { get; }

    /// <summary>To connect to: the name that the server's certificate must be for, if it is not the host.</summary>
    public string? Name { get; }

    internal static AddressProblem? FindParameterProblem(string? certificate, string? key, string? authority, string? name)
        => FindPathProblem(CertificateParameter, certificate)
        ?? FindPathProblem(KeyParameter, key)
        ?? FindPathProblem(AuthorityParameter, authority)
        ?? (name is not null && FindHostProblem(name) is { } problem ? new AddressProblem(NameParameter, problem.Message)
            : key is not null && certificate is null ? new AddressProblem(
                KeyParameter, "The key belongs to a certificate: cert= is missing.")
            : certificate is not null && (authority ?? name) is not null ? new AddressProblem(
                authority is not null ? AuthorityParameter : NameParameter,
                "cert= and key= are to listen at, ca= and name= to connect to; an address is for one of them.")
            : null);

    internal override AddressProblem? FindProblem(AddressUse use) => use switch
    {
        AddressUse.Connect when CertificatePath is not null => new AddressProblem(
            CertificateParameter,
            "cert= and key= are to listen at. A client has ca= and name=, and shows a certificate by its options."),
        AddressUse.Listen when AuthorityPath is not null => new AddressProblem(
            AuthorityParameter, "ca= is to connect to. A server has cert= and key=, and asks for certificates by its options."),
        AddressUse.Listen when Name is not null => new AddressProblem(
            NameParameter, "name= is to connect to. A server has cert= and key=."),
        _ => base.FindProblem(use),
    };

    /// <exception cref="ArgumentException">Neither the address nor the options have a certificate.</exception>
    internal void RequireCertificate(TlsServerOptions? given, string parameter)
    {
        if (CertificatePath is null && given is null)
        {
            throw new ArgumentException(
                $"{this}: a server needs a certificate: tls://host:port?cert=/path.pem&key=/path.pem, or TLS in its options.",
                parameter);
        }
    }

    /// <summary>What a server at the address speaks; the options have the rest.</summary>
    /// <exception cref="TlsCertificateException">The certificate cannot be used.</exception>
    internal TlsServerOptions? ToServerOptions(TlsServerOptions? given)
        => CertificatePath is null ? given : (given ?? new TlsServerOptions()) with
        {
            Certificate = TlsCertificate.FromPemFiles(CertificatePath, KeyPath),
            CertificateSelector = null,
        };

    /// <summary>How a client speaks to the address; the options have the rest.</summary>
    /// <exception cref="TlsCertificateException">The authorities cannot be read.</exception>
    internal TlsClientOptions ToClientOptions(TlsClientOptions? given)
    {
        given ??= TlsClientOptions.Default;
        return given with
        {
            TargetHost = Name ?? given.TargetHost,
            TrustedRoots = AuthorityPath is null ? given.TrustedRoots : TlsCertificate.LoadRoots(AuthorityPath),
        };
    }

    private static AddressProblem? FindPathProblem(string parameter, string? path) => path switch
    {
        null => null,
        "" => new AddressProblem(parameter, "Expected a path."),
        _ when path.Contains('\0', StringComparison.Ordinal) => new AddressProblem(
            parameter, "The path has a zero character in it, where the system would end it."),
        _ when AddressText.FindLoneSurrogate(path) >= 0 => new AddressProblem(
            parameter, "Half a surrogate pair is no character."),
        _ => null,
    };

    private protected override string Format()
    {
        string text = FormatAuthority();
        Add(CertificateParameter, CertificatePath);
        Add(KeyParameter, KeyPath);
        Add(AuthorityParameter, AuthorityPath);
        Add(NameParameter, Name);
        return text;

        void Add(string parameter, string? value)
        {
            if (value is not null)
            {
                char mark = text.Contains('?', StringComparison.Ordinal) ? '&' : '?';
                text += $"{mark}{parameter}={AddressText.Escape(value, "&")}";
            }
        }
    }
}
