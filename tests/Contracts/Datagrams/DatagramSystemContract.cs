using System.Net;
using System.Net.Sockets;

namespace Toolkit.Tests.Contracts;

/// <summary>What datagram end points have of the machine: Unix sockets, groups, shared ports, IPv6.</summary>
public abstract class DatagramSystemContract(LoopUnderTest subject) : DatagramSuite(subject)
{
    private const int LoopbackInterface = 1;

    private static readonly byte[] s_hello = "hello"u8.ToArray();

    [Fact]
    public void UnixSocket_EchoesByPath_AndItsFileIsForItsOwnerAndGoesWithIt() => RunOnLinux(async loop =>
    {
        using var folder = new TemporaryFolder();
        RecordingDatagrams server = await OpenAsync(loop, AtPath(folder, "server"));
        server.OnReceived = (self, data, from) => self.Transport.SendTo(data, from);
        RecordingDatagrams client = await OpenAsync(
            loop, AtPath(folder, "client") with { RemoteEndPoint = server.Transport.LocalEndPoint });

        if (!OperatingSystem.IsWindows())
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(folder.PathOf("server")));
        }

        client.Transport.Send(s_hello);
        client.Transport.Send([]);
        await UntilAsync(loop, () => client.Received.Count == 2);

        Assert.Equal([s_hello, []], client.Received);
        Assert.Equal(DatagramAddress.FromPath(folder.PathOf("client")), server.Senders[0]);
        Assert.Equal(DatagramAddress.FromPath(folder.PathOf("server")), client.Senders[0]);
        server.Transport.Close();
        Assert.False(File.Exists(folder.PathOf("server")));
        Assert.True(File.Exists(folder.PathOf("client")));

