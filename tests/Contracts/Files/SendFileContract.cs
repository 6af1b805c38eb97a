using System.IO.Pipes;
using System.Net.Sockets;
using Microsoft.Win32.SafeHandles;

namespace Toolkit.Tests.Contracts;

/// <summary>Files as a part of what a connection sends, by the system or by way of a block of memory.</summary>
public abstract class SendFileContract(LoopUnderTest subject) : StreamContract(subject)
{
    private const int Size = (3 * 1024 * 1024) + 17;

    private static readonly byte[] s_content = Pattern(Size, seed: 44);

    [Fact]
    public void Whole_BetweenWrites_ArrivesBetweenThem() => Run(async loop =>
    {
        var protocol = new TestProtocol();
        Peer peer = await ConnectPeerAsync(loop, protocol);
        using FileStream file = NewFile();
        Task<byte[]> reading = peer.ReadAsync(4 + Size + 4);

        protocol.Transport.Write("head"u8);
        Task<long> sending = protocol.Transport.SendFileAsync(file);
        Assert.Contains("PauseWriting", protocol.Callbacks);
        Assert.DoesNotContain("ResumeWriting", protocol.Callbacks);
        Assert.Equal(Size, await sending);
        Assert.Contains("ResumeWriting", protocol.Callbacks);
        Assert.Equal(Size, file.Position);
        protocol.Transport.Write("tail"u8);

        byte[] received = await reading;
        AssertSame([.. "head"u8, .. s_content, .. "tail"u8], received);
        await UntilAsync(loop, () => protocol.Transport.BytesSent == 4 + Size + 4);
        protocol.Transport.Close();
        peer.Dispose();
        await protocol.Lost.Task;
    });

    [Theory]
    [InlineData(0, 0L)]
    [InlineData(0, 1L)]
    [InlineData(5, 100_000L)]
    [InlineData(Size - 1, 1L)]
    [InlineData(Size, 0L)]
    [InlineData(Size, null)]
    [InlineData(Size - 7, null)]
    public void Part_OfAHandleOrAStream_IsWhatWasAskedFor(int offset, long? count) => Run(async loop =>
    {
        int expected = (int)(count ?? Size - offset);
        var protocol = new TestProtocol();
        Peer peer = await ConnectPeerAsync(loop, protocol);
        using FileStream file = NewFile();
        file.Position = 3; // which does not matter

        Assert.Equal(expected, await protocol.Transport.SendFileAsync(file, offset, count));
        Assert.Equal(offset + expected, file.Position);
        Assert.Equal(expected, await protocol.Transport.SendFileAsync(file.SafeFileHandle, offset, count));

        protocol.Transport.Close();
        byte[] part = s_content[offset..(offset + expected)];
        await AssertNextAsync(peer, [.. part, .. part], isLast: true);
        peer.Dispose();
        await protocol.Lost.Task;
    });

    [Fact]
    public void BadInput_IsRefusedAndNothingIsSent() => Run(async loop =>
    {
        var protocol = new TestProtocol();
        Peer peer = await ConnectPeerAsync(loop, protocol);
        Transport transport = protocol.Transport;
        using FileStream file = NewFile();
        FileStream closed = NewFile();
        await closed.DisposeAsync();
        using var writeOnly = new FileStream(file.Name, FileMode.Open, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete);

        Assert.Throws<ArgumentNullException>(() => { transport.SendFileAsync((FileStream)null!); });
        Assert.Throws<ArgumentNullException>(() => { transport.SendFileAsync((SafeFileHandle)null!); });
        Assert.Throws<ArgumentOutOfRangeException>(() => { transport.SendFileAsync(file, -1); });
        Assert.Throws<ArgumentOutOfRangeException>(() => { transport.SendFileAsync(file, 0, -1); });
        ArgumentOutOfRangeException beyond
            = Assert.Throws<ArgumentOutOfRangeException>(() => { transport.SendFileAsync(file, 1, Size); });
        Assert.Equal("count", beyond.ParamName);
        Assert.Contains($"The file has {Size} bytes.", beyond.Message, StringComparison.Ordinal);
        Assert.Equal(
            "offset", Assert.Throws<ArgumentOutOfRangeException>(() => { transport.SendFileAsync(file, Size + 1); }).ParamName);
        Assert.Throws<ArgumentOutOfRangeException>(() => { transport.SendFileAsync(file, long.MaxValue, long.MaxValue); });
        Assert.Throws<ObjectDisposedException>(() => { transport.SendFileAsync(closed); });
        Assert.Throws<ArgumentException>(() => { transport.SendFileAsync(writeOnly); });
        if (OperatingSystem.IsLinux())
        {
            using var pipe = new AnonymousPipeServerStream(PipeDirection.In);
            using var handle = new SafeFileHandle(pipe.SafePipeHandle.DangerousGetHandle(), ownsHandle: false);
            using var stream = new FileStream(handle, FileAccess.Read, bufferSize: 0);
            foreach (Func<Task> send in (Func<Task>[])[() => transport.SendFileAsync(stream), () => transport.SendFileAsync(handle)])
            {
                ArgumentException refused = Assert.Throws<ArgumentException>(() => { send(); });
                Assert.Contains("read at a place", refused.Message, StringComparison.Ordinal);
            }
        }

        // Who may read it is found out by reading.
        await Assert.ThrowsAnyAsync<UnauthorizedAccessException>(() => transport.SendFileAsync(writeOnly.SafeFileHandle));
        Assert.Equal(["ConnectionMade", "PauseWriting", "ResumeWriting"], protocol.Callbacks);

        Assert.Equal(0, transport.BytesSent);
        transport.WriteEof();
        Assert.Throws<InvalidOperationException>(() => { transport.SendFileAsync(file); });
        transport.Close();
        Assert.Equal(
            CloseReason.LocalClose,
            (await Assert.ThrowsAsync<ConnectionException>(() => transport.SendFileAsync(file))).Reason);
        peer.Dispose();
        await protocol.Lost.Task;
    });

