using System.Runtime.InteropServices;

namespace Toolkit;

/// <summary>Which processes a child shares signals with.</summary>
public enum ChildGroup
{
    /// <summary>Those of this process: control-C at the terminal reaches the child as well.</summary>
    Shared,

    /// <summary>A process group of its own, which can be signalled as one.</summary>
    Own,

    /// <summary>A session of its own (setsid(2)), without a terminal, or with the one that it is given.</summary>
    Session,
}

/// <summary>How a child is started and watched.</summary>
public enum SpawnMethod
{
    /// <summary>As the system does it best: <see cref="Native"/> on Linux, else <see cref="Framework"/>.</summary>
    Automatic,

    /// <summary>By <c>posix_spawn</c> and a descriptor of the process (pidfd). Linux only.</summary>
    Native,

    /// <summary>
    /// By <see cref="System.Diagnostics.Process"/>, on any system: pipes are read on threads of the pool where the system has no
    /// other way, and there are no groups, no terminals, and no further descriptors.
    /// </summary>
    Framework,
}

/// <summary>What to start, and how. Immutable: one object may serve many children.</summary>
/// <remarks>
/// Unless these options say otherwise, a child has three pipes, the environment and the working directory of this process, the
/// descriptors 0, 1 and 2 and no other, no signal blocked and none ignored.
/// </remarks>
public sealed record SpawnOptions
{
    private const int MaxDescriptor = 255;

    /// <summary>
    /// The program. With a slash in it, it is a path, a relative one from the working directory of this process; without, it is
    /// looked for in the directories of this process's <c>PATH</c>. No shell looks at it.
    /// </summary>
    public string FileName { get; init; } = "";

    /// <summary>What the program is handed after its own name, verbatim: nothing is quoted, split or expanded.</summary>
    public IReadOnlyList<string> Arguments { get; init; } = [];

    /// <summary>What the child's environment has more than this process's, or otherwise; null for a name removes it.</summary>
    public IReadOnlyDictionary<string, string?> Environment { get; init; }
        = new Dictionary<string, string?>(StringComparer.Ordinal);

    /// <summary>Whether the child's environment is <see cref="Environment"/> and nothing of this process's.</summary>
    public bool ClearsEnvironment { get; init; }

    /// <summary>Where the child starts; null for where this process is.</summary>
    public string? WorkingDirectory { get; init; }

    /// <summary>Descriptor 0.</summary>
    public ChildStream StandardInput { get; init; } = ChildStream.Pipe;

    /// <summary>Descriptor 1.</summary>
    public ChildStream StandardOutput { get; init; } = ChildStream.Pipe;

    /// <summary>Descriptor 2.</summary>
    public ChildStream StandardError { get; init; } = ChildStream.Pipe;

    /// <summary>
    /// Further descriptors that the child is to have, by their numbers there, 3 to 255; they stay the caller's, and open until
    /// the child was started.
    /// </summary>
    public IReadOnlyDictionary<int, SafeHandle> ExtraDescriptors { get; init; } = new Dictionary<int, SafeHandle>();

    /// <summary>Which processes the child shares signals with; those of this process by default.</summary>
    public ChildGroup Group { get; init; }

    /// <summary>
    /// The window of a pseudo-terminal that the child is to have, in a session of its own; null, the default, for none. Those of
    /// its streams that would be pipes are that terminal.
    /// </summary>
    public TerminalSize? Terminal { get; init; }

    /// <summary>How the transports of the pipes behave.</summary>
    public PipeTransportOptions Pipes { get; init; } = PipeTransportOptions.Default;

    /// <summary>How the child is started; as the system does it best by default.</summary>
    public SpawnMethod Method { get; init; }

    internal bool HasOwnGroup => Group != ChildGroup.Shared || Terminal is not null;

    internal static void RequireNoNul(string value, string name)
    {
        if (value.Contains('\0', StringComparison.Ordinal))
        {
            throw new ArgumentException("There is a NUL character in it, at which the system would cut it off.", name);
        }
    }

    internal void Validate()
    {
        if (string.IsNullOrEmpty(FileName))
        {
            throw new ArgumentException("There is nothing to start. Set FileName.", nameof(FileName));
        }

        RequireNoNul(FileName, nameof(FileName));
        ArgumentNullException.ThrowIfNull(Arguments, nameof(Arguments));
        foreach (string argument in Arguments)
        {
            ArgumentNullException.ThrowIfNull(argument, nameof(Arguments));
            RequireNoNul(argument, nameof(Arguments));
        }

        ValidateEnvironment();
        ValidateStreams();
        if (WorkingDirectory is not null)
        {
            ArgumentException.ThrowIfNullOrEmpty(WorkingDirectory, nameof(WorkingDirectory));
            RequireNoNul(WorkingDirectory, nameof(WorkingDirectory));
        }

        ArgumentNullException.ThrowIfNull(Pipes, nameof(Pipes));
        Pipes.Validate();
        if (!Enum.IsDefined(Group) || !Enum.IsDefined(Method))
        {
            throw new ArgumentException("There is no such group or method.", nameof(Group));
        }
    }

    private void ValidateEnvironment()
    {
        ArgumentNullException.ThrowIfNull(Environment, nameof(Environment));
        foreach ((string name, string? value) in Environment)
        {
            if (name.Length == 0 || name.Contains('=', StringComparison.Ordinal))
            {
                throw new ArgumentException($"'{name}' is no name of a variable.", nameof(Environment));
            }

            RequireNoNul(name, nameof(Environment));
            RequireNoNul(value ?? "", nameof(Environment));
        }
    }

    private void ValidateStreams()
    {
        ArgumentNullException.ThrowIfNull(StandardInput, nameof(StandardInput));
        ArgumentNullException.ThrowIfNull(StandardOutput, nameof(StandardOutput));
        ArgumentNullException.ThrowIfNull(StandardError, nameof(StandardError));
        if (StandardInput.Kind is ChildStreamKind.Merge or ChildStreamKind.Write or ChildStreamKind.Append)
        {
            throw new ArgumentException("The standard input is read from.", nameof(StandardInput));
        }

        if (StandardOutput.Kind is ChildStreamKind.Merge or ChildStreamKind.Read)
        {
            throw new ArgumentException("The standard output is written to; merge the standard error.", nameof(StandardOutput));
        }

        if (StandardError.Kind == ChildStreamKind.Read)
        {
            throw new ArgumentException("The standard error is written to.", nameof(StandardError));
        }

        ArgumentNullException.ThrowIfNull(ExtraDescriptors, nameof(ExtraDescriptors));
        foreach ((int fd, SafeHandle handle) in ExtraDescriptors)
        {
            ArgumentNullException.ThrowIfNull(handle, nameof(ExtraDescriptors));
            if (fd is < 3 or > MaxDescriptor)
            {
                throw new ArgumentException(
                    $"{fd} is not 3 to {MaxDescriptor}; 0 to 2 are the standard streams.", nameof(ExtraDescriptors));
            }
        }
    }
}
