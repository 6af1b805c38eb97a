using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Toolkit.Backends;
using Toolkit.Transports;

namespace Toolkit;

/// <summary>
/// A socket for straight-line code on a loop: what asyncio has as <c>sock_recv</c>, <c>sock_sendall</c>, <c>sock_accept</c> and
/// their relatives. No protocol is called, nothing is buffered, and nothing is read that nobody has asked for. Works on every
/// kind of loop, the simulated one as well. Made by <c>loop.ConnectSocketAsync</c>, <c>loop.ListenSocket</c>,
/// <c>loop.OpenDatagramSocket</c>, <c>loop.AdoptSocket</c> and <see cref="AcceptAsync"/>.
/// </summary>
/// <remarks>
/// <para>
/// Loop thread only, all of it. One may receive (or accept) at a time and one may send, the two independently of each other; a
/// second one throws <see cref="InvalidOperationException"/>, and so does what the kind of socket cannot do. Each wait is one of
/// the current scope and takes a token; it ends by an <see cref="OperationCanceledException"/>.
/// </para>
/// <para>
/// A cancelled receive or accept takes nothing: what has arrived meanwhile comes with the next. Buffers are the caller's and are
/// touched within a call, or in the turn in which its wait ends with success, and never after it has ended.
/// </para>
/// <para>
/// It is closed by <see cref="Dispose"/>, by <see cref="Abort"/>, or with its loop; whoever waits then gets an
/// <see cref="ObjectDisposedException"/>. There is no write buffer that could be flushed and no waiting for the peer's end: a
/// TCP socket that is closed with unread bytes resets the connection, as systems do. For connections that are flushed, limited
/// and told of everything by callbacks, use a transport or a <see cref="StreamConnection"/>.
/// </para>
/// </remarks>
[DebuggerDisplay("{Kind} {LocalEndPoint} to {RemoteEndPoint}")]
public sealed class LoopSocket : IDisposable
{
    private readonly EventLoop _loop;
    private readonly IoHandle _handle;
    private readonly Resident _resident;
    private readonly SocketInput _input;
    private readonly SocketOutput _output;
    private bool _hasEndedSending;

    internal LoopSocket(EventLoop loop, IoHandle handle, LoopSocketKind kind)
    {
        _loop = loop;
        _handle = handle;
        Kind = kind;
        _input = new SocketInput(loop, handle);
        _output = new SocketOutput(loop, handle);
        _resident = new Resident(this);
        loop.Host.AddResident(_resident);
    }

    /// <summary>This end's address; null when it has none. Stays after the end.</summary>
    public EndPoint? LocalEndPoint => _handle.LocalEndPoint;

    /// <summary>The peer's address; null when there is none. Stays after the end.</summary>
    public EndPoint? RemoteEndPoint => _handle.RemoteEndPoint;

    /// <summary>
    /// How many bytes the system has taken since the socket was made. After a <see cref="SendAllAsync"/> that was cancelled or
    /// has failed, the difference to what it was before is how much of the data has left: exactly, and from its beginning.
    /// </summary>
    public long BytesSent => _output.BytesSent;

    /// <summary>Whether the socket was closed.</summary>
    public bool IsClosed => _handle.IsReleased;

    internal LoopSocketKind Kind { get; }

