using System.Net.Sockets;

namespace Toolkit.Tests.Servers;

/// <summary>Kinds of addresses that a machine lacks, which no test can take from a real one.</summary>
public sealed class AddressFamilyTests
{
    private readonly ScriptedBackend _backend = new()
    {
        OnOpen = spec => spec.AddressFamily == AddressFamily.InterNetwork
            ? SocketError.Success
            : SocketError.AddressFamilyNotSupported,
    };

    [Theory]
    [InlineData("tcp://[::1]:80", "Cannot listen on [::1]:80: this machine has no such kind of address.")]
    [InlineData("tls://[::]:80", "Cannot listen on [::]:80: this machine has no such kind of address.")]
    [InlineData("unix:/run/s", "Cannot listen on /run/s: this machine has no such sockets.")]
    public void Listen_WithoutTheFamily_SaysSoAndListensNowhere(string address, string message) => Run(async loop =>
    {
        var options = new ServerOptions { Tls = new() { CertificateSelector = _ => null } };

        ListenFailedException exception = await Assert.ThrowsAsync<ListenFailedException>(() => loop.CreateServerAsync(
            () => new TestProtocol(), [ServiceAddress.Parse("tcp://127.0.0.1:80"), ServiceAddress.Parse(address)], options));

        Assert.Equal(message, exception.Message);
        await loop.Yield();
        Assert.Equal(1, _backend.ClosedCount); // the other one
    });

    [Fact]
    public void Listen_OnLoopback_TakesWhatThereIs() => Run(async loop =>
    {
        Server server = await loop.CreateServerAsync(() => new TestProtocol(), ServiceAddress.Parse("tcp://:80"));

        Assert.Equal(ServiceAddress.Parse("tcp://127.0.0.1:80"), Assert.Single(server.Addresses));
        server.Close();
    });

    [Fact]
    public void Connect_WithoutTheFamily_SaysSo() => Run(async loop =>
    {
        ConnectFailedException connection = await Assert.ThrowsAsync<ConnectFailedException>(
            () => loop.OpenConnectionAsync(ServiceAddress.Parse("tcp://[::1]:80")));
        DatagramEndpointFailedException datagrams = await Assert.ThrowsAsync<DatagramEndpointFailedException>(
            () => loop.CreateDatagramEndpointAsync(() => new Deaf(), ServiceAddress.Parse("udp://[::1]:0")));

        Assert.Contains("this machine has no such kind of address", connection.Message, StringComparison.Ordinal);
        Assert.Equal("There is no datagram end point at [::1]:0: this loop has no datagrams of that family.", datagrams.Message);
    });

    private void Run(Func<EventLoop, Task> scenario)
        => EventLoop.Run(scenario, new EventLoopOptions { BackendFactory = () => _backend });

    private sealed class Deaf : DatagramProtocol
    {
        public override void DatagramReceived(ReadOnlySpan<byte> data, in DatagramAddress from, DatagramFlags flags)
        {
        }
    }
}
