using System.Buffers;
using System.Net;
using System.Net.Sockets;

namespace Toolkit.Tests.Contracts;

/// <summary>Servers whose connections have handlers, and what becomes of both.</summary>
public abstract class StreamServerContract(LoopUnderTest subject) : StreamSuite(subject)
{
    private static readonly TimeSpan s_long = TimeSpan.FromHours(1);

    [Fact]
    public void Handler_Returns_WhatItWroteArrivesAndTheConnectionEnds() => Run(async loop =>
    {
        Server server = await StartAsync(loop, async connection =>
        {
            Assert.NotNull(LoopTask.Current);
            while (await connection.ReadLineAsync() is { } line)
            {
                if (line.Span.SequenceEqual("bye"u8))
                {
                    BuffersExtensions.Write(connection.Output, "farewell"u8); // held by the writer, and flushed by the end
                    return;
                }

                await connection.WriteAsync(line);
            }
        });
        Peer peer = Network.ConnectNow(server.EndPoints[0]);
        await peer.SendAsync("one\ntwo\nbye\nthree\n"u8.ToArray());
        Assert.Equal("onetwofarewell"u8.ToArray(), await peer.ReadToEndAsync());
        peer.Dispose();
        server.Close();
        await server.WaitClosedAsync();
        await UntilDesertedAsync(loop);
        Assert.Equal(1, server.AcceptedCount);
    });

    [Theory]
    [InlineData("at once")]
    [InlineData("later")]
    [InlineData("null")]
    public void Handler_Fails_IsReportedAndCostsItsConnectionAlone(string how) => Run(async loop =>
    {
        StreamConnection? failed = null;
        Task? nothing = null;
        Server server = await StartAsync(loop, connection =>
        {
            if (failed is not null)
            {
                return EchoAsync(connection);
            }

            failed = connection;
            return how switch
            {
                "null" => nothing!,
                "at once" => throw new FormatException("a mistake"),
                _ => FailLaterAsync(connection),
            };
        });
        Peer first = Network.ConnectNow(server.EndPoints[0]);
        await first.SendAsync("x"u8.ToArray());
        Assert.Equal(SocketError.ConnectionReset, await EndOfAsync(first));
        var error = Assert.IsType<TransportError>(TakeError());
        Assert.Same(failed, error.Protocol);
        Assert.Equal(how == "null" ? typeof(InvalidOperationException) : typeof(FormatException), error.Exception.GetType());
        Assert.Same(error.Exception, failed!.CloseException!.InnerException);
        Assert.Equal(CloseReason.ProtocolError, failed.CloseReason);

        Peer second = Network.ConnectNow(server.EndPoints[0]);
        await second.SendAsync("still here"u8.ToArray());
        Assert.Equal("still here"u8.ToArray(), await second.ReadAsync(10));
        second.Dispose();
        server.Close();
        await server.WaitClosedAsync();

        static async Task FailLaterAsync(StreamConnection connection)
        {
            await connection.ReadAsync();
            throw new FormatException("a mistake");
        }
    });

