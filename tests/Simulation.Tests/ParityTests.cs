using System.Globalization;
using System.Net;
using Toolkit.Simulation;

namespace Toolkit.Tests.Simulated;

/// <summary>
/// The simulation is only worth something if it behaves as a machine does: the same scripts, on a simulated loop and on those of
/// this machine, give the same callbacks, up to how the bytes are cut.
/// </summary>
/// <remarks>
/// A script is a list of steps, each of an end, <c>a</c> (the server's) or <c>b</c> (the client's): <c>write N</c>, <c>end</c>,
/// <c>close</c>, <c>abort</c>, <c>stop</c> and <c>go</c> (reading), <c>keep</c> (stay open after an end of file), or what to wait
/// for: <c>has N</c> bytes, <c>eof</c>, <c>paused</c>, <c>resumed</c>, <c>lost</c>.
/// </remarks>
public sealed class ParityTests(ITestOutputHelper output)
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    public static TheoryData<string> Scripts =>
    [
        "a close; a lost; b lost",
        "b close; b lost; a lost",
        "a abort; a lost; b lost",
        "b abort; b lost; a lost",
        "a write 5; b has 5; b close; b lost; a lost",
        "b write 5; a has 5; a write 7; b has 7; b close; b lost; a lost",
        "a write 100000; b has 100000; a close; a lost; b lost",
        "b write 3000000; a has 3000000; b close; b lost; a lost",
        "a write 5; a close; b has 5; b lost; a lost",
        "b write 5; b close; a has 5; a lost; b lost",
        "a write 100000; a close; b has 100000; b lost; a lost",
        "a end; b eof; b lost; a lost",
        "b end; a eof; a lost; b lost",
        "a write 5; a end; b has 5; b eof; b lost; a lost",
        "b keep; a end; b eof; b write 9; a has 9; b close; b lost; a lost",
        "a keep; b end; a eof; a write 200000; b has 200000; a end; a lost; b lost",
        "a keep; b keep; a end; b eof; b end; a lost; b lost",
        "a keep; b keep; a end; b end; a lost; b lost",
        "a keep; b keep; a write 10; b write 20; a end; b end; a has 20; b has 10; a lost; b lost",
        "a stop; b write 5; b write 5; a go; a has 10; b close; b lost; a lost",
        "a stop; b write 5; b end; a go; a has 5; a eof; a lost; b lost",
        "a stop; b write 5; b close; a go; a has 5; a lost; b lost",
        "b stop; a write 16000000; a paused; b go; b has 16000000; a resumed; a close; a lost; b lost",
        "b stop; a write 16000000; a paused; a close; b go; b has 16000000; b lost; a lost",
        "b stop; a write 16000000; a paused; b abort; b lost; a lost",
        "b stop; a write 16000000; a paused; a abort; a lost; b lost",
        "b stop; a write 16000000; a paused; a end; b go; b has 16000000; b eof; b lost; a lost",
        "a stop; b stop; a write 16000000; b write 16000000; a paused; b paused; a go; a has 16000000; b resumed; b go; "
            + "b has 16000000; a resumed; a close; a lost; b lost",
        "a stop; a abort; a lost; b lost",
        "a stop; b abort; b lost; a lost",
        "a keep; b end; a eof; b abort; b lost; a lost",
        "a keep; b end; a eof; a abort; a lost; b lost",
    ];

    public static TheoryData<string, LoopKind> ScriptsAndKinds
    {
        get
        {
            var data = new TheoryData<string, LoopKind>();
            foreach (TheoryDataRow<string> script in Scripts)
            {
                foreach (LoopKind kind in (LoopKind[])[LoopKind.Epoll, LoopKind.Uring, LoopKind.Portable])
                {
                    data.Add(script.Data, kind);
                }
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(ScriptsAndKinds))]
    public void Script_OnSimulatedAndOnAMachine_GivesTheSameCallbacks(string script, LoopKind kind)
    {
        LoopContract.RequireKind(kind);

        string machine = TraceOf(script, kind);
        string simulated = TraceOf(script, LoopKind.Simulated);

        output.WriteLine(machine);
        Assert.Equal(machine, simulated);
    }

    [Fact]
    public void Script_ThatCannotEnd_IsADeadlock()
        => Assert.Throws<SimulationDeadlockException>(
            () => TraceOf("a write 1; b has 1; b write 1; a has 2", LoopKind.Simulated));

    private static string TraceOf(string script, LoopKind kind)
    {
        string trace = "";
        EventLoop.Run(
            async loop => trace = await PlayAsync(loop, script),
            new EventLoopOptions { Kind = kind, Simulation = new SimulationOptions { Seed = 5 } });
        return trace;
    }

    private static async Task<string> PlayAsync(EventLoop loop, string script)
    {
        var server = new TestProtocol();
        Server listening = await loop.CreateServerAsync(() => server, new IPEndPoint(IPAddress.Loopback, 0));
        Connection<TestProtocol> connection = await loop.CreateConnectionAsync(() => new TestProtocol(), listening.EndPoints[0]);
        await server.Made.Task;
        using var patience = new CancellationTokenSource();
        if (loop.BackendName != "simulated") // where a deadlock is seen at once, unless a timer keeps hope alive
        {
            patience.CancelAfter(s_patience);
        }

        foreach (string step in script.Split("; "))
        {
            string[] words = step.Split(' ');
            TestProtocol end = words[0] == "a" ? server : connection.Protocol;
            await DoAsync(loop, end, words[1], words.Length > 2 ? int.Parse(words[2], CultureInfo.InvariantCulture) : 0)
                .WaitAsync(patience.Token);
        }

        listening.Close();
        return $"a: {Normalize(server, script, 'a')}\nb: {Normalize(connection.Protocol, script, 'b')}";
    }

    private static async Task DoAsync(EventLoop loop, TestProtocol end, string verb, int number)
    {
        switch (verb)
        {
            case "write":
                end.Transport.Write(new byte[number]);
                break;
            case "end":
                end.Transport.WriteEof();
                break;
            case "close":
                end.Transport.Close();
                break;
            case "abort":
                end.Transport.Abort();
                break;
            case "stop":
                end.Transport.PauseReading();
                break;
            case "go":
                end.Transport.ResumeReading();
                break;
            case "keep":
                end.OnEof = _ => true;
                break;
            case "has":
                var enough = new TaskCompletionSource();
                end.OnData = (self, _) => Look();
                Look();
                await enough.Task;
                break;

                void Look()
                {
                    if (end.ReceivedLength >= number)
                    {
                        enough.TrySetResult();
                    }
                }
            case "eof":
                await end.Eof.Task;
                break;
            case "paused":
                await end.Paused.Task;
                break;
            case "resumed":
                await end.Resumed.Task;
                break;
            case "lost":
                await end.Lost.Task;
                break;
            default:
                throw new ArgumentException($"There is no step '{verb}'.", nameof(verb));
        }
    }

    // How the bytes were cut, and how often a writer was paused meanwhile, is the network's own affair; and whether it was at
    // all, unless the script sees to it.
    private static string Normalize(TestProtocol end, string script, char name)
    {
        var words = new List<string>();
        foreach (string word in end.Callbacks)
        {
            bool isRepeated = words.Contains(word, StringComparer.Ordinal)
                && word is nameof(Protocol.DataReceived)
                    or nameof(StreamProtocol.PauseWriting)
                    or nameof(StreamProtocol.ResumeWriting);
            bool isByTheWay = (word == nameof(StreamProtocol.PauseWriting) && !script.Contains($"{name} paused"))
                || (word == nameof(StreamProtocol.ResumeWriting) && !script.Contains($"{name} paused"));
            if (!isRepeated && !isByTheWay)
            {
                words.Add(word);
            }
        }

        string reason = end.Lost.Task.IsCompletedSuccessfully
            ? $"{end.Transport.CloseReason}, {end.Lost.Task.Result?.GetType().Name ?? "no exception"}"
            : "not lost";
        return $"{string.Join(' ', words)} with {end.ReceivedLength} bytes: {reason}";
    }
}
