using System.Collections.Concurrent;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Toolkit.Backends.Epoll;
using Toolkit.Backends.Linux;

namespace Toolkit.Backends.Portable;

/// <content>
/// Pipes, terminals and processes, where the system is Linux: waited for by <see cref="PipePoller"/>. It also waits until a
/// socket can be written to, for which .NET has nothing but a send; elsewhere that is looked at again and again.
/// </content>
internal sealed unsafe partial class PortableBackend
{
    // Any thread.
    private readonly ConcurrentQueue<(ulong Token, EpollEvents Events)> _readyPipes = new();

    // Loop thread only; made with the first pipe.
    private HandleTable<IoHandle>? _pipes;
    private PipePoller? _poller;

    private bool HasCompleted => !_completed.IsEmpty || !_readyPipes.IsEmpty;

    public override IoHandle? Adopt(SafeHandle file, IoHandleKind kind, out SocketError error)
    {
        if (!OperatingSystem.IsLinux())
        {
            error = SocketError.OperationNotSupported;
            return null;
        }

        bool held = false;
        try
        {
            file.DangerousAddRef(ref held);
            return AdoptOnLinux((int)file.DangerousGetHandle(), kind, out error);
        }
        catch (ObjectDisposedException)
        {
            error = SocketError.NotSocket;
            return null;
        }
        finally
        {
            if (held)
            {
                file.DangerousRelease();
            }
        }
    }

    [SupportedOSPlatform("linux")]
    private PortablePipe? AdoptOnLinux(int theirs, IoHandleKind kind, out SocketError error)
    {
        int fd = LinuxFile.Adopt(theirs, kind, out LinuxFileType type, out bool restoresBlocking, out error);
        if (fd < 0)
        {
            return null;
        }

        _pipes ??= new HandleTable<IoHandle>();
        var pipe = new PortablePipe(this, fd) { Kind = kind, FileType = type, RestoresBlocking = restoresBlocking };
        pipe.Token = _pipes.Add(pipe);
        return pipe;
    }

    [SupportedOSPlatform("linux")]
    private PipePoller PollerOfPipes => _poller ??= new PipePoller(OnPipeReady);

    // The poller's thread.
    private void OnPipeReady(ulong token, EpollEvents events)
    {
        _readyPipes.Enqueue((token, events));
        if (Interlocked.CompareExchange(ref _state, Woken, Asleep) == Asleep)
        {
            _signal.Set();
        }
    }

    [SupportedOSPlatform("linux")]
    private int TellPipes()
    {
        int told = 0;
        for (int count = Math.Min(_readyPipes.Count, CompletionsPerPoll);
            count > 0 && _readyPipes.TryDequeue(out (ulong Token, EpollEvents Events) ready);
            count--)
        {
            switch (_pipes?.Find(ready.Token & HandleTable<IoHandle>.TokenMask))
            {
                case PortablePipe pipe when pipe.Arming.IsOf(ready.Token):
                    told += Tell(pipe, ready.Events);
                    break;
                case PortableHandle { WriteSide: WritableOperation { State: IoOperationState.Armed } writable } handle
                    when handle.Arming.IsOf(ready.Token):
                    End(writable, SocketError.Success);
                    told++;
                    break;
            }
        }

        return told;
    }

    [SupportedOSPlatform("linux")]
    private int Tell(PortablePipe pipe, EpollEvents events)
    {
        const EpollEvents Trouble = EpollEvents.Error | EpollEvents.HangUp;
        byte arming = pipe.Arming.Count;
        int told = 0;
        if ((events & (EpollEvents.Readable | Trouble)) != EpollEvents.None)
        {
            told += TellReadable(pipe);
        }

        if ((events & (EpollEvents.Writable | Trouble)) != EpollEvents.None && !pipe.IsReleased)
        {
            told += TellWritable(pipe);
        }

        if (pipe.IsReleased)
        {
            return told;
        }

        if ((events & Trouble) != EpollEvents.None && pipe is { ReadSide: null, WriteSide: null })
        {
            if (pipe.HangUp is { State: IoOperationState.Armed } watch)
            {
                End(watch, LinuxFile.HangUpOf(pipe));
                told++;
            }

            return told; // it would be reported again at once
        }

        if (pipe.Arming.Count == arming) // unless a callback has waited for something anew
        {
            ArmPipe(pipe);
        }

        return told;
    }

