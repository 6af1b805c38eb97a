using System.Net;
using System.Net.Sockets;

namespace Toolkit.Tests.Contracts;

/// <summary>What a datagram end point promises, on every backend.</summary>
public abstract class DatagramContract(LoopUnderTest subject) : DatagramSuite(subject)
{
    private static readonly byte[] s_hello = "hello"u8.ToArray();

    [Fact]
    public void Echo_DatagramsOfAllSizes_KeepTheirBoundsAndOrder() => RunDatagrams(async loop =>
    {
        int seed = TestSeed.Draw();
        var random = new Random(seed);
        RecordingDatagrams server = await OpenAsync(loop);
        server.OnReceived = (self, data, from) => self.Transport.SendTo(data, from);
        RecordingDatagrams client = await OpenAsync(loop);
        byte[][] sent = [.. Enumerable.Range(0, 300).Select(i => Pattern(i % 7 == 0 ? 0 : random.Next(1, 1400), i))];

        for (int i = 0; i < sent.Length; i += 20)
        {
            foreach (byte[] datagram in sent[i..(i + 20)])
            {
                Assert.Equal(DatagramSendStatus.Accepted, client.Transport.SendTo(datagram, AddressOf(server)));
            }

            await UntilAsync(loop, () => client.Received.Count == i + 20);
        }

        Assert.Equal(sent, client.Received);
        Assert.All(client.Senders, from => Assert.Equal(AddressOf(server), from));
        Assert.All(server.Senders, from => Assert.Equal(AddressOf(client), from));
        DatagramCounters counters = client.Transport.Counters;
        Assert.Equal(new DatagramCounters
        {
            Received = sent.Length,
            Sent = sent.Length,
            BytesReceived = sent.Sum(d => d.Length),
            BytesSent = sent.Sum(d => d.Length),
        }, counters);
        Assert.Equal((0, 0), (client.Transport.UnsentDatagrams, client.Transport.UnsentBytes));
    });

    [Fact]
    public void Send_TheLongest_ArrivesWhole_AndOneByteMoreIsRefused() => RunDatagrams(async loop =>
    {
        RecordingDatagrams server = await OpenAsync(loop);
        RecordingDatagrams client = await ConnectAsync(loop, server.Transport.LocalEndPoint!);
        byte[] longest = Pattern(65_507);

        Assert.Equal(DatagramSendStatus.TooLong, client.Transport.Send(new byte[65_508]));
        Assert.NotEqual(DatagramSendStatus.TooLong, client.Transport.Send(longest));
        await UntilAsync(loop, () => server.Received.Count == 1);

        Assert.Equal(longest, server.Received[0]);
        Assert.Equal(DatagramFlags.None, server.Flags[0]);
        Assert.Equal(1, client.Transport.Counters.Dropped);
        Assert.Empty(client.Faults);
    });

    [Fact]
    public void Receive_LongerThanTheReceiveSize_IsToldAsTruncated() => RunDatagrams(async loop =>
    {
        RecordingDatagrams server = await OpenAsync(loop, Anywhere with { ReceiveSize = 100 });
        RecordingDatagrams client = await OpenAsync(loop);
        byte[] data = Pattern(101);

        client.Transport.SendTo(data, AddressOf(server));
        client.Transport.SendTo(data.AsSpan(0, 100), AddressOf(server));
        await UntilAsync(loop, () => server.Received.Count == 2);

        Assert.Equal([data[..100], data[..100]], server.Received);
        Assert.Equal([DatagramFlags.Truncated, DatagramFlags.None], server.Flags);
        Assert.Equal(1, server.Transport.Counters.Truncated);
    });

    [Fact]
    public void Send_ToAClosedPort_TellsAConnectedEndPoint_WhichLivesOn() => RunDatagrams(async loop =>
    {
        RecordingDatagrams client = await ConnectAsync(loop, Network.DeadEndPoint());

        client.Transport.Send(s_hello);
        await UntilAsync(loop, () => client.Faults.Count == 1);

        DatagramException fault = Assert.IsType<DatagramException>(client.Faults[0]);
        Assert.Equal(DatagramFault.Refused, fault.Fault);
        Assert.Equal(DatagramAddress.FromEndPoint(client.Transport.RemoteEndPoint!), fault.Peer);
        Assert.False(client.Transport.IsClosing);

        client.Transport.Send(s_hello);
        await UntilAsync(loop, () => client.Faults.Count == 2);
    });

