using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;

namespace Toolkit.Tests.Servers;

/// <summary>Errors of accept, which no test can have of a real system at will.</summary>
public sealed class AcceptErrorTests
{
    private static readonly IPEndPoint s_endPoint = new(IPAddress.Loopback, 80);

    private readonly ScriptedBackend _backend = new();
    private readonly MemoryLog _log = new();

    [Theory]
    [InlineData(SocketError.TooManyOpenSockets)]
    [InlineData(SocketError.NoBufferSpaceAvailable)]
    [InlineData(SocketError.ProtocolNotSupported)]
    [InlineData(SocketError.AccessDenied)]
    public void Accept_Fails_TriesAgainAfterTenMillisecondsUpToASecond(SocketError error) => Run(async loop =>
    {
        _backend.OnAccept = (backend, accept) => backend.Fail(accept, error);
        Server server = await loop.CreateServerAsync(() => new TestProtocol(), s_endPoint);

        await UntilAsync(() => _backend.Accepts.Count == 11);

        Assert.Equal([10, 20, 40, 80, 160, 320, 640, 1000, 1000, 1000], Pauses());
        Assert.True(server.IsServing);
        server.Close();
    });

    [Fact]
    public void Accept_SucceedsAgain_StartsOverWithThePauses() => Run(async loop =>
    {
        int attempts = 0;
        _backend.OnAccept = (backend, accept) =>
        {
            if (++attempts == 4)
            {
                backend.Accept(accept);
                return;
            }

            backend.Fail(accept, SocketError.NoBufferSpaceAvailable);
        };
        Server server = await loop.CreateServerAsync(
            () => new TestProtocol(), s_endPoint, new ServerOptions { MaxConnections = 1 });
        await UntilAsync(() => server.ConnectionCount == 1);
        Assert.Equal([10, 20, 40], Pauses());
        TimeSpan full = loop.Time;

        // The slot is free again, so accepting is tried at once, and then after the first pause.
        server.AbortConnections();
        await UntilAsync(() => _backend.Accepts.Count == 6);

        Assert.Equal(full, _backend.Accepts[4]);
        Assert.Equal(10, Pauses()[4]);
        server.Close();
    });

    [Fact]
    public void Accept_Fails_IsLoggedOnceASecondWithTheCount() => Run(async loop =>
    {
        _backend.OnAccept = (backend, accept) => backend.Fail(accept, SocketError.TooManyOpenSockets);
        Server server = await loop.CreateServerAsync(() => new TestProtocol(), s_endPoint);

        await UntilAsync(() => _backend.Accepts.Count == 9);
        server.Close();

        // At 0, and at 1270 ms: the six in between are counted, and nobody asks before the seventh pause is over.
        Assert.Equal(
            [
                "Accepting on 127.0.0.1:80 failed with TooManyOpenSockets; trying again in 00:00:00.0100000.",
                "Accepting on 127.0.0.1:80 failed with TooManyOpenSockets; trying again in 00:00:01."
                + " (6 more like it were not logged)",
            ],
            _log.Lines[..2].AsEnumerable());
    });

    [Fact]
    public void Close_WhilePausing_TriesNoMore() => Run(async loop =>
    {
        _backend.OnAccept = (backend, accept) => backend.Fail(accept, SocketError.TooManyOpenSockets);
        Server server = await loop.CreateServerAsync(() => new TestProtocol(), s_endPoint);
        await UntilAsync(() => _log.Lines.Count == 1);
        int attempts = _backend.Accepts.Count;

        server.Close();
        await server.WaitClosedAsync();
        await Task.Delay(TimeSpan.FromHours(1), loop.TimeProvider);

        Assert.Equal(attempts, _backend.Accepts.Count);
    });

    [Fact]
    public void StartServing_WhilePausing_DoesNotShortenThePause() => Run(async loop =>
    {
        _backend.OnAccept = (backend, accept) => backend.Fail(accept, SocketError.TooManyOpenSockets);
        Server server = await loop.CreateServerAsync(() => new TestProtocol(), s_endPoint);
        await UntilAsync(() => _log.Lines.Count == 1);

        server.StartServing();
        await UntilAsync(() => _backend.Accepts.Count == 3);

        Assert.Equal([10, 20], Pauses());
        server.Close();
    });

    [Fact]
    public void Newcomers_Shed_AreCountedAndLoggedOnceASecond() => Run(async loop =>
    {
        _backend.OnAccept = (backend, accept) =>
        {
            for (int i = 0; i < 100; i++)
            {
                backend.Shed(accept);
            }

            backend.Accept(accept);
        };
        Server server = await loop.CreateServerAsync(() => new TestProtocol(), s_endPoint);

        await UntilAsync(() => server.AcceptedCount == 1);

        Assert.Equal(100, server.ShedCount);
        Assert.Contains(
            "the last 64 descriptors of the process are kept free", Assert.Single(_log.Lines), StringComparison.Ordinal);
    });

    private void Run(Func<EventLoop, Task> scenario)
        => EventLoop.Run(scenario, new EventLoopOptions { BackendFactory = () => _backend, LoggerFactory = _log });

    private int[] Pauses()
        => [.. _backend.Accepts.Zip(_backend.Accepts.Skip(1), (earlier, later) => (int)(later - earlier).TotalMilliseconds)];

    // Yields to the loop, whose clock goes on when nothing is ready.
    private static async Task UntilAsync(Func<bool> condition)
    {
        while (!condition())
        {
            Assert.True(EventLoop.Current.Time < TimeSpan.FromHours(1), "What was waited for has not come within an hour.");
            var next = new TaskCompletionSource();
            EventLoop.Current.CallLater(TimeSpan.FromMilliseconds(1), next.SetResult);
            await next.Task;
        }
    }

    private sealed class MemoryLog : ILoggerFactory, ILogger
    {
        public List<string> Lines { get; } = [];

        public ILogger CreateLogger(string categoryName) => this;

        public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException();

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
            {
                Lines.Add(formatter(state, exception));
            }
        }

        public void Dispose()
        {
        }
    }
}
