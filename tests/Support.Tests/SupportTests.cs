using System.IO.Pipes;
using System.Net.Sockets;

namespace Toolkit.Tests.Contracts;

/// <summary>A suite that objects to nothing proves nothing: scenarios that are wrong on purpose.</summary>
public sealed class SupportTests
{
    [Fact]
    public void Contract_ScenarioBreaksTheGrammar_Fails()
    {
        var suite = new Wrong();
        Exception failure = Assert.ThrowsAny<Exception>(suite.BreakGrammar);
        Assert.Contains("ConnectionMade was called twice", failure.Message, StringComparison.Ordinal);
        failure = Assert.ThrowsAny<Exception>(suite.ForgetLost);
        Assert.Contains("ConnectionLost never", failure.Message, StringComparison.Ordinal);
        failure = Assert.ThrowsAny<Exception>(suite.CauseError);
        Assert.Contains("Unexpected errors", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("socket")]
    [InlineData("pipe")]
    [InlineData("eventfd")]
    [InlineData("eventpoll")]
    public void Census_DescriptorLeaks_CountsIt(string kind)
    {
        Assert.SkipUnless(DescriptorCensus.IsSupported, "There is no /proc here.");
        Leak(kind).Dispose(); // what the runtime makes once and keeps
        DescriptorCensus before = DescriptorCensus.Take();
        using (IDisposable leak = Leak(kind))
        {
            Assert.Contains(kind, DescriptorCensus.Take().GrowthSince(before), StringComparison.Ordinal);
        }

        before.RequireNoGrowth();
        Assert.Empty(DescriptorCensus.Take().GrowthSince(before));
    }

    [Fact]
    public void Census_DescriptorStays_Fails()
    {
        Assert.SkipUnless(DescriptorCensus.IsSupported, "There is no /proc here.");
        using (new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp))
        {
            // Once for what the runtime keeps.
        }

        DescriptorCensus before = DescriptorCensus.Take();
        using var leak = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        Exception failure = Assert.ThrowsAny<Exception>(before.RequireNoGrowth);
        Assert.Contains("socket", failure.Message, StringComparison.Ordinal);
    }

    private static IDisposable Leak(string kind)
    {
        switch (kind)
        {
            case "socket":
                return new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            case "pipe":
                var server = new AnonymousPipeServerStream(PipeDirection.In);
                server.DisposeLocalCopyOfClientHandle();
                return server;
            default:
                return new EventLoop(new EventLoopOptions { Kind = LoopKind.Epoll }); // one of each
        }
    }

    /// <summary>Suites that must not pass.</summary>
    private sealed class Wrong() : LoopContract(LoopKind.Auto)
    {
        public void BreakGrammar() => Run(_ =>
        {
            TestProtocol protocol = Watch(new TestProtocol());
            var transport = new WrongTransport(protocol);
            protocol.ConnectionMade();
            protocol.ConnectionMade();
            transport.CloseWith(CloseReason.LocalClose);
            protocol.ConnectionLost(null);
            return Task.CompletedTask;
        });

        public void ForgetLost() => new Wrong().Forget();

        private void Forget() => Run(loop =>
        {
            TestProtocol protocol = Watch(new TestProtocol());
            _ = new WrongTransport(protocol);
            protocol.ConnectionMade();
            return Task.CompletedTask;
        });

        public void CauseError() => new Wrong().Fail();

        private void Fail() => Run(async loop =>
        {
            loop.CallSoon(() => throw new ArithmeticException());
            await NextIterationAsync(loop);
        });
    }
}
