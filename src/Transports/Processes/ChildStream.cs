using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Toolkit;

/// <summary>Where one of a child's standard streams leads to. Immutable, unless it stands for a handle.</summary>
[DebuggerDisplay("{Kind} {Path}")]
public sealed class ChildStream
{
    private ChildStream(ChildStreamKind kind) => Kind = kind;

    /// <summary>To this process, by a pipe; or, for a child in a terminal, to that terminal. The default.</summary>
    public static ChildStream Pipe { get; } = new(ChildStreamKind.Pipe);

    /// <summary>To nobody: it reads nothing, and what is written is gone (<c>/dev/null</c>).</summary>
    public static ChildStream Null { get; } = new(ChildStreamKind.Null);

    /// <summary>To where this process's own stream leads.</summary>
    public static ChildStream Inherit { get; } = new(ChildStreamKind.Inherit);

    /// <summary>
    /// Of <see cref="SpawnOptions.StandardError"/>: to where the standard output leads, in the order of writing.
    /// </summary>
    public static ChildStream Merge { get; } = new(ChildStreamKind.Merge);

    internal ChildStreamKind Kind { get; }

    internal string? Path { get; private init; }

    internal SafeHandle? Handle { get; private init; }

    /// <summary>From a file, which is opened when the child is started.</summary>
    /// <exception cref="ArgumentException">The path is empty, or has a NUL in it.</exception>
    public static ChildStream ReadFile(string path) => OfFile(ChildStreamKind.Read, path);

    /// <summary>To a file, which is made, or emptied, when the child is started.</summary>
    /// <exception cref="ArgumentException">The path is empty, or has a NUL in it.</exception>
    public static ChildStream WriteFile(string path) => OfFile(ChildStreamKind.Write, path);

    /// <summary>To the end of a file, which is made if it is not there.</summary>
    /// <exception cref="ArgumentException">The path is empty, or has a NUL in it.</exception>
    public static ChildStream AppendFile(string path) => OfFile(ChildStreamKind.Append, path);

    /// <summary>To where a handle leads, which stays the caller's, and open until the child was started.</summary>
    public static ChildStream Of(SafeHandle handle)
    {
        ArgumentNullException.ThrowIfNull(handle);
        return new ChildStream(ChildStreamKind.Handle) { Handle = handle };
    }

    private static ChildStream OfFile(ChildStreamKind kind, string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        SpawnOptions.RequireNoNul(path, nameof(path));
        return new ChildStream(kind) { Path = path };
    }
}

/// <summary>The ways in which a stream of a child can lead.</summary>
internal enum ChildStreamKind
{
    Pipe,
    Null,
    Inherit,
    Merge,
    Read,
    Write,
    Append,
    Handle,
}
