using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Toolkit.Resolving;

namespace Toolkit.Backends;

/// <summary>
/// The seam between a loop and an operating system: what differs per system is below it, what users know is above it,
/// and nothing is on both sides. A loop is composed with one backend.
/// </summary>
/// <remarks>
/// <para>
/// It is completion-style: an operation is submitted, and its owner is told what came of it. Over a system that reports
/// readiness a completion is "try; if it would block, wait and try again", while readiness over a system that completes
/// could only be polling. The contract, which one suite of tests holds every backend to:
/// </para>
/// <list type="number">
/// <item><description>
/// Threads: everything belongs to the thread of <see cref="Attach"/>, or between runs to the loop's owner, except
/// <see cref="Wake"/> and <see cref="Clock"/>, which any thread may use, before <see cref="Attach"/> and after disposal too.
/// </description></item>
/// <item><description>
/// Each arming ends exactly once, and everything is told from <see cref="Poll"/>, never from within
/// <see cref="Submit"/>, <see cref="Cancel"/> or <see cref="Release"/>. A standing operation ends either by its owner's
/// returning false or by its owner's being told of the end.
/// </description></item>
/// <item><description>
/// A handle has one place on the read side, one on the write side, and one for the hang-up watch.
/// </description></item>
/// <item><description>
/// <see cref="TrySend(IoHandle, ReadOnlySpan{byte}, out SocketError)"/> is for moments when no send is in flight on the
/// handle. When it fails because the peer is gone, the read side, if armed, ends as well: with the error, or with the end
/// of file after which the owner, who knows of the failed send, does not mistake it for a clean one.
/// </description></item>
/// <item><description>
/// Between a cancellation and the end that answers it nothing else is told. A cancelled receive never eats data: what the
/// backend had already taken comes first after the next submission, and the end of file waits behind it. The same holds
/// for a receive whose owner returned false, and for connections that were already accepted.
/// </description></item>
/// <item><description>
/// Memory: the backend lends its own buffer for the length of one call (an idle connection pins none), or asks for the
/// owner's just before it writes into it.
/// </description></item>
/// <item><description>
/// No event, byte or close ever reaches the stranger who got the same descriptor number: what comes from the system is
/// matched with a generation that changes with every release.
/// </description></item>
/// <item><description>
/// A released handle's operations end with <see cref="SocketError.OperationAborted"/>; what the system still holds of it
/// is given back when nothing is in flight any more.
/// </description></item>
/// <item><description>
/// Errors of the network are values. What is thrown is a mistake of the caller, or a fault of the system so deep that
/// the loop cannot go on.
/// </description></item>
/// </list>
/// </remarks>
public abstract partial class IoBackend : IDisposable
{
    /// <summary>What the kernel takes beside one send (SCM_MAX_FD of Linux).</summary>
    public const int MaxHandlesPerSend = 253;

    /// <summary>At most this many completions are told per poll, so that timers and callbacks get their turn.</summary>
    protected const int CompletionsPerPoll = 64;

    // Ends that were decided on outside of Poll wait here for the next one.
    private readonly Queue<(IoOperation Operation, SocketError Error)> _pendingEnds = new();

    /// <summary>
    /// The kind of backend in one lower-case word, such as <c>epoll</c>. A decorator puts its own around the other's.
    /// </summary>
    public abstract string Name { get; }

    /// <summary>The clock that timers and <see cref="Poll"/> follow.</summary>
    public abstract IoClock Clock { get; }

    /// <summary>Whether <see cref="Poll"/> has something to tell without waiting.</summary>
    protected bool HasPendingEnds => _pendingEnds.Count > 0;

    /// <summary>Binds the backend to the calling thread. Called when the loop begins to run, each time.</summary>
    public abstract void Attach();

    /// <summary>
    /// The loop stops running. Until the next <see cref="Attach"/>, which may be on another thread when the loop is disposed
    /// there, the backend is not polled, but operations may be submitted and cancelled, and handles released.
    /// </summary>
    public virtual void Detach()
    {
    }

    /// <summary>
    /// Submits what is to be submitted, waits until something has completed, <see cref="Wake"/> was called or the time has
    /// come, and tells a bounded number of completions.
    /// </summary>
    /// <param name="untilTicks">
    /// The time of <see cref="Clock"/> until which to wait; a time in the past does not wait, and
    /// <see cref="long.MaxValue"/> waits for ever. The wait is never shorter, unless something else ended it.
    /// </param>
    /// <returns>How many completions were told. What was left is in <see cref="LastPoll"/>.</returns>
    public abstract int Poll(long untilTicks);

