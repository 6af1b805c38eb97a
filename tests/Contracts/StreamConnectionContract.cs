using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Toolkit.Tests.Contracts;

/// <summary>Connections as coroutines use them, over a real backend: what is about bytes alone is tested in memory.</summary>
public abstract class StreamConnectionContract(LoopUnderTest subject) : StreamSuite(subject)
{
    [Fact]
    public void Stream_LinesThereAndBack_EndInGoodOrder() => Run(async loop =>
    {
        (StreamConnection connection, Peer peer) = await ConnectStreamAsync(loop);
        await SendAndEndAsync(peer, "first\r\nsecond\nlast"u8.ToArray());
        await foreach (ReadOnlyMemory<byte> line in connection.ReadLinesAsync())
        {
            await connection.WriteAsync((byte[])[.. "<"u8, .. line.Span, .. ">"u8]);
        }

        Assert.True(connection.IsAtEnd);
        await connection.DisposeAsync();
        Assert.Equal("<first><second><last>"u8.ToArray(), await peer.ReadToEndAsync());
        Assert.Equal((CloseReason.LocalClose, null), (connection.CloseReason, connection.CloseException));
        await UntilDesertedAsync(loop);
    });

    [Theory]
    [InlineData("lent")]
    [InlineData("into")]
    [InlineData("exactly")]
    [InlineData("pipe")]
    [InlineData("stream")]
    public void Stream_MuchDataEchoed_IsTheSame(string how) => Run(async loop =>
    {
        byte[] data = Pattern(600_000);
        (StreamConnection connection, Peer peer) = await ConnectStreamAsync(
            loop, tcp: how == "lent" ? Narrow : null, peerOptions: how == "lent" ? NarrowPeer : null);
        Task<byte[]> receiving = Task.FromResult<byte[]>([]);
        Task peerLife = Network.RunBesideAsync(async () =>
        {
            receiving = peer.ReadToEndAsync();
            await SendAndEndAsync(peer, data);
            await receiving;
        });
        byte[] buffer = new byte[how == "exactly" ? data.Length : 10_000];
        switch (how)
        {
            case "lent":
                while (await connection.ReadAsync() is { IsEmpty: false } some)
                {
                    await connection.WriteAsync(some);
                }

                break;
            case "into":
                while (await connection.ReadAsync(buffer) is var count and > 0)
                {
                    await connection.WriteAsync(buffer.AsMemory(0, count));
                }

                break;
            case "exactly":
                await connection.ReadExactlyAsync(buffer);
                await connection.WriteAsync(buffer);
                break;
            case "pipe":
                await connection.Input.CopyToAsync(connection.Output);
                break;
            default:
                await connection.AsStream().CopyToAsync(connection.AsStream());
                break;
        }

        connection.CompleteWrites();
        await peerLife;
        byte[] received = await receiving;
        AssertSame(data, received);
        await connection.WaitClosedAsync();
        Assert.Null(connection.CloseException);
    });

    [Fact]
    public void Read_PeerResetsInTheMiddle_WhatArrivedIsReadFirst() => Run(async loop =>
    {
        (StreamConnection connection, Peer peer) = await ConnectStreamAsync(loop);
        await peer.SendAsync("whole\nhal"u8.ToArray());
        Assert.Equal("whole", TextOf(await connection.ReadLineAsync()));
        await UntilAsync(loop, () => connection.UnreadBytes == 3);
        Task<ReadOnlyMemory<byte>?> reading = connection.ReadLineAsync().AsTask();
        peer.Reset();

        var error = await Assert.ThrowsAsync<ConnectionException>(() => reading);

        Assert.Equal(CloseReason.Reset, error.Reason);
        Assert.Equal("hal", TextOf(await connection.ReadAsync()));
        await Assert.ThrowsAsync<ConnectionException>(async () => await connection.ReadAsync());
        await connection.WaitClosedAsync();
        Assert.Same(error, connection.CloseException);
    });

