using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Microsoft.Win32.SafeHandles;
using Toolkit.Backends.Epoll;
using Toolkit.Backends.Linux;

namespace Toolkit.Backends.Portable;

/// <summary>
/// Waits for pipes on behalf of a portable loop, whose own wait is one for .NET's sockets: one thread with an epoll of its own,
/// however many pipes there are.
/// </summary>
/// <remarks>
/// .NET has no asynchronous read of a pipe on Unix: its streams block a thread of the pool each. Here each interest is told to
/// epoll by the loop's thread and for one event (<c>EPOLLONESHOT</c>), so that arming wakes nobody, and what has happened is
/// reported once, however long the loop takes to look at it.
/// </remarks>
[SupportedOSPlatform("linux")]
internal sealed unsafe class PipePoller : IDisposable
{
    private const uint OneShot = 1u << 30;
    private const int EventsPerWait = 64;
    private const ulong StopToken = ulong.MaxValue;
    private const int TokenBits = HandleTable<IoHandle>.TokenBits;

    // struct epoll_event is packed on x86-64 and nowhere else.
    private static readonly int s_eventSize = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 12 : 16;
    private static readonly int s_tokenOffset = s_eventSize - sizeof(ulong);

    private readonly Action<ulong, EpollEvents> _happened;
    private readonly SafeFileHandle _epoll;
    private readonly SafeFileHandle _stop;
    private readonly Thread _thread;

    /// <param name="happened">
    /// Told of each event by its token, with the arming's number above it, on the poller's thread.
    /// </param>
    public PipePoller(Action<ulong, EpollEvents> happened)
    {
        _happened = happened;
        _epoll = new SafeFileHandle(Libc.EpollCreate(Libc.EpollCloseOnExec), ownsHandle: true);
        _stop = new SafeFileHandle(Libc.EventFd(0, Libc.EventFdCloseOnExec), ownsHandle: true);
        if (_epoll.IsInvalid || _stop.IsInvalid
            || Control(Libc.EpollAdd, Fd(_stop), (uint)EpollEvents.Readable, StopToken) != 0)
        {
            int errno = Errno.Last;
            _epoll.Dispose();
            _stop.Dispose();
            throw new BackendFailedException("portable", $"pipes cannot be waited for (errno {errno}).");
        }

        _thread = new Thread(Run) { IsBackground = true, Name = "Toolkit pipes" };
        _thread.UnsafeStart();
    }

    /// <summary>
    /// Has the next event of the descriptor reported; errors and hang-ups come unasked. One that was reported of an earlier
    /// arming and not looked at yet is stale from here on, since the system looks anew.
    /// </summary>
    /// <returns>Zero, or the system's error.</returns>
    public int Arm(int fd, ulong token, ref PollArming arming, EpollEvents interest)
    {
        int operation = arming.IsRegistered ? Libc.EpollModify : Libc.EpollAdd;
        arming.Count++;
        if (Control(operation, fd, (uint)interest | OneShot, ((ulong)arming.Count << TokenBits) | token) != 0)
        {
            return Errno.Last;
        }

        arming.IsRegistered = true;
        return 0;
    }

    /// <summary>The descriptor is about to be closed. What was reported of it may still be on its way.</summary>
    public void Forget(int fd, ref PollArming arming)
    {
        if (arming.IsRegistered)
        {
            arming.IsRegistered = false;
            _ = Control(Libc.EpollDelete, fd, 0, 0);
        }
    }

    public void Dispose()
    {
        ulong one = 1;
        _ = Libc.Write(Fd(_stop), &one, sizeof(ulong));
        _thread.Join();
        _epoll.Dispose();
        _stop.Dispose();
    }

    private static int Fd(SafeFileHandle handle) => (int)handle.DangerousGetHandle();

    private void Run()
    {
        byte* events = stackalloc byte[EventsPerWait * 16];
        int epoll = Fd(_epoll);
        while (true)
        {
            int count = Libc.EpollWait(epoll, events, EventsPerWait, -1);
            for (int i = 0; i < count; i++)
            {
                byte* happening = events + (i * s_eventSize);
                ulong token = (ulong)Marshal.ReadInt64((nint)happening, s_tokenOffset);
                if (token == StopToken)
                {
                    return;
                }

                _happened(token, *(EpollEvents*)happening);
            }
        }
    }

    private int Control(int operation, int fd, uint events, ulong token)
    {
        byte* happening = stackalloc byte[16];
        *(uint*)happening = events;
        Marshal.WriteInt64((nint)happening, s_tokenOffset, (long)token);
        return Libc.EpollControl(Fd(_epoll), operation, fd, happening);
    }
}

/// <summary>How a descriptor stands with the poller.</summary>
[StructLayout(LayoutKind.Auto)]
internal struct PollArming
{
    /// <summary>Whether the poller knows it.</summary>
    public bool IsRegistered;

    /// <summary>Which arming is the last, as far as eight bits tell.</summary>
    public byte Count;

    /// <summary>Whether an event is of that one.</summary>
    public readonly bool IsOf(ulong token) => (byte)(token >>> HandleTable<IoHandle>.TokenBits) == Count;
}