    [SupportedOSPlatform("linux")]
    private int TellReadable(PortablePipe pipe)
    {
        switch (pipe.ReadSide)
        {
            case ReadableOperation { State: IoOperationState.Armed } readable:
                End(readable, SocketError.Success);
                return 1;
            case ReceiveOperation { State: IoOperationState.Armed } receive:
                return ReadPipe(pipe, receive);
            default:
                return 0;
        }
    }

    [SupportedOSPlatform("linux")]
    private int ReadPipe(PortablePipe pipe, ReceiveOperation receive)
    {
        bool provided = receive.Receiver.ProvidesBuffer;
        Memory<byte> memory = _receiveBuffer;
        if (provided && !TryGetBuffer(receive, out memory))
        {
            return 1;
        }

        nint count;
        fixed (byte* start = memory.Span)
        {
            count = LinuxFile.Read(pipe, start, (nuint)memory.Length);
        }

        if (count > 0)
        {
            _ = provided ? DeliverFilled(receive, (int)count) : Deliver(receive, memory.Span[..(int)count]);
            return 1;
        }

        int errno = count == 0 ? 0 : Errno.Last;
        if (errno is Errno.Again or Errno.Interrupted)
        {
            return 0;
        }

        End(receive, Errno.ToSocketError(errno));
        return 1;
    }

    [SupportedOSPlatform("linux")]
    private static int TellWritable(PortablePipe pipe)
    {
        if (pipe.WriteSide is WritableOperation { State: IoOperationState.Armed } writable)
        {
            End(writable, SocketError.Success);
            return 1;
        }

        if (pipe.WriteSide is not SendOperation { State: IoOperationState.Armed } send)
        {
            return 0;
        }

        int sent = LinuxFile.TryWrite(pipe, send.Data.Span, out SocketError error);
        if (sent > 0)
        {
            EndSend(send, sent);
            return 1;
        }

        if (error is SocketError.Success or SocketError.WouldBlock)
        {
            return 0;
        }

        End(send, error);
        return 1;
    }

    // Has the next event reported of whatever is waited for.
    [SupportedOSPlatform("linux")]
    private void ArmPipe(PortablePipe pipe)
    {
        EpollEvents interest = pipe.ReadSide is null ? EpollEvents.None : EpollEvents.Readable;
        if (pipe.WriteSide is not null)
        {
            interest |= EpollEvents.Writable;
        }

        IoOperation? waits = pipe.ReadSide ?? pipe.WriteSide ?? pipe.HangUp;
        if (waits is not null && PollerOfPipes.Arm(pipe.Fd, pipe.Token, ref pipe.Arming, interest) is var errno and not 0
            && waits.State == IoOperationState.Armed)
        {
            EndLater(waits, Errno.ToSocketError(errno));
        }
    }

    [SupportedOSPlatform("linux")]
    private void WaitForRoom(PortableHandle handle, WritableOperation writable)
    {
        _pipes ??= new HandleTable<IoHandle>();
        handle.PollToken ??= _pipes.Add(handle);
        int errno = PollerOfPipes.Arm(
            (int)handle.Socket.SafeHandle.DangerousGetHandle(),
            handle.PollToken.Value,
            ref handle.Arming,
            EpollEvents.Writable);
        if (errno != 0)
        {
            EndLater(writable, Errno.ToSocketError(errno));
        }
    }

    [SupportedOSPlatform("linux")]
    private void CloseWait(PortableHandle handle)
    {
        if (handle.PollToken is { } token)
        {
            _poller?.Forget((int)handle.Socket.SafeHandle.DangerousGetHandle(), ref handle.Arming);
            _pipes!.Remove(token);
        }
    }

    [SupportedOSPlatform("linux")]
    private void ClosePipe(PortablePipe pipe)
    {
        _poller?.Forget(pipe.Fd, ref pipe.Arming);
        _pipes!.Remove(pipe.Token);
        pipe.CloseDescriptor();
    }

    [SupportedOSPlatform("linux")]
    private void DisposePipes()
    {
        _poller?.Dispose(); // its thread uses the signal
        _poller = null;
        foreach (IoHandle handle in _pipes?.Snapshot() ?? [])
        {
            if (handle is PortablePipe pipe)
            {
                _pipes!.Remove(pipe.Token);
                pipe.CloseDescriptor();
            }
        }
    }
}
