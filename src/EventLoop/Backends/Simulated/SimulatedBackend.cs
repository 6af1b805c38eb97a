using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Toolkit.Backends;

namespace Toolkit.Simulation;

/// <summary>
/// The seam over a <see cref="SimulatedWorld"/>: sockets are objects of the world, and waiting lets virtual time go on.
/// </summary>
/// <remarks>
/// One poll processes what has become due in the world and tells, in an order that the seed decides, what this loop's handles
/// have come to. When there is nothing to tell and the loop is the one that its thread runs, the world goes on: the other loops
/// have their turns, and when none has anything to do the clock jumps. A loop that the world itself runs never waits here.
/// </remarks>
internal sealed partial class SimulatedBackend(SimulatedHost host) : IoBackend
{
    private const int ReceiveBufferSize = 64 * 1024;

    private readonly List<SimulatedHandle> _toLookAt = [];
    private readonly List<SimulatedHandle> _looking = [];
    private readonly List<SimulatedHandle> _handles = [];
    private readonly Dictionary<SendOperation, byte[]> _lent = []; // what is armed, and how its bytes were then
    private readonly byte[] _receiveBuffer = new byte[ReceiveBufferSize];
    private volatile bool _isWoken;

    public SimulatedHost Host { get; } = host;

    public override string Name => "simulated";

    public override IoClock Clock => World.Clock;

    /// <summary>Whether the next poll has something to tell.</summary>
    public bool HasSomething => HasPendingEnds || _toLookAt.Count > 0;

    public bool IsWoken => _isWoken;

    public IReadOnlyList<SimulatedHandle> Handles => _handles;

    private SimulatedWorld World => Host.World;

    public override void Attach() => World.AttachThread();

    public override int Poll(long untilTicks)
    {
        World.BeginPoll();
        RequireLentBytesUnchanged();
        int told = TellPendingEnds();
        bool timedOut = told == 0 && untilTicks > 0 && World.WaitFor(this, untilTicks);
        _isWoken = false;
        World.NoteTold(told);
        told += TellPendingEnds();
        told += TellHandles();
        LastPoll = _toLookAt.Count > 0 ? PollEnding.HasMore
            : timedOut && told == 0 ? PollEnding.TimedOut
            : PollEnding.ToldAll;
        return told;
    }

    public override void Wake()
    {
        _isWoken = true;
        World.OnWoken();
    }

    public override void OnPosted() => World.OnPosted();

    public override uint? UserId => Host.ProcessIdentity.UserId;

    public override IPAddress[] Resolve(string hostName) => World.Names.Resolve(Host, hostName);

    public override double NextDouble() => World.Programs.NextDouble();

    public override void RunInThread(Action work, Action completed) => World.RunWork(Host, work, completed);

    public override IDisposable? RunLookup(Action work, Action completed)
    {
        World.RunWork(Host, work, completed);
        return null;
    }

    public override IDisposable WatchSignal(PosixSignal signal, Func<bool> onSignal) => Host.WatchSignal(signal, onSignal);

    public override IoHandle? Open(in HandleSpec spec, out SocketError error)
    {
        if (spec.IsDatagram)
        {
            return OpenDatagram(spec, out error);
        }

        error = spec.AddressFamily == AddressFamily.Unix
            ? Host.CheckPath(spec, out EndPoint? endPoint)
            : Host.CheckBinding(spec, out endPoint);
        if (error != SocketError.Success)
        {
            return null;
        }

        if (!Host.TryTakeDescriptor())
        {
            error = SocketError.TooManyOpenSockets;
            return null;
        }

        var handle = new SimulatedHandle(this, endPoint);
        if (spec.Backlog is { } backlog)
        {
            handle.Listen(Host.AddListener(endPoint!, backlog, spec.ReusePort));
        }

        _handles.Add(handle);
        return handle;
    }

    public override SocketError SetOption(IoHandle handle, IoOption option, int value) => Own(handle).SetOption(option, value);

    public override int TrySend(IoHandle handle, ReadOnlySpan<byte> data, out SocketError error)
    {
        if (Own(handle).Stream is not { } stream)
        {
            error = SocketError.NotConnected;
            return 0;
        }

        // A kernel hands on what it takes, and takes more, as long as the other end of its loopback has room.
        int sent = stream.Send(data, out error);
        while (error == SocketError.WouldBlock)
        {
            World.SettleNetwork();
            int more = stream.Send(data[sent..], out error);
            sent += more;
            if (more == 0)
            {
                break;
            }
        }

        return sent;
    }

