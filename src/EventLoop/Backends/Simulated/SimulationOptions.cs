using System.Globalization;
using System.Security.Cryptography;

namespace Toolkit.Simulation;

/// <summary>How a <see cref="SimulatedWorld"/> is made. Immutable.</summary>
public sealed record SimulationOptions
{
    /// <summary>The environment variable that gives the seed, in decimal or, behind <c>0x</c>, in hexadecimal digits.</summary>
    public const string SeedVariable = "SIM_SEED";

    /// <summary>
    /// Decides everything that is left to chance: orders, sizes, delays, losses. Null takes <c>SIM_SEED</c>, or else draws one.
    /// </summary>
    public ulong? Seed { get; init; }

    /// <summary>The wall clock at the beginning: the start of 2000 in UTC by default, so that all days are the same.</summary>
    public DateTimeOffset Start { get; init; } = new(2000, 1, 1, 0, 0, 0, TimeSpan.Zero);

    /// <summary>
    /// The ways between hosts that <see cref="SimulatedWorld.SetLink"/> says nothing of. 1 ms and faultless by default.
    /// </summary>
    public LinkConditions Links { get; init; } = new() { Latency = TimeSpan.FromMilliseconds(1) };

    /// <summary>The way from a host to itself. It takes no time by default.</summary>
    public LinkConditions Loopback { get; init; } = new() { MaxSegment = 64 * 1024 };

    /// <summary>
    /// How long a function takes that is given to <see cref="EventLoop.RunInThreadAsync{T}(Func{T}, CancellationToken)"/>, at
    /// most. It runs on the world's own thread, at the end of a time drawn from this. 1 ms by default.
    /// </summary>
    public TimeSpan ThreadWorkTime { get; init; } = TimeSpan.FromMilliseconds(1);

    /// <summary>
    /// How long virtual time may go on before the run is given up as endless: a
    /// <see cref="SimulationLimitException"/>. Thirty days by default.
    /// </summary>
    public TimeSpan TimeLimit { get; init; } = TimeSpan.FromDays(30);

    /// <summary>
    /// Where the trace is written, line by line; null, the default, keeps only the last lines and a hash of all.
    /// </summary>
    public TextWriter? Trace { get; init; }

    /// <summary>Reads a seed as <c>SIM_SEED</c> has it.</summary>
    /// <exception cref="FormatException">It is no number of 64 bits.</exception>
    public static ulong ParseSeed(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        bool isHexadecimal = text.StartsWith("0x", StringComparison.OrdinalIgnoreCase);
        return ulong.TryParse(
            isHexadecimal ? text.AsSpan(2) : text,
            isHexadecimal ? NumberStyles.AllowHexSpecifier : NumberStyles.None,
            CultureInfo.InvariantCulture,
            out ulong seed)
            ? seed
            : throw new FormatException($"{SeedVariable} is a number of 64 bits, such as 42 or 0x2A, and not '{text}'.");
    }

    internal static string FormatSeed(ulong seed) => string.Create(CultureInfo.InvariantCulture, $"0x{seed:X}");

    internal ulong ChooseSeed()
        => Seed ?? (Environment.GetEnvironmentVariable(SeedVariable) is { Length: > 0 } given
            ? ParseSeed(given)
            : BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(sizeof(ulong))));

    internal void Validate()
    {
        ArgumentNullException.ThrowIfNull(Links);
        ArgumentNullException.ThrowIfNull(Loopback);
        Links.Validate();
        Loopback.Validate();
        ArgumentOutOfRangeException.ThrowIfLessThan(ThreadWorkTime, TimeSpan.Zero, nameof(ThreadWorkTime));
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(TimeLimit, TimeSpan.Zero, nameof(TimeLimit));
    }
}