    /// <summary>How the last <see cref="Poll"/> ended.</summary>
    public PollEnding LastPoll { get; protected set; }

    /// <summary>
    /// Ends the wait of the current <see cref="Poll"/>, or else of the next. Any thread; many calls count as one.
    /// </summary>
    public abstract void Wake();

    /// <summary>
    /// Makes a socket: bound when a local end point is given, listening when a backlog is. Nothing is left behind when
    /// it fails. A listening Unix socket takes the path of one that is dead (one that refuses to be connected to, of the same
    /// user), and its path is removed with its release, if it is still its own.
    /// </summary>
    /// <returns>The handle, or null with the error that says why.</returns>
    public abstract IoHandle? Open(in HandleSpec spec, out SocketError error);

    /// <summary>
    /// Makes a handle of a TCP or Unix stream socket that was made elsewhere, which listens or is connected: a descriptor of the
    /// backend's own for it, close-on-exec. The caller keeps the socket and closes it when it has what it wants; the two share
    /// what a descriptor stands for, so the socket is non-blocking from here on.
    /// </summary>
    /// <param name="socket">The socket, on which nothing may be in flight.</param>
    /// <param name="isListening">Whether it is to be one that listens; otherwise it is to be a connection.</param>
    /// <param name="error">
    /// Why it cannot be had: <see cref="SocketError.NotSocket"/>; <see cref="SocketError.SocketNotSupported"/> when it is no
    /// stream; <see cref="SocketError.AddressFamilyNotSupported"/>; <see cref="SocketError.InvalidArgument"/> when it listens
    /// and should not, or does not and should; <see cref="SocketError.NotConnected"/>;
    /// <see cref="SocketError.OperationNotSupported"/> where there are no sockets, as in a simulation; or what the system says.
    /// </param>
    /// <returns>The handle, or null.</returns>
    public virtual IoHandle? Adopt(Socket socket, bool isListening, out SocketError error)
    {
        error = SocketError.OperationNotSupported;
        return null;
    }

    /// <summary>
    /// Makes a handle of something that was opened elsewhere and is no connection: a pipe, a terminal, or what else the system
    /// can wait for. The backend's descriptor is one of its own, close-on-exec, and the caller keeps and closes theirs. Where the
    /// two have to share the blocking mode, it is as it was when the handle has been released.
    /// </summary>
    /// <param name="file">What to make a handle of, on which nothing may be in flight.</param>
    /// <param name="kind">What it is to be; <see cref="IoHandleKind.Socket"/> is for the overload that takes one.</param>
    /// <param name="error">
    /// Why it cannot be had: <see cref="SocketError.NotSocket"/> when it is closed; <see cref="SocketError.SocketNotSupported"/>
    /// when it is nothing that can be waited for, such as a regular file; <see cref="SocketError.InvalidArgument"/> when it was
    /// not opened for that direction, or is no terminal; <see cref="SocketError.OperationNotSupported"/> where the backend has no
    /// such thing; or what the system says.
    /// </param>
    /// <returns>The handle, or null.</returns>
    public virtual IoHandle? Adopt(SafeHandle file, IoHandleKind kind, out SocketError error)
    {
        error = SocketError.OperationNotSupported;
        return null;
    }

    /// <summary>Sets an option of a connection. Unknown to this system: <see cref="SocketError.ProtocolOption"/>.</summary>
    public abstract SocketError SetOption(IoHandle handle, IoOption option, int value);

    /// <summary>
    /// Sends as much as can be sent at this moment. Must not be called while a send is in flight on the handle.
    /// </summary>
    /// <returns>
    /// The number of bytes that have left. When that is not all, <paramref name="error"/> is
    /// <see cref="SocketError.WouldBlock"/> or what went wrong. A backend that has no try always answers that it would block.
    /// </returns>
    public abstract int TrySend(IoHandle handle, ReadOnlySpan<byte> data, out SocketError error);

    /// <summary>The same for several buffers, as if they were one.</summary>
    public abstract long TrySend(IoHandle handle, ReadOnlySpan<ReadOnlyMemory<byte>> buffers, out SocketError error);

