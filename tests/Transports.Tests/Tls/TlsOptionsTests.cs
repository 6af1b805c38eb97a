using System.Security.Authentication;
using Toolkit.Transports;

namespace Toolkit.Tests.Tls;

public sealed class TlsOptionsTests
{
    [Fact]
    public void Server_WithoutCertificate_SaysWhatToSet()
    {
        ArgumentException exception = Assert.Throws<ArgumentException>(new TlsServerOptions().Validate);
        Assert.Contains(nameof(TlsServerOptions.Certificate), exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Options_OutOfRange_AreRefused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(new TlsClientOptions { HandshakeTimeout = TimeSpan.Zero }.Validate);
        Assert.Throws<ArgumentOutOfRangeException>(new TlsClientOptions { ShutdownTimeout = TimeSpan.FromTicks(-1) }.Validate);
        Assert.Throws<ArgumentOutOfRangeException>(new TlsServerOptions { MaxHandshakes = 0 }.Validate);
    }

    [Fact]
    public void OldVersions_AreRefused()
    {
        SslProtocols old = Enum.Parse<SslProtocols>("Tls11");
        var options = new TlsClientOptions { Authentication = new() { EnabledSslProtocols = old | SslProtocols.Tls12 } };
        Assert.Contains("1.2", Assert.Throws<ArgumentException>(options.Validate).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null, "asked.test.", "asked.test")]
    [InlineData("own.test", "asked.test", "own.test")]
    [InlineData(null, "127.0.0.1", "127.0.0.1")]
    public void For_Host_IsTheNameUnlessOneIsSet(string? set, string host, string expected)
        => Assert.Equal(expected, new TlsClientOptions { TargetHost = set }.For(host).TargetHost);

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    public void For_NoHost_Throws(string? host)
    {
        Assert.Throws<ArgumentException>(() => new TlsClientOptions().For(host));
        Assert.Throws<ArgumentException>(() => new TlsClientOptions { TargetHost = "" }.For("asked.test"));
    }

    [Fact]
    public void RecordCursor_AnyCuts_StopsAtEveryBoundary()
    {
        byte[] stream = [.. Record(0), .. Record(300), .. Record(1), .. Record(20)];
        var random = new Random(1);
        for (int round = 0; round < 200; round++)
        {
            var cursor = default(RecordCursor);
            var boundaries = new List<int>();
            int position = 0;
            while (position < stream.Length)
            {
                int there = random.Next(1, 40);
                ReadOnlySpan<byte> next = stream.AsSpan(position, Math.Min(there, stream.Length - position));
                int count = Math.Min(cursor.Left(next), next.Length);
                cursor.Advance(next[..count]);
                position += count;
                if (position is 5 or 310 or 316 or 341)
                {
                    boundaries.Add(position);
                }
            }

            Assert.Equal([5, 310, 316, 341], boundaries);
        }

        static byte[] Record(int length) => [0x17, 3, 3, (byte)(length >> 8), (byte)length, .. new byte[length]];
    }
}
