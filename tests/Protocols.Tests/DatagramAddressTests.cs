using System.Net;
using System.Net.Sockets;

namespace Toolkit.Tests;

public sealed class DatagramAddressTests
{
    [Theory]
    [InlineData("0.0.0.0:0")]
    [InlineData("127.0.0.1:53")]
    [InlineData("255.255.255.255:65535")]
    [InlineData("[::]:0")]
    [InlineData("[::1]:53")]
    [InlineData("[fe80::1%2]:5353")]
    [InlineData("[::ffff:10.0.0.1]:80")]
    [InlineData("unix:/run/log")]
    [InlineData("unix:@hidden")]
    [InlineData("none")]
    public void ParseAndFormat_AreInverse(string text)
    {
        DatagramAddress address = DatagramAddress.Parse(text);

        Assert.Equal(text, address.ToString());
        Assert.Equal(text, $"{address}");
        EndPoint? endPoint = address.ToEndPoint();
        Assert.Equal(text == "none", endPoint is null);
        Assert.Equal(address, endPoint is null ? default : DatagramAddress.FromEndPoint(endPoint));
    }

    [Theory]
    [InlineData("")]
    [InlineData("127.0.0.1")]
    [InlineData("127.1:53")]
    [InlineData("0x7f000001:53")]
    [InlineData("127.0.0.1:65536")]
    [InlineData("127.0.0.1:-1")]
    [InlineData("127.0.0.1: 1")]
    [InlineData("::1:53")]
    [InlineData("[127.0.0.1]:53")]
    [InlineData("[::1]")]
    [InlineData("[::1:53")]
    [InlineData("localhost:53")]
    [InlineData("unix:")]
    [InlineData("unix:@")]
    [InlineData("unix:a\0b")]
    public void Parse_Nonsense_IsRefused(string text)
    {
        Assert.False(DatagramAddress.TryParse(text, null, out DatagramAddress address));
        Assert.True(address.IsNone);
        Assert.Throws<FormatException>(() => DatagramAddress.Parse(text));
    }

    [Fact]
    public void RandomEndPoints_SurviveEveryWay()
    {
        var random = new Random(TestSeed.Draw());
        var seen = new Dictionary<DatagramAddress, EndPoint>();
        Span<byte> written = stackalloc byte[DatagramAddress.MaxAddressLength];
        for (int i = 0; i < 2000; i++)
        {
            byte[] bytes = new byte[random.Next(2) == 0 ? 4 : 16];
            random.NextBytes(bytes);
            int port = random.Next(65536);
            uint scope = bytes.Length == 16 && random.Next(3) == 0 ? (uint)random.Next() : 0;
            var address = new DatagramAddress(bytes, port, scope);
            var endPoint = new IPEndPoint(bytes.Length == 16 ? new IPAddress(bytes, scope) : new IPAddress(bytes), port);

            Assert.Equal(endPoint, address.ToEndPoint());
            Assert.Equal(address, DatagramAddress.FromEndPoint(endPoint));
            Assert.Equal(address, DatagramAddress.Parse(address.ToString()));
            Assert.Equal(address.GetHashCode(), DatagramAddress.FromEndPoint(endPoint).GetHashCode());
            Assert.True(address.TryWriteAddress(written, out int length));
            Assert.True(written[..length].SequenceEqual(bytes));
            Assert.Equal((port, scope), (address.Port, address.ScopeId));
            Assert.True(address != new DatagramAddress(bytes, port ^ 1, scope));
            seen[address] = endPoint;
        }

        Assert.All(seen, pair => Assert.Equal(pair.Value, pair.Key.ToEndPoint()));
    }

    [Fact]
    public void RandomText_IsReadOrRefused_AndNeverThrows()
    {
        var random = new Random(TestSeed.Draw());
        const string Characters = "0123456789abcdef:.[]%@/unix\0 -x";
        for (int i = 0; i < 5000; i++)
        {
            char[] text = [.. Enumerable.Range(0, random.Next(20)).Select(_ => Characters[random.Next(Characters.Length)])];
            if (DatagramAddress.TryParse(text, null, out DatagramAddress address))
            {
                Assert.Equal(address, DatagramAddress.Parse(address.ToString()));
            }
        }
    }

    [Fact]
    public void Nonsense_IsRefusedWithWords()
    {
        Assert.Throws<ArgumentException>(() => new DatagramAddress(new byte[5], 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => new DatagramAddress(new byte[4], 65536));
        Assert.Throws<ArgumentOutOfRangeException>(() => new DatagramAddress(new byte[4], 1, scopeId: 1));
        Assert.Throws<ArgumentException>(() => DatagramAddress.FromPath(""));
        Assert.Throws<ArgumentException>(() => DatagramAddress.FromPath("a\0b"));
        Assert.Throws<ArgumentException>(() => DatagramAddress.FromEndPoint(new DnsEndPoint("localhost", 1)));
        Assert.Equal(AddressFamily.Unspecified, default(DatagramAddress).AddressFamily);
        Assert.True(default(DatagramAddress).TryWriteAddress([], out int written));
        Assert.Equal(0, written);
        Assert.False(new DatagramAddress(new byte[4], 1).TryWriteAddress(new byte[3], out _));
    }

    [Fact]
    public void QueueLimits_OutOfOrder_AreRefused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new DatagramQueueLimits(-1));
        Assert.Throws<ArgumentOutOfRangeException>(() => new DatagramQueueLimits(10, low: 11));
        Assert.Throws<ArgumentOutOfRangeException>(() => new DatagramQueueLimits(10, capacity: 9));
        var limits = new DatagramQueueLimits(10);
        Assert.Equal((10, 2, 1024 * 1024), (limits.High, limits.Low, limits.Capacity));
    }
}