    /// <summary>
    /// As <see cref="TrySend(IoHandle, ReadOnlySpan{byte}, out SocketError)"/>, of a part of a file, which the system sends
    /// without anybody's having read it. A disk that has to be waited for is waited for within the call.
    /// </summary>
    /// <param name="handle">A connection, or the end of a pipe that is written.</param>
    /// <param name="file">A file that can be read at a place.</param>
    /// <param name="offset">Where in it to begin.</param>
    /// <param name="count">How many bytes; at least one.</param>
    /// <param name="error">
    /// <see cref="SocketError.Success"/> with fewer bytes than were asked for when the file ends there;
    /// <see cref="SocketError.OperationNotSupported"/> when the backend, or the system for this handle and this file, cannot.
    /// </param>
    /// <returns>The number of bytes that have left.</returns>
    public virtual long TrySendFile(IoHandle handle, SafeFileHandle file, long offset, long count, out SocketError error)
    {
        error = SocketError.OperationNotSupported;
        return 0;
    }

    /// <summary>
    /// The user who runs this process, as the peers of its Unix sockets are told of it (<see cref="IoHandle.PeerIdentity"/>);
    /// null where the system tells nobody.
    /// </summary>
    public virtual uint? UserId => OperatingSystem.IsLinux() ? Linux.Libc.EffectiveUser() : null;

    /// <summary>Whether descriptors can be passed over the Unix sockets of this backend.</summary>
    public virtual bool CanPassHandles => false;

    /// <summary>
    /// As <see cref="TrySend(IoHandle, ReadOnlySpan{byte}, out SocketError)"/>, with descriptors beside the first of the bytes:
    /// they have left when at least one byte has. A send operation takes them as <see cref="SendOperation.Handles"/>.
    /// </summary>
    /// <param name="handle">A Unix socket.</param>
    /// <param name="data">At least one byte.</param>
    /// <param name="handles">At most as many as <see cref="MaxHandlesPerSend"/>. Borrowed for the length of the call.</param>
    /// <param name="error"><see cref="SocketError.OperationNotSupported"/> where descriptors cannot be passed.</param>
    public virtual int TrySend(
        IoHandle handle, ReadOnlySpan<byte> data, ReadOnlySpan<SafeHandle> handles, out SocketError error)
    {
        error = SocketError.OperationNotSupported;
        return 0;
    }

    /// <summary>
    /// From now on takes the descriptors that arrive at a Unix socket, which are otherwise closed by the system. Called once,
    /// before the first receive. When some could not be taken, for want of descriptors, the receive ends with
    /// <see cref="SocketError.TooManyOpenSockets"/>, and all that came with them are closed.
    /// </summary>
    /// <returns><see cref="SocketError.OperationNotSupported"/> where descriptors cannot be passed.</returns>
    public virtual SocketError ReceiveHandles(IoHandle handle, IHandleReceiver receiver) => SocketError.OperationNotSupported;

    /// <summary>Ends the sending side: the peer reads the end of the stream after all that was sent.</summary>
    public abstract SocketError ShutdownSend(IoHandle handle);

    /// <summary>Arms an operation, which is not armed and whose place on its handle is free.</summary>
    public void Submit(IoOperation operation)
    {
        ArgumentNullException.ThrowIfNull(operation);
        RequireOwn(operation.Handle);
        ObjectDisposedException.ThrowIf(operation.Handle.IsReleased, operation.Handle);
        operation.Handle.Occupy(operation);
        operation.State = IoOperationState.Armed;
        Arm(operation);
    }

    /// <summary>
    /// Asks for the end of an operation. It still ends through <see cref="Poll"/>, and perhaps with success: a send or a
    /// connect that has completed meanwhile says so. Does nothing when the operation is not armed.
    /// </summary>
    public void Cancel(IoOperation operation)
    {
        ArgumentNullException.ThrowIfNull(operation);
        RequireOwn(operation.Handle);
        switch (operation.State)
        {
            case IoOperationState.Armed:
                operation.State = IoOperationState.Ending;
                Disarm(operation);
                break;
            case IoOperationState.Delivering:
                // The callback that is running decides by what it returns.
                break;
        }
    }

    /// <summary>
    /// Gives a handle back. Its operations end; its descriptor is closed when nothing is in flight on it.
    /// </summary>
    /// <param name="handle">The handle; a second release does nothing.</param>
    /// <param name="reset">
    /// Whether the peer is to see a reset, so that it does not take what it got for all there was.
    /// </param>
    public void Release(IoHandle handle, bool reset)
    {
        ArgumentNullException.ThrowIfNull(handle);
        RequireOwn(handle);
        if (handle.IsReleased)
        {
            return;
        }

        handle.MarkReleased();
        Abandon(handle.ReadSide);
        Abandon(handle.WriteSide);
        Abandon(handle.HangUp);
        Close(handle, reset);
    }

