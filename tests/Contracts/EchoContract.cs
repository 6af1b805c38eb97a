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
}
