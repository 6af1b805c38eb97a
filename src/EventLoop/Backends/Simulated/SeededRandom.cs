using System.Buffers.Binary;
using System.Numerics;
using System.Text;

namespace Toolkit.Simulation;

/// <summary>
/// Random numbers that are the same for the same seed, today and in the next version: xoshiro256**, whose state is made of the
/// seed by splitmix64.
/// </summary>
/// <remarks>
/// <see cref="Random"/> with a seed is not used here, because its algorithm is not promised to stay what it is, and a seed that
/// was written down with a failure must find the failure again. For simulations and tests only: whoever sees some of the numbers
/// can compute the others. Not thread-safe.
/// </remarks>
public sealed class SeededRandom
{
    private ulong _s0;
    private ulong _s1;
    private ulong _s2;
    private ulong _s3;

    /// <summary>Starts the sequence of a seed; every seed is as good as any other.</summary>
    public SeededRandom(ulong seed)
    {
        Seed = seed;
        ulong state = seed;
        _s0 = SplitMix64(ref state);
        _s1 = SplitMix64(ref state);
        _s2 = SplitMix64(ref state);
        _s3 = SplitMix64(ref state);
    }

    /// <summary>The seed that the sequence began with; of a <see cref="Split"/> stream the one that it was derived to.</summary>
    public ulong Seed { get; }

    /// <summary>The next integer from zero up to, and without, <paramref name="maxExclusive"/>; all are equally likely.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such integer, because the bound is not positive.</exception>
    public int Next(int maxExclusive) => (int)NextInt64(maxExclusive);

    /// <summary>The next integer from <paramref name="min"/> up to, and without, <paramref name="maxExclusive"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such integer, because the bounds leave none.</exception>
    public int Next(int min, int maxExclusive)
    {
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(maxExclusive, min);
        return (int)(min + NextInt64((long)maxExclusive - min));
    }

    /// <summary>The next integer from zero up to, and without, <paramref name="maxExclusive"/>; all are equally likely.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such integer, because the bound is not positive.</exception>
    public long NextInt64(long maxExclusive)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maxExclusive);

        // Lemire's way: the upper half of the product is the answer, and the few products that would favour some answers are
        // drawn again.
        ulong range = (ulong)maxExclusive;
        ulong high = Math.BigMul(NextUInt64(), range, out ulong low);
        if (low < range)
        {
            ulong unfair = unchecked(0UL - range) % range;
            while (low < unfair)
            {
                high = Math.BigMul(NextUInt64(), range, out low);
            }
        }

        return (long)high;
    }

    /// <summary>The next number from zero up to, and without, one, in steps of 2^-53.</summary>
    public double NextDouble() => (NextUInt64() >> 11) * (1.0 / (1UL << 53));

    /// <summary>True with the given probability. Draws once, whatever the probability: zero is never true, one always.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The probability is below zero, above one, or no number.</exception>
    public bool Chance(double probability)
    {
        if (!(probability is >= 0 and <= 1))
        {
            throw new ArgumentOutOfRangeException(nameof(probability), probability, "A probability is from 0 to 1.");
        }

        return NextDouble() < probability;
    }

    /// <summary>Brings the items into a random order; all orders are equally likely.</summary>
    public void Shuffle<T>(Span<T> items)
    {
        for (int last = items.Length - 1; last > 0; last--)
        {
            int chosen = Next(last + 1);
            (items[last], items[chosen]) = (items[chosen], items[last]);
        }
    }

    /// <summary>
    /// A stream of its own, for one purpose. It depends on the seed and the name alone, not on what was drawn so far: a draw that
    /// is added for one purpose then does not shift what all others get. The same name gives the same stream again.
    /// </summary>
    public SeededRandom Split(string purpose)
    {
        ArgumentNullException.ThrowIfNull(purpose);

        // FNV-1a over the seed and the name. string.GetHashCode differs from one process to the next.
        Span<byte> seed = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(seed, Seed);
        return new SeededRandom(Fnv1a(Fnv1a(14_695_981_039_346_656_037, seed), Encoding.UTF8.GetBytes(purpose)));
    }

    /// <summary>Fills the buffer. Every eight bytes, and what is left over at the end, take one draw.</summary>
    public void NextBytes(Span<byte> buffer)
    {
        Span<byte> drawn = stackalloc byte[sizeof(ulong)];
        while (!buffer.IsEmpty)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(drawn, NextUInt64());
            int count = Math.Min(drawn.Length, buffer.Length);
            drawn[..count].CopyTo(buffer);
            buffer = buffer[count..];
        }
    }

    private static ulong SplitMix64(ref ulong state)
    {
        unchecked
        {
            state += 0x9E37_79B9_7F4A_7C15;
            ulong mixed = state;
            mixed = (mixed ^ (mixed >> 30)) * 0xBF58_476D_1CE4_E5B9;
            mixed = (mixed ^ (mixed >> 27)) * 0x94D0_49BB_1331_11EB;
            return mixed ^ (mixed >> 31);
        }
    }

    private static ulong Fnv1a(ulong hash, ReadOnlySpan<byte> data)
    {
        foreach (byte value in data)
        {
            hash = unchecked((hash ^ value) * 1_099_511_628_211);
        }

        return hash;
    }

    private ulong NextUInt64()
    {
        unchecked
        {
            ulong result = BitOperations.RotateLeft(_s1 * 5, 7) * 9;
            ulong shifted = _s1 << 17;
            _s2 ^= _s0;
            _s3 ^= _s1;
            _s1 ^= _s2;
            _s0 ^= _s3;
            _s2 ^= shifted;
            _s3 = BitOperations.RotateLeft(_s3, 45);
            return result;
        }
    }
}
