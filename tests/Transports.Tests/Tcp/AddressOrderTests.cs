using System.Net;
using Toolkit.Transports;

namespace Toolkit.Tests.Tcp;

/// <summary>In what order the addresses of a name are tried.</summary>
public sealed class AddressOrderTests
{
    [Fact]
    public void Families_TakeTurns()
    {
        IPAddress[] mixed = [.. ((string[])["fd00::1", "fd00::2", "fd00::3", "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"])
            .Select(IPAddress.Parse)];
        string[] expected = ["fd00::1", "10.0.0.1", "fd00::2", "10.0.0.2", "fd00::3", "10.0.0.3", "10.0.0.4"];

        Assert.Equal(expected, AddressOrder.Interleave(mixed).Select(address => address.ToString()));
        Assert.Empty(AddressOrder.Interleave([]));
    }
}
