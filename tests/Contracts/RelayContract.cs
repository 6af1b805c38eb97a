using System.Net.Sockets;

namespace Toolkit.Tests.Contracts;

/// <summary>A relay between two connections.</summary>
public abstract class RelayContract(LoopUnderTest subject) : StreamSuite(subject)
{
    [Fact]
    public void Relay_BothWays_CarriesEverythingAndTheEnds() => Run(async loop =>
    {
        (StreamConnection first, Peer left) = await ConnectStreamAsync(loop);
        (StreamConnection second, Peer right) = await ConnectStreamAsync(loop, tcp: Narrow, peerOptions: NarrowPeer);
        byte[] forth = Pattern(400_000, 1);
        byte[] back = Pattern(300_000, 2);
        Task<RelayResult> relaying = StreamConnection.RelayAsync(first, second);
        byte[] atRight = [];
        byte[] atLeft = [];
        await Network.RunBesideAsync(async () =>
        {
            Task<byte[]> receivingLeft = left.ReadToEndAsync();
            Task<byte[]> receivingRight = right.ReadToEndAsync();
            Task sending = SendAndEndAsync(right, back);
            await SendAndEndAsync(left, forth);
            await sending;
            atLeft = await receivingLeft;
            atRight = await receivingRight;
        });
        Assert.Equal(new RelayResult(forth.Length, back.Length, null), await relaying);
        AssertSame(forth, atRight);
        AssertSame(back, atLeft);
        await first.WaitClosedAsync();
        await second.WaitClosedAsync();
        Assert.Equal((null, null), (first.CloseException, second.CloseException));
    });

    [Fact]
    public void Relay_OneSideEnds_TheOtherDirectionGoesOn() => Run(async loop =>
    {
        (StreamConnection first, Peer left) = await ConnectStreamAsync(loop);
        (StreamConnection second, Peer right) = await ConnectStreamAsync(loop);
        Task<RelayResult> relaying = StreamConnection.RelayAsync(first, second);
        await SendAndEndAsync(left, "request"u8.ToArray());
        Assert.Equal("request"u8.ToArray(), await right.ReadToEndAsync());
        for (int i = 0; i < 3; i++)
        {
            await right.SendAsync("part"u8.ToArray());
            Assert.Equal("part"u8.ToArray(), await left.ReadAsync(4));
        }

        Assert.False(relaying.IsCompleted);
        right.ShutdownSend();
        Assert.Empty(await left.ReadToEndAsync());
        Assert.Equal(new RelayResult(7, 12, null), await relaying);
        await first.WaitClosedAsync();
        await second.WaitClosedAsync();
    });

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Relay_OneSideResets_TheOtherIsAborted(bool isSecond) => Run(async loop =>
    {
        (StreamConnection first, Peer left) = await ConnectStreamAsync(loop);
        (StreamConnection second, Peer right) = await ConnectStreamAsync(loop);
        Task<RelayResult> relaying = StreamConnection.RelayAsync(first, second);
        await left.SendAsync("before"u8.ToArray());
        Assert.Equal("before"u8.ToArray(), await right.ReadAsync(6));
        (isSecond ? right : left).Reset();
        Assert.Equal(SocketError.ConnectionReset, await EndOfAsync(isSecond ? left : right));
        RelayResult result = await relaying;
        Assert.Equal((6, 0), (result.FirstToSecond, result.SecondToFirst));
        Assert.Equal(CloseReason.Reset, Assert.IsType<ConnectionException>(result.Exception).Reason);
        await first.WaitClosedAsync();
        await second.WaitClosedAsync();
        Assert.Equal(isSecond ? CloseReason.LocalAbort : CloseReason.Reset, first.CloseReason);
    });

    [Fact]
    public void Relay_SlowSide_SlowsTheOther_AndItsResetIsSeenAllTheSame() => Run(async loop =>
    {
        (StreamConnection first, Peer left) = await ConnectStreamAsync(loop, tcp: Narrow, peerOptions: NarrowPeer);
        (StreamConnection second, Peer right) = await ConnectStreamAsync(loop, tcp: Narrow, peerOptions: NarrowPeer);
        Task<RelayResult> relaying = StreamConnection.RelayAsync(first, second);
        bool sentAll = false;
        Task sending = Network.RunBesideAsync(async () =>
        {
            try
            {
                await left.SendAsync(new byte[3_000_000]);
                sentAll = true;
            }
            catch (SocketException)
            {
                // the reset below
            }
            catch (ObjectDisposedException)
            {
                // likewise
            }
        });
        await UntilAsync(loop, () => second.IsWritingPaused && !first.Transport.IsReading);
        Assert.False(sentAll);
        Assert.InRange(second.Transport.UnsentBytes, 1, 3 * 64 * 1024);
        Assert.InRange(first.UnreadBytes, 1, 2 * 64 * 1024);

        left.Reset(); // while nobody reads from the first, and the second is full
        RelayResult result = await relaying;
        Assert.Equal(CloseReason.Reset, Assert.IsType<ConnectionException>(result.Exception).Reason);
        Assert.Equal(CloseReason.LocalAbort, second.CloseReason);
        await DrainAsync(right); // what was on its way, and a reset
        await sending;
        await first.WaitClosedAsync();
        await second.WaitClosedAsync();
    });

    [Fact]
    public void Relay_WrongUse_IsAnError() => Run(async loop =>
    {
        (StreamConnection first, Peer _) = await ConnectStreamAsync(loop);
        (StreamConnection second, Peer _) = await ConnectStreamAsync(loop);
        await Assert.ThrowsAsync<ArgumentException>(() => StreamConnection.RelayAsync(first, first));
        Task<ReadOnlyMemory<byte>> reading = first.ReadAsync().AsTask();
        await Assert.ThrowsAsync<InvalidOperationException>(() => StreamConnection.RelayAsync(first, second));
        first.Abort();
        second.Abort();
        await Assert.ThrowsAsync<ConnectionException>(() => reading);
        RelayResult result = await StreamConnection.RelayAsync(first, second); // both are gone
        Assert.Equal((0, 0), (result.FirstToSecond, result.SecondToFirst));
        Assert.NotNull(result.Exception);
    });
}