    [Fact]
    public void Peer_EndsItsSide_OursStaysOpen() => Run(async loop =>
    {
        (StreamConnection connection, Peer peer) = await ConnectStreamAsync(loop);
        await SendAndEndAsync(peer, "question"u8.ToArray());
        Assert.Equal("question", TextOf(await connection.ReadToEndAsync()));
        await NextTurnAsync(loop);
        await connection.WriteAsync("answer"u8.ToArray());
        connection.CompleteWrites();
        Assert.Equal("answer"u8.ToArray(), await peer.ReadToEndAsync());
        await connection.WaitClosedAsync();
        Assert.Null(connection.CloseException);
    });

    [Fact]
    public void Write_PeerThatDoesNotRead_Waits() => Run(async loop =>
    {
        (StreamConnection connection, Peer peer) = await ConnectStreamAsync(loop, tcp: Narrow, peerOptions: NarrowPeer);
        long written = 0;
        byte[] piece = new byte[16 * 1024];
        Task writing = WriteAsync();
        await UntilAsync(loop, () => connection.IsWritingPaused);
        long stopped = written;
        await NextTurnAsync(loop);
        await NextTurnAsync(loop);
        Assert.Equal((stopped, false), (written, writing.IsCompleted));
        Assert.InRange(connection.Transport.UnsentBytes, 1, WriteLimits.DefaultHigh + piece.Length);

        Task<long> draining = DrainAsync(peer);
        await writing;
        connection.CompleteWrites();
        Assert.Equal(written, await draining);
        peer.ShutdownSend();
        await connection.WaitClosedAsync();

        async Task WriteAsync()
        {
            for (int i = 0; i < 40; i++)
            {
                written += piece.Length;
                await connection.WriteAsync(piece);
            }
        }
    });

    [Fact]
    public void Unread_PeerThatGoesOnSending_IsSlowedDown() => Run(async loop =>
    {
        const int Mark = 20_000;
        (StreamConnection connection, Peer peer) = await ConnectStreamAsync(
            loop, new StreamOptions { InputHighWater = Mark }, Narrow, NarrowPeer);
        byte[] data = Pattern(700_000);
        Task sending = Network.RunBesideAsync(() => SendAndEndAsync(peer, data));
        await UntilAsync(loop, () => !connection.Transport.IsReading);
        await NextTurnAsync(loop);
        Assert.InRange(connection.UnreadBytes, Mark, Mark + (64 * 1024));
        Assert.False(sending.IsCompleted);

        byte[] received = await ReadAllAsync(connection);
        AssertSame(data, received);
        await sending;
        connection.Close();
        await connection.WaitClosedAsync();
    });

    [Fact]
    public void ReadLine_Endless_FailsWithABound() => Run(async loop =>
    {
        (StreamConnection connection, Peer peer) = await ConnectStreamAsync(loop);
        Task peerLife = Network.RunBesideAsync(async () =>
        {
            try
            {
                await peer.SendAsync(new byte[5_000_000]);
            }
            catch (SocketException)
            {
                // the reset that it gets for it
            }
        });
        var error = await Assert.ThrowsAsync<FramingException>(async () => await connection.ReadLineAsync());
        Assert.Equal(FramingError.TooLong, error.Error);
        Assert.InRange(connection.UnreadBytes, 64 * 1024, 3 * 64 * 1024);
        connection.Abort(error);
        await connection.WaitClosedAsync();
        Assert.Same(error, connection.CloseException);
        await peerLife;
    });