    public override long TrySend(IoHandle handle, ReadOnlySpan<ReadOnlyMemory<byte>> buffers, out SocketError error)
    {
        error = SocketError.Success;
        long sent = 0;
        foreach (ReadOnlyMemory<byte> buffer in buffers)
        {
            int count = TrySend(handle, buffer.Span, out error);
            sent += count;
            if (error != SocketError.Success)
            {
                // What has left has left; an error after it is told by the next try.
                error = sent > 0 && error != SocketError.WouldBlock ? SocketError.WouldBlock : error;
                break;
            }
        }

        return sent;
    }

    public override SocketError ShutdownSend(IoHandle handle)
        => Own(handle).Connection?.ShutdownSend() ?? SocketError.NotConnected;

    /// <summary>Has the handle looked at by the next poll, if that would tell anything.</summary>
    public void Look(SimulatedHandle handle)
    {
        if (!handle.IsQueued && !handle.IsReleased && CanTell(handle))
        {
            handle.IsQueued = true;
            _toLookAt.Add(handle);
        }
    }

    /// <summary>The host has crashed: nothing that was held here is closed in good order.</summary>
    public void Vanish()
    {
        foreach (SimulatedHandle handle in _handles)
        {
            handle.Listener?.Vanish();
            handle.Datagrams?.Close();
            handle.Connection?.Vanish();
        }

        _handles.Clear();
        _toLookAt.Clear();
    }

    protected override void Arm(IoOperation operation)
    {
        var handle = (SimulatedHandle)operation.Handle;
        if (operation is SendOperation send)
        {
            _lent[send] = send.Data.ToArray();
        }

        if (operation is ConnectOperation connect)
        {
            Connect(handle, connect);
        }
        else if (handle.Stream is null && handle.Listener is null && handle.Datagrams is null)
        {
            EndLater(operation, SocketError.NotConnected);
        }
        else
        {
            Look(handle);
        }
    }

    protected override void Disarm(IoOperation operation)
    {
        // Completion wins: a connect that has succeeded, and was not yet told so, says so.
        var handle = (SimulatedHandle)operation.Handle;
        SocketError error = SocketError.OperationAborted;
        if (operation is ConnectOperation && handle is { IsReleased: false, ConnectOutcome: SocketError.Success })
        {
            error = SocketError.Success;
        }

        handle.ConnectOutcome = null;
        EndLater(operation, error);
    }

    protected override void Close(IoHandle handle, bool reset)
    {
        var closed = (SimulatedHandle)handle;
        _handles.Remove(closed);
        if (closed.Pipe is { } pipe)
        {
            pipe.LetGo(closed);
            return;
        }

        Host.GiveDescriptorBack();
        closed.Listener?.Close();
        closed.Datagrams?.Close();
        closed.Connection?.Close(reset);
    }

    protected override void Dispose(bool disposing)
    {
        if (!disposing)
        {
            return;
        }

        foreach (SimulatedHandle handle in _handles.ToArray())
        {
            Close(handle, reset: false);
        }

        Host.Forget(this);
    }

    // A kernel that completes may read the bytes of a send until its end is told, even if the handle was released.
    private void RequireLentBytesUnchanged()
    {
        foreach ((SendOperation send, byte[] bytes) in _lent)
        {
            if (!send.IsArmed)
            {
                _lent.Remove(send);
            }
            else if (!send.Data.Span.SequenceEqual(bytes))
            {
                throw new SimulationException(
                    World.Seed,
                    $"{Host.Name}: the bytes of a send to {send.Handle.RemoteEndPoint} were changed before its end was told.");
            }
        }
    }

    private static SimulatedHandle Own(IoHandle handle) => (SimulatedHandle)handle;

    private static bool CanTell(SimulatedHandle handle)
        => handle.ReadSide switch
        {
            ReceiveOperation { State: IoOperationState.Armed } => handle.Stream is { IsReadable: true },
            AcceptOperation { State: IoOperationState.Armed } => handle.Listener is { HasNewcomers: true },
            DatagramReceiveOperation { State: IoOperationState.Armed } => handle.Datagrams is { IsReadable: true },
            ReadableOperation { State: IoOperationState.Armed } => handle.IsReadable,
            _ => false,
        } || handle.WriteSide switch
        {
            SendOperation { State: IoOperationState.Armed } => handle.Stream is { IsWritable: true },
            ConnectOperation { State: IoOperationState.Armed } => handle.ConnectOutcome is not null,
            DatagramSendOperation { State: IoOperationState.Armed } send => handle.Datagrams!.HasRoom(send.Datagram.Data.Length),
            WritableOperation { State: IoOperationState.Armed } => handle.IsWritable,
            _ => false,
        } || handle is { HangUp.State: IoOperationState.Armed, Stream.HasHungUp: true };

