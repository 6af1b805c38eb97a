namespace Toolkit;

/// <summary>What a child may cost that is run to its end.</summary>
public sealed record RunOptions
{
    /// <summary>The defaults.</summary>
    public static RunOptions Default { get; } = new();

    /// <summary>The most bytes of output, and the most of errors. 16 MiB each by default.</summary>
    public int MaxOutput { get; init; } = 16 * 1024 * 1024;

    /// <summary>How long the child may take; null, the default, for as long as it likes.</summary>
    public TimeSpan? Timeout { get; init; }

    /// <summary>
    /// How long a child that is over a limit has to end by itself (SIGTERM) before it is killed. 2 seconds by default.
    /// </summary>
    public TimeSpan Grace { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>
    /// How long the output is read on after the child's end, when others still hold it: what it has started, and left behind.
    /// 1 second by default.
    /// </summary>
    public TimeSpan DrainTime { get; init; } = TimeSpan.FromSeconds(1);

    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfNegative(MaxOutput, nameof(MaxOutput));
        ArgumentOutOfRangeException.ThrowIfLessThan(Timeout ?? TimeSpan.Zero, TimeSpan.Zero, nameof(Timeout));
        ArgumentOutOfRangeException.ThrowIfLessThan(Grace, TimeSpan.Zero, nameof(Grace));
        ArgumentOutOfRangeException.ThrowIfLessThan(DrainTime, TimeSpan.Zero, nameof(DrainTime));
    }
}

/// <summary>What came of a child that was run to its end.</summary>
/// <param name="Status">How it has ended.</param>
/// <param name="Output">All that it has written to its standard output.</param>
/// <param name="Error">All that it has written to its standard error.</param>
public sealed record ProcessResult(ExitStatus Status, ReadOnlyMemory<byte> Output, ReadOnlyMemory<byte> Error);

/// <summary>A limit of <see cref="RunOptions"/>.</summary>
public enum ProcessLimit
{
    /// <summary><see cref="RunOptions.MaxOutput"/>.</summary>
    Output,

    /// <summary><see cref="RunOptions.Timeout"/>.</summary>
    Time,
}

/// <summary>A child has gone over one of its limits, and was ended for it.</summary>
public sealed class ProcessLimitException : Exception
{
    /// <summary>Creates the exception.</summary>
    public ProcessLimitException(ProcessLimit limit, ProcessResult result, string message)
        : base(message)
    {
        Limit = limit;
        Result = result;
    }

    /// <summary>The limit.</summary>
    public ProcessLimit Limit { get; }

    /// <summary>How the child has ended then, and what it had written by then.</summary>
    public ProcessResult Result { get; }
}