    /// <summary>
    /// Called when a callback was queued for the loop from outside of its own callbacks, after it was queued, on the thread that
    /// did so: for a backend that must know of other threads. Any thread.
    /// </summary>
    public virtual void OnPosted()
    {
    }

    /// <summary>
    /// The addresses of a host's name, where whoever made the loop sets no other way (<see cref="LoopHost.Lookup"/>): those that
    /// the system's resolver gives. Called where it may block.
    /// </summary>
    /// <exception cref="SocketException">There is no such name.</exception>
    public virtual IPAddress[] Resolve(string hostName) => Dns.GetHostAddresses(hostName);

    /// <summary>
    /// A number from zero up to, and without, one, for what lives on the loop and must not be the same everywhere, such as the
    /// wait before another attempt to connect. Of the seed where one decides what is left to chance; no secret. Loop thread only.
    /// </summary>
#pragma warning disable CA5394 // No secret is made of it.
    public virtual double NextDouble() => Random.Shared.NextDouble();
#pragma warning restore CA5394

    /// <summary>
    /// Runs work that may block, with the execution context of this call, and then <paramref name="completed"/>; on a thread of
    /// the pool, unless the backend has an idea of its own of what takes time. Neither throws.
    /// </summary>
    public virtual void RunInThread(Action work, Action completed)
        => ThreadPool.QueueUserWorkItem(
            static both =>
            {
                both.work();
                both.completed();
            },
            (work, completed),
            preferLocal: false);

    /// <summary>
    /// Runs a look-up of a name, which may block for as long as it likes, as <see cref="RunInThread"/> runs other work: unless
    /// the backend has an idea of its own, on one of the few threads that the process has for nothing else. Neither throws.
    /// </summary>
    /// <returns>Takes it out of the queue when disposed of before it has begun; null where there is no queue.</returns>
    public virtual IDisposable? RunLookup(Action work, Action completed) => ResolverThreads.Shared.Queue(work, completed);

    /// <summary>
    /// Has a signal of the process watched, unless the backend has signals of its own. The callback comes on any thread, says
    /// whether the default action is not to happen, and does not throw.
    /// </summary>
    /// <returns>Ends the watch when disposed of; the callback may come once more, if it was on its way.</returns>
    /// <exception cref="PlatformNotSupportedException">The system does not have the signal.</exception>
    public virtual IDisposable WatchSignal(PosixSignal signal, Func<bool> onSignal)
        => PosixSignalRegistration.Create(signal, context => context.Cancel |= onSignal());

    /// <summary>Closes the backend itself. Handles that were not released are closed with it, and tell nothing.</summary>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Closes what the backend holds.</summary>
    protected abstract void Dispose(bool disposing);

    /// <summary>Starts an operation. A failure is told by <see cref="EndLater"/>.</summary>
    protected abstract void Arm(IoOperation operation);

    /// <summary>Stops an operation, whose state is <see cref="IoOperationState.Ending"/>, and sees to its end.</summary>
    protected abstract void Disarm(IoOperation operation);

    /// <summary>Closes a released handle, now or when the system is done with it.</summary>
    protected abstract void Close(IoHandle handle, bool reset);

    /// <summary>Has the operation end at the next poll.</summary>
    protected void EndLater(IoOperation operation, SocketError error)
    {
        ArgumentNullException.ThrowIfNull(operation);
        operation.State = IoOperationState.Ending;
        _pendingEnds.Enqueue((operation, error));
    }

    /// <summary>Tells the ends that wait. Called at the start of <see cref="Poll"/>; those that this causes wait again.</summary>
    protected int TellPendingEnds()
    {
        int count = _pendingEnds.Count;
        for (int i = 0; i < count; i++)
        {
            (IoOperation operation, SocketError error) = _pendingEnds.Dequeue();
            End(operation, error);
        }

        return count;
    }

    /// <summary>
    /// Ends an operation now and tells its owner, who may submit it again at once. From <see cref="Poll"/> only.
    /// </summary>
    protected static void End(IoOperation operation, SocketError error)
    {
        ArgumentNullException.ThrowIfNull(operation);
        operation.Handle.Vacate(operation);
        operation.State = IoOperationState.Idle;
        operation.NotifyEnded(error);
    }

