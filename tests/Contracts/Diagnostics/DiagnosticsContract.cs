using System.Net;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Text;
using System.Text.Json;
using Toolkit.Backends;

namespace Toolkit.Tests.Contracts;

/// <summary>What a running process tells of itself, to whom, and what that may cost.</summary>
public abstract class DiagnosticsContract(LoopUnderTest subject) : UnixSuite(subject)
{
    private static readonly IPEndPoint s_anywhere = new(IPAddress.Loopback, 0);

    [Fact]
    public void Snapshot_OfAKnownScene_HasItAll() => RunInDirectory(async loop =>
    {
        await using DiagnosticsServer diagnostics = await loop.ServeDiagnosticsAsync(SocketPath);
        TestProtocol atServer = Watch(new TestProtocol());
        Server server = await loop.CreateServerAsync(() => atServer, s_anywhere, new ServerOptions { MaxConnections = 3 });
        (Transport client, _) = await loop.CreateConnectionAsync(() => Watch(new TestProtocol()), server.EndPoints[0]);
        await atServer.Made.Task;
        client.Write("hello"u8);
        await UntilAsync(loop, () => atServer.ReceivedLength == 5);
        atServer.Transport.PauseReading();
        var never = new AsyncEvent();
        LoopTask waiter = loop.CreateTask(async () => await never.WaitAsync(), "\e[31mwaiter");
        await using StreamConnection asker = await OpenAsync(loop);

        JsonElement answer = await AskAsync(asker, "snapshot");

        Assert.Equal(["toolkit", "request", "process", "time", "loops"], NamesOf(answer));
        Assert.Equal(1, answer.GetProperty("toolkit").GetInt32());
        Assert.Equal("snapshot", answer.GetProperty("request").GetString());
        Assert.Equal(Environment.ProcessId, answer.GetProperty("process").GetInt32());
        JsonElement told = Assert.Single(answer.GetProperty("loops").EnumerateArray());
        Assert.Equal(
            [
                "name", "backend", "state", "isServing", "lastSeen", "metrics", "servers", "transports", "transportsLeftOut",
                "tasks", "tasksLeftOut", "circles",
            ],
            NamesOf(told));
        Assert.Equal(loop.Name, told.GetProperty("name").GetString());
        Assert.Equal("running", told.GetProperty("state").GetString());

        JsonElement listening = told.GetProperty("servers").EnumerateArray().Single(each => !IsDiagnostics(each));
        Assert.Equal(
            $$"""{"endPoints":["{{server.EndPoints[0]}}"],"state":"serving","connections":1,"maxConnections":3,"handshakes":0,"""
                + """ "accepted":1,"shed":0,"limited":0,"isTls":false,"isDiagnostics":false}"""[1..],
            listening.GetRawText());

        JsonElement ours = told.GetProperty("transports").EnumerateArray().Single(each => IdOf(each) == atServer.Transport.Id);
        Assert.Equal(
            [
                "id", "kind", "state", "localEndPoint", "remoteEndPoint", "age", "bytesReceived", "bytesSent", "unsentBytes",
                "isReadingPaused", "isWritingPaused", "isDiagnostics",
            ],
            NamesOf(ours));
        Assert.Equal(
            ["tcp", "open", $"{server.EndPoints[0]}", $"{client.LocalEndPoint}"],
            new[] { "kind", "state", "localEndPoint", "remoteEndPoint" }.Select(name => ours.GetProperty(name).GetString()));
        Assert.Equal(5, ours.GetProperty("bytesReceived").GetInt64());
        Assert.True(ours.GetProperty("isReadingPaused").GetBoolean());
        Assert.Equal(2, told.GetProperty("transports").EnumerateArray().Count(each => !IsDiagnostics(each)) - 1);

        JsonElement[] tasks = [.. told.GetProperty("tasks").EnumerateArray()];
        Assert.Equal("""{"depth":0,"kind":"loop","name":"NAME","isCancelled":false,"isShielded":false,"waits":[]}"""
            .Replace("NAME", loop.Name, StringComparison.Ordinal), tasks[0].GetRawText());
        JsonElement waiting = tasks.Single(task => NameOf(task) == "\e[31mwaiter");
        Assert.DoesNotContain('\e', waiting.GetRawText());
        Assert.Equal(1, waiting.GetProperty("depth").GetInt32());
        Assert.Equal("waiting", waiting.GetProperty("activity").GetString());
        Assert.StartsWith("for AsyncEvent #", waiting.GetProperty("waits")[0].GetString(), StringComparison.Ordinal);
        Assert.Contains(tasks, task => NameOf(task) == "diagnostics");

        JsonElement metrics = told.GetProperty("metrics");
        Assert.Equal(tasks.Count(task => KindOf(task) == "task"), metrics.GetProperty("activeTasks").GetInt32());
        Assert.True(metrics.GetProperty("bytesSent").GetInt64() >= 5);
        never.Set();
        await waiter;
        client.Abort();
        server.Close();
    });

