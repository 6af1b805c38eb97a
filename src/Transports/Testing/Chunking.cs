using System.Globalization;

namespace Toolkit.Simulation;

/// <summary>
/// How a <see cref="MemoryConnection"/> cuts the bytes that pass it, as a network may cut them anywhere: a protocol must not
/// care. Immutable: one object may serve many connections. <see cref="ToString"/> says what it is, for messages of failures.
/// </summary>
public sealed class Chunking
{
    private readonly Func<string, Cut> _begin;
    private readonly string _name;

    private Chunking(string name, Func<string, Cut> begin)
    {
        _name = name;
        _begin = begin;
    }

    /// <summary>The length of the next chunk.</summary>
    /// <param name="offset">How many bytes of the stream have been received before it.</param>
    /// <param name="available">How many bytes have arrived; at least one.</param>
    /// <returns>From one to <paramref name="available"/>.</returns>
    internal delegate int Cut(long offset, int available);

    /// <summary>All that has arrived at once, as on a fast network. The default.</summary>
    public static Chunking Whole { get; } = new("whole", _ => static (_, available) => available);

    /// <summary>Each byte alone.</summary>
    public static Chunking OneByte { get; } = Of(1);

    /// <summary>Chunks of the given size, and smaller ones where no more has arrived.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The size is not positive.</exception>
    public static Chunking Of(int size)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(size);
        return new Chunking(
            size == 1 ? "one byte" : string.Create(CultureInfo.InvariantCulture, $"{size} bytes"),
            _ => (_, available) => Math.Min(size, available));
    }

    /// <summary>
    /// Cuts at the given places, counted in bytes from the beginning of each direction, and nowhere else unless no more has
    /// arrived. To try a protocol with every cut of a message, make a connection for each.
    /// </summary>
    /// <param name="offsets">The places, in any order.</param>
    /// <exception cref="ArgumentOutOfRangeException">A place is not after the first byte.</exception>
    public static Chunking At(params ReadOnlySpan<long> offsets)
    {
        long[] places = offsets.ToArray();
        Array.Sort(places);
        if (places is [<= 0, ..])
        {
            throw new ArgumentOutOfRangeException(
                nameof(offsets), places[0], "A stream can be cut after its first byte at the earliest.");
        }

        return new Chunking($"at {string.Join(", ", places)}", _ => (offset, available) =>
        {
            int next = Array.BinarySearch(places, offset + 1);
            next = next < 0 ? ~next : next;
            return next == places.Length ? available : (int)Math.Min(available, places[next] - offset);
        });
    }

    /// <summary>
    /// Chunks of random sizes, the same for the same seed: single bytes, few bytes and many, about as often. The two directions
    /// differ.
    /// </summary>
    public static Chunking Random(ulong seed)
        => new(string.Create(CultureInfo.InvariantCulture, $"random with seed {seed}"), direction =>
        {
            const int Few = 16;
            SeededRandom random = new SeededRandom(seed).Split(direction);
            return (_, available) => random.Next(3) switch
            {
                0 => 1,
                1 => 1 + random.Next(Math.Min(Few, available)),
                _ => 1 + random.Next(available),
            };
        });

    /// <summary>What it is, in words.</summary>
    public override string ToString() => _name;

    /// <summary>Begins with one direction of a connection.</summary>
    internal Cut Begin(string direction) => _begin(direction);
}
