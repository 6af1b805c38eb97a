using System.Net.Sockets;

namespace Toolkit.Tests.Contracts;

/// <summary>Every method of a transport may be called from every callback, in any order.</summary>
public abstract class ReentrancyMatrixContract(LoopUnderTest subject) : StreamContract(subject)
{
    private static readonly string[] s_callbacks =
    [
        "ConnectionMade", "DataReceived", "EofReceived", "PauseWriting", "ResumeWriting", "ConnectionLost",
    ];

    private static readonly string[] s_calls =
    [
        "Write small", "Write large", "WriteVectored", "WriteEof", "PauseReading", "ResumeReading", "Pause and resume reading",
        "Unread",
        "Close", "Abort", "Lower limits", "Raise limits", "Replace protocol", "Throw",
    ];

    public static TheoryData<string, string, bool> Matrix
    {
        get
        {
            var matrix = new TheoryData<string, string, bool>();
            foreach (string callback in s_callbacks)
            {
                foreach (string call in s_calls)
                {
                    matrix.Add(callback, call, false);
                    matrix.Add(callback, call, true);
                }
            }

            return matrix;
        }
    }

    [Theory]
    [MemberData(nameof(Matrix))]
    public void Transport_AnyCallFromAnyCallback_KeepsTheOrderOfCallbacks(string callback, string call, bool everyTime) => Run(
        async loop =>
        {
            bool reached = false;
            var actor = new Actor(this, (here, p) =>
            {
                if (here == callback && (everyTime || !reached))
                {
                    reached = true;
                    Perform(call, p);
                }
            });
            await LiveAsync(loop, actor);

            Assert.True(reached, $"The scenario has no {callback}: {string.Join(' ', actor.Callbacks)}");
            Assert.Equal(1, actor.Callbacks.Count(name => name == "ConnectionLost"));
            if (call == "Throw")
            {
                Assert.All(Errors, error => Assert.IsType<ArithmeticException>(error.Exception));
                Assert.NotEmpty(Errors);
                Errors.Clear();
            }
        });

    [Fact]
    public void Transport_RandomCallsFromRandomCallbacks_KeepTheOrderOfCallbacks()
    {
        int seed = NextSeed();
        Run(async loop =>
        {
            var random = new Random(seed);
            for (int round = 0; round < 150; round++)
            {
                // Most calls are harmless; of those that end it, the scenario would otherwise see little else.
                int eagerness = random.Next(1, 12);
                bool deadly = random.Next(3) == 0;
                var trace = new List<string>();
                var actor = new Actor(this, (here, p) =>
                {
                    for (int i = random.Next(4); i > 0 && random.Next(eagerness) == 0; i--)
                    {
                        string call = s_calls[random.Next(s_calls.Length)];
                        if (deadly || call is not ("Close" or "Abort" or "Throw" or "WriteEof"))
                        {
                            trace.Add($"{here}: {call}");
                            Perform(call, p);
                        }
                    }
                });
                await LiveAsync(loop, actor);

                Assert.True(
                    actor.Callbacks.Count(name => name == "ConnectionLost") == 1
                        && Errors.TrueForAll(error => error.Exception is ArithmeticException),
                    $"Seed {seed}, round {round}: {string.Join(", ", actor.Callbacks)}. {string.Join(", ", trace)}. "
                    + string.Join(", ", Errors));
                Errors.Clear();
            }
        });
    }

    [Fact]
    public void Transport_RandomCallsFromOutside_KeepTheOrderOfCallbacks()
    {
        int seed = NextSeed();
        Run(async loop =>
        {
            var random = new Random(seed);
            for (int round = 0; round < 100; round++)
            {
                var actor = new Actor(this, (_, _) => { });
                Task life = LiveAsync(loop, actor);
                while (!life.IsCompleted)
                {
                    string call = s_calls[random.Next(s_calls.Length)];
                    bool ends = call is "Close" or "Abort" or "WriteEof";
                    if (actor.Current is { Grammar.IsMade: true } protocol && call != "Throw" && (!ends || random.Next(40) == 0))
                    {
                        Perform(call, protocol);
                    }

                    await NextTurnAsync(loop);
                }

                await life;
                Assert.True(
                    actor.Callbacks.Count(name => name == "ConnectionLost") == 1,
                    $"Seed {seed}, round {round}: {string.Join(", ", actor.Callbacks)}");
            }
        });
    }

