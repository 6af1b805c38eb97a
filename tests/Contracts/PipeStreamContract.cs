using System.IO.Pipes;
using System.Net.Sockets;

namespace Toolkit.Tests.Contracts;

/// <summary>The pipes of System.IO.Pipes as transports.</summary>
public abstract class PipeStreamContract(LoopUnderTest subject) : LoopContract(subject)
{
    [Fact]
    public void NamedPipe_InBothDirections_CarriesThemUntilOneEndCloses() => Run(async loop =>
    {
        (NamedPipeServerStream server, NamedPipeClientStream client) = await ConnectAsync(PipeDirection.InOut);
        TestProtocol echo = Watch(new TestProtocol { OnData = (self, data) => self.Transport.Write(data) });
        TestProtocol asker = Watch(new TestProtocol());
        Transport served = (await loop.ConnectPipeStreamAsync(() => echo, server)).Transport;
        Transport asking = (await loop.ConnectPipeStreamAsync(() => asker, client)).Transport;
        byte[] data = Pattern(300_000);

        asking.Write(data);
        await UntilAsync(loop, () => asker.ReceivedLength == data.Length);

        Assert.Equal(data, asker.Received);
        Assert.False(asking.CanWriteEof);
        Assert.Throws<NotSupportedException>(asking.WriteEof);
        asking.Close();
        Assert.Null(await asker.Lost.Task);
        Assert.Null(await echo.Lost.Task);
        Assert.Equal(CloseReason.PeerEnd, served.CloseReason);
        Assert.Contains("EofReceived", echo.Callbacks);
        Assert.False(server.IsConnected || client.IsConnected, "They are the transports'.");
    });

    [Fact]
    public void AnonymousPipe_CarriesItsOneDirectionAndTheEnd() => Run(async loop =>
    {
        var read = new AnonymousPipeServerStream(PipeDirection.In);
        var write = new AnonymousPipeClientStream(PipeDirection.Out, read.ClientSafePipeHandle);
        TestProtocol reader = Watch(new TestProtocol());
        TestProtocol writer = Watch(new TestProtocol());
        Transport input = (await loop.ConnectPipeStreamAsync(() => reader, read)).Transport;
        Transport output = (await loop.ConnectPipeStreamAsync(() => writer, write)).Transport;
        byte[] data = Pattern(300_000);

        Assert.Throws<InvalidOperationException>(() => input.Write("x"u8));
        Assert.False(output.IsReading);
        output.Write(data);
        output.WriteEof();

        Assert.Null(await reader.Lost.Task);
        Assert.Equal(data, reader.Received);
        Assert.Null(await writer.Lost.Task);
    });

    [Fact]
    public void Writer_WhoseReaderHasGone_IsToldThatItsBytesAreLost() => Run(async loop =>
    {
        (NamedPipeServerStream server, NamedPipeClientStream client) = await ConnectAsync(PipeDirection.Out);
        TestProtocol writer = Watch(new TestProtocol());
        Transport output = (await loop.ConnectPipeStreamAsync(() => writer, server)).Transport;
        await client.DisposeAsync();

        output.Write("lost"u8);

        ConnectionException reason = Assert.IsType<ConnectionException>(await writer.Lost.Task);
        Assert.Equal(CloseReason.Reset, reason.Reason);
    });

    [Fact]
    public void Close_WithAReadUnderWay_EndsIt() => Run(async loop =>
    {
        var read = new AnonymousPipeServerStream(PipeDirection.In);
        await using var write = new AnonymousPipeClientStream(PipeDirection.Out, read.ClientSafePipeHandle);
        TestProtocol reader = Watch(new TestProtocol());
        Transport input = (await loop.ConnectPipeStreamAsync(() => reader, read)).Transport;
        await NextIterationAsync(loop);

        input.Close();

        Assert.Null(await reader.Lost.Task);
        Assert.False(read.IsConnected);
    });

    [Fact]
    public void Streams_ThatCannotBeUsed_AreRefusedAndStillTheCallers() => Run(async loop =>
    {
        await using var unconnected = new NamedPipeServerStream(NewName());
        Assert.Equal(SocketError.NotConnected, await RefusalAsync(unconnected));

        var closed = new AnonymousPipeServerStream(PipeDirection.In);
        closed.DisposeLocalCopyOfClientHandle();
        await closed.DisposeAsync();
        Assert.Equal(SocketError.NotSocket, await RefusalAsync(closed));

        await using var good = new AnonymousPipeServerStream(PipeDirection.In);
        good.DisposeLocalCopyOfClientHandle();
        await CancelScope.RunAsync(async scope =>
        {
            scope.Cancel();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(
                () => loop.ConnectPipeStreamAsync(() => new TestProtocol(), good));
        });
        Assert.True(good.IsConnected);

        async Task<SocketError> RefusalAsync(PipeStream stream) => (await Assert.ThrowsAsync<AdoptFailedException>(
            () => loop.ConnectPipeStreamAsync(() => new TestProtocol(), stream))).Error;
    });

    private static string NewName() => $"tk-{Guid.NewGuid():N}";

    private static async Task<(NamedPipeServerStream Server, NamedPipeClientStream Client)> ConnectAsync(PipeDirection direction)
    {
        string name = NewName();
        var server = new NamedPipeServerStream(
            name, direction, maxNumberOfServerInstances: 1, PipeTransmissionMode.Byte, PipeOptions.Asynchronous);
        var client = new NamedPipeClientStream(
            ".", name, direction == PipeDirection.Out ? PipeDirection.In : direction, PipeOptions.Asynchronous);
        await Task.WhenAll(server.WaitForConnectionAsync(), client.ConnectAsync());
        return (server, client);
    }
}