    [Fact]
    public void Send_RefusedTwoThousandTimes_DoesNoHarm() => RunDatagrams(async loop =>
    {
        RecordingDatagrams client = await ConnectAsync(loop, Network.DeadEndPoint());
        client.OnFault = (self, _) =>
        {
            if (self.Faults.Count < 2000)
            {
                self.Transport.Send(s_hello);
            }
        };

        client.Transport.Send(s_hello);
        await UntilAsync(loop, () => client.Faults.Count == 2000);

        Assert.False(client.Transport.IsClosing);
        Assert.Equal(2000, client.Transport.Counters.Errors);
    });

    [Fact]
    public void Send_ToAClosedPort_LeavesAnUnconnectedEndPointAlone() => RunDatagrams(async loop =>
    {
        RecordingDatagrams server = await OpenAsync(loop);
        RecordingDatagrams client = await OpenAsync(loop);

        client.Transport.SendTo(s_hello, DatagramAddress.FromEndPoint(Network.DeadEndPoint()));
        client.Transport.SendTo(s_hello, AddressOf(server));
        await UntilAsync(loop, () => server.Received.Count == 1);

        Assert.Empty(client.Faults);
    });

    [Fact]
    public void Connected_HearsItsPeerAlone() => RunDatagrams(async loop =>
    {
        RecordingDatagrams server = await OpenAsync(loop);
        RecordingDatagrams client = await ConnectAsync(loop, server.Transport.LocalEndPoint!);
        RecordingDatagrams stranger = await OpenAsync(loop);

        stranger.Transport.SendTo("stranger"u8, AddressOf(client));
        server.Transport.SendTo(s_hello, AddressOf(client));
        await UntilAsync(loop, () => client.Received.Count == 1);
        await NextTurnAsync(loop);

        Assert.Equal([s_hello], client.Received);
        Assert.Equal(server.Transport.LocalEndPoint, client.Transport.RemoteEndPoint);
        Assert.Null(server.Transport.RemoteEndPoint);
    });

    [Fact]
    public void PauseReading_InTheMiddleOfABatch_KeepsTheRest() => RunDatagrams(async loop =>
    {
        RecordingDatagrams server = await OpenAsync(loop);
        server.OnReceived = (self, _, _) => self.Transport.PauseReading();
        RecordingDatagrams client = await OpenAsync(loop);
        byte[][] sent = [.. Enumerable.Range(0, 10).Select(i => new[] { (byte)i })];
        foreach (byte[] datagram in sent)
        {
            client.Transport.SendTo(datagram, AddressOf(server));
        }

        for (int i = 1; i <= sent.Length; i++)
        {
            await UntilAsync(loop, () => server.Received.Count == i);
            await NextTurnAsync(loop);
            Assert.Equal(i, server.Received.Count); // the suite looks whether any is told while it is paused
            if (i == sent.Length / 2)
            {
                server.OnReceived = (self, _, _) =>
                {
                    self.Transport.PauseReading(); // of no account
                    self.Transport.ResumeReading();
                };
                i = sent.Length - 1;
            }

            server.Transport.ResumeReading();
            server.Transport.ResumeReading();
        }

        Assert.Equal(sent, server.Received);
    });

    [Fact]
    public void Close_WithDatagramsUnsent_SendsThemAndEndsOnce() => RunDatagrams(async loop =>
    {
        RecordingDatagrams server = await OpenAsync(loop);
        RecordingDatagrams client = await OpenAsync(loop);
        for (int i = 0; i < 5; i++)
        {
            client.Transport.SendTo(s_hello, AddressOf(server));
        }

        client.Transport.Close();
        client.Transport.Close();
        Assert.True(client.Transport.IsClosing);
        Assert.Equal(DatagramSendStatus.Closed, client.Transport.SendTo(s_hello, AddressOf(server)));
        Assert.Equal(0, client.LostCount);
        await UntilAsync(loop, () => server.Received.Count == 5 && client.LostCount == 1);

        Assert.Null(client.LostReason);
        Assert.Equal(CloseReason.LocalClose, client.Transport.CloseReason);
        Assert.Equal(["made", "lost"], client.Told);
        Assert.Throws<ObjectDisposedException>(() => client.Transport.JoinGroup(IPAddress.Parse("239.1.2.3")));
        Assert.NotNull(client.Transport.LocalEndPoint);
    });

    [Fact]
    public void Abort_WithDatagramsUnsent_DropsThem() => RunDatagrams(async loop =>
    {
        RecordingDatagrams server = await OpenAsync(loop);
        RecordingDatagrams client = await OpenAsync(loop);
        client.Transport.SendTo(s_hello, AddressOf(server));

        client.Transport.Abort();
        client.Transport.Abort();
        Assert.Equal(DatagramSendStatus.Closed, client.Transport.SendTo(s_hello, AddressOf(server)));
        await UntilAsync(loop, () => client.LostCount == 1);
        await NextTurnAsync(loop);

        Assert.Null(client.LostReason);
        Assert.Equal(CloseReason.LocalAbort, client.Transport.CloseReason);
        Assert.Equal(1, client.Transport.Counters.Dropped);
        Assert.Empty(server.Received);
    });

