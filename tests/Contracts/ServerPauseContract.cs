namespace Toolkit.Tests.Contracts;

/// <summary>A server that accepts, pauses and accepts again.</summary>
public abstract class ServerPauseContract(LoopUnderTest subject) : ServerSuite(subject)
{
    [Fact]
    public void PauseServing_NewcomersWaitAndTheOthersGoOn() => Run(async loop =>
    {
        Server server = await loop.CreateServerAsync(MakeProtocol, null, 0);
        Peer first = await ConnectAndEchoAsync(server.EndPoints[0]);

        server.PauseServing();
        server.PauseServing();
        Peer[] waiting = [await ConnectAsync(server.EndPoints[0]), await ConnectAsync(server.EndPoints[1])];
        await SettleAsync(loop);

        Assert.False(server.IsServing);
        Assert.True(server.IsListening);
        Assert.Equal(1, server.AcceptedCount);
        await EchoAsync(first);
        server.StartServing();
        Assert.True(server.IsServing);
        await EchoAsync(waiting[0]);
        await EchoAsync(waiting[1]);
        Assert.Equal(3, server.AcceptedCount);
    });

    [Fact]
    public void PauseServing_WithinConnectionMade_TheOthersInTheQueueWait() => Run(async loop =>
    {
        Server server = null!;
        server = await loop.CreateServerAsync(
            () =>
            {
                TestProtocol protocol = MakeProtocol();
                protocol.OnMade = _ => server.PauseServing();
                return protocol;
            },
            AnyPort);
        Peer[] peers = [.. Enumerable.Range(0, 5).Select(_ => Network.ConnectNow(server.EndPoints[0]))];
        for (int i = 1; i <= peers.Length; i++)
        {
            await UntilAsync(loop, () => server.AcceptedCount == i);
            await SettleAsync(loop);
            Assert.Equal(i, server.AcceptedCount);
            server.StartServing();
        }

        foreach (Peer peer in peers)
        {
            await EchoAsync(peer);
        }
    });

    [Fact]
    public void PauseServing_AgainAndAgain_LosesNobody() => Run(async loop =>
    {
        const int Peers = 100;
        Server server = await loop.CreateServerAsync(MakeProtocol, AnyPort);
        var peers = new List<Peer>();
        for (int i = 0; i < Peers; i++)
        {
            peers.Add(Network.ConnectNow(server.EndPoints[0]));
            server.PauseServing();
            if (i % 3 == 0)
            {
                await NextIterationAsync(loop);
            }

            server.StartServing();
            if (i % 5 == 0)
            {
                await NextIterationAsync(loop);
            }
        }

        foreach (Peer peer in peers)
        {
            await EchoAsync(peer);
        }

        Assert.Equal(Peers, server.AcceptedCount);
        Assert.Equal(Peers, server.ConnectionCount);
    });

    [Fact]
    public void PauseServing_WhileFull_StaysPausedWhenASlotIsFree() => Run(async loop =>
    {
        Server server = await loop.CreateServerAsync(MakeProtocol, AnyPort, new ServerOptions { MaxConnections = 1 });
        Peer first = await ConnectAndEchoAsync(server.EndPoints[0]);
        Peer second = await ConnectAsync(server.EndPoints[0]);

        server.PauseServing();
        first.Dispose();
        await UntilAsync(loop, () => server.ConnectionCount == 0);
        await SettleAsync(loop);
        Assert.Equal(1, server.AcceptedCount);
        server.StartServing();

        await EchoAsync(second);
    });

    [Fact]
    public void PauseServing_ThenDrain_TurnsAwayWhoWaits() => Run(async loop =>
    {
        Server server = await loop.CreateServerAsync(MakeProtocol, AnyPort);
        await ConnectAndEchoAsync(server.EndPoints[0]);
        server.PauseServing();
        Peer waiting = await ConnectAsync(server.EndPoints[0]);
        await SettleAsync(loop);

        await server.DrainAsync(TimeSpan.FromHours(1));

        await RequireResetAsync(waiting);
        server.PauseServing();
        Assert.False(server.IsServing);
        Assert.Throws<InvalidOperationException>(server.StartServing);
    });

    [Fact]
    public void PauseServing_OnAnotherThread_Throws() => Run(async loop =>
    {
        RequireRealMachine(NoOtherThread);
        Server server = await loop.CreateServerAsync(MakeProtocol, AnyPort);

        await loop.RunInThreadAsync(() => Assert.Throws<InvalidOperationException>(server.PauseServing));

        Assert.True(server.IsServing);
    });
}
