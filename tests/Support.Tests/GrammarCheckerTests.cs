using System.Diagnostics;
using System.IO.Pipes;
using System.Net;
using System.Net.Sockets;

namespace Toolkit.Tests.Contracts;

/// <summary>A checker that objects to nothing proves nothing: transports that are wrong on purpose.</summary>
public sealed class GrammarCheckerTests
{
    public static TheoryData<string, string> WrongTransports => new()
    {
        { "MM", "ConnectionMade was called twice" },
        { "D", "DataReceived was called when New" },
        { "E", "EofReceived was called when New" },
        { "P", "PauseWriting was called when New" },
        { "R", "ResumeWriting was called when New" },
        { "L", "ConnectionLost was called before ConnectionMade" },
        { "M0", "DataReceived was called without data" },
        { "MED", "DataReceived was called when EndOfFile" },
        { "MEE", "EofReceived was called when EndOfFile" },
        { "MPP", "PauseWriting was called twice" },
        { "MR", "ResumeWriting was called without a pause" },
        { "MPRR", "ResumeWriting was called without a pause" },
        { "MLL", "ConnectionLost was called after ConnectionLost" },
        { "MLD", "DataReceived was called after ConnectionLost" },
        { "MLE", "EofReceived was called after ConnectionLost" },
        { "MLP", "PauseWriting was called after ConnectionLost" },
        { "MLR", "ResumeWriting was called after ConnectionLost" },
        { "MLM", "ConnectionMade was called after ConnectionLost" },
        { "McD", "DataReceived was called on a closing transport" },
        { "McE", "EofReceived was called on a closing transport" },
        { "McP", "PauseWriting was called on a closing transport" },
        { "MPcR", "ResumeWriting was called on a closing transport" },
        { "MpD", "DataReceived was called while reading was paused" },
        { "MnL", "ConnectionLost was called without a close reason" },
        { "M(DD)", "DataReceived was called from within another callback" },
        { "M(DL)", "ConnectionLost was called from within another callback" },
        { "MP(DR)", "ResumeWriting was called from within another callback" },
        { "(MD)", "DataReceived was called from within another callback" },
        { "M", "ConnectionMade was called, and ConnectionLost never" },
        { "sM", "without the loop's synchronization context" },
    };