    /// <summary>Receives from a connection what there is and fits, as soon as there is something.</summary>
    /// <param name="buffer">
    /// Where to. An empty one waits until there is something to receive, or the end, and takes nothing.
    /// </param>
    /// <param name="cancellationToken">Ends the wait; so does the scope. Nothing has been taken then.</param>
    /// <returns>
    /// How many bytes; 0 at the end of the stream, also when asked again, and for an empty buffer. Nothing is allocated for a
    /// wait, unless the token can be cancelled.
    /// </returns>
    /// <exception cref="ConnectionException">The connection has failed, which stays so.</exception>
    /// <exception cref="InvalidOperationException">Another receive waits, or it is not a connection.</exception>
    /// <exception cref="ObjectDisposedException">The socket is closed, or was while this waited.</exception>
    /// <exception cref="OperationCanceledException">A scope or the token was cancelled.</exception>
    public ValueTask<int> ReceiveAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        Verify(LoopSocketKind.Connection);
        return _input.ReceiveAsync(buffer, cancellationToken);
    }

    /// <summary>Receives a datagram.</summary>
    /// <param name="buffer">
    /// Where to. When it is too short, the rest of the datagram is lost, and <see cref="DatagramFlags.Truncated"/> says so; an
    /// empty one takes a datagram and leaves all of its bytes.
    /// </param>
    /// <param name="cancellationToken">Ends the wait; so does the scope. No datagram has been taken then.</param>
    /// <exception cref="DatagramException">
    /// The system tells of a datagram that was sent earlier. The socket is as good as before.
    /// </exception>
    /// <exception cref="InvalidOperationException">Another receive waits, or it is not a socket of datagrams.</exception>
    /// <exception cref="ObjectDisposedException">The socket is closed, or was while this waited.</exception>
    /// <exception cref="OperationCanceledException">A scope or the token was cancelled.</exception>
    public ValueTask<ReceivedDatagram> ReceiveFromAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        Verify(LoopSocketKind.Datagrams);
        return _input.ReceiveFromAsync(buffer, cancellationToken);
    }

    /// <summary>Accepts a connection.</summary>
    /// <param name="cancellationToken">
    /// Ends the wait; so does the scope. Who has connected meanwhile is there for the next call.
    /// </param>
    /// <returns>The connection, which is the caller's to dispose of.</returns>
    /// <exception cref="LoopSocketException">
    /// Descriptors or memory are short, and a newcomer may have been turned away for it (see <see cref="DescriptorReserve"/>).
    /// The socket listens on; wait a little before the next call.
    /// </exception>
    /// <exception cref="InvalidOperationException">Another accept waits, or the socket does not listen.</exception>
    /// <exception cref="ObjectDisposedException">The socket is closed, or was while this waited.</exception>
    /// <exception cref="OperationCanceledException">A scope or the token was cancelled.</exception>
    public ValueTask<LoopSocket> AcceptAsync(CancellationToken cancellationToken = default)
    {
        Verify(LoopSocketKind.Listener);
        return _input.AcceptAsync(cancellationToken);
    }

    /// <summary>
    /// Sends all of the data over a connection. Returns when the system has taken the last byte, which says nothing of its having
    /// arrived.
    /// </summary>
    /// <param name="data">What to send, left alone until this has ended. When it is empty, nothing happens.</param>
    /// <param name="cancellationToken">
    /// Ends the wait; so does the scope. A part may have left then: <see cref="BytesSent"/> says how much.
    /// </param>
    /// <exception cref="ConnectionException">The connection has failed; a part may have left.</exception>
    /// <exception cref="InvalidOperationException">
    /// Another send waits, the sending side was ended, or it is not a connection.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The socket is closed, or was while this waited.</exception>
    /// <exception cref="OperationCanceledException">A scope or the token was cancelled.</exception>
    public ValueTask SendAllAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken = default)
    {
        Verify(LoopSocketKind.Connection);
        if (_hasEndedSending)
        {
            throw new InvalidOperationException("The sending side was ended by ShutdownSend: nothing more can be sent.");
        }

        return _output.SendAllAsync(data, cancellationToken);
    }

    /// <summary>Sends a datagram, as soon as the system has room for it.</summary>
    /// <param name="data">Its bytes, left alone until this has ended; none for an empty datagram.</param>
    /// <param name="to">Whom to; the default is the peer that the socket is connected to.</param>
    /// <param name="cancellationToken">Ends the wait; so does the scope. Nothing has left then.</param>
    /// <exception cref="DatagramException">
    /// The system does not take it, or tells of one that was sent earlier. The socket is as good as before.
    /// </exception>
    /// <exception cref="ArgumentException">No address was given, and the socket is not connected.</exception>
    /// <exception cref="InvalidOperationException">Another send waits, or it is not a socket of datagrams.</exception>
    /// <exception cref="ObjectDisposedException">The socket is closed, or was while this waited.</exception>
    /// <exception cref="OperationCanceledException">A scope or the token was cancelled.</exception>
    public ValueTask SendToAsync(
        ReadOnlyMemory<byte> data, DatagramAddress to = default, CancellationToken cancellationToken = default)
    {
        Verify(LoopSocketKind.Datagrams);
        if (to.IsNone && RemoteEndPoint is null)
        {
            throw new ArgumentException("The socket is not connected to a peer. Say whom the datagram is for.", nameof(to));
        }

        if (!DatagramAddresses.IsShortEnough(to))
        {
            throw new ArgumentException($"The path is longer than {UnixName.MaxLength} bytes in UTF-8.", nameof(to));
        }

        return _output.SendToAsync(data, DatagramAddresses.ToSeam(to), cancellationToken);
    }

    /// <summary>
    /// Ends the sending side of a connection: the peer reads the end of the stream after all that was sent. Receiving goes on. A
    /// second call does nothing.
    /// </summary>
    /// <exception cref="ConnectionException">The connection has failed.</exception>
    /// <exception cref="InvalidOperationException">A send waits: await it first. Or it is not a connection.</exception>
    /// <exception cref="ObjectDisposedException">The socket is closed.</exception>
    public void ShutdownSend()
    {
        Verify(LoopSocketKind.Connection);
        _output.RequireFree();
        if (_hasEndedSending)
        {
            return;
        }

        SocketError error = _handle.Backend.ShutdownSend(_handle);
        if (error != SocketError.Success)
        {
            throw ConnectionFault.ToException(error);
        }

        _hasEndedSending = true;
    }

    /// <summary>
    /// Closes the socket; whoever waits gets an <see cref="ObjectDisposedException"/>. What was sent still arrives, unless bytes
    /// of the peer's are left unread, in which case TCP resets the connection. A second call does nothing.
    /// </summary>
    public void Dispose() => Close(reset: false);

    /// <summary>As <see cref="Dispose"/>, but a peer over TCP sees a reset, and what is on its way is lost.</summary>
    public void Abort() => Close(reset: true);

    private void Close(bool reset)
    {
        if (!_handle.IsReleased)
        {
            _loop.VerifyAccess(); // which a loop that is disposed refuses, with all of its sockets closed
        }

        CloseNow(reset);
    }

    private void CloseNow(bool reset)
    {
        if (_handle.IsReleased)
        {
            return;
        }

        _loop.Host.RemoveResident(_resident);
        _input.Close();
        _output.Close();
        _handle.Backend.Release(_handle, reset);
    }

    private void Verify(LoopSocketKind wanted)
    {
        _loop.VerifyAccess();
        ObjectDisposedException.ThrowIf(_handle.IsReleased, this);
        if (Kind != wanted)
        {
            throw new InvalidOperationException(Kind switch
            {
                LoopSocketKind.Connection => "The socket is a connection: use ReceiveAsync and SendAllAsync.",
                LoopSocketKind.Listener => "The socket listens: all that can be done with it is AcceptAsync.",
                _ => "The socket is one of datagrams: use ReceiveFromAsync and SendToAsync.",
            });
        }
    }

    private sealed class Resident(LoopSocket socket) : ILoopResident
    {
        int ILoopResident.ResidentIndex { get; set; }

        void ILoopResident.OnLoopShutdown() => socket.CloseNow(reset: false);

        void ILoopResident.OnLoopShutdownExpired() => socket.CloseNow(reset: false);
    }
}

/// <summary>What a <see cref="LoopSocket"/> is for.</summary>
internal enum LoopSocketKind : byte
{
    Connection,
    Listener,
    Datagrams,
}