    [Theory]
    [InlineData("close")]
    [InlineData("abort")]
    [InlineData("send and close")]
    [InlineData("send and abort")]
    public void DatagramReceived_EndsTheEndPoint_IsToldNoMore(string what) => RunDatagrams(async loop =>
    {
        RecordingDatagrams server = await OpenAsync(loop);
        server.OnReceived = (self, data, from) =>
        {
            if (what.StartsWith("send", StringComparison.Ordinal))
            {
                self.Transport.SendTo(data, from);
            }

            if (what.EndsWith("close", StringComparison.Ordinal))
            {
                self.Transport.Close();
            }
            else
            {
                self.Transport.Abort();
            }
        };
        RecordingDatagrams client = await OpenAsync(loop);
        for (int i = 0; i < 5; i++)
        {
            client.Transport.SendTo(s_hello, AddressOf(server));
        }

        await UntilAsync(loop, () => server.LostCount == 1 && (what != "send and close" || client.Received.Count == 1));

        Assert.Single(server.Received);
        Assert.Equal(what == "send and close" ? 1 : 0, client.Received.Count);
    });

    [Fact]
    public void Traffic_OfTheLoop_CountsTheBytes() => RunDatagrams(async loop =>
    {
        RecordingDatagrams server = await OpenAsync(loop);
        RecordingDatagrams client = await OpenAsync(loop);
        client.Transport.SendTo(s_hello, AddressOf(server));
        await UntilAsync(loop, () => server.Received.Count == 1 && client.Transport.UnsentDatagrams == 0);

        Assert.Equal((s_hello.Length, s_hello.Length), (loop.Host.Traffic.BytesSent, loop.Host.Traffic.BytesReceived));
    });

    [Fact]
    public void DatagramReceived_Throws_IsReportedAndTheEndPointGoesOn() => RunDatagrams(async loop =>
    {
        RecordingDatagrams server = await OpenAsync(loop);
        server.OnReceived = (_, _, _) => throw new InvalidOperationException("boom");
        RecordingDatagrams client = await OpenAsync(loop);
        client.Transport.SendTo(s_hello, AddressOf(server));
        client.Transport.SendTo(s_hello, AddressOf(server));

        await UntilAsync(loop, () => server.Received.Count == 2);

        Assert.All(Errors, error => Assert.Same(server, Assert.IsType<DatagramTransportError>(error).Protocol));
        Assert.Equal(2, Errors.Count);
        Errors.Clear();
        Assert.False(server.Transport.IsClosing);
    });

    [Fact]
    public void OtherCallbacks_Throw_AreReported() => RunDatagrams(async loop =>
    {
        var made = new RecordingDatagrams { OnMade = () => throw new InvalidOperationException("made") };
        await Assert.ThrowsAsync<InvalidOperationException>(() => OpenAsync(loop, made));
        RecordingDatagrams refused = await ConnectAsync(loop, Network.DeadEndPoint());
        refused.OnFault = (self, _) =>
        {
            self.Transport.Close();
            throw new InvalidOperationException("fault");
        };
        refused.OnLost = _ => throw new InvalidOperationException("lost");
        refused.Transport.Send(s_hello);

        await UntilAsync(loop, () => refused.LostCount == 1 && made.LostCount == 1);

        Assert.Equal(["made", "fault", "lost"], Errors.Select(error => error.Exception!.Message));
        Assert.Null(refused.LostReason);
        Errors.Clear();
    });

    [Fact]
    public void Callbacks_SendFromEveryOne_AreServedOrRefused() => RunDatagrams(async loop =>
    {
        RecordingDatagrams server = await OpenAsync(loop);
        RecordingDatagrams client = null!;
        client = new RecordingDatagrams
        {
            OnMade = () => client.Transport.Send("made"u8),
            OnReceived = (self, _, _) =>
            {
                self.Transport.Send("received"u8);
                self.Transport.Close();
            },
            OnLost = self => self.Told.Add(self.Transport.Send("lost"u8).ToString()),
        };
        server.OnReceived = (self, data, from) => self.Transport.SendTo(data, from);
        await ConnectAsync(loop, server.Transport.LocalEndPoint!, client);

        await UntilAsync(loop, () => client.LostCount == 1 && server.Received.Count == 2);

        Assert.Equal(["made", "4", "lost", "Closed"], client.Told);
    });

