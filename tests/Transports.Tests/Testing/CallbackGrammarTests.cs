namespace Toolkit.Tests.Testing;

/// <summary>A checker that objects to nothing proves nothing: transports that are wrong on purpose.</summary>
public sealed class CallbackGrammarTests
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
        var protocol = new RecordingProtocol();
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
        grammar.Enter(ProtocolCallback.ConnectionMade, null).Dispose();
        Assert.Contains(grammar.Violations, found => found.Contains("without a transport", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("replaced", "was called on a protocol that was replaced")]
    [InlineData("used", "A protocol that was connected replaced another")]
    [InlineData("paused", "GetBuffer was called while reading was paused")]
    [InlineData("closing", "GetBuffer was called on a closing transport")]
    [InlineData("new", "GetBuffer was called when New")]
    [InlineData("unasked", "BufferUpdated was called without GetBuffer before it")]
    [InlineData("twice", "BufferUpdated was called without GetBuffer before it")]
    [InlineData("nothing", "BufferUpdated was called without data")]
    public void Grammar_OfReplacedAndBufferedProtocols_Objects(string mistake, string violation) => OnLoop(_ =>
    {
        var protocol = new RecordingBufferedProtocol();
        var transport = new WrongTransport(protocol);
        if (mistake != "new")
        {
            protocol.ConnectionMade();
        }

        switch (mistake)
        {
            case "replaced":
                new RecordingProtocol().Grammar.TakeOver(protocol.Grammar);
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
            case "unasked":
                protocol.BufferUpdated(1);
                break;
            case "twice":
                protocol.GetBuffer(1);
                protocol.BufferUpdated(1);
                protocol.BufferUpdated(1);
                break;
            case "nothing":
                protocol.GetBuffer(1);
                protocol.BufferUpdated(0);
                break;
            default:
                protocol.GetBuffer(1);
                break;
        }

        Assert.Contains(protocol.Grammar.Violations, found => found.Contains(violation, StringComparison.Ordinal));
    });

    [Fact]
    public void ThrowIfViolated_SomethingWasWrong_SaysAllOfIt()
    {
        var grammar = new CallbackGrammar();
        grammar.ThrowIfViolated();
        grammar.Enter(ProtocolCallback.DataReceived, null, 1).Dispose();
        grammar.Enter(ProtocolCallback.ResumeWriting, null).Dispose();

        InvalidOperationException thrown = Assert.Throws<InvalidOperationException>(grammar.ThrowIfViolated);

        Assert.All(grammar.Violations, violation => Assert.Contains(violation, thrown.Message, StringComparison.Ordinal));
        Assert.Contains("DataReceived was called when New", thrown.Message, StringComparison.Ordinal);
        Assert.Contains("ResumeWriting was called without a pause", thrown.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Finish_CalledTwice_ObjectsOnce()
    {
        var grammar = new CallbackGrammar();
        grammar.Finish();
        Assert.Empty(grammar.Violations);

        grammar = new CallbackGrammar();
        grammar.Enter(ProtocolCallback.ConnectionMade, null).Dispose();
        int before = grammar.Violations.Count;
        grammar.Finish();
        grammar.Finish();
        Assert.Equal(before + 1, grammar.Violations.Count);
    }

    [Fact]
    public void Violations_OfATransportThatIsWrongForEver_AreBounded()
    {
        var grammar = new CallbackGrammar();
        for (int i = 0; i < 1_000; i++)
        {
            grammar.Enter(ProtocolCallback.DataReceived, null).Dispose();
        }

        Assert.Equal(100, grammar.Violations.Count);
    }

    [Fact]
    public void Enter_NoSuchCallback_Throws()
        => Assert.Throws<ArgumentOutOfRangeException>(() =>
        {
            new CallbackGrammar().Enter((ProtocolCallback)99, null).Dispose();
        });

    [Fact]
    public void TakeOver_Null_Throws() => Assert.Throws<ArgumentNullException>(() => new CallbackGrammar().TakeOver(null!));

    [Fact]
    public void Enter_AllIsWell_AllocatesNothing() => OnLoop(_ =>
    {
        var protocol = new RecordingProtocol();
        var transport = new WrongTransport(protocol);
        var grammar = new CallbackGrammar();
        grammar.Enter(ProtocolCallback.ConnectionMade, transport).Dispose();
        Receive(10_000); // compiled by then
        long before = GC.GetAllocatedBytesForCurrentThread();
        Receive(10_000);

        // A run that is compiled anew meanwhile allocates a little; one object for each callback would be 240,000 bytes.
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 20_000);
        Assert.Empty(grammar.Violations);

        void Receive(int times)
        {
            for (int i = 0; i < times; i++)
            {
                using CallbackEntry entry = grammar.Enter(ProtocolCallback.DataReceived, transport, 1);
            }
        }
    });

    // M, D, E, P, R, L are callbacks, 0 is data without data; c closes, p pauses reading, n forgets the reason, s clears the
    // synchronization context; (XY) calls Y from within X.
    private static IReadOnlyList<string> Play(string calls)
    {
        var protocol = new RecordingProtocol { KeepsData = false };
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
}