    [Fact]
    public void Handler_LetsTheEndOfItsConnectionPass_IsNoError() => Run(async loop =>
    {
        StreamConnection? connection = null;
        Server server = await StartAsync(loop, async made =>
        {
            connection = made;
            await made.ReadLineAsync();
            await made.ReadLineAsync();
        });
        Peer peer = Network.ConnectNow(server.EndPoints[0]);
        await peer.SendAsync("line\n"u8.ToArray());
        await UntilAsync(loop, () => connection is { Transport.BytesReceived: 5 });
        peer.Reset();
        await UntilAsync(loop, () => server.ConnectionCount == 0);
        Assert.Equal(CloseReason.Reset, connection!.CloseReason);
        server.Close();
        await server.WaitClosedAsync();
    });

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Handler_LetsNonsenseOfThePeerPass_IsNoError(bool inAGroup) => Run(async loop =>
    {
        StreamConnection? connection = null;
        Server server = await StartAsync(loop, async made =>
        {
            connection = made;
            await made.WriteAsync("ready"u8.ToArray());
            if (inAGroup)
            {
                await TaskGroup.RunAsync(async _ =>
                {
                    await made.ReadExactlyAsync(1);
                    await made.ReadExactlyAsync(int.MaxValue);
                });
            }

            await made.ReadExactlyAsync(10);
        });
        Peer peer = Network.ConnectNow(server.EndPoints[0]);
        Assert.Equal("ready"u8.ToArray(), await peer.ReadAsync(5));
        await SendAndEndAsync(peer, "short"u8.ToArray());
        Assert.Equal(inAGroup ? SocketError.ConnectionReset : SocketError.Success, await EndOfAsync(peer));
        await UntilAsync(loop, () => server.ConnectionCount == 0);
        if (!inAGroup)
        {
            Assert.Equal(CloseReason.InvalidData, connection!.CloseReason);
            Assert.IsType<IncompleteReadException>(connection.CloseException);
        }

        peer.Dispose();
        server.Close();
        await server.WaitClosedAsync();
    });

    [Fact]
    public void Drain_HandlersEndByThemselves_WithinTheGracePeriod() => Run(async loop =>
    {
        Server server = await StartAsync(loop, async connection =>
        {
            ReadOnlyMemory<byte>? line = await connection.ReadLineAsync();
            await connection.WriteAsync(line!.Value);
        });
        Peer peer = Network.ConnectNow(server.EndPoints[0]);
        await UntilAsync(loop, () => server.ConnectionCount == 1);
        Task draining = server.DrainAsync(s_long);
        await NextTurnAsync(loop);
        Assert.False(draining.IsCompleted);
        await peer.SendAsync("last words\n"u8.ToArray());
        Assert.Equal("last words"u8.ToArray(), await peer.ReadToEndAsync());
        peer.Dispose();
        await draining;
        Assert.Equal(0, server.ConnectionCount);
    });

    [Fact]
    public void Drain_HandlersThatWaitForMoreWork_HearOfItAndEndInGoodOrder() => Run(async loop =>
    {
        Server? server = null;
        bool begun = false;
        server = await StartAsync(loop, async connection =>
        {
            while (await connection.ReadLineAsync(server!.Draining) is { } request)
            {
                begun = true;
                byte[] body = (await connection.ReadExactlyAsync(4)).ToArray(); // what was begun is finished
                await connection.WriteAsync(body);
            }
        });
        Peer idle = Network.ConnectNow(server.EndPoints[0]);
        Peer busy = Network.ConnectNow(server.EndPoints[0]);
        await UntilAsync(loop, () => server.ConnectionCount == 2);
        await busy.SendAsync("request\nbo"u8.ToArray());
        await UntilAsync(loop, () => begun);

        Task draining = server.DrainAsync(s_long);
        Assert.Empty(await idle.ReadToEndAsync());
        Assert.False(draining.IsCompleted);
        await busy.SendAsync("dy"u8.ToArray());
        Assert.Equal("body"u8.ToArray(), await busy.ReadToEndAsync());
        idle.Dispose();
        busy.Dispose();
        await draining;
        Assert.True(server.Draining.IsCancellationRequested);
    });

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void Drain_HandlersThatWait_AreCancelledByTheEndOfTheGracePeriod(int milliseconds) => Run(async loop =>
    {
        int ended = 0;
        Server server = await StartAsync(loop, async connection =>
        {
            try
            {
                await connection.ReadLineAsync();
            }
            finally
            {
                // Even one that takes its time is waited for.
                await CancelScope.RunAsync(async _ => await loop.Delay(TimeSpan.FromMilliseconds(2)), shield: true);
                ended++;
            }
        });
        Peer[] peers = [Network.ConnectNow(server.EndPoints[0]), Network.ConnectNow(server.EndPoints[0])];
        await UntilAsync(loop, () => server.ConnectionCount == 2);
        await NextTurnAsync(loop);
        await server.DrainAsync(TimeSpan.FromMilliseconds(milliseconds));
        Assert.Equal((2, 0), (ended, server.ConnectionCount));
        foreach (Peer peer in peers)
        {
            Assert.Equal(SocketError.ConnectionReset, await EndOfAsync(peer));
        }
    });

