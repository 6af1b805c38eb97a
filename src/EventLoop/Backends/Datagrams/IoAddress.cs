using System.Buffers.Binary;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Toolkit.Backends;

/// <summary>
/// The address of a datagram at the seam, as a value: nothing is allocated for a stranger. The default is no address, such as
/// that of a Unix socket without a path, and stands for the peer where a socket is connected.
/// </summary>
[DebuggerDisplay("{ToEndPoint()}")]
[StructLayout(LayoutKind.Auto)]
public readonly struct IoAddress : IEquatable<IoAddress>
{
    private readonly ulong _high;
    private readonly ulong _low; // an IPv4 address is the last 32 bits
    private readonly string? _path;
    private readonly uint _scope;
    private readonly ushort _port;
    private readonly byte _length;

    /// <summary>Makes an address of IP.</summary>
    /// <param name="address">4 or 16 bytes in network order.</param>
    /// <param name="port">The port.</param>
    /// <param name="scopeId">The scope of an IPv6 address.</param>
    /// <exception cref="ArgumentException">The address has another length.</exception>
    public IoAddress(ReadOnlySpan<byte> address, int port, uint scopeId = 0)
    {
        switch (address.Length)
        {
            case 4:
                _low = BinaryPrimitives.ReadUInt32BigEndian(address);
                break;
            case 16:
                _high = BinaryPrimitives.ReadUInt64BigEndian(address);
                _low = BinaryPrimitives.ReadUInt64BigEndian(address[8..]);
                _scope = scopeId;
                break;
            default:
                throw new ArgumentException($"An IP address has 4 or 16 bytes, not {address.Length}.", nameof(address));
        }

        _length = (byte)address.Length;
        _port = (ushort)port;
    }

    /// <summary>Makes the address of a Unix socket; an abstract name begins with a NUL.</summary>
    public IoAddress(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        _path = path;
    }

    /// <summary>Whether this is no address.</summary>
    public bool IsNone => _length == 0 && _path is null;

    /// <summary>The family; <see cref="AddressFamily.Unspecified"/> of no address.</summary>
    public AddressFamily AddressFamily => _length switch
    {
        4 => AddressFamily.InterNetwork,
        16 => AddressFamily.InterNetworkV6,
        _ => _path is null ? AddressFamily.Unspecified : AddressFamily.Unix,
    };

    /// <summary>The port; 0 of what has none.</summary>
    public int Port => _port;

    /// <summary>The scope of an IPv6 address.</summary>
    public uint ScopeId => _scope;

    /// <summary>The path of a Unix socket.</summary>
    public string? Path => _path;

    /// <summary>Whether two addresses mean the same.</summary>
    public static bool operator ==(in IoAddress left, in IoAddress right) => left.Equals(right);

    /// <summary>Whether two addresses mean different things.</summary>
    public static bool operator !=(in IoAddress left, in IoAddress right) => !left.Equals(right);

    /// <summary>The address of an end point; none of a null, and of what is neither IP nor Unix.</summary>
    public static IoAddress FromEndPoint(EndPoint? endPoint)
    {
        switch (endPoint)
        {
            case IPEndPoint ip:
                Span<byte> bytes = stackalloc byte[16];
                ip.Address.TryWriteBytes(bytes, out int length);
                return new IoAddress(bytes[..length], ip.Port, length == 16 ? (uint)ip.Address.ScopeId : 0);
            case UnixDomainSocketEndPoint unix when unix.ToString() is { Length: > 0 } text:
                return new IoAddress(text[0] == '@' ? $"\0{text.AsSpan(1)}" : text); // .NET writes an abstract name's NUL so
            default:
                return default;
        }
    }

    /// <summary>Writes the IP address in network order.</summary>
    /// <param name="destination">Room for 16 bytes.</param>
    /// <returns>How many bytes it has: 4, 16, or 0.</returns>
    public int WriteAddress(Span<byte> destination)
    {
        switch (_length)
        {
            case 4:
                BinaryPrimitives.WriteUInt32BigEndian(destination, (uint)_low);
                break;
            case 16:
                BinaryPrimitives.WriteUInt64BigEndian(destination, _high);
                BinaryPrimitives.WriteUInt64BigEndian(destination[8..], _low);
                break;
        }

        return _length;
    }

    /// <summary>The same as an object; null of no address.</summary>
    public EndPoint? ToEndPoint()
    {
        if (_length == 0)
        {
            return _path is null ? null : new UnixDomainSocketEndPoint(_path);
        }

        Span<byte> bytes = stackalloc byte[16];
        WriteAddress(bytes);
        return new IPEndPoint(_length == 4 ? new IPAddress(bytes[..4]) : new IPAddress(bytes, _scope), _port);
    }

    /// <inheritdoc/>
    public bool Equals(IoAddress other)
        => _low == other._low && _high == other._high && _port == other._port && _length == other._length
            && _scope == other._scope && string.Equals(_path, other._path, StringComparison.Ordinal);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is IoAddress other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode()
        => _path is null ? HashCode.Combine(_low, _high, _port, _scope, _length) : _path.GetHashCode(StringComparison.Ordinal);
}
