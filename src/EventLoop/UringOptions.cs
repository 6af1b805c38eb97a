namespace Toolkit;

/// <summary>
/// How much a loop of <see cref="LoopKind.Uring"/> shares with the kernel. The defaults serve from one connection to as many as
/// a process may have; less memory means more system calls, not lost data.
/// </summary>
public sealed record UringOptions
{
    private const int MaxSubmissions = 32_768;
    private const int MaxCompletions = 65_536;
    private const int MaxBuffers = 32_768;
    private const int MinBufferSize = 256;
    private const int MaxBufferSize = 16 * 1024 * 1024;

    /// <summary>The defaults.</summary>
    public static UringOptions Default { get; } = new();

    /// <summary>What can be submitted at once, a power of two from 1 to 32,768; more takes another system call. 256 by default.</summary>
    public int Submissions { get; init; } = 256;

    /// <summary>
    /// What can have completed and not been looked at, a power of two from <see cref="Submissions"/> to 65,536. What exceeds it
    /// the kernel keeps in memory of its own, with more work for both sides. 4,096 by default.
    /// </summary>
    public int Completions { get; init; } = 4096;

    /// <summary>
    /// The buffers that all connections receive into, a power of two from 2 to 32,768. 16 by default; 256 where the kernel takes
    /// whole buffers.
    /// </summary>
    public int? Buffers { get; init; }

    /// <summary>
    /// The size of each in bytes, 256 to 16 MiB. 64 KiB by default; 16 KiB where the kernel takes whole buffers. It bounds what
    /// one call of a protocol can bring.
    /// </summary>
    public int? BufferSize { get; init; }

    /// <summary>
    /// Whether every receive takes a whole buffer, as it does on kernels before Linux 6.12 anyway. Otherwise the kernel puts
    /// one message after the other into a buffer until it is full.
    /// </summary>
    public bool WholeBuffers { get; init; }

    internal void Validate()
    {
        RequirePowerOfTwo(Submissions, 1, MaxSubmissions, nameof(Submissions));
        RequirePowerOfTwo(Completions, Submissions, MaxCompletions, nameof(Completions));
        RequirePowerOfTwo(Buffers ?? 2, 2, MaxBuffers, nameof(Buffers));
        if (BufferSize is { } size and (< MinBufferSize or > MaxBufferSize))
        {
            throw new ArgumentOutOfRangeException(nameof(BufferSize), size, "A buffer has 256 bytes to 16 MiB.");
        }
    }

    private static void RequirePowerOfTwo(int value, int min, int max, string name)
    {
        if (value < min || value > max || !int.IsPow2(value))
        {
            throw new ArgumentOutOfRangeException(name, value, $"This is a power of two from {min} to {max}.");
        }
    }
}