    [Fact]
    public void Close_HandlersGoOn_AndTheServerEndsWithTheLast() => Run(async loop =>
    {
        var go = new AsyncEvent();
        Server server = await StartAsync(loop, async connection =>
        {
            await connection.WaitClosedAsync();
            await go.WaitAsync(); // it outlives its connection
        });
        Peer peer = Network.ConnectNow(server.EndPoints[0]);
        await UntilAsync(loop, () => server.ConnectionCount == 1);
        server.Close();
        Task closed = server.WaitClosedAsync();
        peer.Reset();
        await UntilAsync(loop, () => server.ConnectionCount == 0);
        await NextTurnAsync(loop);
        Assert.False(closed.IsCompleted);
        go.Set();
        await closed;
    });

    [Theory]
    [InlineData("read")]
    [InlineData("drain")]
    [InlineData("closed")]
    public void Loop_Ends_HandlersAreCancelled(string wait)
    {
        if (wait == "drain")
        {
            RequireWholeTries();
        }

        int cancelled = 0;
        Run(async loop =>
        {
            Server server = await StartAsync(loop, async connection =>
            {
                if (wait == "drain")
                {
                    FillUp(connection.Transport);
                }

                try
                {
                    await (wait switch
                    {
                        "read" => connection.ReadExactlyAsync(new byte[1]),
                        "drain" => connection.DrainAsync(),
                        _ => connection.WaitClosedAsync(),
                    });
                }
                catch (OperationCanceledException)
                {
                    cancelled++;
                    throw;
                }
            });
            Network.ConnectNow(server.EndPoints[0]);
            await UntilAsync(loop, () => server.ConnectionCount == 1);
            await NextTurnAsync(loop);
        });
        Assert.Equal(1, cancelled);
    }

    [Fact]
    public void Connections_OneAtATime_EachHasItsTurn() => Run(async loop =>
    {
        int running = 0;
        int most = 0;
        Server server = await StartAsync(
            loop,
            async connection =>
            {
                most = Math.Max(most, ++running);
                await EchoAsync(connection);
                running--;
            },
            new ServerOptions { MaxConnections = 1 });
        Peer[] peers = [.. Enumerable.Range(0, 5).Select(_ => Network.ConnectNow(server.EndPoints[0]))];
        foreach (Peer peer in peers)
        {
            await SendAndEndAsync(peer, "x"u8.ToArray());
            Assert.Equal("x"u8.ToArray(), await peer.ReadToEndAsync());
            peer.Dispose();
        }

        server.Close();
        await server.WaitClosedAsync();
        Assert.Equal((0, 1, 5), (running, most, (int)server.AcceptedCount));
    });

    [Fact]
    public void StartServer_PortInUse_ThrowsAndLeavesNoTask() => Run(async loop =>
    {
        Server server = await StartAsync(loop, EchoAsync);
        int tasks = loop.Tasks.Count;
        await Assert.ThrowsAsync<ListenFailedException>(
            () => loop.StartServerAsync(EchoAsync, "127.0.0.1", server.EndPoints[0].Port));
        await Assert.ThrowsAsync<ArgumentNullException>(() => StartAsync(loop, null!));
        await NextTurnAsync(loop);
        await NextTurnAsync(loop);
        Assert.Equal(tasks, loop.Tasks.Count);
        server.Close();
        await server.WaitClosedAsync();
        await NextTurnAsync(loop);
        await NextTurnAsync(loop);
        Assert.Equal(tasks - 1, loop.Tasks.Count);
    });

    private static async Task EchoAsync(StreamConnection connection)
    {
        while (await connection.ReadAsync() is { IsEmpty: false } data)
        {
            await connection.WriteAsync(data);
        }
    }
}
