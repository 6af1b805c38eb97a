using System.Diagnostics;
using System.Net;
using System.Text;

namespace Toolkit.Tests.Contracts;

/// <summary>The first thing that must hold.</summary>
public abstract class EchoContract(LoopUnderTest subject) : LoopContract(subject)
{
    [Fact]
    public void Echo_OneMessage_ComesBack() => Run(async loop =>
    {
        var protocol = new TestProtocol { OnData = (p, data) => p.Transport.Write(data) };
        Peer peer = await ConnectPeerAsync(loop, protocol);

        await peer.SendAsync("hello\n"u8.ToArray());
        byte[] answer = await peer.ReadAsync(6);
        peer.ShutdownSend();
        Exception? reason = await protocol.Lost.Task;

        Assert.Equal("hello\n", Encoding.UTF8.GetString(answer));
        Assert.Null(reason);
        Assert.Equal(CloseReason.PeerEnd, protocol.Transport.CloseReason);
    });

    [Fact]
    public void Echo_OnALoopThatIsAGuest_ComesBackByTurns()
    {
        using EventLoop loop = NewLoop();
        LoopTask<string> talk = loop.CreateTask(async () =>
        {
            await using Server server = await loop.CreateServerAsync(
                () => new TestProtocol { OnData = (p, data) => p.Transport.Write(data) }, new IPEndPoint(IPAddress.Loopback, 0));
            var client = new TestProtocol { OnMade = p => p.Transport.Write("hello"u8) };
            await loop.CreateConnectionAsync(() => client, server.EndPoints[0]);
            await UntilAsync(loop, () => client.ReceivedLength == 5);
            client.Transport.Abort();
            return client.ReceivedText;
        });
        for (var waited = Stopwatch.StartNew(); !talk.IsCompleted;)
        {
            loop.RunOnce(TimeSpan.FromMilliseconds(5));
            Assert.True(waited.Elapsed < Patience, "It does not end.");
        }

        Assert.Equal("hello", talk.Result);
        Assert.Empty(loop.Tasks);
    }
}
