using System.Net;

namespace Toolkit.Tests.Servers;

/// <summary>Which addresses are counted together.</summary>
public sealed class PeerAddressCountsTests
{
    [Theory]
    [InlineData("10.0.0.1", "10.0.0.1", true)]
    [InlineData("10.0.0.1", "10.0.0.2", false)]
    [InlineData("10.0.0.1", "::ffff:10.0.0.1", true)]
    [InlineData("10.0.0.1", "::10.0.0.1", false)]
    [InlineData("::1", "::ffff:0.0.0.1", false)]
    [InlineData("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", true)]
    [InlineData("2001:db8:1:2::1", "2001:db8:1:3::1", false)]
    [InlineData("fe80::1%1", "fe80::2%2", true)]
    public void Addresses_OfOneSubnet_CountTogether(string one, string other, bool together)
    {
        var counts = new PeerAddressCounts();
        EndPoint first = new IPEndPoint(IPAddress.Parse(one), 1);
        EndPoint second = new IPEndPoint(IPAddress.Parse(other), 2);

        counts.Add(first);
        Assert.Equal(together ? 1 : 0, counts[second]);
        counts.Add(second);
        Assert.Equal(together ? 2 : 1, counts[first]);
        counts.Remove(first);
        Assert.Equal(1, counts[second]);
        counts.Remove(second);
        Assert.Equal(0, counts[first] + counts[second]);
    }

    [Fact]
    public void Peer_WithoutAnAddress_IsNotCounted()
    {
        var counts = new PeerAddressCounts();

        counts.Add(null);
        counts.Remove(null);

        Assert.Equal(0, counts[null]);
        Assert.Equal(0, counts[new DnsEndPoint("localhost", 1)]);
    }
}
