using System.Buffers;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Toolkit.Transports;

namespace Toolkit.Tests.Contracts;

/// <summary>Going on with TLS in mid-stream.</summary>
public abstract class StartTlsContract(LoopUnderTest subject) : TlsSuite(subject)
{
    [Fact]
    public void Upgrade_BothSides_SameObjectsGoOnEncrypted() => Run(async loop =>
    {
        var server = new LineServer(Server);
        var client = Watch(new TestProtocol { OnMade = p => p.Transport.Write("hello\nSTARTTLS\n"u8) });
        Server listening = await loop.CreateServerAsync(() => server, AnyPort);
        await loop.CreateConnectionAsync(() => client, listening.EndPoints[0]);
        await UntilAsync(loop, () => client.ReceivedText.EndsWith("GO\n", StringComparison.Ordinal));
        Assert.Null(client.Transport.Tls);
        Transport before = client.Transport;
        await client.Transport.StartTlsAsync(Client);

        Assert.Same(before, client.Transport);
        Assert.NotNull(client.Transport.Tls);
        client.Transport.Write("secret\n"u8);
        await UntilAsync(loop, () => client.ReceivedText.EndsWith("secret!\n", StringComparison.Ordinal));
        client.Transport.Close();
        Assert.Null(await client.Lost.Task);
        await UntilAsync(loop, () => server.IsLost);
        listening.Close();

        Assert.Equal("hello!\nGO\nsecret!\n", client.ReceivedText);
        Assert.Equal(["hello", "secret"], server.Lines);
        Assert.Equal(["plain hello", "upgraded", "tls secret"], server.Events);
        Assert.Equal("ConnectionMade", client.Callbacks[0]);
        Assert.Single(client.Callbacks, "ConnectionMade");
    });

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Upgrade_HelloBehindTheLastLine_Works(bool byteByByte) => Run(async loop =>
    {
        var server = new LineServer(Server);
        Server listening = await loop.CreateServerAsync(() => server, AnyPort);
        Peer wire = await Network.ConnectAsync(listening.EndPoints[0]);
        var glued = new GluedPeer(wire, "STARTTLS\n"u8.ToArray(), "GO\n".Length, byteByByte);
        var peer = new TlsPeer(loop, glued, Client);
        await peer.Authenticated;
        await peer.SendAsync("secret\n"u8.ToArray());
        Assert.Equal("secret!\n"u8.ToArray(), await peer.ReadAsync(8));

        peer.Dispose();
        await UntilAsync(loop, () => server.IsLost);
        Assert.Equal(["upgraded", "tls secret"], server.Events);
        listening.Close();
    });

    [Fact]
    public void Upgrade_PlainTextBehindTheLastLine_NeverReachesTheApplication() => Run(async loop =>
    {
        var server = new LineServer(Server);
        Server listening = await loop.CreateServerAsync(() => server, AnyPort);
        Peer peer = await Network.ConnectAsync(listening.EndPoints[0]);
        await peer.SendAsync("STARTTLS\nINJECTED\nINJECTED AGAIN\n"u8.ToArray());
        await EndOfAsync(peer);
        await UntilAsync(loop, () => server.IsLost);

        Assert.Empty(server.Lines);
        Assert.IsType<TlsException>(server.Reason);
        Assert.Equal(CloseReason.TlsFailed, server.Transport.CloseReason);
        Assert.IsType<TlsException>(server.UpgradeFailure);
        peer.Dispose();
        listening.Close();
        await UntilDesertedAsync(loop);
    });

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Upgrade_UnsentPlainBytes_LeaveFirstAndWhatFollowsIsEncrypted(bool isPaused) => Run(async loop =>
    {
        byte[] plain = Pattern(isPaused ? 2_000_000 : 2_000);
        var protocol = new TestProtocol();
        Peer wire = await ConnectNarrowPeerAsync(loop, protocol);
        protocol.Transport.Write(plain);
        Task upgrade = protocol.Transport.StartTlsAsync(Server);
        Assert.Equal(WriteStatus.Accepted, protocol.Transport.Write("secret"u8) & WriteStatus.Accepted);
        if (isPaused)
        {
            Assert.True(protocol.Transport.UnsentBytes > 6);
        }

        byte[] received = await wire.ReadAsync(plain.Length);
        AssertSame(plain, received);
        var peer = new TlsPeer(loop, wire, Client);
        Assert.Equal("secret"u8.ToArray(), await peer.ReadAsync(6));
        await upgrade;

        // Bytes may be with the peer before the sender is told that they have left.
        await UntilAsync(loop, () => protocol.Transport.UnsentBytes == 0);
        Assert.Equal(plain.Length + 6, protocol.Transport.BytesSent);
        await peer.SendAsync("answer"u8.ToArray());
        await UntilAsync(loop, () => protocol.ReceivedLength == 6);
        protocol.Transport.Close();
        Assert.Empty(await peer.ReadToEndAsync());
        peer.Dispose();
        Assert.Null(await protocol.Lost.Task);
    });

