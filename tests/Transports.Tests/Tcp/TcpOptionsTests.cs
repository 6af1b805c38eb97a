using System.Net;
using System.Net.Sockets;

namespace Toolkit.Tests.Tcp;

public sealed class TcpOptionsTests
{
    public static TheoryData<TcpOptions> Wrong =>
    [
        new TcpOptions { LingerTime = TimeSpan.FromTicks(-1) },
        new TcpOptions { DiscardLimit = -1 },
        new TcpOptions { SendBufferSize = 0 },
        new TcpOptions { SendBufferSize = -1 },
        new TcpOptions { ReceiveBufferSize = 0 },
        new TcpOptions { UserTimeout = TimeSpan.Zero },
        new TcpOptions { UserTimeout = TimeSpan.FromTicks(TimeSpan.TicksPerMillisecond - 1) },
        new TcpOptions { UserTimeout = TimeSpan.FromMilliseconds((double)int.MaxValue + 1) },
        new TcpOptions { UserTimeout = TimeSpan.MaxValue },
        new TcpOptions { KeepAlive = new TcpKeepAlive { Time = TimeSpan.FromMilliseconds(999) } },
        new TcpOptions { KeepAlive = new TcpKeepAlive { Time = TimeSpan.FromSeconds(32768) } },
        new TcpOptions { KeepAlive = new TcpKeepAlive { Interval = TimeSpan.Zero } },
        new TcpOptions { KeepAlive = new TcpKeepAlive { Interval = TimeSpan.FromSeconds(32768) } },
        new TcpOptions { KeepAlive = new TcpKeepAlive { RetryCount = 0 } },
        new TcpOptions { KeepAlive = new TcpKeepAlive { RetryCount = 128 } },
    ];

    [Theory]
    [MemberData(nameof(Wrong))]
    public void Validate_OutOfRange_Throws(TcpOptions options)
    {
        Assert.Throws<ArgumentOutOfRangeException>(options.Validate);
        Assert.Throws<ArgumentOutOfRangeException>(new ConnectOptions { Tcp = options }.Validate);
    }

    [Fact]
    public void Validate_AtTheBounds_Passes()
    {
        TcpOptions.Default.Validate();
        ConnectOptions.Default.Validate();
        new TcpOptions
        {
            LingerTime = TimeSpan.Zero,
            DiscardLimit = 0,
            SendBufferSize = 1,
            ReceiveBufferSize = int.MaxValue,
            KeepAlive = new TcpKeepAlive
            {
                Time = TimeSpan.FromSeconds(1),
                Interval = TimeSpan.FromSeconds(32767),
                RetryCount = 127,
            },
        }.Validate();
        new ConnectOptions { Timeout = TimeSpan.FromTicks(1) }.Validate();
        new ConnectOptions { Timeout = TimeSpan.MaxValue }.Validate();
    }

    [Fact]
    public void Validate_UserTimeout_IsLinuxOnly()
    {
        var options = new TcpOptions { UserTimeout = TimeSpan.FromMilliseconds(1) };
        if (OperatingSystem.IsLinux())
        {
            options.Validate();
        }
        else
        {
            Assert.Throws<PlatformNotSupportedException>(options.Validate);
        }
    }

    [Fact]
    public void Validate_ConnectOptionsOutOfRange_Throw()
    {
        Assert.Throws<ArgumentOutOfRangeException>(new ConnectOptions { Timeout = TimeSpan.Zero }.Validate);
        Assert.Throws<ArgumentOutOfRangeException>(new ConnectOptions { Timeout = TimeSpan.FromTicks(-1) }.Validate);
        Assert.Throws<ArgumentNullException>(new ConnectOptions { Tcp = null! }.Validate);
    }

    [Fact]
    public void Defaults_AreTheDocumentedOnes()
    {
        TcpOptions tcp = TcpOptions.Default;
        Assert.True(tcp.NoDelay);
        Assert.Null(tcp.KeepAlive);
        Assert.Null(tcp.UserTimeout);
        Assert.Equal(TimeSpan.FromSeconds(30), tcp.LingerTime);
        Assert.Equal(64L * 1024 * 1024, tcp.DiscardLimit);
        Assert.Equal(TimeSpan.FromSeconds(30), ConnectOptions.Default.Timeout);
        Assert.Null(ConnectOptions.Default.LocalEndPoint);
        Assert.Equal(TimeSpan.FromSeconds(60), new TcpKeepAlive().Time);
        Assert.Equal(TimeSpan.FromSeconds(10), new TcpKeepAlive().Interval);
        Assert.Equal(6, new TcpKeepAlive().RetryCount);
    }

    [Fact]
    public void ConnectFailedException_Message_SaysWhatCameOfEachAddress()
    {
        var first = new ConnectFailure(
            new IPEndPoint(IPAddress.IPv6Loopback, 80), new SocketException((int)SocketError.ConnectionRefused));
        var second = new ConnectFailure(
            new IPEndPoint(IPAddress.Loopback, 80), new SocketException((int)SocketError.TimedOut));

        var several = new ConnectFailedException("name:80", [first, second]);
        var none = new ConnectFailedException("name:80", []);
        var unresolved = new ConnectFailedException("name:80", new SocketException((int)SocketError.HostNotFound));

        Assert.Equal("Cannot connect to name:80: [::1]:80: ConnectionRefused; 127.0.0.1:80: TimedOut.", several.Message);
        Assert.Same(first.Error, several.InnerException);
        Assert.Equal("Cannot connect to name:80: it has no address of the local end point's family.", none.Message);
        Assert.Null(none.InnerException);
        Assert.Equal("Cannot connect to name:80: the name could not be resolved (HostNotFound).", unresolved.Message);
        Assert.Empty(unresolved.Failures);
        Assert.IsType<IOException>(several, exactMatch: false);
    }

    [Fact]
    public void ConnectFailedException_TargetOfAPeers_IsEscaped()
    {
        const string Target = "a\r\nb\u001b[2J\0:80";
        ConnectFailedException[] exceptions =
        [
            new(Target, []),
            new(Target, [new ConnectFailure(new IPEndPoint(IPAddress.Loopback, 80), new SocketException())]),
            new(Target, new SocketException((int)SocketError.HostNotFound)),
        ];

        Assert.All(exceptions, e => Assert.StartsWith(
            @"Cannot connect to a\r\nb\u001B[2J\u0000:80: ", e.Message, StringComparison.Ordinal));
    }
}
