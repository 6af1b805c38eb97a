using System.Buffers.Binary;
using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Toolkit;

/// <summary>
/// Where a datagram comes from or goes to, as a value: nothing is allocated for the address of a peer that was heard of once. An
/// IPv4 or IPv6 address with its port and, of IPv6, its scope; or the path of a Unix socket, by reference. Any thread.
/// </summary>
/// <remarks>
/// Two are equal when they mean the same: same family, address, port and scope, or same path. An IPv4 address in the form of an
/// IPv6 one (<c>::ffff:10.0.0.1</c>) is an IPv6 address, as for a socket. The default value is no address at all
/// (<see cref="IsNone"/>): that of a Unix socket that has no path.
/// </remarks>
[DebuggerDisplay("{ToString(),nq}")]
[StructLayout(LayoutKind.Auto)]
public readonly struct DatagramAddress : IEquatable<DatagramAddress>, ISpanFormattable, ISpanParsable<DatagramAddress>
{
    /// <summary>The longest address in bytes that <see cref="TryWriteAddress"/> writes.</summary>
    public const int MaxAddressLength = 16;

    private const int AddressLengthV4 = 4;
    private const string UnixPrefix = "unix:";

    private readonly ulong _high;
    private readonly ulong _low; // an IPv4 address is the last 32 bits
    private readonly string? _path;
    private readonly uint _scope;
    private readonly ushort _port;
    private readonly Kind _kind;

    /// <summary>Makes the address of an IP end point.</summary>
    /// <param name="address">4 bytes for IPv4 or 16 for IPv6, in network order.</param>
    /// <param name="port">0 to 65535.</param>
    /// <param name="scopeId">The scope of an IPv6 address, such as the interface of a link-local one; 0 for none.</param>
    /// <exception cref="ArgumentException">The address has another length.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The port is no port, or an IPv4 address was given a scope.</exception>
    public DatagramAddress(ReadOnlySpan<byte> address, int port, uint scopeId = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(port);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(port, IPEndPoint.MaxPort);
        switch (address.Length)
        {
            case AddressLengthV4:
                ArgumentOutOfRangeException.ThrowIfNotEqual(scopeId, 0u);
                _kind = Kind.V4;
                _low = BinaryPrimitives.ReadUInt32BigEndian(address);
                break;
            case MaxAddressLength:
                _kind = Kind.V6;
                _high = BinaryPrimitives.ReadUInt64BigEndian(address);
                _low = BinaryPrimitives.ReadUInt64BigEndian(address[8..]);
                _scope = scopeId;
                break;
            default:
                throw new ArgumentException(
                    $"An IP address has 4 or 16 bytes, and this one has {address.Length}.", nameof(address));
        }

        _port = (ushort)port;
    }

    private DatagramAddress(string path)
    {
        _kind = Kind.Unix;
        _path = path;
    }

    private enum Kind : byte
    {
        None,
        V4,
        V6,
        Unix,
    }

    /// <summary>Whether this is no address: the default value.</summary>
    public bool IsNone => _kind == Kind.None;

    /// <summary>The family; <see cref="AddressFamily.Unspecified"/> of no address.</summary>
    public AddressFamily AddressFamily => _kind switch
    {
        Kind.V4 => AddressFamily.InterNetwork,
        Kind.V6 => AddressFamily.InterNetworkV6,
        Kind.Unix => AddressFamily.Unix,
        _ => AddressFamily.Unspecified,
    };

    /// <summary>The port; 0 of what has none.</summary>
    public int Port => _port;

    /// <summary>The scope of an IPv6 address, else 0.</summary>
    public uint ScopeId => _scope;

    /// <summary>
    /// The path of a Unix socket, else null. A name of Linux's abstract namespace begins with a NUL (unix(7)).
    /// </summary>
    public string? Path => _path;

    /// <summary>Whether the two mean the same.</summary>
    public static bool operator ==(in DatagramAddress left, in DatagramAddress right) => left.Equals(right);

    /// <summary>Whether the two mean different things.</summary>
    public static bool operator !=(in DatagramAddress left, in DatagramAddress right) => !left.Equals(right);

    /// <summary>The address of an end point.</summary>
    /// <exception cref="ArgumentException">It is neither an IP end point nor a path.</exception>
    public static DatagramAddress FromEndPoint(EndPoint endPoint)
    {
        ArgumentNullException.ThrowIfNull(endPoint);
        return endPoint switch
        {
            IPEndPoint ip => FromIP(ip.Address, ip.Port),
            UnixDomainSocketEndPoint unix => unix.ToString() is { Length: > 0 } text ? FromPath(Unprintable(text)) : default,
            _ => throw new ArgumentException(
                $"A datagram goes to an {nameof(IPEndPoint)} or a {nameof(UnixDomainSocketEndPoint)}, and this is a "
                + $"{endPoint.GetType().Name}. Resolve a name first.",
                nameof(endPoint)),
        };
    }

    /// <summary>The address of a Unix socket.</summary>
    /// <param name="path">Its path, or behind a NUL a name of the abstract namespace.</param>
    /// <exception cref="ArgumentException">
    /// The path is empty, or has a NUL within, which only an abstract name may have.
    /// </exception>
    public static DatagramAddress FromPath(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return path[0] != '\0' && path.Contains('\0', StringComparison.Ordinal)
            ? throw new ArgumentException("A path has no NUL in it. Only an abstract name begins with one.", nameof(path))
            : new DatagramAddress(path);
    }

    /// <summary>Writes the IP address in network order: 4 or 16 bytes, or none of what is no IP address.</summary>
    /// <returns>Whether there was room.</returns>
    public bool TryWriteAddress(Span<byte> destination, out int written)
    {
        written = 0;
        switch (_kind)
        {
            case Kind.V4 when destination.Length >= AddressLengthV4:
                BinaryPrimitives.WriteUInt32BigEndian(destination, (uint)_low);
                written = AddressLengthV4;
                return true;
            case Kind.V6 when destination.Length >= MaxAddressLength:
                BinaryPrimitives.WriteUInt64BigEndian(destination, _high);
                BinaryPrimitives.WriteUInt64BigEndian(destination[8..], _low);
                written = MaxAddressLength;
                return true;
            default:
                return _kind is not (Kind.V4 or Kind.V6);
        }
    }

    /// <summary>The same as an object; null of no address.</summary>
    public EndPoint? ToEndPoint() => _kind switch
    {
        Kind.None => null,
        Kind.Unix => new UnixDomainSocketEndPoint(_path!),
        _ => new IPEndPoint(ToIPAddress(), _port),
    };

    /// <inheritdoc/>
    public bool Equals(DatagramAddress other)
        => _kind == other._kind && _low == other._low && _high == other._high && _port == other._port && _scope == other._scope
            && string.Equals(_path, other._path, StringComparison.Ordinal);

    /// <inheritdoc/>
    public override bool Equals([NotNullWhen(true)] object? obj) => obj is DatagramAddress other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode()
        => _path is null
            ? HashCode.Combine(_low, _high, _port, _scope, _kind)
            : string.GetHashCode(_path, StringComparison.Ordinal);

    /// <summary>
    /// The usual text, which <see cref="Parse(ReadOnlySpan{char}, IFormatProvider?)"/> takes: <c>10.0.0.1:53</c>,
    /// <c>[fe80::1%2]:53</c>, <c>unix:/run/log</c>, <c>unix:@abstract</c>, or <c>none</c>.
    /// </summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{this}");

    /// <inheritdoc cref="ToString()"/>
    /// <param name="format">Of no account.</param>
    /// <param name="formatProvider">Of no account.</param>
    public string ToString(string? format, IFormatProvider? formatProvider) => ToString();

    /// <inheritdoc/>
    public bool TryFormat(Span<char> destination, out int charsWritten, ReadOnlySpan<char> format, IFormatProvider? provider)
    {
        switch (_kind)
        {
            case Kind.None:
                return destination.TryWrite($"none", out charsWritten);
            case Kind.Unix when _path![0] == '\0':
                return destination.TryWrite($"{UnixPrefix}@{_path.AsSpan(1)}", out charsWritten);
            case Kind.Unix:
                return destination.TryWrite($"{UnixPrefix}{_path}", out charsWritten);
            case Kind.V4:
                return destination.TryWrite(
                    CultureInfo.InvariantCulture,
                    $"{(byte)(_low >> 24)}.{(byte)(_low >> 16)}.{(byte)(_low >> 8)}.{(byte)_low}:{_port}",
                    out charsWritten);
            default:
                return destination.TryWrite(CultureInfo.InvariantCulture, $"[{ToIPAddress()}]:{_port}", out charsWritten);
        }
    }

    /// <summary>Reads what <see cref="ToString()"/> writes. A port must be given.</summary>
    /// <exception cref="FormatException">It is no address.</exception>
    public static DatagramAddress Parse(string s) => Parse(s.AsSpan(), null);

    /// <inheritdoc cref="Parse(string)"/>
    public static DatagramAddress Parse(string s, IFormatProvider? provider) => Parse(s.AsSpan(), provider);

    /// <inheritdoc cref="Parse(string)"/>
    public static DatagramAddress Parse(ReadOnlySpan<char> s, IFormatProvider? provider)
        => TryParse(s, provider, out DatagramAddress result)
            ? result
            : throw new FormatException($"'{s}' is no address of a datagram. Such are 10.0.0.1:53, [::1]:53 and unix:/run/log.");

    /// <summary>Reads what <see cref="ToString()"/> writes, without throwing.</summary>
    public static bool TryParse([NotNullWhen(true)] string? s, IFormatProvider? provider, out DatagramAddress result)
        => TryParse(s.AsSpan(), provider, out result);

    /// <inheritdoc cref="TryParse(string?, IFormatProvider?, out DatagramAddress)"/>
    public static bool TryParse(ReadOnlySpan<char> s, IFormatProvider? provider, out DatagramAddress result)
    {
        result = default;
        if (s is "none")
        {
            return true;
        }

        if (s.StartsWith(UnixPrefix, StringComparison.Ordinal))
        {
            return TryParsePath(s[UnixPrefix.Length..], out result);
        }

        int colon = s.LastIndexOf(':');
        if (colon < 0 || !ushort.TryParse(s[(colon + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out ushort port))
        {
            return false;
        }

        ReadOnlySpan<char> host = s[..colon];
        if (host is ['[', .. var inner, ']'])
        {
            if (!inner.Contains(':') || !IPAddress.TryParse(inner, out IPAddress? v6)
                || v6.AddressFamily != AddressFamily.InterNetworkV6)
            {
                return false;
            }

            result = FromIP(v6, port);
            return true;
        }

        // Four decimal numbers, and none of the other spellings that the C library takes for an address.
        if (!IPAddress.TryParse(host, out IPAddress? v4) || v4.AddressFamily != AddressFamily.InterNetwork
            || !host.SequenceEqual(v4.ToString()))
        {
            return false;
        }

        result = FromIP(v4, port);
        return true;
    }

    private static bool TryParsePath(ReadOnlySpan<char> path, out DatagramAddress result)
    {
        bool isAbstract = path is ['@', ..];
        ReadOnlySpan<char> name = isAbstract ? path[1..] : path;
        bool isPath = !name.IsEmpty && (isAbstract || !name.Contains('\0'));
        result = isPath ? new DatagramAddress(isAbstract ? $"\0{name}" : name.ToString()) : default;
        return isPath;
    }

    private static DatagramAddress FromIP(IPAddress address, int port)
    {
        Span<byte> bytes = stackalloc byte[MaxAddressLength];
        address.TryWriteBytes(bytes, out int length);
        return new DatagramAddress(bytes[..length], port, length == MaxAddressLength ? (uint)address.ScopeId : 0);
    }

    // .NET writes the NUL of an abstract name as @.
    private static string Unprintable(string text) => text[0] == '@' ? $"\0{text.AsSpan(1)}" : text;

    private IPAddress ToIPAddress()
    {
        Span<byte> bytes = stackalloc byte[MaxAddressLength];
        TryWriteAddress(bytes, out int length);
        return _kind == Kind.V4 ? new IPAddress(bytes[..length]) : new IPAddress(bytes, _scope);
    }
}