    [Fact]
    public void Upgrade_DataRightBehindTheHandshake_ComesAfterTheAwait() => Run(async loop =>
    {
        bool awaited = false;
        bool early = false;
        var protocol = new TestProtocol { OnData = (_, _) => early |= !awaited };
        Peer wire = await ConnectPeerAsync(loop, protocol);
        Task upgrade = protocol.Transport.StartTlsAsync(Server);
        var peer = new TlsPeer(loop, wire, Client);
        peer.SendNow("at once"u8);
        await upgrade;
        awaited = true;
        await UntilAsync(loop, () => protocol.ReceivedLength == 7);
        Assert.False(early);
        peer.Dispose();
        await protocol.Lost.Task;
    });

    [Fact]
    public void Upgrade_ReadingPaused_StaysPaused() => Run(async loop =>
    {
        var protocol = new TestProtocol();
        Peer wire = await ConnectPeerAsync(loop, protocol);
        protocol.Transport.PauseReading();
        await NextIterationAsync(loop);
        Task upgrade = protocol.Transport.StartTlsAsync(Server);
        var peer = new TlsPeer(loop, wire, Client);
        peer.SendNow("later"u8);
        await upgrade;
        for (int i = 0; i < 10; i++)
        {
            await NextTurnAsync(loop);
        }

        Assert.Equal(0, protocol.ReceivedLength);
        protocol.Transport.ResumeReading();
        await UntilAsync(loop, () => protocol.ReceivedLength == 5);
        peer.Dispose();
        await protocol.Lost.Task;
    });

    [Fact]
    public void Upgrade_WhereItCannotBe_SaysWhy() => Run(async loop =>
    {
        var protocol = new TestProtocol();
        Peer wire = await ConnectPeerAsync(loop, protocol);
        Transport transport = protocol.Transport;
        Assert.Throws<ArgumentException>(() => { _ = transport.StartTlsAsync(new TlsServerOptions()); });
        Assert.Throws<ArgumentException>(() => { _ = transport.StartTlsAsync(new TlsClientOptions()); });

        Task upgrade = transport.StartTlsAsync(Server);
        Assert.Contains("called before", Message(transport), StringComparison.Ordinal);
        Assert.Throws<NotSupportedException>(transport.WriteEof);
        var peer = new TlsPeer(loop, wire, Client);
        await upgrade;
        Assert.Contains("speaks TLS already", Message(transport), StringComparison.Ordinal);
        transport.Close();
        Assert.Contains("already", Message(transport), StringComparison.Ordinal);
        await peer.ReadToEndAsync();
        peer.Dispose();
        await protocol.Lost.Task;

        var closing = new TestProtocol();
        Peer other = await ConnectPeerAsync(loop, closing);
        closing.Transport.WriteEof();
        Assert.Contains("direction", Message(closing.Transport), StringComparison.Ordinal);
        closing.Transport.Close();
        Assert.Contains("closing", Message(closing.Transport), StringComparison.Ordinal);
        other.Dispose();
        await closing.Lost.Task;

        static string Message(Transport transport)
            => Assert.Throws<InvalidOperationException>(() => { _ = transport.StartTlsAsync(Server); }).Message;
    });

