using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;

namespace Toolkit.Backends.Linux;

/// <summary>Addresses of datagrams as Linux has them, and what its errors mean for a datagram.</summary>
internal static class NativeAddress
{
    /// <summary>Room for a <c>sockaddr_un</c> (110 bytes), the largest that is meant here, in whole words.</summary>
    public const int MaxLength = 112;

    /// <summary>The longest path: a <c>sockaddr_un</c> has 108 bytes for it, of which a path leaves one to its NUL.</summary>
    public const int MaxPathLength = 107;

    private const ushort NativeUnix = 1;
    private const ushort NativeInterNetwork = 2;
    private const ushort NativeInterNetworkV6 = 10;
    private const int LengthV4 = 16;
    private const int LengthV6 = 28;
    private const int PathOffset = 2;

    private const int NoSuchDevice = 19;
    private const int InputOutput = 5;
    private const int DestinationRequired = 89;
    private const int MessageTooLong = 90;
    private const int WrongType = 91;

    /// <summary>Writes an address as a <c>sockaddr</c>.</summary>
    /// <param name="address">The address.</param>
    /// <param name="native">Room for <see cref="MaxLength"/> bytes.</param>
    /// <returns>Its length; 0 of no address, and of a path that is too long.</returns>
    public static int Write(in IoAddress address, Span<byte> native)
    {
        switch (address.AddressFamily)
        {
            case AddressFamily.InterNetwork:
                native[..LengthV4].Clear();
                BitConverter.TryWriteBytes(native, NativeInterNetwork);
                BinaryPrimitives.WriteUInt16BigEndian(native[2..], (ushort)address.Port);
                address.WriteAddress(native[4..]);
                return LengthV4;
            case AddressFamily.InterNetworkV6:
                native[..LengthV6].Clear();
                BitConverter.TryWriteBytes(native, NativeInterNetworkV6);
                BinaryPrimitives.WriteUInt16BigEndian(native[2..], (ushort)address.Port);
                address.WriteAddress(native[8..]);
                BitConverter.TryWriteBytes(native[24..], address.ScopeId);
                return LengthV6;
            case AddressFamily.Unix:
                string path = address.Path!;
                if (Encoding.UTF8.GetByteCount(path) > MaxPathLength)
                {
                    return 0;
                }

                native[..MaxLength].Clear();
                BitConverter.TryWriteBytes(native, NativeUnix);
                int length = PathOffset + Encoding.UTF8.GetBytes(path, native[PathOffset..]);
                return path[0] == '\0' ? length : length + 1;
            default:
                return 0;
        }
    }

    /// <summary>Reads a <c>sockaddr</c>.</summary>
    /// <param name="native">The address.</param>
    /// <param name="lastPath">The path of the last one, which most often is that of the next, too.</param>
    public static IoAddress Read(ReadOnlySpan<byte> native, ref string? lastPath)
    {
        if (native.Length < PathOffset)
        {
            return default;
        }

        switch (BitConverter.ToUInt16(native))
        {
            case NativeInterNetwork when native.Length >= 8:
                return new IoAddress(native.Slice(4, 4), BinaryPrimitives.ReadUInt16BigEndian(native[2..]));
            case NativeInterNetworkV6 when native.Length >= LengthV6:
                return new IoAddress(
                    native.Slice(8, 16), BinaryPrimitives.ReadUInt16BigEndian(native[2..]), BitConverter.ToUInt32(native[24..]));
            case NativeUnix:
                return ReadPath(native[PathOffset..], ref lastPath);
            default:
                return default;
        }
    }

    /// <summary>What an error number means for a datagram.</summary>
    public static SocketError ErrorOf(int errno) => errno switch
    {
        MessageTooLong => SocketError.MessageSize,
        Errno.NoEntry => SocketError.ConnectionRefused, // of a path: nobody has it
        NoSuchDevice => SocketError.AddressNotAvailable,
        DestinationRequired => SocketError.DestinationAddressRequired,
        WrongType => SocketError.ProtocolType,
        InputOutput => SocketError.OperationNotSupported, // the device cannot cut what was sent (UDP_SEGMENT)
        _ => Errno.ToSocketError(errno),
    };

    private static IoAddress ReadPath(ReadOnlySpan<byte> bytes, ref string? lastPath)
    {
        if (bytes.IsEmpty)
        {
            return default;
        }

        if (bytes[0] != 0)
        {
            int end = bytes.IndexOf((byte)0);
            bytes = end < 0 ? bytes : bytes[..end];
        }

        Span<char> text = stackalloc char[MaxLength];
        ReadOnlySpan<char> path = text[..Encoding.UTF8.GetChars(bytes, text)];
        if (!path.SequenceEqual(lastPath))
        {
            lastPath = path.ToString();
        }

        return new IoAddress(lastPath!);
    }
}