    [Fact]
    public void Meanwhile_NothingGetsBetweenItsBytesAndTheLoopGoesOn() => Run(async loop =>
    {
        var protocol = new TestProtocol();
        Peer peer = await ConnectNarrowPeerAsync(loop, protocol);
        Transport transport = protocol.Transport;
        using FileStream file = NewFile();
        int turns = 0;
        using PeriodicTimer ticks = new(TimeSpan.FromMilliseconds(1), loop.TimeProvider);
        Task<long> sending = transport.SendFileAsync(file);

        InvalidOperationException refused = Assert.Throws<InvalidOperationException>(() => transport.Write("x"u8));
        Assert.Contains("Await SendFileAsync", refused.Message, StringComparison.Ordinal);
        Assert.Throws<InvalidOperationException>(() => transport.WriteVectored(["x"u8.ToArray()]));
        Assert.Throws<InvalidOperationException>(() => { transport.SendFileAsync(file); });
        if (ServerTls is null)
        {
            await Assert.ThrowsAsync<InvalidOperationException>(
                () => transport.StartTlsAsync(new TlsClientOptions { TargetHost = "localhost" }));
        }

        // It waits for its peer, who may speak.
        await peer.SendAsync("hello"u8.ToArray());
        await protocol.FirstData.Task;
        for (; turns < 3; turns++)
        {
            await ticks.WaitForNextTickAsync();
        }

        Assert.False(sending.IsCompleted);
        await AssertNextAsync(peer, s_content);
        Assert.Equal(Size, await sending);
        Assert.Equal(WriteStatus.Accepted, transport.Write("x"u8));
        transport.Close();
        peer.Dispose();
        await protocol.Lost.Task;
    });

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Cancelled_InTheMiddle_PositionIsWhereItEndedAndTheConnectionStays(bool byScope) => Run(async loop =>
    {
        var protocol = new TestProtocol();
        Peer peer = await ConnectNarrowPeerAsync(loop, protocol);
        using FileStream file = NewFile();
        using var source = new CancellationTokenSource();
        byte[] first = [];
        if (byScope)
        {
            await CancelScope.RunAsync(async scope =>
            {
                Task<long> sending = protocol.Transport.SendFileAsync(file);
                first = await peer.ReadAsync(100_000);
                scope.Cancel();
                await Assert.ThrowsAnyAsync<OperationCanceledException>(() => sending);
            });
        }
        else
        {
            Task<long> sending = protocol.Transport.SendFileAsync(file, cancellationToken: source.Token);
            first = await peer.ReadAsync(100_000);
            loop.CallSoon(source.Cancel);
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => sending);
        }

        Assert.InRange(file.Position, 100_000, Size - 1);
        protocol.Transport.Write("after"u8);
        protocol.Transport.Close();
        int rest = (int)file.Position - first.Length;
        AssertSame(s_content.AsSpan(0, first.Length), first);
        await AssertNextAsync(peer, [.. s_content.AsSpan(first.Length, rest), .. "after"u8], isLast: true);
        peer.Dispose();
        await protocol.Lost.Task;
    });

    [Fact]
    public void Cancelled_BeforeItBegins_SendsNothing() => Run(async loop =>
    {
        var protocol = new TestProtocol();
        Peer peer = await ConnectPeerAsync(loop, protocol);
        using FileStream file = NewFile();
        using var source = new CancellationTokenSource();
        source.Cancel();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => protocol.Transport.SendFileAsync(file, 7, cancellationToken: source.Token));

        Assert.Equal(7, file.Position);
        Assert.Equal(0, protocol.Transport.BytesSent);
        Assert.Equal(["ConnectionMade"], protocol.Callbacks);
        protocol.Transport.Close();
        peer.Dispose();
        await protocol.Lost.Task;
    });

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Ended_InTheMiddle_TheFileLeavesFirst(bool byClose) => Run(async loop =>
    {
        var protocol = new TestProtocol { OnEof = _ => true };
        Peer peer = await ConnectNarrowPeerAsync(loop, protocol);
        using FileStream file = NewFile();
        Task<long> sending = protocol.Transport.SendFileAsync(file);

        if (byClose)
        {
            protocol.Transport.Close();
        }
        else
        {
            Assert.SkipUnless(protocol.Transport.CanWriteEof, "Neither direction ends alone.");
            protocol.Transport.WriteEof();
        }

        await AssertNextAsync(peer, s_content, isLast: true);
        Assert.Equal(Size, await sending);
        Assert.Equal(!byClose, protocol.Callbacks.Contains("ResumeWriting"));
        peer.Dispose();
        protocol.Transport.Close();
        Assert.Null(await protocol.Lost.Task);
    });

    [Fact]
    public void Cancelled_WhileClosing_IsNotTakenForTheWhole() => Run(async loop =>
    {
        RequireTcp(NoReset);
        var protocol = new TestProtocol();
        Peer peer = await ConnectNarrowPeerAsync(loop, protocol);
        using FileStream file = NewFile();
        using var source = new CancellationTokenSource();
        Task<long> sending = protocol.Transport.SendFileAsync(file, cancellationToken: source.Token);
        protocol.Transport.Close();
        await peer.ReadAsync(1000);

        loop.CallSoon(source.Cancel);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => sending);
        await protocol.Lost.Task;

        Assert.Equal(CloseReason.LocalAbort, protocol.Transport.CloseReason);
        if (ServerTls is null)
        {
            Assert.Equal(SocketError.ConnectionReset, await EndOfAsync(peer));
        }

        peer.Dispose();
    });

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Connection_EndsInTheMiddle_IsToldToWhoeverSends(bool byPeer) => Run(async loop =>
    {
        RequireTcp(NoReset);
        var protocol = new TestProtocol();
        Peer peer = await ConnectNarrowPeerAsync(loop, protocol);
        using FileStream file = NewFile();
        Task<long> sending = protocol.Transport.SendFileAsync(file);
        await peer.ReadAsync(1000);

        if (byPeer)
        {
            peer.Reset();
        }
        else
        {
            protocol.Transport.Abort();
        }

        ConnectionException exception = await Assert.ThrowsAsync<ConnectionException>(() => sending);
        await protocol.Lost.Task;
        Assert.Equal(protocol.Transport.CloseReason, exception.Reason);
        Assert.Equal(byPeer ? CloseReason.Reset : CloseReason.LocalAbort, exception.Reason);
        Assert.InRange(file.Position, 1000, Size);
        peer.Dispose();
    });

    [Fact]
    public void File_BecomesShorter_IsToldAndTheConnectionStays() => Run(async loop =>
    {
        const int NewSize = 2 * 1024 * 1024;
        var protocol = new TestProtocol();
        Peer peer = await ConnectNarrowPeerAsync(loop, protocol);
        using FileStream file = NewFile();
        Task<long> sending = protocol.Transport.SendFileAsync(file);
        byte[] first = await peer.ReadAsync(1000);
        file.SetLength(NewSize);

        byte[] rest = await peer.ReadAsync(NewSize - 1000);
        EndOfStreamException exception = await Assert.ThrowsAsync<EndOfStreamException>(() => sending);

        Assert.Contains($"ends at {NewSize}", exception.Message, StringComparison.Ordinal);
        Assert.Equal(NewSize, file.Position);
        AssertSame(s_content.AsSpan(0, NewSize), [.. first, .. rest]);
        protocol.Transport.Write("after"u8);
        await AssertNextAsync(peer, [.. "after"u8]);
        protocol.Transport.Close();
        peer.Dispose();
        await protocol.Lost.Task;
    });

    [Fact]
    public void Peer_DoesNotReadWhileClosing_IsGivenUpAfterTheLingerTime() => Run(async loop =>
    {
        RequireVirtualTime();
        var protocol = new TestProtocol();
        Peer peer = await ConnectNarrowPeerAsync(loop, protocol, new TcpOptions { LingerTime = TimeSpan.FromSeconds(10) });
        using FileStream file = NewFile();
        TimeSpan began = loop.Time;
        Task<long> sending = protocol.Transport.SendFileAsync(file);
        protocol.Transport.Close();

        Assert.Equal(CloseReason.Timeout, (await Assert.ThrowsAsync<ConnectionException>(() => sending)).Reason);
        await protocol.Lost.Task;

        Assert.InRange(loop.Time - began, TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(11));
        peer.Dispose();
    });

    [Fact]
    public void Layers_ThatLookOn_LetItPassAndOthersRefuseIt() => Run(async loop =>
    {
        var text = new StringWriter();
        var protocol = new TestProtocol();
        Server server = await ServeAsync(
            loop,
            () => new TimeoutLayer(
                new WireTap(protocol, text), new ConnectionTimeouts { Idle = TimeSpan.FromSeconds(30), Write = TimeSpan.FromSeconds(3) }),
            Narrow);
        Peer peer = Network.ConnectNow(server.EndPoints[0], NarrowPeer);
        await protocol.Made.Task;
        using FileStream file = NewFile();

        Task<long> sending = protocol.Transport.SendFileAsync(file);
        await AssertNextAsync(peer, s_content);
        Assert.Equal(Size, await sending);
        Assert.Contains($"> file {Size}", text.ToString(), StringComparison.Ordinal);

        if (IsSimulated)
        {
            // The peer takes no more of it.
            ConnectionException exception = await Assert.ThrowsAsync<ConnectionTimeoutException>(
                () => protocol.Transport.SendFileAsync(file));
            Assert.Equal(CloseReason.Timeout, exception.Reason);
        }

        protocol.Transport.Close();
        peer.Dispose();
        await protocol.Lost.Task;

        var throttled = new TestProtocol();
        server = await ServeAsync(loop, () => new ThrottlingLayer(throttled, new Throttle(1000), new Throttle(1000)));
        peer = Network.ConnectNow(server.EndPoints[0]);
        await throttled.Made.Task;
        NotSupportedException refused = Assert.Throws<NotSupportedException>(
            () => { throttled.Transport.SendFileAsync(file); });
        Assert.Contains(nameof(ThrottlingLayer), refused.Message, StringComparison.Ordinal);
        throttled.Transport.Close();
        peer.Dispose();
        await throttled.Lost.Task;
    });

    [Fact]
    public void FilesAndWrites_AtRandom_ArriveInOrder() => Run(async loop =>
    {
        var random = new Random(NextSeed());
        var expected = new List<byte>();
        var protocol = new TestProtocol();
        protocol.OnResume = p =>
        {
            expected.Add((byte)'r'); // may be written at once
            p.Transport.Write("r"u8);
        };
        Peer peer = await ConnectPeerAsync(loop, protocol, Narrow);
        using FileStream file = NewFile();
        Task<byte[]> reading = peer.ReadToEndAsync();
        for (int i = 0; i < 60; i++)
        {
            int offset = random.Next(Size);
            int count = random.Next(Math.Min(random.Next(4) == 0 ? 300_000 : 3000, Size - offset));
            ReadOnlyMemory<byte> part = s_content.AsMemory(offset, count);
            expected.AddRange(part.Span);
            if (random.Next(2) == 0)
            {
                Assert.NotEqual(WriteStatus.Closed, protocol.Transport.Write(part.Span));
            }
            else
            {
                Assert.Equal(count, await protocol.Transport.SendFileAsync(file, offset, count));
            }
        }

        protocol.Transport.Close();
        byte[] received = await reading;
        AssertSame([.. expected], received);
        peer.Dispose();
        await protocol.Lost.Task;
    });

    [Fact]
    public void StreamConnection_SendsWhatItHoldsFirst() => Run(async loop =>
    {
        StreamConnection? connection = null;
        await using Server server = await loop.StartServerAsync(
            async accepted =>
            {
                connection = accepted;
                using FileStream file = NewFile();
                accepted.Write("head"u8);
                accepted.Output.GetSpan(1)[0] = (byte)':';
                accepted.Output.Advance(1);
                Assert.Equal(Size, await accepted.SendFileAsync(file));
                await accepted.WriteAsync("tail"u8.ToArray());
            },
            new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, 0),
            new ServerOptions { Tls = ServerTls });
        Peer peer = Network.ConnectNow(server.EndPoints[0]);

        await AssertNextAsync(peer, [.. "head:"u8, .. s_content, .. "tail"u8], isLast: true);
        peer.Dispose();
    });

    private static async Task AssertNextAsync(Peer peer, byte[] expected, bool isLast = false)
    {
        byte[] received = await peer.ReadAsync(expected.Length + (isLast ? 1 : 0));
        AssertSame(expected, received);
    }

    private static FileStream NewFile() => TestFile.Create(s_content);
}
