using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Toolkit.Backends.Linux;

/// <summary>
/// An IP address and port as a value of 24 bytes: every connection keeps two, and an <see cref="IPEndPoint"/> with its
/// address is four times that.
/// </summary>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct SocketName
{
    /// <summary>Room for a <c>sockaddr_in6</c>, the largest that is meant here.</summary>
    public const int MaxNativeLength = 28;

    private const ushort NativeUnix = 1;
    private const ushort NativeInterNetwork = 2;
    private const ushort NativeInterNetworkV6 = 10;

    private readonly ulong _high;
    private readonly ulong _low;
    private readonly uint _scope;
    private readonly ushort _port;
    private readonly ushort _nativeFamily;

    private SocketName(ulong high, ulong low, uint scope, ushort port, ushort nativeFamily)
    {
        _high = high;
        _low = low;
        _scope = scope;
        _port = port;
        _nativeFamily = nativeFamily;
    }

    /// <summary>Whether the address is the one that stands for all.</summary>
    public bool IsWildcard => _high == 0 && _low == 0;

    /// <summary>Whether it is a Unix socket's, which is no more than that here: see <see cref="UnixNames"/>.</summary>
    public bool IsUnix => _nativeFamily == NativeUnix;

    /// <summary>
    /// Reads a <c>sockaddr</c>; the empty name when it is of another family. Of a Unix name only the family is kept.
    /// </summary>
    public static SocketName Read(ReadOnlySpan<byte> native)
    {
        if (native.Length >= sizeof(ushort) && BitConverter.ToUInt16(native) == NativeUnix)
        {
            return new SocketName(0, 0, 0, 0, NativeUnix);
        }

        if (native.Length < 8)
        {
            return default;
        }

        ushort family = BitConverter.ToUInt16(native);
        ushort port = BinaryPrimitives.ReadUInt16BigEndian(native[2..]);
        return family switch
        {
            NativeInterNetwork
                => new SocketName(0, BinaryPrimitives.ReadUInt32BigEndian(native[4..]), 0, port, family),
            NativeInterNetworkV6 when native.Length >= MaxNativeLength
                => new SocketName(
                    BinaryPrimitives.ReadUInt64BigEndian(native[8..]),
                    BinaryPrimitives.ReadUInt64BigEndian(native[16..]),
                    BitConverter.ToUInt32(native[24..]),
                    port,
                    family),
            _ => default,
        };
    }

    /// <summary>Writes the end point as a <c>sockaddr</c>.</summary>
    /// <returns>Its length, or 0 when the end point is not an IP one.</returns>
    public static int Write(EndPoint endPoint, Span<byte> native)
    {
        if (endPoint is not IPEndPoint ip)
        {
            return 0;
        }

        native.Clear();
        BinaryPrimitives.WriteUInt16BigEndian(native[2..], (ushort)ip.Port);
        if (ip.AddressFamily == AddressFamily.InterNetwork)
        {
            BitConverter.TryWriteBytes(native, NativeInterNetwork);
            ip.Address.TryWriteBytes(native[4..], out _);
            return 16;
        }

        BitConverter.TryWriteBytes(native, NativeInterNetworkV6);
        ip.Address.TryWriteBytes(native[8..], out _);
        BitConverter.TryWriteBytes(native[24..], (uint)ip.Address.ScopeId);
        return MaxNativeLength;
    }

    public IPEndPoint? ToEndPoint()
    {
        Span<byte> bytes = stackalloc byte[16];
        switch (_nativeFamily)
        {
            case NativeInterNetwork:
                BinaryPrimitives.WriteUInt32BigEndian(bytes, (uint)_low);
                return new IPEndPoint(new IPAddress(bytes[..4]), _port);
            case NativeInterNetworkV6:
                BinaryPrimitives.WriteUInt64BigEndian(bytes, _high);
                BinaryPrimitives.WriteUInt64BigEndian(bytes[8..], _low);
                return new IPEndPoint(new IPAddress(bytes, _scope), _port);
            default:
                return null;
        }
    }
}
