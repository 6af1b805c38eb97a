using Toolkit.Backends;
using Toolkit.Simulation;
using Toolkit.Transports.Framework;
using Toolkit.Transports.Linux;

namespace Toolkit.Transports;

/// <summary>From the options of a child to its transport, by whichever method.</summary>
internal static class ChildSpawning
{
    public static SpawnOptions WithShell(string command, SpawnOptions? options)
    {
        ArgumentException.ThrowIfNullOrEmpty(command);
        options ??= new SpawnOptions();
        if (options.FileName.Length > 0 || options.Arguments.Count > 0)
        {
            throw new ArgumentException(
                "The program is the shell, and the command is all it is handed. Leave FileName and Arguments out.",
                nameof(options));
        }

        return OperatingSystem.IsWindows()
            ? options with { FileName = "cmd.exe", Arguments = ["/c", command] }
            : options with { FileName = "/bin/sh", Arguments = ["-c", command] };
    }

    public static async Task<Subprocess<TProtocol>> SpawnAsync<TProtocol>(
        EventLoop loop,
        Func<TProtocol> factory,
        SpawnOptions options,
        Func<int, ChildTransport, StreamProtocol> makePipeProtocol,
        CancellationToken cancellationToken)
        where TProtocol : SubprocessProtocol
    {
        ExecutionContext? context = LoopHost.CaptureContext();
        if (SimulatedPrograms.IsFor(loop))
        {
            CancelScope.ThrowIfCancelled();
            cancellationToken.ThrowIfCancellationRequested();
            (SimulatedChild simulated, IoHandle?[] pipes) = SimulatedPrograms.Start(loop, options);
            return Make(loop, context, simulated, pipes, terminal: null, factory, options, makePipeProtocol);
        }

        if (options.Method == SpawnMethod.Framework || (options.Method == SpawnMethod.Automatic && !OperatingSystem.IsLinux()))
        {
            (FrameworkChild child, IoHandle?[] handles) = await FrameworkChild.StartAsync(loop, options, cancellationToken);
            return Make(loop, context, child, handles, terminal: null, factory, options, makePipeProtocol);
        }

        if (!OperatingSystem.IsLinux())
        {
            throw new PlatformNotSupportedException("SpawnMethod.Native is there on Linux only. Use SpawnMethod.Automatic.");
        }

        SpawnedChild spawned = await SpawnRequest.RunAsync(loop, options, cancellationToken);
        var native = new LinuxChild(spawned, options.HasOwnGroup);
        IoHandle?[] adopted = new IoHandle?[3];
        try
        {
            native.Adopt(loop);
            Adopt(loop, spawned, adopted);
        }
        catch (Exception exception)
        {
            Discard(native, adopted, spawned.Terminal);
            spawned.ClosePipes();
            if (exception is AdoptFailedException)
            {
                throw new SpawnFailedException(SpawnError.OutOfDescriptors, options.FileName, exception.Message, exception);
            }

            throw;
        }

        return Make(loop, context, native, adopted, spawned.Terminal, factory, options, makePipeProtocol);
    }

    private static Subprocess<TProtocol> Make<TProtocol>(
        EventLoop loop,
        ExecutionContext? context,
        IChildProcess child,
        IoHandle?[] handles,
        PseudoTerminal? terminal,
        Func<TProtocol> factory,
        SpawnOptions options,
        Func<int, ChildTransport, StreamProtocol> makePipeProtocol)
        where TProtocol : SubprocessProtocol
    {
        TProtocol protocol;
        try
        {
            if (loop.Host.IsClosing)
            {
                CancelScope.ThrowIfCancelled(); // who is cancelled with the loop has not failed
            }

            loop.Host.VerifyRunning();
            protocol = factory() ?? throw new InvalidOperationException("The protocol factory returned null.");
        }
        catch
        {
            Discard(child, handles, terminal);
            throw;
        }

        var transport = new ChildTransport(loop, context, child, options, terminal, protocol);
        return transport.Start(handles, makePipeProtocol) is { } failure
            ? throw failure
            : new Subprocess<TProtocol>(transport, protocol);
    }

    private static void Discard(IChildProcess child, IoHandle?[] handles, PseudoTerminal? terminal)
    {
        foreach (IoHandle? handle in handles)
        {
            handle?.Backend.Release(handle, reset: false);
        }

        terminal?.Dispose();
        child.ReapNow();
        child.Dispose();
    }

    [System.Runtime.Versioning.SupportedOSPlatform("linux")]
    private static void Adopt(EventLoop loop, SpawnedChild child, IoHandle?[] handles)
    {
        for (int fd = 0; fd < handles.Length; fd++)
        {
            if (child.Pipes[fd] is { } pipe)
            {
                handles[fd] = PipeConnecting.Adopt(loop, pipe, fd == 0 ? IoHandleKind.PipeWriter : IoHandleKind.PipeReader);
            }
        }

        child.ClosePipes();
        if (child.Terminal is { } terminal)
        {
            handles[1] = PipeConnecting.Adopt(loop, terminal.OpenMaster(), IoHandleKind.Terminal);
        }
    }
}
