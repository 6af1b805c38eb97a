using System.Collections;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using System.Text;
using Microsoft.Win32.SafeHandles;
using Toolkit.Backends;

namespace Toolkit.Transports.Linux;

/// <summary>
/// One start of a child, on the spawner's thread: the program is looked for, pipes are made, and <c>posix_spawn</c> is called.
/// All or nothing.
/// </summary>
[SupportedOSPlatform("linux")]
internal sealed unsafe class SpawnPlan : IDisposable
{
    private const string DefaultPath = "/usr/local/bin:/usr/bin:/bin";

    private static volatile bool s_hasNoCloseFrom;

    private readonly SpawnOptions _options;
    private readonly List<nint> _memory = [];
    private readonly List<SafeHandle> _files = [];
    private readonly List<SafeHandle> _held = [];
    private readonly List<int> _owned = []; // descriptors that are the child's, and closed here when it has them
    private readonly SafeFileHandle?[] _pipes = new SafeFileHandle?[3];
    private readonly byte* _actions;
    private readonly byte* _attributes;
    private readonly int _floor; // no descriptor below this is in the way of one that the child gets
    private PseudoTerminal? _terminal;
    private bool _hasTerminal;

    private SpawnPlan(SpawnOptions options)
    {
        _options = options;
        _floor = options.ExtraDescriptors.Count == 0 ? 3 : options.ExtraDescriptors.Keys.Max() + 1;
        _actions = (byte*)Allocate(ProcessCalls.OpaqueSize);
        _attributes = (byte*)Allocate(ProcessCalls.OpaqueSize);
        _ = ProcessCalls.InitActions(_actions);
        _ = ProcessCalls.InitAttributes(_attributes);
    }

    /// <summary>Starts a child. Blocks for as long as the kernel takes, which may be tens of milliseconds.</summary>
    /// <exception cref="SpawnFailedException">It cannot be started.</exception>
    public static SpawnedChild Run(SpawnOptions options)
    {
        string path = FindProgram(options.FileName);
        RequireDirectory(options);
        using var plan = new SpawnPlan(options);
        return plan.Start(path);
    }

    public void Dispose()
    {
        foreach (int fd in _owned)
        {
            _ = ProcessCalls.Close(fd);
        }

        foreach (SafeHandle file in _files)
        {
            file.Dispose();
        }

        foreach (SafeHandle handle in _held)
        {
            handle.DangerousRelease();
        }

        _ = ProcessCalls.DestroyActions(_actions);
        _ = ProcessCalls.DestroyAttributes(_attributes);
        foreach (nint memory in _memory)
        {
            NativeMemory.Free((void*)memory);
        }
    }

    // Both a missing program and a missing directory would be the same error of the one call, and neither would say which.
    private static string FindProgram(string name)
    {
        if (name.Contains('/', StringComparison.Ordinal))
        {
            string path = Path.GetFullPath(name);
            return CheckProgram(path) is { } failure
                ? throw new SpawnFailedException(failure, name, $"{path} {Explain(failure)}.")
                : path;
        }

        string? refused = null;
        foreach (string directory in (Environment.GetEnvironmentVariable("PATH") ?? DefaultPath).Split(':'))
        {
            string candidate = Path.GetFullPath(Path.Combine(directory.Length == 0 ? "." : directory, name));
            switch (CheckProgram(candidate))
            {
                case null:
                    return candidate;
                case SpawnError.NotExecutable when !Directory.Exists(candidate):
                    refused ??= candidate;
                    break;
            }
        }

        throw refused is null
            ? new SpawnFailedException(
                SpawnError.ProgramNotFound, name, $"There is no program '{name}' in the directories of PATH.")
            : new SpawnFailedException(SpawnError.NotExecutable, name, $"{refused} {Explain(SpawnError.NotExecutable)}.");
    }

    private static SpawnError? CheckProgram(string path)
        => Directory.Exists(path) ? SpawnError.NotExecutable
            : !File.Exists(path) ? SpawnError.ProgramNotFound
            : ProcessCalls.Access(path, ProcessCalls.MayExecute) != 0 ? SpawnError.NotExecutable
            : null;

