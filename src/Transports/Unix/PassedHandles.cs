using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Toolkit.Backends;

namespace Toolkit.Transports;

/// <summary>
/// The descriptors of one connection: those that wait to be sent, each with the place in the stream where it belongs, and those
/// that wait to be taken. It knows nothing of its transport, which it may outlive at a descriptor that is closed in good order.
/// </summary>
internal sealed class PassedHandles(int maxReceived) : IHandleReceiver
{
    /// <summary>So many wait to be sent at most: what a process may have in flight is about as many.</summary>
    public const int MaxUnsent = 1024;

    private readonly Queue<(long Position, SafeHandle[] Handles)> _unsent = new();
    private readonly List<SafeFileHandle> _received = [];
    private bool _hasEnded;

    /// <summary>How many wait to be sent.</summary>
    public int UnsentCount { get; private set; }

    /// <summary>Whether the peer has sent more than may wait. All that waited are closed then.</summary>
    public bool HasTooMany { get; private set; }

    /// <summary>
    /// Keeps handles for the byte at a position. They are held: whoever disposes them closes nothing before they have left.
    /// </summary>
    /// <exception cref="ObjectDisposedException">One of them is closed. None is held then.</exception>
    public void Add(long position, ReadOnlySpan<SafeHandle> handles)
    {
        int held = 0;
        try
        {
            for (; held < handles.Length; held++)
            {
                bool isHeld = false;
                handles[held].DangerousAddRef(ref isHeld);
            }
        }
        catch
        {
            Release(handles[..held]);
            throw;
        }

        _unsent.Enqueue((position, handles.ToArray()));
        UnsentCount += handles.Length;
    }

    /// <summary>What of the bytes at a position can be sent in one piece.</summary>
    /// <param name="position">Where they stand in the stream.</param>
    /// <param name="data">The bytes.</param>
    /// <param name="handles">What goes with the first of them; null for nothing.</param>
    public ReadOnlyMemory<byte> Cut(long position, ReadOnlyMemory<byte> data, out SafeHandle[]? handles)
    {
        handles = null;
        foreach ((long next, SafeHandle[] those) in _unsent)
        {
            if (next > position)
            {
                return data.Length > next - position ? data[..(int)(next - position)] : data;
            }

            handles = those;
        }

        return data;
    }

    /// <summary>Bytes have left, and with the first of them what belonged to it.</summary>
    public void OnSent(long position, int count)
    {
        if (count > 0 && _unsent.TryPeek(out (long Position, SafeHandle[] Handles) first) && first.Position == position)
        {
            _unsent.Dequeue();
            UnsentCount -= first.Handles.Length;
            Release(first.Handles);
        }
    }

    /// <summary>Nothing more will be sent.</summary>
    public void DropUnsent()
    {
        while (_unsent.TryDequeue(out (long Position, SafeHandle[] Handles) first))
        {
            Release(first.Handles);
        }

        UnsentCount = 0;
    }

    /// <summary>Takes those that have been received.</summary>
    public SafeFileHandle[] Take()
    {
        SafeFileHandle[] taken = [.. _received];
        _received.Clear();
        return taken;
    }

    /// <summary>Nobody will take any more: those that are there are closed, and so are those that still come.</summary>
    public void End()
    {
        _hasEnded = true;
        Close();
    }

    void IHandleReceiver.OnHandlesReceived(ReadOnlySpan<SafeFileHandle> handles)
    {
        _received.AddRange(handles);
        HasTooMany |= _received.Count > maxReceived;
        if (_hasEnded || HasTooMany)
        {
            Close();
        }
    }

    private static void Release(ReadOnlySpan<SafeHandle> handles)
    {
        foreach (SafeHandle handle in handles)
        {
            handle.DangerousRelease();
        }
    }

    private void Close()
    {
        _received.ForEach(handle => handle.Dispose());
        _received.Clear();
    }
}
