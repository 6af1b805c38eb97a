using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;
using Toolkit.Transports;

namespace Toolkit;

/// <summary>What an address is for.</summary>
public enum AddressUse
{
    /// <summary>Not known yet: whoever uses the address looks whether it can be used so.</summary>
    Any,

    /// <summary>To listen at, or to receive datagrams at.</summary>
    Listen,

    /// <summary>To connect to.</summary>
    Connect,
}

/// <summary>
/// Where a service is, as a text that a user can write: <c>tcp://0.0.0.0:7000</c>, <c>tls://[::]:7001?cert=/c.pem&amp;key=/k.pem</c>,
/// <c>unix:/run/service</c>, <c>udp://localhost:7002</c>, <c>pipe:service</c>, <c>fd:3</c>, <c>systemd:service</c>. Its type says
/// which, and there are no others. Immutable. Any thread.
/// </summary>
/// <remarks>
/// <para>
/// <c>loop.CreateServerAsync</c>, <c>StartServerAsync</c>, <c>CreateConnectionAsync</c>, <c>OpenConnectionAsync</c> and
/// <c>CreateDatagramEndpointAsync</c> take one. <see cref="ToString"/> is the text again, in one spelling for each address; read
/// back, it is an equal address.
/// </para>
/// <para>
/// In paths, names and the values of parameters <c>%</c> begins an escape (RFC 3986, section 2.1): two digits of a byte in UTF-8.
/// Control characters, and a <c>?</c> or <c>%</c> that is meant, are written so; in a value <c>&amp;</c> as well.
/// </para>
/// </remarks>
public abstract record ServiceAddress : ISpanParsable<ServiceAddress>
{
    private protected ServiceAddress()
    {
    }

    /// <summary>What the text begins with, before the colon, in lower case.</summary>
    public abstract string Scheme { get; }

    /// <summary>The kind in words, for messages: <c>tcp://</c>.</summary>
    internal virtual string Kind => $"{Scheme}:";

    /// <summary>Reads an address.</summary>
    /// <param name="text">The text, without space around it.</param>
    /// <param name="use">
    /// What it is for. What cannot be meant so is refused with its place: port 0 to connect to, or a certificate's key.
    /// </param>
    /// <exception cref="AddressFormatException">It is no address, or none for that use; the message points at the place.</exception>
    public static ServiceAddress Parse(string text, AddressUse use = AddressUse.Any)
    {
        ArgumentNullException.ThrowIfNull(text);
        return TryParse(text, use, out ServiceAddress? address, out AddressFormatException? error) ? address : throw error;
    }

    /// <summary>Reads an address, and says what is wrong with it instead of throwing.</summary>
    /// <param name="text">The text; null is no address.</param>
    /// <param name="address">The address, if it is one.</param>
    /// <param name="error">What is wrong and where, if it is none. It was not thrown.</param>
    public static bool TryParse(
        [NotNullWhen(true)] string? text,
        [NotNullWhen(true)] out ServiceAddress? address,
        [NotNullWhen(false)] out AddressFormatException? error)
        => TryParse(text, AddressUse.Any, out address, out error);

    /// <summary>Reads an address for one use, and says what is wrong with it instead of throwing.</summary>
    /// <param name="text">The text; null is no address.</param>
    /// <param name="use">What it is for.</param>
    /// <param name="address">The address, if it is one.</param>
    /// <param name="error">What is wrong and where, if it is none. It was not thrown.</param>
    public static bool TryParse(
        [NotNullWhen(true)] string? text,
        AddressUse use,
        [NotNullWhen(true)] out ServiceAddress? address,
        [NotNullWhen(false)] out AddressFormatException? error)
    {
        if (!Enum.IsDefined(use))
        {
            throw new ArgumentOutOfRangeException(nameof(use), use, "An address is to listen at or to connect to.");
        }

        address = AddressReader.Read(text ?? "", use, out error);
        return address is not null;
    }

    /// <summary>The address of a socket of TCP, or of a Unix stream socket.</summary>
    /// <param name="endPoint">An <see cref="IPEndPoint"/>, or a <see cref="UnixDomainSocketEndPoint"/> with a name.</param>
    /// <exception cref="ArgumentException">It is of another kind, or has no name.</exception>
    public static ServiceAddress FromEndPoint(EndPoint endPoint)
    {
        ArgumentNullException.ThrowIfNull(endPoint);
        return endPoint switch
        {
            IPEndPoint ip => new TcpAddress(ip.Address.ToString(), ip.Port),
            UnixDomainSocketEndPoint unix => new UnixAddress(unix.ToString()),
            _ => throw new ArgumentException(
                $"An end point of {endPoint.AddressFamily} is no address of a stream: it is of IP or Unix.", nameof(endPoint)),
        };
    }

    static ServiceAddress IParsable<ServiceAddress>.Parse(string s, IFormatProvider? provider) => Parse(s);

    static ServiceAddress ISpanParsable<ServiceAddress>.Parse(ReadOnlySpan<char> s, IFormatProvider? provider)
        => Parse(s.ToString());

    static bool IParsable<ServiceAddress>.TryParse(
        [NotNullWhen(true)] string? s, IFormatProvider? provider, [MaybeNullWhen(false)] out ServiceAddress result)
        => TryParse(s, out result, out _);

    static bool ISpanParsable<ServiceAddress>.TryParse(
        ReadOnlySpan<char> s, IFormatProvider? provider, [MaybeNullWhen(false)] out ServiceAddress result)
        => TryParse(s.ToString(), out result, out _);

    /// <summary>The address as a text, without characters that cannot be seen.</summary>
    public sealed override string ToString() => Format();

    /// <summary>Why it cannot be used so; null when it can.</summary>
    internal abstract AddressProblem? FindProblem(AddressUse use);

    /// <exception cref="ArgumentException">It cannot be used so.</exception>
    internal void Require(AddressUse use, string parameter)
    {
        if (FindProblem(use) is { } problem)
        {
            throw new ArgumentException($"{this}: {problem.Message}", parameter);
        }
    }

    /// <summary>What is said of an address of datagrams where a stream is wanted, and the other way round.</summary>
    internal ArgumentException WrongKind(string expected, string parameter)
        => new($"{this}: {Kind} cannot be used here. {expected}", parameter);

    private protected abstract string Format();
}
