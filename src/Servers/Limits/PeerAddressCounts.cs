using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace Toolkit;

/// <summary>
/// How many connections each peer address has. An IPv6 peer is counted by its /64: that is the least that a network is given,
/// and whoever has one has 2^64 addresses. An IPv4 address within IPv6 is what it is in IPv4.
/// </summary>
internal sealed class PeerAddressCounts
{
    private const int SubnetBits = 64;

    private readonly Dictionary<UInt128, int> _counts = [];

    /// <summary>How many connections have the peer's address; zero for a peer that has none.</summary>
    public int this[EndPoint? peer] => TryGetKey(peer, out UInt128 key) ? _counts.GetValueOrDefault(key) : 0;

    public void Add(EndPoint? peer)
    {
        if (TryGetKey(peer, out UInt128 key))
        {
            System.Runtime.InteropServices.CollectionsMarshal.GetValueRefOrAddDefault(_counts, key, out _)++;
        }
    }

    public void Remove(EndPoint? peer)
    {
        if (TryGetKey(peer, out UInt128 key) && --System.Runtime.InteropServices.CollectionsMarshal
            .GetValueRefOrNullRef(_counts, key) == 0)
        {
            _counts.Remove(key);
        }
    }

    private static bool TryGetKey(EndPoint? peer, out UInt128 key)
    {
        Span<byte> bytes = stackalloc byte[16];
        if (peer is not IPEndPoint { Address: { } address } || !address.TryWriteBytes(bytes, out int length))
        {
            key = 0;
            return false;
        }

        // The key of a subnet ends in 64 zeros, and that of an IPv4 address does not.
        key = address.AddressFamily == AddressFamily.InterNetwork
            ? MappedKey(BinaryPrimitives.ReadUInt32BigEndian(bytes[..length]))
            : address.IsIPv4MappedToIPv6
                ? MappedKey(BinaryPrimitives.ReadUInt32BigEndian(bytes[12..]))
                : BinaryPrimitives.ReadUInt128BigEndian(bytes) >> SubnetBits << SubnetBits;
        return true;
    }

    private static UInt128 MappedKey(uint address) => ((UInt128)0xFFFF << 32) | address;
}