    private static string Explain(SpawnError error) => error == SpawnError.ProgramNotFound
        ? "does not exist"
        : "is a directory, or nothing that this process may execute";

    private static void RequireDirectory(SpawnOptions options)
    {
        if (options.WorkingDirectory is not { } directory)
        {
            return;
        }

        if (!Directory.Exists(directory))
        {
            throw new SpawnFailedException(
                SpawnError.WorkingDirectory, options.FileName, $"There is no working directory '{directory}'.");
        }

        if (ProcessCalls.Access(directory, ProcessCalls.MayExecute) != 0)
        {
            throw new SpawnFailedException(
                SpawnError.WorkingDirectory,
                options.FileName,
                $"This process may not enter the working directory '{directory}'.");
        }
    }

    private SpawnedChild Start(string path)
    {
        try
        {
            SetAttributes();
            SetStreams();
            int pid = 0;
            byte** arguments = Strings([_options.FileName, .. _options.Arguments]);
            byte** environment = Strings(MakeEnvironment());
            int errno = ProcessCalls.Spawn(&pid, String(path), _actions, _attributes, arguments, environment);
            if (errno != 0)
            {
                throw Failed(errno, path);
            }

            int process = ProcessCalls.OpenProcess(pid);
            if (process >= 0)
            {
                return new SpawnedChild(pid, new SafeFileHandle(process, ownsHandle: true), _pipes, _terminal);
            }

            errno = Marshal.GetLastPInvokeError();
            Forget(pid);
            throw Failed(errno, path);
        }
        catch
        {
            foreach (SafeFileHandle? pipe in _pipes)
            {
                pipe?.Dispose();
            }

            _terminal?.Dispose();
            throw;
        }
    }

    // It cannot be watched, for want of a descriptor. Its number is still its own: nobody has reaped it.
    private static void Forget(int pid)
    {
        ProcessCalls.SignalInfo info = default;
        _ = ProcessCalls.Kill(pid, ProcessCalls.SignalKill);
        while (ProcessCalls.Wait(ProcessCalls.ByPid, (uint)pid, &info, ProcessCalls.ExitOnly) != 0
            && Marshal.GetLastPInvokeError() == ProcessCalls.ErrorInterrupted)
        {
        }
    }

    private void SetAttributes()
    {
        // All of them, each by its bit: the C library's own way of filling a set leaves out two that it uses itself, which would
        // then be ignored in the child.
        byte* signals = stackalloc byte[ProcessCalls.SignalSetSize];
        new Span<byte>(signals, ProcessCalls.SignalSetSize).Fill(byte.MaxValue);
        _ = ProcessCalls.SetSignalDefaults(_attributes, signals);
        new Span<byte>(signals, ProcessCalls.SignalSetSize).Clear();
        _ = ProcessCalls.SetSignalMask(_attributes, signals);
        short flags = ProcessCalls.SpawnSetSignalDefaults | ProcessCalls.SpawnSetSignalMask;
        if (_options.Terminal is not null || _options.Group == ChildGroup.Session)
        {
            flags |= ProcessCalls.SpawnSetSession;
        }
        else if (_options.Group == ChildGroup.Own)
        {
            flags |= ProcessCalls.SpawnSetGroup;
            _ = ProcessCalls.SetGroup(_attributes, 0);
        }

        _ = ProcessCalls.SetFlags(_attributes, flags);
    }