        // What a kernel still has in flight on the socket holds it for a moment.
        await UntilAsync(loop, () => client.Transport.Send(s_hello) == DatagramSendStatus.Accepted && client.Faults.Count > 0);
        Assert.Equal(DatagramFault.Refused, ((DatagramException)client.Faults[0]).Fault);
    });

    [Fact]
    public void UnixSocket_PathOfOthers_IsRespected() => RunOnLinux(async loop =>
    {
        using var folder = new TemporaryFolder();
        await File.WriteAllTextAsync(folder.PathOf("file"), "mine");
        await RequireRefusedAsync("file", SocketError.NotSocket);
        Assert.Equal("mine", await File.ReadAllTextAsync(folder.PathOf("file")));

        // Somebody has it open.
        RecordingDatagrams first = await OpenAsync(loop, AtPath(folder, "open"));
        await RequireRefusedAsync("open", SocketError.AddressAlreadyInUse);

        // What was replaced meanwhile is not ours to remove.
        File.Delete(folder.PathOf("open"));
        RecordingDatagrams second = await OpenAsync(loop, AtPath(folder, "open"));
        first.Transport.Close();
        Assert.True(File.Exists(folder.PathOf("open")));
        second.Transport.Close();
        Assert.False(File.Exists(folder.PathOf("open")));

        async Task RequireRefusedAsync(string name, SocketError error)
        {
            var refused = await Assert.ThrowsAsync<DatagramEndpointFailedException>(
                () => loop.CreateDatagramEndpointAsync(() => new RecordingDatagrams(), AtPath(folder, name)));
            Assert.Equal(error, refused.Error);
        }
    });

    [Fact]
    public void UnixSocket_FileOfAKilledProcess_IsReplaced() => RunOnLinux(async loop =>
    {
        using var folder = new TemporaryFolder();
        using (var killed = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified))
        {
            killed.Bind(new UnixDomainSocketEndPoint(folder.PathOf("left")));
            File.Move(folder.PathOf("left"), folder.PathOf("kept")); // where .NET does not remove it
        }

        File.Move(folder.PathOf("kept"), folder.PathOf("left"));
        RecordingDatagrams server = await OpenAsync(loop, AtPath(folder, "left"));
        Assert.Equal(folder.PathOf("left"), server.Transport.LocalEndPoint!.ToString());
    });

    [Fact]
    public void SendTo_PathTooLong_IsRefused() => RunOnLinux(async loop =>
    {
        using var folder = new TemporaryFolder();
        RecordingDatagrams client = await OpenAsync(loop, AtPath(folder, "client"));
        Assert.Throws<ArgumentException>(() => client.Transport.SendTo(s_hello, DatagramAddress.FromPath(new string('x', 108))));
    });

    [Theory]
    [InlineData(true, DatagramDropPolicy.Newest)]
    [InlineData(true, DatagramDropPolicy.Oldest)]
    [InlineData(false, DatagramDropPolicy.Newest)]
    public void Send_PeerTakesNone_PausesDropsAndResumes(bool connected, DatagramDropPolicy policy) => RunOnLinux(async loop =>
    {
        using var folder = new TemporaryFolder();
        RecordingDatagrams server = await OpenAsync(loop, AtPath(folder, "server"));
        server.Transport.PauseReading();
        var options = new DatagramOptions
        {
            LocalEndPoint = connected ? null : new UnixDomainSocketEndPoint(folder.PathOf("client")),
            RemoteEndPoint = connected ? server.Transport.LocalEndPoint : null,
            QueueLimits = new DatagramQueueLimits(high: 1000, low: 100, capacity: 3000),
            DropPolicy = policy,
        };
        RecordingDatagrams client = await OpenAsync(loop, options);
        DatagramAddress to = AddressOf(server);
        int accepted = 0;
        int sent = 0;
        while (client.Transport.Counters.Dropped < 5)
        {
            byte[] data = new byte[100];
            BitConverter.TryWriteBytes(data, sent++);
            DatagramSendStatus status = client.Transport.SendTo(data, to);
            accepted += status == DatagramSendStatus.Dropped ? 0 : 1;
        }

        Assert.Equal(1, client.PauseCount);
        Assert.InRange(client.Transport.UnsentBytes, 1001, 3000);
        server.Transport.ResumeReading();
        await UntilAsync(loop, () => client is { ResumeCount: 1, Transport.UnsentDatagrams: 0 });
        int dropped = (int)client.Transport.Counters.Dropped;
        Assert.Equal(5, dropped);
        await UntilAsync(loop, () => server.Received.Count == sent - dropped);

        int[] numbers = [.. server.Received.Select(data => BitConverter.ToInt32(data))];
        Assert.Equal(numbers.Order(), numbers);
        Assert.Equal(policy == DatagramDropPolicy.Newest ? accepted : sent, accepted);
        Assert.Equal(policy == DatagramDropPolicy.Newest ? sent - 6 : sent - 1, numbers[^1]);
    });

    [Fact]
    public void Close_WhileThePeerTakesNone_WaitsForTheLingerTime_ThenAborts() => RunOnLinux(async loop =>
    {
        using var folder = new TemporaryFolder();
        RecordingDatagrams server = await OpenAsync(loop, AtPath(folder, "server"));
        server.Transport.PauseReading();
        RecordingDatagrams client = await OpenAsync(loop, new DatagramOptions
        {
            RemoteEndPoint = server.Transport.LocalEndPoint,
            QueueLimits = new DatagramQueueLimits(high: 1000, low: 0),
            LingerTime = TimeSpan.FromMilliseconds(20),
        });

        // What the backend had already taken makes room once.
        for (int quiet = 0; quiet < 5; quiet = client.PauseCount > client.ResumeCount ? quiet + 1 : 0)
        {
            while (client.PauseCount == client.ResumeCount)
            {
                client.Transport.Send(new byte[100]);
            }

            await NextTurnAsync(loop);
        }

        client.Transport.Close();
        await UntilAsync(loop, () => client.LostCount == 1);

        Assert.Equal(CloseReason.Timeout, client.Transport.CloseReason);
        Assert.IsType<ConnectionException>(client.LostReason);
    });

    [Fact]
    public void IPv6_Echoes() => RunOnLinux(async loop =>
    {
        var anywhere = new DatagramOptions { LocalEndPoint = new IPEndPoint(IPAddress.IPv6Loopback, 0) };
        RecordingDatagrams server = await OpenAsync(loop, anywhere);
        server.OnReceived = (self, data, from) => self.Transport.SendTo(data, from);
        RecordingDatagrams client = await OpenAsync(loop, anywhere);

        client.Transport.SendTo(s_hello, AddressOf(server));
        await UntilAsync(loop, () => client.Received.Count == 1);

        Assert.Equal(AddressOf(server), client.Senders[0]);
    });

    [Fact]
    public void ReusePort_SharesThePort() => RunOnLinux(async loop =>
    {
        RecordingDatagrams first = await OpenAsync(loop, Anywhere with { ReusePort = true });
        RecordingDatagrams second = await OpenAsync(
            loop, new DatagramOptions { LocalEndPoint = first.Transport.LocalEndPoint, ReusePort = true });

        Assert.Equal(first.Transport.LocalEndPoint, second.Transport.LocalEndPoint);
    });

    [Fact]
    public void Broadcast_WithoutTheOption_IsNotAllowed() => RunOnLinux(async loop =>
    {
        RecordingDatagrams client = await OpenAsync(
            loop, new DatagramOptions { LocalEndPoint = new IPEndPoint(IPAddress.Any, 0) });

        client.Transport.SendTo(s_hello, DatagramAddress.Parse("255.255.255.255:9"));
        await UntilAsync(loop, () => client.Faults.Count == 1);

        // Without a way out of the machine there is none to broadcast on.
        var fault = (DatagramException)client.Faults[0];
        Assert.Contains(fault.Fault, (DatagramFault[])[DatagramFault.NotAllowed, DatagramFault.Unreachable]);
        Assert.Equal(DatagramAddress.Parse("255.255.255.255:9"), fault.Peer);
    });

    [Fact]
    public void Group_Joined_IsHeardUntilItIsLeft() => RunOnLinux(async loop =>
    {
        var group = IPAddress.Parse("239.255.77.1");
        RecordingDatagrams member = await OpenAsync(
            loop, new DatagramOptions { LocalEndPoint = new IPEndPoint(IPAddress.Any, 0), ReuseAddress = true });
        member.Transport.JoinGroup(group, LoopbackInterface);
        Assert.Throws<DatagramException>(() => member.Transport.JoinGroup(group, LoopbackInterface));
        RecordingDatagrams sender = await OpenAsync(loop, Anywhere with
        {
            MulticastInterface = LoopbackInterface,
            MulticastTimeToLive = 0,
            MulticastLoopback = true,
            TimeToLive = 3,
        });
        var to = DatagramAddress.FromEndPoint(new IPEndPoint(group, ((IPEndPoint)member.Transport.LocalEndPoint!).Port));

        sender.Transport.SendTo(s_hello, to);
        await UntilAsync(loop, () => member.Received.Count == 1);

        Assert.Equal(AddressOf(sender), member.Senders[0]);
        member.Transport.LeaveGroup(group, LoopbackInterface);
        Assert.Throws<DatagramException>(() => member.Transport.LeaveGroup(group, LoopbackInterface));
    });

    private void RunOnLinux(Func<EventLoop, Task> scenario)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Unix datagrams and the indices of interfaces are Linux's here.");
        RunDatagrams(scenario);
    }

    private static DatagramOptions AtPath(TemporaryFolder folder, string name)
        => new() { LocalEndPoint = new UnixDomainSocketEndPoint(folder.PathOf(name)) };

    private sealed class TemporaryFolder : IDisposable
    {
        private readonly string _path = Directory.CreateTempSubdirectory("datagrams").FullName;

        public string PathOf(string name) => Path.Combine(_path, name);

        public void Dispose() => Directory.Delete(_path, recursive: true);
    }
}