    [Theory]
    [MemberData(nameof(WrongTransports))]
    public void Grammar_RuleBroken_Objects(string calls, string violation)
    {
        IReadOnlyList<string> violations = Play(calls);
        Assert.Contains(violations, found => found.Contains(violation, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("ML")]
    [InlineData("MDDDEL")]
    [InlineData("MPRPRDPL")]
    [InlineData("MEPRL")]
    [InlineData("M(DP)RL")]
    [InlineData("MP(RP)L")]
    [InlineData("McL")]
    public void Grammar_NoRuleBroken_IsContent(string calls) => Assert.Empty(Play(calls));

    [Fact]
    public void Grammar_OffTheLoop_Objects()
    {
        var protocol = new TestProtocol();
        var transport = new WrongTransport(protocol);
        protocol.ConnectionMade();
        transport.CloseWith(CloseReason.LocalClose);
        protocol.ConnectionLost(null);
        Assert.Contains(
            protocol.Grammar.Violations, found => found.Contains("off the loop's thread", StringComparison.Ordinal));
    }

    [Fact]
    public void Grammar_WithoutTransport_Objects()
    {
        var grammar = new CallbackGrammar();
        grammar.Enter("ConnectionMade", null).Dispose();
        Assert.Contains(grammar.Violations, found => found.Contains("without a transport", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("replaced", "was called on a protocol that was replaced")]
    [InlineData("used", "A protocol that was connected replaced another")]
    [InlineData("paused", "GetBuffer was called while reading was paused")]
    [InlineData("closing", "GetBuffer was called on a closing transport")]
    [InlineData("new", "GetBuffer was called when New")]
    public void Grammar_OfReplacedAndBufferedProtocols_Objects(string mistake, string violation) => OnLoop(_ =>
    {
        var protocol = new BufferedTestProtocol();
        var transport = new WrongTransport(protocol);
        if (mistake != "new")
        {
            protocol.ConnectionMade();
        }

        switch (mistake)
        {
            case "replaced":
                new TestProtocol().Grammar.TakeOver(protocol.Grammar);
                protocol.BufferUpdated(1);
                break;
            case "used":
                protocol.Grammar.TakeOver(new CallbackGrammar());
                break;
            case "paused":
                transport.PauseReading();
                protocol.GetBuffer(1);
                break;
            case "closing":
                transport.CloseWith(CloseReason.LocalClose);
                protocol.GetBuffer(1);
                break;
            default:
                protocol.GetBuffer(1);
                break;
        }

        Assert.Contains(protocol.Grammar.Violations, found => found.Contains(violation, StringComparison.Ordinal));
    });

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

    // M, D, E, P, R, L are callbacks, 0 is data without data; c closes, p pauses reading, n forgets the reason, s clears the
    // synchronization context; (XY) calls Y from within X.
    private static IReadOnlyList<string> Play(string calls)
    {
        var protocol = new TestProtocol { KeepsData = false };
        OnLoop(_ =>
        {
            var transport = new WrongTransport(protocol);
            bool hasReason = !calls.Contains('n', StringComparison.Ordinal);
            for (int i = 0; i < calls.Length; i++)
            {
                if (calls[i] == '(')
                {
                    char inner = calls[i + 2];
                    protocol.OnMade = protocol.OnResume = _ => Nested();
                    protocol.OnData = (_, _) => Nested();
                    Call(calls[i + 1]);
                    i += 3;

                    void Nested()
                    {
                        protocol.OnMade = protocol.OnResume = null;
                        protocol.OnData = null;
                        Call(inner);
                    }
                }
                else
                {
                    Call(calls[i]);
                }
            }

            void Call(char call)
            {
                switch (call)
                {
                    case 'M':
                        protocol.ConnectionMade();
                        break;
                    case 'D':
                        protocol.DataReceived("x"u8);
                        break;
                    case '0':
                        protocol.DataReceived([]);
                        break;
                    case 'E':
                        protocol.EofReceived();
                        break;
                    case 'P':
                        protocol.PauseWriting();
                        break;
                    case 'R':
                        protocol.ResumeWriting();
                        break;
                    case 'L':
                        if (hasReason)
                        {
                            transport.CloseWith(CloseReason.LocalClose);
                        }

                        protocol.ConnectionLost(null);
                        break;
                    case 'c':
                        transport.CloseWith(CloseReason.LocalClose);
                        break;
                    case 'p':
                        transport.PauseReading();
                        break;
                    case 's':
                        SynchronizationContext.SetSynchronizationContext(null);
                        break;
                }
            }
        });
        protocol.Grammar.Finish();
        return protocol.Grammar.Violations;
    }

    private static void OnLoop(Action<EventLoop> action)
    {
        using var loop = new EventLoop();
        loop.RunUntilComplete(() =>
        {
            action(loop);
            return Task.CompletedTask;
        });
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

    /// <summary>Does nothing of its own; what it should do is called by hand, and wrongly.</summary>
    private sealed class WrongTransport : Transport
    {
        private CloseReason _reason;
        private bool _paused;

        public WrongTransport(StreamProtocol protocol)
            : base(protocol)
        {
            BindProtocol();
        }

        public override DateTimeOffset StartTime => default;

        public override EndPoint? LocalEndPoint => null;

        public override EndPoint? RemoteEndPoint => null;

        public override long BytesReceived => 0;

        public override long BytesSent => 0;

        public override long UnsentBytes => 0;

        public override bool IsClosing => _reason != CloseReason.None;

        public override CloseReason CloseReason => _reason;

        public override bool IsReading => !_paused;

        public override bool CanWriteEof => false;

        public override WriteLimits WriteLimits { get; set; }

        public void CloseWith(CloseReason reason) => _reason = reason;

        public override WriteStatus Write(ReadOnlySpan<byte> data) => throw new UnreachableException();

        public override WriteStatus WriteVectored(ReadOnlySpan<ReadOnlyMemory<byte>> buffers) => throw new UnreachableException();

        public override void WriteEof() => throw new NotSupportedException();

        public override void PauseReading() => _paused = true;

        public override void ResumeReading() => _paused = false;

        public override void Close() => throw new UnreachableException();

        public override void Abort() => throw new UnreachableException();

        protected override void VerifyAccess()
        {
        }
    }
}