    private void SetStreams()
    {
        if (_options.Terminal is { } size)
        {
            _terminal = PseudoTerminal.Open(size);
        }

        SetStream(0, _options.StandardInput);
        SetStream(1, _options.StandardOutput);
        SetStream(2, _options.StandardError);
        if (_terminal is not null && !_hasTerminal)
        {
            // No stream leads there, and it is the child's all the same.
            Check(ProcessCalls.AddOpen(_actions, _floor, String(_terminal.SlavePath), ProcessCalls.ReadWrite, 0));
            Check(ProcessCalls.AddClose(_actions, _floor));
        }

        foreach ((int target, SafeHandle handle) in _options.ExtraDescriptors)
        {
            Check(ProcessCalls.AddDuplicate(_actions, AboveFloor(Hold(handle)), target));
        }

        CloseOthers();
        if (_options.WorkingDirectory is { } directory)
        {
            Check(ProcessCalls.AddChangeDirectory(_actions, String(directory)));
        }
    }

    private void SetStream(int target, ChildStream stream)
    {
        switch (stream.Kind)
        {
            case ChildStreamKind.Pipe when _terminal is not null:
                // Opened by the leader of a session that has none, it becomes the controlling terminal.
                Check(ProcessCalls.AddOpen(_actions, target, String(_terminal.SlavePath), ProcessCalls.ReadWrite, 0));
                _hasTerminal = true;
                break;
            case ChildStreamKind.Pipe:
                Check(ProcessCalls.AddDuplicate(_actions, MakePipe(target), target));
                break;
            case ChildStreamKind.Null:
                int access = target == 0 ? ProcessCalls.ReadOnly : ProcessCalls.WriteOnly;
                Check(ProcessCalls.AddOpen(_actions, target, String("/dev/null"), access, 0));
                break;
            case ChildStreamKind.Inherit:
                break;
            case ChildStreamKind.Merge:
                Check(ProcessCalls.AddDuplicate(_actions, 1, target));
                break;
            case ChildStreamKind.Handle:
                Check(ProcessCalls.AddDuplicate(_actions, AboveFloor(Hold(stream.Handle!)), target));
                break;
            default:
                Check(ProcessCalls.AddDuplicate(_actions, AboveFloor(OpenFile(stream)), target));
                break;
        }
    }

    // Returns the child's end.
    private int MakePipe(int target)
    {
        int* ends = stackalloc int[2];
        if (ProcessCalls.MakePipe(ends, ProcessCalls.CloseOnExec) != 0)
        {
            throw Failed(Marshal.GetLastPInvokeError(), _options.FileName);
        }

        (int ours, int theirs) = target == 0 ? (ends[1], ends[0]) : (ends[0], ends[1]);
        _owned.Add(theirs);
        _pipes[target] = new SafeFileHandle(ours, ownsHandle: true);
        if (DescriptorReserve.Contains(Math.Max(ours, theirs)))
        {
            throw Failed(ProcessCalls.ErrorTooMany, _options.FileName);
        }

        _ = ProcessCalls.Control(ours, ProcessCalls.SetStatusFlags, ProcessCalls.NonBlocking);
        return AboveFloor(theirs);
    }

    private int OpenFile(ChildStream stream)
    {
        (FileMode mode, FileAccess access) = stream.Kind switch
        {
            ChildStreamKind.Read => (FileMode.Open, FileAccess.Read),
            ChildStreamKind.Write => (FileMode.Create, FileAccess.Write),
            _ => (FileMode.OpenOrCreate, FileAccess.Write),
        };
        try
        {
            // No lock: the child would inherit it.
            SafeFileHandle file = File.OpenHandle(stream.Path!, mode, access, FileShare.ReadWrite | FileShare.Delete);
            _files.Add(file);
            int fd = (int)file.DangerousGetHandle();
            if (stream.Kind == ChildStreamKind.Append)
            {
                const int Append = 0x400;
                _ = ProcessCalls.Control(fd, ProcessCalls.SetStatusFlags, Append);
            }

            return fd;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new SpawnFailedException(
                SpawnError.Stream, _options.FileName, $"A stream of the child cannot be had: {exception.Message}", exception);
        }
    }

    private int Hold(SafeHandle handle)
    {
        bool held = false;
        try
        {
            handle.DangerousAddRef(ref held);
            _held.Add(handle);
        }
        catch (ObjectDisposedException exception)
        {
            throw new SpawnFailedException(
                SpawnError.Stream, _options.FileName, "A handle that the child was to have is closed.", exception);
        }

        return (int)handle.DangerousGetHandle();
    }