    /// <summary>Ends a send with success and tells its owner.</summary>
    protected static void EndSend(SendOperation operation, int count)
    {
        ArgumentNullException.ThrowIfNull(operation);
        operation.Handle.Vacate(operation);
        operation.State = IoOperationState.Idle;
        operation.NotifySent(count);
    }

    /// <summary>Tells of bytes that the backend has taken and holds, in the way in which the owner wants them.</summary>
    /// <returns>
    /// How many were told. When they are fewer, the operation is not armed any more, and the rest comes first after its
    /// next submission.
    /// </returns>
    protected static int DeliverTaken(ReceiveOperation operation, ReadOnlySpan<byte> data)
    {
        ArgumentNullException.ThrowIfNull(operation);
        int told = 0;
        while (told < data.Length && IsListening(operation))
        {
            if (!operation.Receiver.ProvidesBuffer)
            {
                Deliver(operation, data[told..]);
                return data.Length;
            }

            if (TryGetBuffer(operation, out Memory<byte> buffer))
            {
                int count = Math.Min(buffer.Length, data.Length - told);
                data.Slice(told, count).CopyTo(buffer.Span);
                told += count;
                DeliverFilled(operation, count);
            }
        }

        return told;
    }

    /// <summary>Tells of received bytes that the backend lends, to an owner that provides no buffer.</summary>
    /// <returns>Whether the operation is still armed.</returns>
    protected static bool Deliver(ReceiveOperation operation, ReadOnlySpan<byte> data)
    {
        ArgumentNullException.ThrowIfNull(operation);
        operation.State = IoOperationState.Delivering;
        return Settle(operation, operation.Receiver.OnReceived(data));
    }

    /// <summary>Tells of bytes that were received into the owner's buffer.</summary>
    /// <returns>Whether the operation is still armed.</returns>
    protected static bool DeliverFilled(ReceiveOperation operation, int count)
    {
        ArgumentNullException.ThrowIfNull(operation);
        operation.State = IoOperationState.Delivering;
        return Settle(operation, operation.Receiver.OnBufferFilled(count));
    }

    /// <summary>Asks the owner for the buffer to receive into.</summary>
    /// <returns>Whether the operation is still armed; when it is not, there is nothing to receive into.</returns>
    protected static bool TryGetBuffer(ReceiveOperation operation, out Memory<byte> buffer)
    {
        ArgumentNullException.ThrowIfNull(operation);
        operation.State = IoOperationState.Delivering;
        buffer = operation.Receiver.GetBuffer();
        return Settle(operation, !buffer.IsEmpty);
    }

    /// <summary>Tells of an accepted connection.</summary>
    /// <returns>Whether the operation is still armed.</returns>
    protected static bool Deliver(AcceptOperation operation, IoHandle connection)
    {
        ArgumentNullException.ThrowIfNull(operation);
        operation.State = IoOperationState.Delivering;
        return Settle(operation, operation.Acceptor.OnAccepted(connection));
    }

    /// <summary>Tells of a newcomer that was turned away for want of descriptors.</summary>
    protected static void DeliverShed(AcceptOperation operation)
    {
        ArgumentNullException.ThrowIfNull(operation);
        operation.Acceptor.OnShed();
    }

    /// <summary>Whether the operation may be told of anything but its end.</summary>
    protected static bool IsListening(IoOperation operation) => operation is { State: IoOperationState.Armed };

    // A callback may have released the handle; its answer then no longer matters.
    private static bool Settle(IoOperation operation, bool staysArmed)
    {
        if (staysArmed && !operation.Handle.IsReleased)
        {
            operation.State = IoOperationState.Armed;
            return true;
        }

        operation.Handle.Vacate(operation);
        operation.State = IoOperationState.Idle;
        return false;
    }

    private void Abandon(IoOperation? operation)
    {
        // Delivering: the callback that released the handle is about to return, which ends the arming.
        // Ending: its end is on its way.
        if (operation is { State: IoOperationState.Armed })
        {
            operation.State = IoOperationState.Ending;
            Disarm(operation);
        }
    }

    private void RequireOwn(IoHandle handle)
    {
        if (handle.Backend != this)
        {
            throw new InvalidOperationException(
                $"The handle belongs to another loop's {handle.Backend.Name} backend. Use it on the loop that opened it.");
        }
    }
}
