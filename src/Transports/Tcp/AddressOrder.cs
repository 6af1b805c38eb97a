using System.Net;
using System.Net.Sockets;

namespace Toolkit.Transports;

/// <summary>The order in which the addresses of a name are tried.</summary>
internal static class AddressOrder
{
    /// <summary>
    /// Takes turns between the families, beginning with that of the first address, and keeps the resolver's order within each
    /// (RFC 8305, section 4, with a first address family count of one): when a family does not work at all, one delay is enough
    /// to find out.
    /// </summary>
    public static IPAddress[] Interleave(IReadOnlyList<IPAddress> addresses)
    {
        if (addresses.Count == 0)
        {
            return [];
        }

        AddressFamily first = addresses[0].AddressFamily;
        var ofFirst = new Queue<IPAddress>(addresses.Where(address => address.AddressFamily == first));
        var ofOther = new Queue<IPAddress>(addresses.Where(address => address.AddressFamily != first));
        var ordered = new List<IPAddress>(addresses.Count);
        while (ordered.Count < addresses.Count)
        {
            if (ofFirst.TryDequeue(out IPAddress? address))
            {
                ordered.Add(address);
            }

            if (ofOther.TryDequeue(out address))
            {
                ordered.Add(address);
            }
        }

        return [.. ordered];
    }
}
