namespace Toolkit;

/// <summary>How often each limit of a server was passed.</summary>
internal sealed class LimitCounts
{
    private readonly long[] _counts = new long[Enum.GetValues<ConnectionLimit>().Length];

    public long this[ConnectionLimit limit] => _counts[(int)limit];

    public long Sum => _counts.Sum();

    public void Add(ConnectionLimit limit) => _counts[(int)limit]++;
}