    [Fact]
    public void Requests_OneByOneAndTogether_AreAnsweredInOrder() => RunInDirectory(async loop =>
    {
        await using DiagnosticsServer diagnostics = await loop.ServeDiagnosticsAsync(SocketPath);
        await using StreamConnection asker = await OpenAsync(loop);

        JsonElement help = await AskAsync(asker, "help");
        Assert.Equal(["snapshot", "transports", "tasks", "metrics", "help"], NamesOf(help.GetProperty("requests")));

        await asker.WriteAsync("metrics\r\n  tasks \ntransports\n\x1b[2J\xff\n"u8.ToArray());
        asker.CompleteWrites();
        JsonElement metrics = Only(await ReadAsync(asker));
        Assert.Equal(["name", "backend", "state", "isServing", "lastSeen", "metrics"], NamesOf(metrics));
        Assert.Equal(
            [
                "time", "iterations", "callbacks", "timersFired", "completions", "errors", "readyCallbacks", "timers",
                "threadWork", "tasksCreated", "activeTasks", "connectionsMade", "activeConnections", "bytesReceived", "bytesSent", "busyTime",
                "longestLag", "longestCallback",
            ],
            NamesOf(metrics.GetProperty("metrics")).Where(name => name != "longestCallbackName"));
        Assert.Equal(
            ["name", "backend", "state", "isServing", "lastSeen", "tasks", "tasksLeftOut", "circles"],
            NamesOf(Only(await ReadAsync(asker))));
        Assert.Equal(
            ["name", "backend", "state", "isServing", "lastSeen", "servers", "transports", "transportsLeftOut"],
            NamesOf(Only(await ReadAsync(asker))));
        JsonElement unknown = await ReadAsync(asker);
        Assert.Equal(["toolkit", "error", "requests"], NamesOf(unknown));
        Assert.Contains("There is no request", unknown.GetProperty("error").GetString(), StringComparison.Ordinal);
        Assert.DoesNotContain('\e', unknown.GetRawText());
        Assert.Null(await asker.ReadLineAsync());
    });

    [Fact]
    public void Request_ThatIsTooLong_IsRefusedAndTheEnd() => RunInDirectory(async loop =>
    {
        await using DiagnosticsServer diagnostics = await loop.ServeDiagnosticsAsync(SocketPath);
        await using StreamConnection asker = await OpenAsync(loop);
        await asker.WriteAsync(new byte[10_000]);

        Assert.Contains("256 bytes", (await ReadAsync(asker)).GetProperty("error").GetString(), StringComparison.Ordinal);
        Assert.Null(await asker.ReadLineAsync());
    });

    [Fact]
    public void Connections_MoreThanMayBe_WaitForTheirTurn() => RunInDirectory(async loop =>
    {
        await using DiagnosticsServer diagnostics = await loop.ServeDiagnosticsAsync(
            SocketPath, new DiagnosticsOptions { MaxConnections = 2 });
        StreamConnection[] askers = [await OpenAsync(loop), await OpenAsync(loop), await OpenAsync(loop)];
        await AskAsync(askers[0], "help");
        await AskAsync(askers[1], "help");
        LoopTask<JsonElement> third = loop.CreateTask(() => AskAsync(askers[2], "transports"));
        for (int i = 0; i < 5; i++)
        {
            await NextTurnAsync(loop);
        }

        Assert.False(third.IsCompleted);
        await askers[0].DisposeAsync();
        JsonElement server = Only(await third).GetProperty("servers")[0];
        Assert.Equal("full", server.GetProperty("state").GetString());
        Assert.True(IsDiagnostics(server));
        await askers[1].DisposeAsync();
        await askers[2].DisposeAsync();
    });

