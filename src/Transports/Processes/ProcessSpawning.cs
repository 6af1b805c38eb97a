using Toolkit.Backends;
using Toolkit.Transports;
using Toolkit.Transports.Linux;

namespace Toolkit;

/// <summary>What child processes add to a loop.</summary>
public static class ProcessSpawning
{
    /// <param name="loop">The loop that the child will be watched on.</param>
    extension(EventLoop loop)
    {
        /// <summary>
        /// Starts a program, and tells its protocol of it. No shell has a hand in it. A wait of the current scope. Loop thread
        /// only.
        /// </summary>
        /// <param name="factory">Makes the protocol; called once, when the child runs.</param>
        /// <param name="options">What to start, and how.</param>
        /// <param name="cancellationToken">Gives up, at any point: a child that is there already is killed and reaped; so does
        /// the scope.</param>
        /// <returns>The transport and its protocol, when <see cref="SubprocessProtocol.ConnectionMade"/> has returned.</returns>
        /// <exception cref="ArgumentException">The options make no sense: the message says which and why.</exception>
        /// <exception cref="SpawnFailedException">In the task: it cannot be started, and nothing is left behind.</exception>
        /// <exception cref="OperationCanceledException">In the task: a scope or the token was cancelled.</exception>
        /// <exception cref="NotSupportedException">In the task: the loop's kind has no processes, or the system cannot do what is
        /// asked.</exception>
        /// <remarks>
        /// What <paramref name="factory"/> or <see cref="SubprocessProtocol.ConnectionMade"/> throws comes out of here too, with
        /// the child killed.
        /// </remarks>
        public Task<Subprocess<TProtocol>> SpawnAsync<TProtocol>(
            Func<TProtocol> factory, SpawnOptions options, CancellationToken cancellationToken = default)
            where TProtocol : SubprocessProtocol
        {
            ArgumentNullException.ThrowIfNull(factory);
            ArgumentNullException.ThrowIfNull(options);
            options.Validate();
            loop.Host.VerifyRunning();
            return ChildSpawning.SpawnAsync(
                loop, factory, options, static (fd, child) => new ChildPipe(child, fd), cancellationToken);
        }

        /// <summary>
        /// Has a shell run a command: <c>/bin/sh -c</c>, or <c>cmd.exe /c</c> on Windows. Whatever is put into the command from
        /// elsewhere is code: a name with a semicolon in it is another command. For programs with arguments there is
        /// <c>SpawnAsync</c>. Otherwise as that.
        /// </summary>
        /// <param name="factory">Makes the protocol; called once, when the shell runs.</param>
        /// <param name="command">The command, in the language of the shell.</param>
        /// <param name="options">How to start the shell, without program and arguments; null for the defaults.</param>
        /// <param name="cancellationToken">Gives up, at any point; so does the scope.</param>
        /// <returns>The transport and its protocol.</returns>
        /// <exception cref="ArgumentException">The command is empty, or the options name a program or arguments.</exception>
        /// <exception cref="SpawnFailedException">In the task: the shell cannot be started.</exception>
        /// <exception cref="OperationCanceledException">In the task: a scope or the token was cancelled.</exception>
        public Task<Subprocess<TProtocol>> SpawnShellAsync<TProtocol>(
            Func<TProtocol> factory, string command, SpawnOptions? options = null, CancellationToken cancellationToken = default)
            where TProtocol : SubprocessProtocol
            => loop.SpawnAsync(factory, ChildSpawning.WithShell(command, options), cancellationToken);

        /// <summary>Starts a program for coroutines. Whoever opens a child disposes it. Otherwise as <c>SpawnAsync</c>.</summary>
        /// <param name="options">What to start, and how.</param>
        /// <param name="streamOptions">The limits of reading; null for the defaults.</param>
        /// <param name="cancellationToken">Gives up, at any point; so does the scope.</param>
        /// <exception cref="ArgumentException">The options make no sense: the message says which and why.</exception>
        /// <exception cref="SpawnFailedException">In the task: it cannot be started, and nothing is left behind.</exception>
        /// <exception cref="OperationCanceledException">In the task: a scope or the token was cancelled.</exception>
        public async Task<ChildProcess> OpenProcessAsync(
            SpawnOptions options, StreamOptions? streamOptions = null, CancellationToken cancellationToken = default)
        {
            ArgumentNullException.ThrowIfNull(options);
            options.Validate();
            streamOptions?.Validate();
            loop.Host.VerifyRunning();
            var process = new ChildProcess();
            Subprocess<SilentProtocol> child = await ChildSpawning.SpawnAsync(
                loop, () => new SilentProtocol(), options, (fd, _) => process.Add(fd, streamOptions), cancellationToken);
            process.Transport = child.Transport;
            return process;
        }

        /// <summary>
        /// Runs a program to its end: writes its input, and collects its output and its errors. The child belongs to this call:
        /// when it is cancelled, or a limit is exceeded, the child is ended, and it is gone when this returns. Loop thread only.
        /// </summary>
        /// <param name="options">What to start, and how.</param>
        /// <param name="input">What its standard input is to read, before its end. The caller's again once the child runs; that
        /// the child has not read it is no failure.</param>
        /// <param name="limits">What it may cost; null for the defaults.</param>
        /// <param name="cancellationToken">Ends the child; so does the scope.</param>
        /// <returns>How it has ended, and what it has written. An exit code other than 0 is not thrown.</returns>
        /// <exception cref="ArgumentException">The options make no sense: the message says which and why.</exception>
        /// <exception cref="SpawnFailedException">In the task: it cannot be started.</exception>
        /// <exception cref="ProcessLimitException">In the task: it was ended because of a limit; what it had written is in the
        /// exception.</exception>
        /// <exception cref="OperationCanceledException">In the task: a scope or the token was cancelled.</exception>
        public async Task<ProcessResult> RunProcessAsync(
            SpawnOptions options,
            ReadOnlyMemory<byte> input = default,
            RunOptions? limits = null,
            CancellationToken cancellationToken = default)
        {
            limits ??= RunOptions.Default;
            limits.Validate();
            Subprocess<ProcessRun> child = await loop.SpawnAsync(
                () => new ProcessRun(loop, input, limits), options, cancellationToken);
            return await child.Protocol.WaitAsync(cancellationToken);
        }
    }
}
