using System.Net.Sockets;
using System.Text;
using Toolkit.Backends;

namespace Toolkit.Transports;

/// <summary>Between the addresses that protocols name and those of the seam, which do not know each other.</summary>
internal static class DatagramAddresses
{
    private const int MaxPathLength = 107;

    /// <summary>
    /// Whether the path of a Unix socket fits the 108 bytes that there are for it and its NUL, if that is what it is.
    /// </summary>
    public static bool IsShortEnough(in DatagramAddress address)
        => address.Path is not { } path || Encoding.UTF8.GetByteCount(path) <= MaxPathLength;

    public static IoAddress ToSeam(in DatagramAddress address)
    {
        if (address.Path is { } path)
        {
            return new IoAddress(path);
        }

        Span<byte> bytes = stackalloc byte[DatagramAddress.MaxAddressLength];
        address.TryWriteAddress(bytes, out int length);
        return length == 0 ? default : new IoAddress(bytes[..length], address.Port, address.ScopeId);
    }

    public static DatagramAddress FromSeam(in IoAddress address)
    {
        if (address.Path is { } path)
        {
            return DatagramAddress.FromPath(path);
        }

        Span<byte> bytes = stackalloc byte[DatagramAddress.MaxAddressLength];
        int length = address.WriteAddress(bytes);
        return length == 0 ? default : new DatagramAddress(bytes[..length], address.Port, address.ScopeId);
    }
}