    /// <summary>
    /// A life with all six callbacks in it: the peer says something, takes what we write only when we have been paused,
    /// and ends. Whatever is called meanwhile, it comes to its end.
    /// </summary>
    private async Task LiveAsync(EventLoop loop, Actor actor)
    {
        var options = TcpOptions.Default with { LingerTime = TimeSpan.FromSeconds(10) };
        Peer peer = await ConnectNarrowPeerAsync(loop, actor.First, options);
        try
        {
            await peer.SendAsync(new byte[3_000]);
            await UntilToldAsync("DataReceived");
            if (actor.IsOpen && !actor.HasEnded)
            {
                actor.Current.Transport.Write(new byte[200_000]);
            }

            Task<long> reading = DrainAsync(peer);
            await UntilToldAsync("ResumeWriting", () => actor.Current.Transport.UnsentBytes == 0);
            peer.ShutdownSend();
            await UntilToldAsync("EofReceived");
            if (actor.IsOpen)
            {
                actor.Current.Transport.ResumeReading();
                actor.Current.Transport.Close();
            }

            await reading;
        }
        catch (SocketException)
        {
            // Reset by an abort, which is in order.
        }

        await actor.Lost.Task;
        peer.Dispose();
        await UntilAsync(loop, () => loop.Host.ResidentCount == 0);

        // Until the callback has come, or the connection is closing. Reading that was paused is resumed again and again.
        Task UntilToldAsync(string callback, Func<bool>? orNever = null) => UntilAsync(loop, () =>
        {
            if (!actor.IsOpen || actor.Callbacks.Contains(callback) || orNever?.Invoke() == true)
            {
                return true;
            }

            actor.Current.Transport.ResumeReading();
            return false;
        });
    }

    private static void Perform(string call, ActingProtocol protocol)
    {
        Transport transport = protocol.Transport;
        switch (call)
        {
            case "Write small":
                MayWrite(() => transport.Write("small"u8));
                break;
            case "Write large":
                MayWrite(() => transport.Write(new byte[50_000]));
                break;
            case "WriteVectored":
                MayWrite(() => transport.WriteVectored([new byte[10], default, new byte[20_000]]));
                break;
            case "WriteEof":
                protocol.Actor.HasEnded = true;
                transport.WriteEof();
                break;
            case "PauseReading":
                transport.PauseReading();
                break;
            case "ResumeReading":
                transport.ResumeReading();
                break;
            case "Pause and resume reading":
                transport.PauseReading();
                transport.ResumeReading();
                break;
            case "Unread" when transport.IsReading && protocol.Actor.Unread++ < 100: // or it would never see anything else
                transport.Unread("again"u8);
                break;
            case "Unread":
                break;
            case "Close":
                transport.Close();
                break;
            case "Abort":
                transport.Abort();
                break;
            case "Lower limits":
                transport.WriteLimits = new WriteLimits(0, 0, null);
                break;
            case "Raise limits":
                transport.WriteLimits = new WriteLimits(100_000_000, 50_000_000, null);
                break;
            case "Replace protocol":
                protocol.Actor.Replace(protocol);
                break;
            default:
                throw new ArithmeticException("on purpose");
        }

        void MayWrite(Func<WriteStatus> write)
        {
            if (protocol.Actor.HasEnded)
            {
                return;
            }

            long before = transport.UnsentBytes + transport.BytesSent;
            bool closing = transport.IsClosing;
            WriteStatus status = write();
            Assert.True(!closing || status == WriteStatus.Closed);
            Assert.True(!closing || before == transport.UnsentBytes + transport.BytesSent);
        }
    }

    /// <summary>The succession of protocols of one connection, with what they do in their callbacks.</summary>
    private sealed class Actor
    {
        private readonly ReentrancyMatrixContract _suite;
        private readonly Action<string, ActingProtocol> _act;
        private readonly List<string> _callbacks = [];
        private int _busy;

        public Actor(ReentrancyMatrixContract suite, Action<string, ActingProtocol> act)
        {
            _suite = suite;
            _act = act;
            First = Current = new ActingProtocol(this);
        }

        public ActingProtocol First { get; }

        public ActingProtocol Current { get; private set; }

        /// <summary>Whether the sending side was ended, after which a write is a mistake of the caller's.</summary>
        public bool HasEnded { get; set; }

        public int Unread { get; set; }

        public TaskCompletionSource Lost { get; } = new();

        public IReadOnlyList<string> Callbacks => _callbacks;

        public bool IsOpen => Current is { Grammar: { IsMade: true, IsLost: false }, Transport.IsClosing: false };

        public void On(string callback, ActingProtocol protocol)
        {
            _callbacks.Add(callback);
            if (callback == "ConnectionLost")
            {
                Lost.SetResult();
            }

            // A pause within a write within a pause of its own would go on for ever.
            _busy++;
            try
            {
                if (_busy < 3 && _callbacks.Count < 300)
                {
                    _act(callback, protocol);
                }
            }
            finally
            {
                _busy--;
            }
        }

        public void Replace(ActingProtocol protocol)
        {
            if (protocol != Current || Current.Grammar.IsLost)
            {
                return;
            }

            var next = new ActingProtocol(this);
            next.Grammar.TakeOver(Current.Grammar);
            Current = _suite.Watch(next);
            protocol.Transport.Protocol = next;
        }
    }

    private sealed class ActingProtocol : TestProtocol
    {
        public ActingProtocol(Actor actor)
        {
            Actor = actor;
            KeepsData = false;
            OnMade = _ => actor.On("ConnectionMade", this);
            OnData = (_, _) => actor.On("DataReceived", this);
            OnPause = _ => actor.On("PauseWriting", this);
            OnResume = _ => actor.On("ResumeWriting", this);
            OnLost = (_, _) => actor.On("ConnectionLost", this);
            OnEof = _ =>
            {
                actor.On("EofReceived", this);
                return true;
            };
        }

        public Actor Actor { get; }
    }
}