    [Fact]
    public void Reader_WhoIsSlow_HoldsUpNobodyAndIsOwedLittle() => RunInDirectory(async loop =>
    {
        const int Requests = 30;
        const int Pairs = 150;
        int answered = 0;
        await using DiagnosticsServer diagnostics = await loop.ServeDiagnosticsAsync(SocketPath);
        var pairs = new List<MemoryConnection>();
        for (int i = 0; i < Pairs; i++)
        {
            pairs.Add(await MemoryConnection.CreateAsync(loop, Watch(new TestProtocol()), Watch(new TestProtocol())));
        }

        (Transport slow, TestProtocol reader) = await loop.CreateUnixConnectionAsync(
            () => Watch(new TestProtocol
            {
                OnMade = p => p.Transport.PauseReading(),
                OnData = (_, data) => answered += data.Count((byte)'\n'),
            }),
            SocketPath);
        slow.Write(Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat("transports\n", Requests))));
        await UntilAsync(loop, () => Answering(loop).IsWritingPaused);
        for (int i = 0; i < 20; i++)
        {
            await NextTurnAsync(loop);
        }

        Assert.InRange(Answering(loop).UnsentBytes, 1, WriteLimits.DefaultHigh + (64 * 1024));
        await using (StreamConnection other = await OpenAsync(loop))
        {
            Assert.Equal((2 * Pairs) + 4, Only(await AskAsync(other, "transports")).GetProperty("transports").GetArrayLength());
        }

