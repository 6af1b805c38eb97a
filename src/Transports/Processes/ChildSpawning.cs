using Toolkit.Backends;
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
                "The program is the shell, and the command is all it is handed. Leave FileName and Arguments out.", nameof(options));
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
        if (!OperatingSystem.IsLinux())
        {
            throw new PlatformNotSupportedException("Children are started on Linux.");
        }

        SpawnedChild child = await SpawnRequest.RunAsync(loop, options, cancellationToken);
        IoHandle?[] handles = new IoHandle?[3];
        TProtocol protocol;
        try
        {
            Adopt(loop, child, options, handles);
            loop.Host.VerifyRunning();
            protocol = factory() ?? throw new InvalidOperationException("The protocol factory returned null.");
        }
        catch (Exception exception)
        {
            foreach (IoHandle? handle in handles)
            {
                handle?.Backend.Release(handle, reset: false);
            }

            child.Discard();
            if (exception is AdoptFailedException)
            {
                throw new SpawnFailedException(SpawnError.OutOfDescriptors, options.FileName, exception.Message, exception);
            }

            throw;
        }

        var transport = new ChildTransport(
            loop, context, new LinuxChild(child, options.HasOwnGroup), options, child.Terminal, protocol);
        return transport.Start(handles, makePipeProtocol) is { } failure
            ? throw failure
            : new Subprocess<TProtocol>(transport, protocol);
    }

    [System.Runtime.Versioning.SupportedOSPlatform("linux")]
    private static void Adopt(EventLoop loop, SpawnedChild child, SpawnOptions options, IoHandle?[] handles)
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
