using System.Net;
using System.Net.Sockets;

namespace Toolkit.Tests.Servers;

public sealed class ServerOptionsTests
{
    public static TheoryData<ServerOptions> Wrong =>
    [
        new ServerOptions { Backlog = 0 },
        new ServerOptions { Backlog = -1 },
        new ServerOptions { MaxConnections = 0 },
        new ServerOptions { MaxConnections = -1 },
        new ServerOptions { DrainTime = TimeSpan.FromTicks(-1) },
        new ServerOptions { DrainTime = Timeout.InfiniteTimeSpan },
        new ServerOptions { MaxConnectionsPerAddress = 0 },
        new ServerOptions { Limits = null! },
        new ServerOptions { Limits = new() { FirstByteTime = TimeSpan.Zero } },
        new ServerOptions { Limits = new() { IdleTime = Timeout.InfiniteTimeSpan } },
        new ServerOptions { Limits = new() { WriteStallTime = TimeSpan.FromTicks(-1) } },
        new ServerOptions { Limits = new() { MinReceiveRate = new(0, TimeSpan.FromSeconds(5)) } },
        new ServerOptions { Limits = new() { MinReceiveRate = new(double.NaN, TimeSpan.FromSeconds(5)) } },
        new ServerOptions { Limits = new() { MinSendRate = new(double.PositiveInfinity, TimeSpan.FromSeconds(5)) } },
        new ServerOptions { Limits = new() { MinSendRate = new(1, TimeSpan.Zero) } },
        new ServerOptions { Tcp = null! },
        new ServerOptions { Tcp = new TcpOptions { DiscardLimit = -1 } },
    ];

    [Theory]
    [MemberData(nameof(Wrong))]
    public void Validate_OutOfRange_Throws(ServerOptions options)
        => Assert.ThrowsAny<ArgumentException>(options.Validate);

    [Fact]
    public void Validate_AtTheBounds_Passes()
    {
        ServerOptions.Default.Validate();
        new ServerOptions { Backlog = 1, MaxConnections = 1, DrainTime = TimeSpan.Zero }.Validate();
        new ServerOptions { Backlog = int.MaxValue, MaxConnections = int.MaxValue, DrainTime = TimeSpan.MaxValue }.Validate();
    }

    [Fact]
    public void Defaults_AreTheDocumentedOnes()
    {
        ServerOptions options = ServerOptions.Default;
        Assert.Equal(512, options.Backlog);
        Assert.True(options.ReuseAddress);
        Assert.False(options.ReusePort);
        Assert.True(options.StartServing);
        Assert.Null(options.MaxConnections);
        Assert.Null(options.MaxConnectionsPerAddress);
        Assert.Same(ConnectionLimits.None, options.Limits);
        Assert.Equal(TimeSpan.FromSeconds(5), options.DrainTime);
        Assert.Same(TcpOptions.Default, options.Tcp);
    }

    [Fact]
    public void Limits_None_AreNone_AndTheRecommendedAreTheDocumentedOnes()
    {
        Assert.Equal(new ConnectionLimits(), ConnectionLimits.None);
        Assert.Equal(
            new ConnectionLimits
            {
                FirstByteTime = TimeSpan.FromSeconds(30),
                IdleTime = TimeSpan.FromSeconds(120),
                WriteStallTime = TimeSpan.FromSeconds(60),
            },
            ConnectionLimits.Recommended);
        new ServerOptions { Limits = ConnectionLimits.Recommended, MaxConnectionsPerAddress = 1 }.Validate();
    }

    [Theory]
    [InlineData(SocketError.AddressAlreadyInUse, "the port is in use")]
    [InlineData(SocketError.AddressNotAvailable, "the address is not one of this machine's")]
    [InlineData(SocketError.AccessDenied, "the system does not allow it; ports below 1024 may need a privilege")]
    [InlineData(SocketError.AddressFamilyNotSupported, "this machine has no such kind of address")]
    [InlineData(SocketError.TooManyOpenSockets, "the process has no descriptor to spare")]
    [InlineData(SocketError.NoBufferSpaceAvailable, "NoBufferSpaceAvailable")]
    public void ListenFailedException_Message_SaysWhereAndWhy(SocketError error, string why)
    {
        var endPoint = new IPEndPoint(IPAddress.IPv6Loopback, 80);

        var exception = new ListenFailedException(endPoint, error);

        Assert.Equal($"Cannot listen on [::1]:80: {why}.", exception.Message);
        Assert.Same(endPoint, exception.EndPoint);
        Assert.Equal(error, exception.Error);
        Assert.Equal(error, Assert.IsType<SocketException>(exception.InnerException).SocketErrorCode);
        Assert.IsType<IOException>(exception, exactMatch: false);
    }

    [Fact]
    public void ListenFailedException_Unresolved_SaysTheName()
    {
        var resolver = new SocketException((int)SocketError.HostNotFound);

        var exception = new ListenFailedException("nowhere", resolver);

        Assert.Equal("Cannot listen on nowhere: the name could not be resolved (HostNotFound).", exception.Message);
        Assert.Null(exception.EndPoint);
        Assert.Equal(SocketError.HostNotFound, exception.Error);
        Assert.Same(resolver, exception.InnerException);

        var odd = new ListenFailedException("a\nb\u001b", resolver);
        Assert.StartsWith(@"Cannot listen on a\nb\u001B: ", odd.Message, StringComparison.Ordinal);
    }
}
