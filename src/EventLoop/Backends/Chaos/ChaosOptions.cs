using System.Runtime.CompilerServices;

namespace Toolkit.Simulation;

/// <summary>
/// What a <see cref="ChaosBackend"/> makes happen, and how often. Immutable: one object may serve many loops, each of which then
/// draws the same numbers.
/// </summary>
/// <remarks>
/// <para>
/// Each probability is drawn anew for each occasion. A value below 0, above 1, or that is no number, is an
/// <see cref="ArgumentOutOfRangeException"/> at once. A change of one probability does not shift what is drawn for another kind
/// of event.
/// </para>
/// <para>
/// <see cref="Default"/> is for protocols that must survive anything; <see cref="Gentle"/> for those whose connections are to
/// stay; <see cref="None"/> is what to set one thing on: <c>ChaosOptions.None with { ShortReceive = 1 }</c>.
/// </para>
/// </remarks>
public sealed record ChaosOptions
{
    /// <summary>A little of everything: a connection fails every few hundred completions. The same as a new object.</summary>
    public static ChaosOptions Default { get; } = new();

    /// <summary>
    /// Everything but errors: bytes come in other pieces and at other moments, and all of them come.
    /// </summary>
    public static ChaosOptions Gentle { get; } = new()
    {
        OpenError = 0,
        AcceptError = 0,
        ConnectError = 0,
        SendError = 0,
        ReceiveError = 0,
    };

    /// <summary>Much of everything: hardly a completion passes untouched, and few connections live long.</summary>
    public static ChaosOptions Harsh { get; } = new()
    {
        ShortSend = 0.6,
        WouldBlock = 0.4,
        ShortReceive = 0.6,
        Delay = 0.6,
        MaxDelayPolls = 8,
        Reorder = 1,
        LostCancel = 0.6,
        BufferExhaustion = 0.2,
        OpenError = 0.05,
        AcceptError = 0.05,
        ConnectError = 0.1,
        SendError = 0.02,
        ReceiveError = 0.02,
    };

    /// <summary>Nothing at all.</summary>
    public static ChaosOptions None { get; } = new()
    {
        ShortSend = 0,
        WouldBlock = 0,
        ShortReceive = 0,
        Delay = 0,
        Reorder = 0,
        LostCancel = 0,
        BufferExhaustion = 0,
        OpenError = 0,
        AcceptError = 0,
        ConnectError = 0,
        SendError = 0,
        ReceiveError = 0,
    };

    /// <summary>
    /// Where the random numbers begin; 0 by default. Over a simulated network the same seed gives the same run. Over a real one
    /// it gives the same decisions, which may meet other moments.
    /// </summary>
    public ulong Seed { get; init; }

    /// <summary>That a send takes only a part of the bytes, although there was room. 0.25 by default.</summary>
    public double ShortSend { get; init => field = Probability(value); } = 0.25;

    /// <summary>That a send that is tried at once is told to wait, although there was room. 0.1 by default.</summary>
    public double WouldBlock { get; init => field = Probability(value); } = 0.1;

    /// <summary>That bytes which arrived together are handed on in pieces. 0.25 by default.</summary>
    public double ShortReceive { get; init => field = Probability(value); } = 0.25;

    /// <summary>
    /// That a completion is told some polls after it was made, and the end of what was cancelled some polls later. 0.25 by default.
    /// </summary>
    public double Delay { get; init => field = Probability(value); } = 0.25;

    /// <summary>By how many polls something is late at the most, 1 to 1,000. 4 by default.</summary>
    public int MaxDelayPolls
    {
        get;
        init => field = value is >= 1 and <= 1000
            ? value
            : throw new ArgumentOutOfRangeException(
                nameof(MaxDelayPolls), value, "This is a number of polls: give it a value from 1 to 1,000, or set Delay to 0.");
    }
    = 4;

    /// <summary>
    /// That a poll tells what it has to tell in a random order. What one direction of one connection tells keeps its order.
    /// 0.5 by default.
    /// </summary>
    public double Reorder { get; init => field = Probability(value); } = 0.5;

    /// <summary>That the cancellation of a send or connect is too late for some polls, in which it may complete. 0.25 by default.</summary>
    public double LostCancel { get; init => field = Probability(value); } = 0.25;

    /// <summary>That after a receive there are no buffers left for some polls, so that nobody receives. 0.05 by default.</summary>
    public double BufferExhaustion { get; init => field = Probability(value); } = 0.05;

    /// <summary>That no socket can be made, for want of descriptors or memory. 0.01 by default.</summary>
    public double OpenError { get; init => field = Probability(value); } = 0.01;

    /// <summary>That accepting fails, for want of descriptors or memory; those who wait are accepted later. 0.01 by default.</summary>
    public double AcceptError { get; init => field = Probability(value); } = 0.01;

    /// <summary>That a connect fails, before or after the peer has seen it. 0.02 by default.</summary>
    public double ConnectError { get; init => field = Probability(value); } = 0.02;

    /// <summary>
    /// That a send fails. The connection is dead from then on, in both directions. 0.002 by default.
    /// </summary>
    public double SendError { get; init => field = Probability(value); } = 0.002;

    /// <summary>
    /// That a receive fails. The connection is dead from then on, in both directions. 0.002 by default.
    /// </summary>
    public double ReceiveError { get; init => field = Probability(value); } = 0.002;

    private static double Probability(double value, [CallerMemberName] string name = "")
        => value is >= 0 and <= 1
            ? value
            : throw new ArgumentOutOfRangeException(
                name, value, "This is a probability: give it a value from 0, which is never, to 1, which is always.");
}