        slow.ResumeReading();
        await UntilAsync(loop, () => answered == Requests);
        Assert.Equal((2 * Pairs) + 2, Only(JsonElement.Parse(reader.ReceivedText.TrimEnd().Split('\n')[^1]))
            .GetProperty("transports").GetArrayLength());
        slow.Abort();
        pairs.ForEach(pair => pair.First.Abort());
    });

    [Fact]
    public void Answers_OfMoreThanIsAskedFor_SayWhatIsLeftOut() => RunInDirectory(async loop =>
    {
        await using DiagnosticsServer diagnostics = await loop.ServeDiagnosticsAsync(
            SocketPath, new DiagnosticsOptions { MaxTransports = 3, MaxTasks = 2 });
        MemoryConnection[] pairs =
        [
            await MemoryConnection.CreateAsync(loop, Watch(new TestProtocol()), Watch(new TestProtocol())),
            await MemoryConnection.CreateAsync(loop, Watch(new TestProtocol()), Watch(new TestProtocol())),
        ];
        await using StreamConnection asker = await OpenAsync(loop);

        JsonElement told = Only(await AskAsync(asker, "snapshot"));

        Assert.Equal(3, told.GetProperty("transports").GetArrayLength());
        Assert.Equal(3, told.GetProperty("transportsLeftOut").GetInt32()); // two, and both ends of this
        Assert.Equal(["loop", "task"], told.GetProperty("tasks").EnumerateArray().Select(KindOf));
        Assert.Equal(
            told.GetProperty("metrics").GetProperty("activeTasks").GetInt32() - 1, told.GetProperty("tasksLeftOut").GetInt32());
        Array.ForEach(pairs, pair => pair.First.Abort());
    });

    [Fact]
    public void Path_IsTheOwnersAloneAndGoneInTheEnd() => RunInDirectory(async loop =>
    {
        await LeaveDeadAsync(loop, SocketPath);
        await using (DiagnosticsServer diagnostics = await loop.ServeDiagnosticsAsync(SocketPath))
        {
            Assert.Equal(SocketPath, diagnostics.Path);
            if (!IsSimulated && !OperatingSystem.IsWindows())
            {
                Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(SocketPath));
            }

            ListenFailedException used = await Assert.ThrowsAsync<ListenFailedException>(
                () => loop.ServeDiagnosticsAsync(SocketPath));
            Assert.Equal(SocketError.AddressAlreadyInUse, used.Error);
            await using StreamConnection asker = await OpenAsync(loop);
            Assert.NotEqual(default, await AskAsync(asker, "help"));
            await diagnostics.DisposeAsync();
            Assert.Null(await asker.ReadLineAsync());
        }

        Assert.False(Exists(loop, SocketPath));
    });

    [Fact]
    public void Peer_OfAnotherUser_IsRefused() => RunInDirectory(async loop =>
    {
        Assert.SkipUnless(IsSimulated, "To become another user takes root's rights; simulated hosts say what they are.");
        SimulatedHost host = SimulatedWorld.HostOf(loop);
        await using DiagnosticsServer diagnostics = await loop.ServeDiagnosticsAsync(
            SocketPath, new DiagnosticsOptions { MaxConnections = 1 });

        foreach ((uint user, string property) in ((uint, string)[])[(1000, "loops"), (0, "loops"), (1001, "error")])
        {
            StreamConnection before = await OpenAsync(loop);
            await AskAsync(before, "help");
            host.ProcessIdentity = new PeerIdentity(7, user, user);
            await using StreamConnection asker = await OpenAsync(loop); // and waits to be accepted
            host.ProcessIdentity = new PeerIdentity(1, 1000, 1000);
            await before.DisposeAsync();
            JsonElement answer = await AskAsync(asker, "metrics");
            Assert.True(answer.TryGetProperty(property, out _), $"Of user {user} there is no {property}.");
            Assert.Equal(property == "error", await HasEndedAsync(asker));
        }
    });

    [Fact]
    public void Asker_WhoIsSilent_IsLetGo() => RunInDirectory(async loop =>
    {
        RequireVirtualTime();
        await using DiagnosticsServer diagnostics = await loop.ServeDiagnosticsAsync(SocketPath);
        await using StreamConnection asker = await OpenAsync(loop);
        await AskAsync(asker, "help");
        TimeSpan began = loop.Time;

        Assert.Null(await asker.ReadLineAsync());

        Assert.InRange(loop.Time - began, TimeSpan.FromSeconds(60), TimeSpan.FromSeconds(63));
    });

    [Fact]
    public void OtherLoops_ThatDoNotAnswer_AreToldSoAndNotWaitedFor() => RunInDirectory(async loop =>
    {
        using EventLoop stopped = NewLoop();
        EventLoop ended = NewLoop();
        ended.Dispose();
        await using DiagnosticsServer diagnostics = await loop.ServeDiagnosticsAsync(
            SocketPath,
            new DiagnosticsOptions { OtherLoops = [stopped, ended, loop, stopped], AnswerTime = TimeSpan.FromMilliseconds(50) });
        await using StreamConnection asker = await OpenAsync(loop);

        for (int i = 0; i < 3; i++)
        {
            JsonElement[] loops = [.. (await AskAsync(asker, "snapshot")).GetProperty("loops").EnumerateArray()];
            Assert.Equal([loop.Name, stopped.Name, ended.Name], loops.Select(NameOf));
            Assert.Equal(["running", "stopped", "ended"], loops.Select(StateOf));
            Assert.Equal(["name", "backend", "state", "isServing", "metrics"], NamesOf(loops[1]));
            Assert.Equal(["name", "backend", "state", "isServing"], NamesOf(loops[2]));
        }

        if (!IsSimulated)
        {
            await loop.RunInThreadAsync(() => stopped.RunOnce(TimeSpan.Zero));
            Assert.Equal(1, stopped.Counters.Callbacks); // however often it was asked
            await AskAsync(asker, "metrics");
        }

        // What was asked in vain is never answered, and not waited for either.
        stopped.Dispose();
        TimeSpan began = loop.Time;
        JsonElement last = (await AskAsync(asker, "snapshot")).GetProperty("loops")[1];
        Assert.Equal("ended", StateOf(last));
        Assert.Equal(["name", "backend", "state", "isServing"], NamesOf(last).Except(["lastSeen"]));
        Assert.True(!IsSimulated || loop.Time - began < TimeSpan.FromMilliseconds(50));
    });

    [Fact]
    public void Loop_ThatIsHeldUp_IsSeenFromAnother() => RunInDirectory(async loop =>
    {
        RequireRealMachine(NoOtherThread);
        await using EventLoopThread held = EventLoop.StartThread("held", OptionsOf());
        using var release = new ManualResetEventSlim();
        await using DiagnosticsServer diagnostics = await loop.ServeDiagnosticsAsync(
            SocketPath, new DiagnosticsOptions { OtherLoops = [held.Loop], AnswerTime = TimeSpan.FromSeconds(0.2) });
        await using StreamConnection asker = await OpenAsync(loop);
        JsonElement before = (await AskAsync(asker, "tasks")).GetProperty("loops")[1];
        held.Loop.CallSoonThreadSafe(release.Wait);

        JsonElement busy = (await AskAsync(asker, "snapshot")).GetProperty("loops")[1];
        release.Set();
        JsonElement after = (await AskAsync(asker, "snapshot")).GetProperty("loops")[1];

        Assert.Equal(["running", "busy", "running"], new[] { before, busy, after }.Select(StateOf));
        Assert.Equal(before.GetProperty("lastSeen").GetString(), busy.GetProperty("lastSeen").GetString());
        Assert.Equal(["name", "backend", "state", "isServing", "lastSeen", "metrics"], NamesOf(busy));
    });

    [Fact]
    public void Server_OnALoopOfItsOwn_IsDisposedFromAnywhere() => RunInDirectory(async loop =>
    {
        RequireRealMachine(NoOtherThread);
        await using EventLoopThread watcher = EventLoop.StartThread("diagnostics", OptionsOf());
        DiagnosticsServer diagnostics = await watcher.Loop.InvokeAsync(
            () => watcher.Loop.ServeDiagnosticsAsync(SocketPath, new DiagnosticsOptions { OtherLoops = [loop] }));
        await using (StreamConnection asker = await OpenAsync(loop))
        {
            JsonElement told = (await AskAsync(asker, "transports")).GetProperty("loops")[1];
            Assert.Equal(loop.Name, NameOf(told));
            Assert.Equal(1, told.GetProperty("transports").GetArrayLength());
        }

        await diagnostics.DisposeAsync();
        Assert.False(File.Exists(SocketPath));
        await diagnostics.DisposeAsync();
    });

    [Fact]
    public void Transports_OfEachKind_DescribeThemselves() => RunInDirectory(async loop =>
    {
        var tls = new TlsServerOptions { Certificate = TlsCertificate.From(TestCertificates.Server) };
        Server server = await loop.CreateServerAsync(MakeEcho, s_anywhere, new ServerOptions { Tls = tls });
        (Transport client, _) = await loop.CreateConnectionAsync(
            () => Watch(new TestProtocol()), server.EndPoints[0], new ConnectOptions { Tls = TlsPeers.Client });
        await UntilAsync(loop, () => server.ConnectionCount == 1);
        (DatagramTransport datagrams, _) = await loop.CreateDatagramEndpointAsync(
            () => new RecordingDatagrams(), new DatagramOptions { LocalEndPoint = s_anywhere });
        Server unix = await loop.CreateUnixServerAsync(MakeEcho, SocketPath);
        (Transport local, _) = await loop.CreateUnixConnectionAsync(() => Watch(new TestProtocol()), SocketPath);
        await UntilAsync(loop, () => unix.ConnectionCount == 1);
        client.Write("x"u8);
        client.WriteEof();

        IReadOnlyList<TransportInfo> all = loop.DescribeTransports();

        TransportInfo overTls = all.Single(each => each.Id == client.Id && each.Kind == TransportKind.Tcp);
        Assert.Equal(SslProtocols.Tls13, overTls.TlsProtocol);
        Assert.Equal(TransportState.SendingEnded, overTls.State);
        Assert.Equal(client.RemoteEndPoint, overTls.RemoteEndPoint);
        TransportInfo udp = all.Single(each => each.Kind == TransportKind.Udp);
        Assert.Equal((datagrams.Id, datagrams.LocalEndPoint, TransportState.Open), (udp.Id, udp.LocalEndPoint, udp.State));
        Assert.Equal(2, all.Count(each => each.Kind == TransportKind.Unix));
        Assert.Null(all.Single(each => each.Id == local.Id && each.Kind == TransportKind.Unix).TlsProtocol);
        Assert.Equal(5, all.Count);
        Assert.Equal(2, loop.DescribeServers().Count);
        Assert.True(loop.DescribeServers().Single(each => each.EndPoints[0] is IPEndPoint).IsTls);
        client.Abort();
        local.Abort();
        datagrams.Close();
        server.Close();
        unix.Close();
        Assert.All(loop.DescribeServers(), each => Assert.Equal(ServerState.Closed, each.State));
    });

    [Fact]
    public void Child_AndItsPipes_AreTransports() => RunInDirectory(async loop =>
    {
        RequireRealMachine("What a simulated child is made of is no business of this.");
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The child is a program of Unix.");
        (SubprocessTransport child, _) = await loop.SpawnAsync(() => new ChildProtocol(), new SpawnOptions { FileName = "cat" });

        TransportInfo[] ofChild = [.. loop.DescribeTransports().Where(each => each.ProcessId == child.Pid)];

        Assert.Equal(
            [TransportKind.Pipe, TransportKind.Pipe, TransportKind.Pipe, TransportKind.Process],
            ofChild.Select(each => each.Kind).Order());
        child.Close();
        await child.WaitCompletedAsync();
    });

    [Fact]
    public void Options_ThatAreMistakes_AreRefusedAtOnce() => RunInDirectory(async loop =>
    {
        Assert.Throws<ArgumentException>(() => { _ = loop.ServeDiagnosticsAsync("@abstract"); });
        foreach (DiagnosticsOptions wrong in (DiagnosticsOptions[])
            [
                new() { AnswerTime = TimeSpan.Zero }, new() { IdleTime = TimeSpan.Zero }, new() { MaxConnections = 0 },
                new() { MaxTasks = 0 }, new() { MaxTransports = -1 }, new() { OtherLoops = [null!] },
            ])
        {
            Assert.ThrowsAny<ArgumentException>(() => { _ = loop.ServeDiagnosticsAsync(SocketPath, wrong); });
        }

        await loop.Yield();
        Assert.False(Exists(loop, SocketPath));
    });

    private Task<StreamConnection> OpenAsync(EventLoop loop)
        => loop.OpenUnixConnectionAsync(SocketPath, streamOptions: new StreamOptions { MaxLength = 16 * 1024 * 1024 });

    private static async Task<JsonElement> AskAsync(StreamConnection asker, string word)
    {
        await asker.WriteAsync(Encoding.ASCII.GetBytes($"{word}\n"));
        return await ReadAsync(asker);
    }

    private static async Task<JsonElement> ReadAsync(StreamConnection asker)
        => JsonElement.Parse((await asker.ReadLineAsync() ?? throw new EndOfStreamException()).Span);

    private static Task<bool> HasEndedAsync(StreamConnection asker)
        => CancelScope.MoveOnAfterAsync(
            TimeSpan.FromMilliseconds(200), async _ => await asker.ReadLineAsync() is null, fallback: false);

    private static TransportInfo Answering(EventLoop loop)
        => loop.DescribeTransports().SingleOrDefault(each => each.IsDiagnostics);

    private static JsonElement Only(JsonElement answer) => Assert.Single(answer.GetProperty("loops").EnumerateArray());

    private static string[] NamesOf(JsonElement element) => [.. element.EnumerateObject().Select(property => property.Name)];

    private static string? NameOf(JsonElement element)
        => element.TryGetProperty("name", out JsonElement name) ? name.GetString() : null;

    private static string? KindOf(JsonElement element) => element.GetProperty("kind").GetString();

    private static string? StateOf(JsonElement element) => element.GetProperty("state").GetString();

    private static long IdOf(JsonElement element) => element.TryGetProperty("id", out JsonElement id) ? id.GetInt64() : 0;

    private static bool IsDiagnostics(JsonElement element) => element.GetProperty("isDiagnostics").GetBoolean();
}