    [Theory]
    [InlineData("close")]
    [InlineData("abort")]
    [InlineData("cancel")]
    [InlineData("time")]
    [InlineData("reset")]
    [InlineData("end")]
    public void Upgrade_EndsBeforeTheHandshakeDoes_IsTold(string end) => Run(async loop =>
    {
        var protocol = new TestProtocol();
        Peer wire = await ConnectPeerAsync(loop, protocol);
        using var cancellation = new CancellationTokenSource();
        TimeSpan time = string.Equals(end, "time", StringComparison.Ordinal) ? ShortTime : TimeSpan.FromSeconds(10);
        Task upgrade = protocol.Transport.StartTlsAsync(Server with { HandshakeTimeout = time }, cancellation.Token);
        await NextTurnAsync(loop);
        switch (end)
        {
            case "close":
                protocol.Transport.Close();
                break;
            case "abort":
                protocol.Transport.Abort();
                break;
            case "cancel":
                loop.CallSoon(cancellation.Cancel);
                break;
            case "reset":
                wire.Reset();
                break;
            case "end":
                wire.ShutdownSend();
                break;
        }

        Exception failure = await Assert.ThrowsAnyAsync<Exception>(() => upgrade);
        Exception? reason = await protocol.Lost.Task;
        (CloseReason Expected, Type Failure, bool HasReason) expected = end switch
        {
            "close" => (CloseReason.LocalClose, typeof(ConnectionException), false),
            "abort" => (CloseReason.LocalAbort, typeof(ConnectionException), false),
            "cancel" => (CloseReason.LocalAbort, typeof(OperationCanceledException), false),
            "time" => (CloseReason.Timeout, typeof(TlsException), true),
            "reset" => (CloseReason.Reset, typeof(ConnectionException), true),
            _ => (CloseReason.TlsFailed, typeof(TlsException), true),
        };
        Assert.Equal(expected.Expected, protocol.Transport.CloseReason);
        Assert.IsAssignableFrom(expected.Failure, failure);
        Assert.Equal(expected.HasReason, reason is not null);
        wire.Dispose();
        await UntilDesertedAsync(loop);
    });

    [Fact]
    public void Upgrade_ClosedWithSomethingWritten_SendsItFirst() => Run(async loop =>
    {
        var protocol = new TestProtocol();
        Peer wire = await ConnectPeerAsync(loop, protocol);
        Task upgrade = protocol.Transport.StartTlsAsync(Server);
        protocol.Transport.Write("farewell"u8);
        protocol.Transport.Close();
        var peer = new TlsPeer(loop, wire, Client);
        Assert.Equal("farewell"u8.ToArray(), await peer.ReadToEndAsync());
        peer.Dispose();
        Assert.Null(await protocol.Lost.Task);
        await upgrade;
    });

    [Fact]
    public void Upgrade_BufferedProtocol_GoesOn() => Run(async loop =>
    {
        var protocol = new BufferedTestProtocol(bufferSize: 100);
        Peer wire = await ConnectPeerAsync(loop, protocol);
        await wire.SendAsync("plain"u8.ToArray());
        await UntilAsync(loop, () => protocol.ReceivedLength == 5);
        Task upgrade = protocol.Transport.StartTlsAsync(Server);
        var peer = new TlsPeer(loop, wire, Client);
        await upgrade;
        byte[] data = Pattern(50_000);
        await SendAndEndAsync(peer, data);
        Assert.Null(await protocol.Lost.Task);
        AssertSame([.. "plain"u8, .. data], protocol.Received);
        peer.Dispose();
    });

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Upgrade_OfStreams_WhatWasNotReadGoesToTheHandshake(bool byteByByte) => Run(async loop =>
    {
        Server listening = await loop.StartServerAsync(
            async connection =>
            {
                while (await connection.ReadLineAsync() is { } line)
                {
                    if (line.Span.SequenceEqual("STARTTLS"u8))
                    {
                        connection.Output.Write("GO\n"u8); // leaves first, without a flush
                        await connection.StartTlsAsync(Server);
                        continue;
                    }

                    string how = connection.Transport.Tls is null ? "plain" : "tls";
                    await connection.WriteAsync(Encoding.ASCII.GetBytes($"{how} {TextOf(line)}\n"));
                }
            },
            AnyPort);
        Peer wire = await Network.ConnectAsync(listening.EndPoints[0]);
        await wire.SendAsync("hello\n"u8.ToArray());
        Assert.Equal("plain hello\n"u8.ToArray(), await wire.ReadAsync(12));
        var glued = new GluedPeer(wire, "STARTTLS\n"u8.ToArray(), "GO\n".Length, byteByByte);
        var peer = new TlsPeer(loop, glued, Client);
        await peer.Authenticated;
        await peer.SendAsync("secret\n"u8.ToArray());
        Assert.Equal("tls secret\n"u8.ToArray(), await peer.ReadAsync(11));
        peer.Dispose();
        await UntilAsync(loop, () => listening.ConnectionCount == 0);
        listening.Close();
        await UntilDesertedAsync(loop);
    });

