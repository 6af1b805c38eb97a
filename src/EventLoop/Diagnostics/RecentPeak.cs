namespace Toolkit.Diagnostics;

/// <summary>
/// The greatest of the last ten seconds, or a little longer, whoever asks and however often: the loop's thread writes, any thread
/// reads. A mutable structure: keep it in a field, and do not copy it.
/// </summary>
internal struct RecentPeak
{
    private const long Window = 10 * TimeSpan.TicksPerSecond;

    private Entry? _current;
    private Entry? _earlier;

    /// <summary>Whether it is to be set, so that a name is made only of what is great enough.</summary>
    public readonly bool IsPassedBy(long now, long ticks)
        => _current is not { } current || now - current.Since >= Window || ticks > current.Ticks;

    public void Set(long now, long ticks, string? name)
    {
        if (_current is { } current && now - current.Since < Window)
        {
            Volatile.Write(ref _current, new Entry(current.Since, ticks, name));
            return;
        }

        Volatile.Write(ref _earlier, _current);
        Volatile.Write(ref _current, new Entry(now, ticks, name));
    }

    /// <summary>The greatest; zero and no name when there was nothing.</summary>
    public (long Ticks, string? Name) Read(long now)
    {
        Entry? best = null;
        foreach (Entry? entry in (ReadOnlySpan<Entry?>)[Volatile.Read(ref _current), Volatile.Read(ref _earlier)])
        {
            if (entry is not null && now - entry.Since < 2 * Window && !(entry.Ticks <= best?.Ticks))
            {
                best = entry;
            }
        }

        return best is null ? default : (best.Ticks, best.Name);
    }

    /// <param name="Since">When its window began.</param>
    /// <param name="Ticks">How much it was.</param>
    /// <param name="Name">Of what.</param>
    private sealed record Entry(long Since, long Ticks, string? Name);
}