    // A descriptor whose number is one that the child gets would be replaced before it is used.
    private int AboveFloor(int fd)
    {
        if (fd >= _floor)
        {
            return fd;
        }

        int moved = ProcessCalls.Control(fd, ProcessCalls.DuplicateCloseOnExec, _floor);
        if (moved < 0)
        {
            int errno = Marshal.GetLastPInvokeError();
            throw errno is ProcessCalls.ErrorTooMany
                ? Failed(errno, _options.FileName)
                : new SpawnFailedException(
                    SpawnError.Stream, _options.FileName, "A handle that the child was to have is closed or no descriptor.");
        }

        _owned.Add(moved);
        return moved;
    }

    // All of ours are close-on-exec, and so are .NET's. This is for those of strangers in the process, where the C library can.
    private void CloseOthers()
    {
        if (s_hasNoCloseFrom)
        {
            return;
        }

        try
        {
            for (int fd = 3; fd < _floor; fd++)
            {
                if (!_options.ExtraDescriptors.ContainsKey(fd))
                {
                    Check(ProcessCalls.AddClose(_actions, fd));
                }
            }

            Check(ProcessCalls.AddCloseFrom(_actions, _floor));
        }
        catch (EntryPointNotFoundException)
        {
            s_hasNoCloseFrom = true;
        }
    }

    private IEnumerable<string> MakeEnvironment()
    {
        var variables = new SortedDictionary<string, string>(StringComparer.Ordinal);
        if (!_options.ClearsEnvironment)
        {
            foreach (DictionaryEntry variable in Environment.GetEnvironmentVariables())
            {
                variables[(string)variable.Key] = (string?)variable.Value ?? "";
            }
        }

        foreach ((string name, string? value) in _options.Environment)
        {
            if (value is null)
            {
                variables.Remove(name);
            }
            else
            {
                variables[name] = value;
            }
        }

        return variables.Select(variable => $"{variable.Key}={variable.Value}");
    }

    private byte** Strings(IEnumerable<string> strings)
    {
        string[] all = [.. strings];
        byte** array = (byte**)Allocate((nuint)((all.Length + 1) * sizeof(byte*)));
        for (int i = 0; i < all.Length; i++)
        {
            array[i] = String(all[i]);
        }

        return array;
    }

    private byte* String(string text)
    {
        int length = Encoding.UTF8.GetByteCount(text);
        byte* native = (byte*)Allocate((nuint)length + 1);
        Encoding.UTF8.GetBytes(text, new Span<byte>(native, length));
        return native;
    }

    private void* Allocate(nuint size)
    {
        void* memory = NativeMemory.AllocZeroed(size);
        _memory.Add((nint)memory);
        return memory;
    }

    private void Check(int errno)
    {
        if (errno != 0)
        {
            throw Failed(errno, _options.FileName);
        }
    }

    private SpawnFailedException Failed(int errno, string path)
    {
        SpawnError error = errno switch
        {
            ProcessCalls.ErrorNoEntry => SpawnError.ProgramNotFound, // its interpreter, since it was there itself
            ProcessCalls.ErrorAccess or ProcessCalls.ErrorNotPermitted or ProcessCalls.ErrorNoExec
                or ProcessCalls.ErrorIsDirectory => SpawnError.NotExecutable,
            ProcessCalls.ErrorTooBig => SpawnError.ArgumentsTooLong,
            ProcessCalls.ErrorTooMany or ProcessCalls.ErrorTooManyInSystem => SpawnError.OutOfDescriptors,
            ProcessCalls.ErrorAgain or ProcessCalls.ErrorNoMemory => SpawnError.OutOfProcesses,
            _ => SpawnError.Other,
        };
        return new SpawnFailedException(
            error, _options.FileName, $"{path} cannot be started: {Marshal.GetPInvokeErrorMessage(errno)}.");
    }
}
