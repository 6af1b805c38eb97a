using System.Net;
using System.Net.Sockets;

namespace Toolkit.Backends.Linux;

/// <content>Datagrams: all but waiting for them.</content>
internal abstract unsafe partial class LinuxBackend<THandle>
{
    private readonly Queue<THandle> _heldWanted = new(); // somebody wants what was kept
    private DatagramBatch? _outgoing;

    public override int TrySendTo(IoHandle handle, ReadOnlySpan<OutgoingDatagram> datagrams, out SocketError error)
        => (_outgoing ??= new DatagramBatch(DatagramBatch.SendCount, receiveSize: 0)).Send(FdOf(handle), datagrams, out error);

    public override IoHandle? AdoptDatagrams(Socket socket, out SocketError error)
    {
        AddressFamily family = socket.AddressFamily;
        if (family is not (AddressFamily.InterNetwork or AddressFamily.InterNetworkV6 or AddressFamily.Unix))
        {
            error = SocketError.AddressFamilyNotSupported;
            return null;
        }

        SafeSocketHandle theirs = socket.SafeHandle;
        bool held = false;
        try
        {
            theirs.DangerousAddRef(ref held);
            int fd = LinuxSocket.AdoptDatagrams((int)theirs.DangerousGetHandle(), out error);
            if (fd < 0)
            {
                return null;
            }

            THandle handle = AddHandle(fd, default, default);
            handle.Datagrams = new LinuxDatagrams(
                family, NameOf(socket, isRemote: false), NameOf(socket, isRemote: true), file: null);
            return handle;
        }
        finally
        {
            if (held)
            {
                theirs.DangerousRelease();
            }
        }
    }

    public override SocketError SetMembership(IoHandle handle, IPAddress group, int interfaceIndex, bool isMember)
        => LinuxSocket.SetMembership(FdOf(handle), group, interfaceIndex, isMember);

    /// <summary>Whether the next poll has datagrams to tell that were taken earlier.</summary>
    protected bool HasHeldWanted => _heldWanted.Count > 0;

    private THandle? OpenDatagram(in HandleSpec spec, out SocketError error)
    {
        int fd = LinuxSocket.OpenDatagram(spec, out LinuxDatagrams? datagrams, out error);
        if (fd < 0)
        {
            return null;
        }

        THandle handle = AddHandle(fd, default, default);
        handle.Datagrams = datagrams;
        return handle;
    }

    private static SocketError SetDatagramOption(THandle handle, IoOption option, int value)
    {
        SocketError error = LinuxSocket.SetDatagramOption(handle.Fd, handle.Datagrams!.Family, option, value);
        if (option == IoOption.ReceiveOffload && error == SocketError.Success)
        {
            handle.Datagrams.Coalesces = value != 0;
        }

        return error;
    }

    /// <summary>The handle is closed: its file goes, and what nobody was told.</summary>
    protected static void CloseDatagrams(THandle handle)
    {
        if (handle.Datagrams is { } datagrams)
        {
            datagrams.Held.Clear();
            datagrams.File?.Remove();
        }
    }

    /// <summary>Whether something was kept.</summary>
    protected static bool HasHeld(THandle handle)
        => handle.Datagrams is { Held.Count: > 0 } or { HeldError: not SocketError.Success };

    /// <summary>Has what was kept told by the next poll.</summary>
    /// <returns>False when nothing was kept.</returns>
    protected bool WantHeld(THandle handle)
    {
        if (!HasHeld(handle))
        {
            return false;
        }

        if (!handle.Datagrams!.IsQueued)
        {
            handle.Datagrams.IsQueued = true;
            _heldWanted.Enqueue(handle);
        }

        return true;
    }

    /// <summary>Tells what was kept, to those who want it again.</summary>
    /// <param name="rearm">Waits for more on behalf of those who have been told all.</param>
    protected int TellHeld(Action<THandle, DatagramReceiveOperation> rearm)
    {
        int told = 0;
        for (int count = _heldWanted.Count; count > 0; count--)
        {
            THandle handle = _heldWanted.Dequeue();
            handle.Datagrams!.IsQueued = false;
            if (handle.ReadSide is not DatagramReceiveOperation { State: IoOperationState.Armed } receive)
            {
                continue;
            }

            told += DeliverHeld(receive, handle.Datagrams.Held);
            if (handle.Datagrams is { Held.Count: 0, HeldError: not SocketError.Success and var error } && IsListening(receive))
            {
                handle.Datagrams.HeldError = SocketError.Success;
                End(receive, error);
                told++;
                continue;
            }

            if (!handle.IsReleased && IsListening(receive) && !WantHeld(handle))
            {
                rearm(handle, receive);
            }
        }

        return told;
    }

    /// <summary>
    /// Tells of what the kernel has handed over at once: one datagram, or several of the same size. What its owner does not want
    /// any more is kept.
    /// </summary>
    /// <returns>How many were told.</returns>
    protected int TellDatagrams(
        THandle handle, ReadOnlySpan<byte> data, ReadOnlySpan<byte> name, bool isTruncated, int segmentSize, int receiveSize)
    {
        LinuxDatagrams datagrams = handle.Datagrams!;
        IoAddress from = datagrams.ReadAddress(name);
        int told = 0;
        do
        {
            int length = segmentSize > 0 ? Math.Min(segmentSize, data.Length) : data.Length;
            ReadOnlySpan<byte> one = data[..length];
            data = data[length..];
            bool isCut = (isTruncated && data.IsEmpty) || length > receiveSize;
            one = length > receiveSize ? one[..receiveSize] : one;
            if (handle.IsReleased)
            {
                return told;
            }

            if (datagrams.Held.Count == 0
                && handle.ReadSide is DatagramReceiveOperation { State: IoOperationState.Armed } receive)
            {
                Deliver(receive, one, from, isCut);
                told++;
            }
            else
            {
                datagrams.Held.Add(one, from, isCut);
            }
        }
        while (!data.IsEmpty);
        if (datagrams.Held.Count > 0
            && handle is { IsReleased: false, ReadSide: DatagramReceiveOperation { State: IoOperationState.Armed } })
        {
            WantHeld(handle); // wanted again, by the callback that did not want it
        }

        return told;
    }
}