    [Fact]
    public void Send_MoreThanABatch_LeavesInOrder() => RunDatagrams(async loop =>
    {
        RecordingDatagrams server = await OpenAsync(loop);
        RecordingDatagrams client = await ConnectAsync(loop, server.Transport.LocalEndPoint!);
        for (int i = 0; i < 200; i++)
        {
            Assert.Equal(DatagramSendStatus.Accepted, client.Transport.Send([(byte)i]));
        }

        await UntilAsync(loop, () => server.Received.Count == 200);

        Assert.Equal(Enumerable.Range(0, 200), server.Received.Select(data => (int)data[0]));
    });

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void SendSegments_AreReceivedAsDatagrams(bool offload) => RunDatagrams(async loop =>
    {
        RecordingDatagrams server = await OpenAsync(loop, Anywhere with { ReceiveOffload = offload });
        RecordingDatagrams client = await OpenAsync(
            loop, new DatagramOptions { RemoteEndPoint = server.Transport.LocalEndPoint, SegmentationOffload = offload });
        byte[] data = Pattern(20_050);

        client.Transport.SendSegments(data, 200);
        await UntilAsync(loop, () => server.Received.Count == 101);

        Assert.Equal(data, server.Received.SelectMany(part => part));
        Assert.All(server.Received.SkipLast(1), part => Assert.Equal(200, part.Length));
        Assert.Equal(101, client.Transport.Counters.Sent);
    });

    [Fact]
    public void Misuse_IsRefusedWithWords() => RunDatagrams(async loop =>
    {
        RecordingDatagrams server = await OpenAsync(loop);
        RecordingDatagrams client = await ConnectAsync(loop, server.Transport.LocalEndPoint!);
        DatagramAddress other = DatagramAddress.Parse("127.0.0.1:9");

        Assert.Throws<InvalidOperationException>(() => server.Transport.Send(s_hello));
        Assert.Throws<ArgumentException>(() => server.Transport.SendTo(s_hello, default));
        Assert.Throws<ArgumentException>(() => server.Transport.SendTo(s_hello, DatagramAddress.Parse("[::1]:9")));
        Assert.Throws<ArgumentException>(() => client.Transport.SendTo(s_hello, other));
        Assert.Throws<ArgumentOutOfRangeException>(() => client.Transport.SendSegments(s_hello, 0));
        Assert.Throws<ArgumentException>(() => server.Transport.JoinGroup(IPAddress.Loopback));
        Assert.Equal(DatagramSendStatus.Accepted, client.Transport.SendTo(s_hello, AddressOf(server)));
        await Assert.ThrowsAsync<ArgumentException>(() => Open(new DatagramOptions()));
        await Assert.ThrowsAsync<ArgumentException>(() => Open(Anywhere with { RemoteEndPoint = new IPEndPoint(0, 0) }));
        await Assert.ThrowsAsync<ArgumentException>(
            () => Open(Anywhere with { RemoteEndPoint = new IPEndPoint(IPAddress.IPv6Loopback, 9) }));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => Open(Anywhere with { ReceiveSize = 0 }));
        var taken = await Assert.ThrowsAsync<DatagramEndpointFailedException>(
            () => Open(new DatagramOptions { LocalEndPoint = server.Transport.LocalEndPoint }));
        Assert.Equal(SocketError.AddressAlreadyInUse, taken.Error);

        Task Open(DatagramOptions options) => loop.CreateDatagramEndpointAsync(() => new RecordingDatagrams(), options);
    });

    [Fact]
    public void Create_InACancelledScope_Throws() => RunDatagrams(async loop =>
    {
        await CancelScope.RunAsync(async scope =>
        {
            scope.Cancel();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(
                () => loop.CreateDatagramEndpointAsync(() => new RecordingDatagrams(), Anywhere));
        });
        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => loop.CreateDatagramEndpointAsync(() => new RecordingDatagrams(), Anywhere, cancelled.Token));
    });

    [Fact]
    public void Create_ByName_IsConnected() => RunDatagrams(async loop =>
    {
        RecordingDatagrams server = await OpenAsync(loop);
        (DatagramTransport transport, _) = await loop.CreateDatagramEndpointAsync(
            () => new RecordingDatagrams(), "127.0.0.1", ((IPEndPoint)server.Transport.LocalEndPoint!).Port);

        transport.Send(s_hello);
        await UntilAsync(loop, () => server.Received.Count == 1);

        Assert.Equal(server.Transport.LocalEndPoint, transport.RemoteEndPoint);
    });

    [Fact]
    public void Loop_IsDisposed_TellsThoseThatAreLeft()
    {
        RecordingDatagrams left = null!;
        RunDatagrams(async loop => left = await OpenAsync(loop));
        Assert.Equal(CloseReason.LoopShutdown, left.Transport.CloseReason);
        Assert.IsType<ConnectionException>(left.LostReason);
    }
}
