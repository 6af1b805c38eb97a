using System.Diagnostics;
using Toolkit.Transports;
using Actions = Toolkit.Transports.ConnectionLifecycle.Actions;
using Event = Toolkit.Transports.ConnectionLifecycle.Event;
using State = Toolkit.Transports.ConnectionLifecycle.State;

namespace Toolkit.Tests.Lifecycle;

public sealed class ConnectionLifecycleTests
{
    private const string GoodEnd = "ShutdownSend, DiscardInput, Lose";
    private const string BadEnd = "Reset, Lose";
    private const string Flush = "Drain, DiscardInput";

    /// <summary>
    /// All pairs, written down once more and in another way: what is not here cannot happen.
    /// </summary>
    private static readonly (State State, Event Event, State Next, string Actions)[] s_expected =
    [
        (State.New, Event.Made, State.Open, "None"),

        (State.Open, Event.PeerEnd, State.PeerEnded, "TellEof"),
        (State.Open, Event.WriteEof, State.Finishing, "Drain"),
        (State.Open, Event.Close, State.Closing, Flush),
        (State.Open, Event.Abort, State.Losing, BadEnd),

        (State.Finishing, Event.PeerEnd, State.PeerEndedFinishing, "TellEof"),
        (State.Finishing, Event.WriteEof, State.Finishing, "None"),
        (State.Finishing, Event.Drained, State.Finished, "ShutdownSend"),
        (State.Finishing, Event.Close, State.Closing, Flush),
        (State.Finishing, Event.Abort, State.Losing, BadEnd),

        (State.Finished, Event.PeerEnd, State.BothEnded, "TellEof"),
        (State.Finished, Event.WriteEof, State.Finished, "None"),
        (State.Finished, Event.Close, State.Losing, "DiscardInput, Lose"),
        (State.Finished, Event.Abort, State.Losing, BadEnd),

        (State.PeerEnded, Event.WriteEof, State.PeerEndedFinishing, "Drain"),
        (State.PeerEnded, Event.Close, State.Closing, Flush),
        (State.PeerEnded, Event.Abort, State.Losing, BadEnd),

        (State.PeerEndedFinishing, Event.WriteEof, State.PeerEndedFinishing, "None"),
        (State.PeerEndedFinishing, Event.Drained, State.Losing, GoodEnd),
        (State.PeerEndedFinishing, Event.Close, State.Closing, Flush),
        (State.PeerEndedFinishing, Event.Abort, State.Losing, BadEnd),

        (State.BothEnded, Event.WriteEof, State.BothEnded, "None"),
        (State.BothEnded, Event.Close, State.Losing, "DiscardInput, Lose"),
        (State.BothEnded, Event.Abort, State.Losing, BadEnd),

        (State.Closing, Event.PeerEnd, State.Closing, "None"),
        (State.Closing, Event.WriteEof, State.Closing, "None"),
        (State.Closing, Event.Drained, State.Losing, GoodEnd),
        (State.Closing, Event.Close, State.Closing, "None"),
        (State.Closing, Event.Abort, State.Losing, BadEnd),

        (State.Losing, Event.PeerEnd, State.Losing, "None"),
        (State.Losing, Event.WriteEof, State.Losing, "None"),
        (State.Losing, Event.Close, State.Losing, "None"),
        (State.Losing, Event.Abort, State.Losing, "None"),
        (State.Losing, Event.LostTold, State.Lost, "None"),

        (State.Lost, Event.WriteEof, State.Lost, "None"),
        (State.Lost, Event.Close, State.Lost, "None"),
        (State.Lost, Event.Abort, State.Lost, "None"),
    ];

    public static TheoryData<string, string> Pairs
    {
        get
        {
            var pairs = new TheoryData<string, string>();
            foreach (State state in Enum.GetValues<State>())
            {
                foreach (Event happening in Enum.GetValues<Event>())
                {
                    pairs.Add($"{state}", $"{happening}");
                }
            }

            return pairs;
        }
    }

