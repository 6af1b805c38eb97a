using System.Diagnostics;
using Toolkit.Transports;

namespace Toolkit;

/// <summary>
/// A child as coroutines use it: its pipes are stream connections, and whoever has opened it disposes it, which ends it. All
/// members belong to the loop's thread.
/// </summary>
/// <remarks>
/// A pipe that nobody reads holds back the child once it is full, so read <see cref="Output"/> and <see cref="Error"/> at the
/// same time, or merge them; <c>loop.RunProcessAsync</c> does.
/// </remarks>
/// <example>
/// <code>
/// await using ChildProcess sort = await loop.OpenProcessAsync(new SpawnOptions { FileName = "sort" });
/// await sort.Input.WriteAsync("b\na\n"u8.ToArray());
/// sort.Input.CompleteWrites();
/// ReadOnlyMemory&lt;byte&gt;? first = await sort.Output.ReadLineAsync();
/// </code>
/// </example>
[DebuggerDisplay("{Transport}")]
public sealed class ChildProcess : IAsyncDisposable
{
    private readonly StreamConnection?[] _streams = new StreamConnection?[3];

    internal ChildProcess()
    {
    }

    /// <summary>The child: signals, its end, its terminal's size.</summary>
    public SubprocessTransport Transport { get; internal set; } = null!;

    /// <summary>The child's standard input, to be written to; a terminal both ways.</summary>
    /// <exception cref="InvalidOperationException">It is no pipe.</exception>
    public StreamConnection Input => StreamOf(0);

    /// <summary>The child's standard output, to be read; a terminal both ways.</summary>
    /// <exception cref="InvalidOperationException">It is no pipe.</exception>
    public StreamConnection Output => StreamOf(1);

    /// <summary>The child's standard error, to be read.</summary>
    /// <exception cref="InvalidOperationException">It is no pipe.</exception>
    public StreamConnection Error => StreamOf(2);

    /// <summary>Waits until the child has ended (<see cref="SubprocessTransport.WaitExitedAsync"/>).</summary>
    /// <inheritdoc cref="SubprocessTransport.WaitExitedAsync"/>
    public ValueTask<ExitStatus> WaitAsync(CancellationToken cancellationToken = default)
        => Transport.WaitExitedAsync(cancellationToken);

    /// <summary>
    /// Ends it all (<see cref="SubprocessTransport.Close"/>), kills the child if it runs, and waits until it is gone; in a
    /// cancelled scope too.
    /// </summary>
    public async ValueTask DisposeAsync()
    {
        Transport.Close();
        await CancelScope.RunAsync(async _ => await Transport.WaitCompletedAsync(), shield: true);
    }

    internal StreamConnection Add(int fd, StreamOptions? options) => _streams[fd] = new StreamConnection(options);

    private StreamConnection StreamOf(int fd)
        => Transport.GetPipeTransport(fd)?.Protocol as StreamConnection ?? throw new InvalidOperationException(
            "The options of the child have given this stream elsewhere, so it is no pipe.");
}

/// <summary>The protocol of a child whose pipes have protocols of their own.</summary>
internal sealed class SilentProtocol : SubprocessProtocol;