    [Fact]
    public void Upgrade_OfStreams_BothSidesReadOn() => Run(async loop =>
    {
        Server listening = await loop.StartServerAsync(
            async connection =>
            {
                await connection.ReadLineAsync();
                await connection.WriteAsync("GO\n"u8.ToArray());
                await connection.StartTlsAsync(Server);
                while (await connection.ReadAsync() is { IsEmpty: false } data)
                {
                    await connection.WriteAsync(data);
                }
            },
            AnyPort);
        await using StreamConnection client = await loop.OpenConnectionAsync(listening.EndPoints[0]);
        await client.WriteAsync("STARTTLS\n"u8.ToArray());
        Assert.Equal("GO", TextOf((await client.ReadLineAsync())!.Value));
        Task upgrade = client.StartTlsAsync(Client);
        byte[] data = Pattern(200_000);
        byte[] received = new byte[data.Length];
        Task reading = client.ReadExactlyAsync(received).AsTask();
        await client.WriteAsync(data);
        await upgrade;
        await reading;
        AssertSame(data, received);
        Assert.NotNull(client.Transport.Tls);
        listening.Close();
    });

    [Fact]
    public void Upgrade_OfAStreamThatIsRead_IsRefused() => Run(async loop =>
    {
        var connection = new StreamConnection();
        Server listening = await loop.CreateServerAsync(() => connection, AnyPort);
        Peer peer = await Network.ConnectAsync(listening.EndPoints[0]);
        await UntilAsync(loop, () => listening.ConnectionCount == 1);
        Task<ReadOnlyMemory<byte>> reading = connection.ReadExactlyAsync(11).AsTask();
        Assert.Throws<InvalidOperationException>(() => { _ = connection.StartTlsAsync(Server); });
        await peer.SendAsync("still plain"u8.ToArray());
        Assert.Equal("still plain"u8.ToArray(), (await reading).ToArray());
        connection.CompleteWrites();
        Assert.Throws<InvalidOperationException>(() => { _ = connection.StartTlsAsync(Client); });
        connection.Abort();
        peer.Dispose();
        listening.Close();
    });

    private static string TextOf(ReadOnlyMemory<byte> bytes) => Encoding.ASCII.GetString(bytes.Span);

    private static IPEndPoint AnyPort => new(IPAddress.Loopback, 0);

    /// <summary>Answers lines, and goes on with TLS after the line that asks for it.</summary>
    private sealed class LineServer(TlsServerOptions options) : LineProtocol
    {
        public List<string> Lines { get; } = [];

        public List<string> Events { get; } = [];

        public bool IsLost { get; private set; }

        public Exception? Reason { get; private set; }

        public Exception? UpgradeFailure { get; private set; }

        public override void ConnectionLost(Exception? reason)
        {
            base.ConnectionLost(reason);
            Reason = reason;
            IsLost = true;
        }

        protected override void LineReceived(ReadOnlySpan<byte> line)
        {
            if (line.SequenceEqual("STARTTLS"u8))
            {
                Transport.Write("GO\n"u8);
                _ = UpgradeAsync();
                return;
            }

            string text = Encoding.ASCII.GetString(line);
            Lines.Add(text);
            Events.Add($"{(Transport.Tls is null ? "plain" : "tls")} {text}");
            Transport.Write(Encoding.ASCII.GetBytes($"{text}!\n"));
        }

        private async Task UpgradeAsync()
        {
            try
            {
                await Transport.StartTlsAsync(options);
                Events.Add("upgraded");
            }
            catch (Exception exception)
            {
                UpgradeFailure = exception;
            }
        }
    }

    /// <summary>Sends its first bytes in one segment with something before them, and skips what answers that.</summary>
    private sealed class GluedPeer(Peer peer, byte[] before, int skipped, bool byteByByte) : Peer
    {
        private byte[] _before = before;
        private int _skipped = skipped;

        public override Task Connected => peer.Connected;

        public override IPEndPoint LocalEndPoint => peer.LocalEndPoint;

        public override IPEndPoint RemoteEndPoint => peer.RemoteEndPoint;

        public override int Available => peer.Available;

        public override int TrySend(ReadOnlySpan<byte> data) => peer.TrySend(data);

        public override async Task SendAsync(ReadOnlyMemory<byte> data)
        {
            byte[] all = [.. _before, .. data.Span];
            _before = [];
            int step = byteByByte ? 1 : Math.Max(1, all.Length);
            for (int i = 0; i < all.Length; i += step)
            {
                await peer.SendAsync(all.AsMemory(i, Math.Min(step, all.Length - i)));
            }
        }

        public override async ValueTask<int> ReceiveAsync(Memory<byte> buffer)
        {
            while (_skipped > 0)
            {
                _skipped -= await peer.ReceiveAsync(new byte[_skipped]);
            }

            return await peer.ReceiveAsync(buffer);
        }

        public override void ShutdownSend() => peer.ShutdownSend();

        public override void Reset() => peer.Reset();

        public override void Dispose() => peer.Dispose();
    }
}