    [Theory]
    [MemberData(nameof(Pairs))]
    public void Decide_EveryPair_IsAsWrittenDown(string state, string happening)
    {
        (State From, Event Event) pair = (Enum.Parse<State>(state), Enum.Parse<Event>(happening));
        int index = Array.FindIndex(s_expected, row => (row.State, row.Event) == pair);
        if (index < 0)
        {
            Assert.Throws<UnreachableException>(() => { ConnectionLifecycle.Decide(pair.From, pair.Event); });
            return;
        }

        (State next, Actions actions) = ConnectionLifecycle.Decide(pair.From, pair.Event);
        Assert.Equal(s_expected[index].Next, next);
        Assert.Equal(Enum.Parse<Actions>(s_expected[index].Actions), actions);
        Assert.True(next >= pair.From, "Nothing goes back.");
    }

    [Fact]
    public void Decide_EveryState_CanBeReachedAndLeft()
    {
        var reached = new HashSet<State> { State.New };
        foreach (State state in Enum.GetValues<State>())
        {
            reached.UnionWith(s_expected.Where(row => row.State == state && reached.Contains(state)).Select(row => row.Next));
        }

        Assert.Equal(Enum.GetValues<State>().Length, reached.Count);
        Assert.All(
            Enum.GetValues<State>().Where(state => state != State.Lost),
            state => Assert.Contains(s_expected, row => row.State == state && row.Next != state));
    }

    [Fact]
    public void Decide_EveryWayToTheEnd_LosesOnce()
    {
        Walk(State.New, 0, 0);

        static void Walk(State state, int losses, int depth)
        {
            Assert.True(losses <= 1, "ConnectionLost would come twice.");
            Assert.Equal(state >= State.Losing, losses == 1);
            foreach ((State from, Event _, State next, string actions) in s_expected)
            {
                if (from == state && next != state && depth < 10)
                {
                    Walk(next, losses + (actions.Contains("Lose", StringComparison.Ordinal) ? 1 : 0), depth + 1);
                }
            }
        }
    }

    [Theory]
    [InlineData("New", false, false, false, false, false)]
    [InlineData("Open", true, true, false, false, false)]
    [InlineData("Finishing", true, false, true, false, false)]
    [InlineData("Finished", true, false, false, false, false)]
    [InlineData("PeerEnded", false, true, false, false, false)]
    [InlineData("PeerEndedFinishing", false, false, true, false, false)]
    [InlineData("BothEnded", false, false, false, false, false)]
    [InlineData("Closing", false, false, true, true, false)]
    [InlineData("Losing", false, false, false, true, true)]
    [InlineData("Lost", false, false, false, true, true)]
    public void Properties_OfEveryState_AreAsWrittenDown(
        string state, bool canRead, bool canWrite, bool awaitsDrain, bool isClosing, bool isOver)
    {
        ConnectionLifecycle lifecycle = Reach(Enum.Parse<State>(state));
        Assert.Equal(
            (canRead, canWrite, awaitsDrain, isClosing, isOver),
            (lifecycle.CanRead, lifecycle.CanWrite, lifecycle.AwaitsDrain, lifecycle.IsClosing, lifecycle.IsOver));
    }

    private static ConnectionLifecycle Reach(State state)
    {
        Event[] way = state switch
        {
            State.New => [],
            State.Open => [Event.Made],
            State.Finishing => [Event.Made, Event.WriteEof],
            State.Finished => [Event.Made, Event.WriteEof, Event.Drained],
            State.PeerEnded => [Event.Made, Event.PeerEnd],
            State.PeerEndedFinishing => [Event.Made, Event.PeerEnd, Event.WriteEof],
            State.BothEnded => [Event.Made, Event.WriteEof, Event.Drained, Event.PeerEnd],
            State.Closing => [Event.Made, Event.Close],
            State.Losing => [Event.Made, Event.Abort],
            _ => [Event.Made, Event.Abort, Event.LostTold],
        };
        var lifecycle = new ConnectionLifecycle();
        foreach (Event happening in way)
        {
            lifecycle.On(happening);
        }

        Assert.Equal(state, lifecycle.Current);
        return lifecycle;
    }
}
