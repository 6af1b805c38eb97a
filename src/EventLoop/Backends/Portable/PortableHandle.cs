using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace Toolkit.Backends.Portable;

/// <summary>A socket of .NET with what is in flight on it.</summary>
[DebuggerDisplay("{LocalEndPoint} to {RemoteEndPoint}")]
internal sealed partial class PortableHandle : IoHandle
{
    private readonly PortableBackend _backend;
    private EndPoint? _local;
    private EndPoint? _remote;
    private PortableRequest? _reading;
    private PortableRequest? _writing;
    private SocketError _failure;
    private bool _hasEndedSending;

    public PortableHandle(PortableBackend backend, Socket socket)
        : base(backend)
    {
        _backend = backend;
        Socket = socket;
        socket.Blocking = false;
        RefreshNames();
    }

    /// <summary>How it stands with the poller, which calls it <see cref="PollToken"/>. A field, for the poller's sake.</summary>
    public PollArming Arming;

    public Socket Socket { get; }

    /// <summary>Null when nobody ever waited until it can be written to.</summary>
    public ulong? PollToken { get; set; }

    /// <summary>Whether it accepts, and never receives.</summary>
    public bool IsListening { get; init; }

    public override EndPoint? LocalEndPoint => Datagrams?.LocalEndPoint ?? _local;

    public override EndPoint? RemoteEndPoint => Datagrams is null ? _remote : Datagrams.RemoteEndPoint;

    /// <summary>What a datagram socket has of its own; null of a stream's.</summary>
    public PortableDatagrams? Datagrams { get; set; }

    /// <summary>What is in flight on the read side. Made when first needed, like its counterpart.</summary>
    public PortableRequest Reading => _reading ??= new PortableRequest(_backend, this);

    /// <summary>What is in flight on the write side. A connection whose sends never had to wait has none.</summary>
    public PortableRequest Writing => _writing ??= new PortableRequest(_backend, this);

    public bool IsReading => _reading is { IsInFlight: true };

    /// <summary>Whether an accept that nobody wanted any more has accepted one.</summary>
    public bool HasNewcomer => _reading is { IsInFlight: false, AcceptSocket: not null };

    public bool IsWriting => _writing is { IsInFlight: true };

    /// <summary>
    /// How the connection has failed, once it has. The system tells of an error once, to whoever asks first, and to all
    /// others of the end of the stream, which must not be taken for a clean one.
    /// </summary>
    public SocketError Failure => _failure;

    /// <summary>Keeps an error that was told of the connection, if it is one that lasts. The first counts.</summary>
    public void NoteFailure(SocketError error)
    {
        bool lasts = error switch
        {
            SocketError.Success or SocketError.WouldBlock or SocketError.NoBufferSpaceAvailable => false,
            SocketError.Shutdown => !_hasEndedSending, // else it only says that we ended it
            _ => true,
        };
        if (lasts && _failure == SocketError.Success)
        {
            _failure = error;
        }
    }

    /// <summary>The end points are asked for at once: a socket that is closed does not answer.</summary>
    public void RefreshNames()
    {
        _local = Ask(Socket, static socket => socket.LocalEndPoint);
        _remote = Ask(Socket, static socket => socket.RemoteEndPoint);
        if (Socket.AddressFamily == AddressFamily.Unix)
        {
            RefreshUnixNames();
        }
    }

    public SocketError ShutdownSend()
    {
        SocketError error = PortableSocket.Try(Socket, static socket => socket.Shutdown(SocketShutdown.Send));
        _hasEndedSending |= error == SocketError.Success;
        return error;
    }

    /// <summary>
    /// Whether the connection is gone, asked while no wait is in flight: it has failed, or both sides have ended it and
    /// nothing is left to read.
    /// </summary>
    public bool HasHungUp(out SocketError error)
    {
        try
        {
            if (_failure == SocketError.Success && Socket.Poll(0, SelectMode.SelectError))
            {
                _failure = (SocketError)(int)Socket.GetSocketOption(
                    SocketOptionLevel.Socket, SocketOptionName.Error)!;
            }

            error = _failure;
            return error != SocketError.Success
                || (_hasEndedSending && Socket.Poll(0, SelectMode.SelectRead) && Socket.Available == 0);
        }
        catch (SocketException exception)
        {
            error = _failure = exception.SocketErrorCode;
            return true;
        }
    }

    /// <summary>Whether a send would take something, or fail.</summary>
    public bool HasRoom()
    {
        try
        {
            return Socket.Poll(0, SelectMode.SelectWrite) || Socket.Poll(0, SelectMode.SelectError);
        }
        catch (SocketException)
        {
            return true; // a send says why
        }
    }

    /// <summary>Closes the socket. What is in flight comes back to the backend, which then gives it back.</summary>
    public void Close(bool reset)
    {
        if (reset)
        {
            PortableSocket.ResetOnClose(Socket);
        }
        else if ((IsReading || IsWriting) && Datagrams is null && Socket.Connected)
        {
            // With something in flight .NET closes by a reset, unless the sending side was ended first.
            ShutdownSend();
        }

        RemovePath();
        Datagrams?.RemoveFile();
        Socket.Dispose();
        DiscardUnlessInFlight(_reading);
        DiscardUnlessInFlight(_writing);
    }

    private static void DiscardUnlessInFlight(PortableRequest? request)
    {
        if (request is { IsInFlight: false })
        {
            request.Discard();
        }
    }

    private static EndPoint? Ask(Socket socket, Func<Socket, EndPoint?> question)
    {
        try
        {
            return question(socket);
        }
        catch (SocketException)
        {
            return null; // the peer is gone already
        }
    }
}
