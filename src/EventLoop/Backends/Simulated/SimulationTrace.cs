using System.Globalization;

namespace Toolkit.Simulation;

/// <summary>
/// What has happened in a world, line by line: each with its time. Only what depends on nothing but the seed goes in, so that
/// two runs of one seed can be compared by the hash of their lines.
/// </summary>
internal sealed class SimulationTrace(TextWriter? writer)
{
    private const int Kept = 64;
    private const ulong HashOffset = 0xCBF29CE484222325;
    private const ulong HashPrime = 0x100000001B3;

    private readonly Queue<string> _last = new();

    /// <summary>FNV-1a over all lines, and what was mixed in between.</summary>
    public ulong Hash { get; private set; } = HashOffset;

    /// <summary>How many lines there were.</summary>
    public long Count { get; private set; }

    public IEnumerable<string> Last => _last;

    /// <summary>Something that counts and is not worth a line.</summary>
    public void Mix(ulong value) => Hash = unchecked((Hash ^ value) * HashPrime);

    public void Note(long time, string what)
    {
        string line = string.Create(CultureInfo.InvariantCulture, $"{time / (double)TimeSpan.TicksPerSecond:F7} {what}");
        foreach (char c in line)
        {
            Mix(c);
        }

        Count++;
        if (_last.Count == Kept)
        {
            _last.Dequeue();
        }

        _last.Enqueue(line);
        writer?.WriteLine(line);
    }
}