    [Fact]
    public void OpenConnection_ToAListener_TalksAndCloses() => Run(async loop =>
    {
        using PeerListener listener = Network.Listen();
        await using StreamConnection connection = await loop.OpenConnectionAsync(
            "127.0.0.1", listener.LocalEndPoint.Port);
        Peer peer = await listener.AcceptAsync();
        await connection.WriteAsync("hello\n"u8.ToArray());
        Assert.Equal("hello\n"u8.ToArray(), await peer.ReadAsync(6));
        await peer.SendAsync("welcome\n"u8.ToArray());
        Assert.Equal("welcome", TextOf(await connection.ReadLineAsync()));
        connection.Close();
        Assert.Empty(await peer.ReadToEndAsync());
        peer.Dispose();
    });

    [Fact]
    public void OpenConnection_NobodyListens_Throws() => Run(async loop =>
    {
        await Assert.ThrowsAsync<ConnectFailedException>(() => loop.OpenConnectionAsync(Network.DeadEndPoint()));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(
            () => loop.OpenConnectionAsync("127.0.0.1", 1, streamOptions: new StreamOptions { MaxLength = 0 }));
    });

    [Fact]
    public void Read_CancelledAgainAndAgain_LosesNothing() => Run(async loop =>
    {
        byte[] data = Pattern(50_000);
        (StreamConnection connection, Peer peer) = await ConnectStreamAsync(loop);
        Task sending = Network.RunBesideAsync(async () =>
        {
            for (int offset = 0; offset < data.Length; offset += 500)
            {
                await peer.SendAsync(data.AsMemory(offset, 500));
                await Task.Yield();
            }

            peer.ShutdownSend();
        });
        using var received = new MemoryStream();
        byte[] destination = new byte[3000];
        bool isOver = false;
        while (!isOver)
        {
            await CancelScope.RunAsync(async scope =>
            {
                loop.CallSoon(() => scope.Cancel());
                try
                {
                    await connection.ReadExactlyAsync(destination);
                    received.Write(destination);
                }
                catch (IncompleteReadException exception)
                {
                    received.Write(exception.Partial.Span);
                    isOver = true;
                }
            });
            await NextTurnAsync(loop); // in the cancelled scope there was nothing to wait for, perhaps
        }

        AssertSame(data, received.ToArray());
        await sending;
        connection.Close();
        await connection.WaitClosedAsync();
    });

    [Fact]
    public void AsStream_UnderTls_NeverLeavesTheLoop() => Run(async loop =>
    {
        RequireRealMachine(NoOtherThread);
        using X509Certificate2 certificate = NewCertificate();
        Server server = await StartAsync(loop, async connection =>
        {
            await using var tls = new SslStream(connection.AsStream());
            await tls.AuthenticateAsServerAsync(certificate);
            RequireLoop();
            byte[] buffer = new byte[10_000];
            while (await tls.ReadAsync(buffer) is var count and > 0)
            {
                RequireLoop();
                await tls.WriteAsync(buffer.AsMemory(0, count));
            }
        });
        await using (StreamConnection client = await loop.OpenConnectionAsync(server.EndPoints[0]))
        {
            await using var tls = new SslStream(
                client.AsStream(),
                leaveInnerStreamOpen: false,
                (_, given, _, _) => given!.GetCertHashString() == certificate.GetCertHashString());
            await tls.AuthenticateAsClientAsync("test");
            byte[] data = Pattern(100_000);
            Task writing = WriteAsync(tls, data);
            byte[] back = new byte[data.Length];
            await tls.ReadExactlyAsync(back);
            RequireLoop();
            await writing;
            AssertSame(data, back);
        }

        await server.DrainAsync(TimeSpan.FromSeconds(5));

        static async Task WriteAsync(SslStream tls, byte[] data)
        {
            await tls.WriteAsync(data);
            RequireLoop();
        }

        static void RequireLoop() => _ = EventLoop.Current;
    });

    private static X509Certificate2 NewCertificate()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=test", key, HashAlgorithmName.SHA256);
        using X509Certificate2 made = request.CreateSelfSigned(
            DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        return X509CertificateLoader.LoadPkcs12(made.Export(X509ContentType.Pkcs12), null);
    }
}