    private int TellHandles()
    {
        if (_toLookAt.Count == 0)
        {
            return 0;
        }

        _looking.AddRange(_toLookAt);
        _toLookAt.Clear();
        World.Shuffle(_looking);
        int told = 0;
        int looked = 0;
        try
        {
            for (; looked < _looking.Count && told < CompletionsPerPoll; looked++)
            {
                SimulatedHandle handle = _looking[looked];
                handle.IsQueued = false;
                told += Tell(handle);
                Look(handle); // there may be more
            }
        }
        finally
        {
            for (; looked < _looking.Count; looked++)
            {
                _looking[looked].IsQueued = false;
                Look(_looking[looked]);
            }

            _looking.Clear();
        }

        return told;
    }

    private int Tell(SimulatedHandle handle)
    {
        int told = 0;
        if (!handle.IsReleased)
        {
            told += TellReadSide(handle);
        }

        if (!handle.IsReleased)
        {
            told += TellWriteSide(handle);
        }

        if (handle is { IsReleased: false, Stream.HasHungUp: true, HangUp: { State: IoOperationState.Armed } watch })
        {
            End(watch, handle.Stream.Failure);
            told++;
        }

        return told;
    }

    private int TellReadSide(SimulatedHandle handle)
    {
        switch (handle.ReadSide)
        {
            case ReceiveOperation { State: IoOperationState.Armed } receive
                when handle.Stream is { IsReadable: true } stream:
                Receive(receive, stream);
                return 1;
            case AcceptOperation { State: IoOperationState.Armed } accept when handle.Listener is { HasNewcomers: true } listener:
                return Accept(accept, listener);
            case DatagramReceiveOperation { State: IoOperationState.Armed } receive
                when handle.Datagrams is { IsReadable: true } datagrams:
                return Receive(receive, datagrams);
            case ReadableOperation { State: IoOperationState.Armed } readable when handle.IsReadable:
                End(readable, SocketError.Success);
                return 1;
            default:
                return 0;
        }
    }

    private void Receive(ReceiveOperation receive, ISimulatedStream stream)
    {
        if (stream.Available == 0)
        {
            End(receive, stream.Failure);
            return;
        }

        if (receive.Receiver.ProvidesBuffer)
        {
            if (TryGetBuffer(receive, out Memory<byte> buffer))
            {
                DeliverFilled(receive, stream.Receive(buffer.Span));
            }

            return;
        }

        int count = stream.Receive(_receiveBuffer);
        Deliver(receive, _receiveBuffer.AsSpan(0, count));
    }

    private int Accept(AcceptOperation accept, SimulatedListener listener)
    {
        int accepted = 0;
        while (accepted < CompletionsPerPoll && listener.HasNewcomers && IsListening(accept))
        {
            SimulatedConnection newcomer = listener.Accept();
            accepted++;
            if (!Host.TryTakeDescriptor())
            {
                newcomer.Close(reset: false);
                DeliverShed(accept);
                continue;
            }

            var connection = new SimulatedHandle(this, null);
            connection.Hold(newcomer);
            _handles.Add(connection);
            Deliver(accept, connection);
        }

        return accepted;
    }

    private static int TellWriteSide(SimulatedHandle handle)
    {
        switch (handle.WriteSide)
        {
            case SendOperation { State: IoOperationState.Armed } send when handle.Stream is { IsWritable: true } stream:
                int sent = stream.Send(send.Data.Span, out SocketError error);
                if (sent > 0)
                {
                    EndSend(send, sent);
                }
                else
                {
                    End(send, error);
                }

                return 1;
            case ConnectOperation { State: IoOperationState.Armed } connect when handle.ConnectOutcome is { } outcome:
                handle.ConnectOutcome = null;
                End(connect, outcome);
                return 1;
            case DatagramSendOperation { State: IoOperationState.Armed } send
                when handle.Datagrams!.HasRoom(send.Datagram.Data.Length):
                End(send, handle.Datagrams.Send(send.Datagram));
                return 1;
            case WritableOperation { State: IoOperationState.Armed } writable when handle.IsWritable:
                End(writable, SocketError.Success);
                return 1;
            default:
                return 0;
        }
    }

    private void Connect(SimulatedHandle handle, ConnectOperation connect)
    {
        if (handle.Connection is not null || handle.Listener is not null)
        {
            EndLater(connect, SocketError.IsConnected);
            return;
        }

        SocketError error = Host.TryConnect(
            handle.LocalEndPoint,
            connect.RemoteEndPoint,
            handle,
            outcome =>
            {
                handle.ConnectOutcome = outcome;
                Look(handle);
            },
            out SimulatedConnection? connection);
        if (error != SocketError.Success)
        {
            EndLater(connect, error);
            return;
        }

        handle.Hold(connection!);
    }
}
