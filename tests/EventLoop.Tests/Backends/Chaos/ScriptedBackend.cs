using System.Net;
using System.Net.Sockets;
using Toolkit.Backends;

namespace Toolkit.Tests.Backends.Chaos;

/// <summary>A backend without a system: the test says what arrives, and a poll tells all of it at once.</summary>
internal sealed class ScriptedBackend : IoBackend
{
    private readonly ManualClock _clock = new();

    /// <summary>The handles, in the order in which they were made.</summary>
    public List<ScriptedHandle> Handles { get; } = [];

    /// <summary>Until when each poll was to wait.</summary>
    public List<long> Polls { get; } = [];

    public bool IsDisposed { get; private set; }

    public int Woken { get; private set; }

    public override string Name => "scripted";

    public override IoClock Clock => _clock;

    public override void Attach()
    {
    }

    public override int Poll(long untilTicks)
    {
        Polls.Add(untilTicks);
        int told = TellPendingEnds();
        for (int i = 0; i < Handles.Count; i++)
        {
            told += TellRead(Handles[i]) + TellWrite(Handles[i]);
        }

        LastPoll = told > 0 ? PollEnding.ToldAll : PollEnding.TimedOut;
        return told;
    }

    public override void Wake() => Woken++;

    public override IoHandle? Open(in HandleSpec spec, out SocketError error)
    {
        error = SocketError.Success;
        return NewHandle();
    }

    public ScriptedHandle NewHandle()
    {
        var handle = new ScriptedHandle(this);
        Handles.Add(handle);
        return handle;
    }

    public override SocketError SetOption(IoHandle handle, IoOption option, int value) => SocketError.Success;

    public override int TrySend(IoHandle handle, ReadOnlySpan<byte> data, out SocketError error)
    {
        ((ScriptedHandle)handle).Sent.Write(data);
        error = SocketError.Success;
        return data.Length;
    }

    public override long TrySend(IoHandle handle, ReadOnlySpan<ReadOnlyMemory<byte>> buffers, out SocketError error)
    {
        long sent = 0;
        error = SocketError.Success;
        foreach (ReadOnlyMemory<byte> buffer in buffers)
        {
            sent += TrySend(handle, buffer.Span, out error);
        }

        return sent;
    }

    public override SocketError ShutdownSend(IoHandle handle)
    {
        ((ScriptedHandle)handle).HasEnded = true;
        return SocketError.Success;
    }

    protected override void Arm(IoOperation operation)
    {
    }

    protected override void Disarm(IoOperation operation) => EndLater(operation, SocketError.OperationAborted);

    protected override void Close(IoHandle handle, bool reset) => ((ScriptedHandle)handle).WasReset = reset;

    protected override void Dispose(bool disposing) => IsDisposed = true;

    private static int TellRead(ScriptedHandle handle)
    {
        int told = 0;
        if (handle.ReadSide is AcceptOperation accept)
        {
            for (; IsListening(accept) && handle.Newcomers.TryDequeue(out ScriptedHandle? newcomer); told++)
            {
                Deliver(accept, newcomer);
            }
        }

        if (handle.ReadSide is ReceiveOperation receive)
        {
            for (; IsListening(receive) && handle.Incoming.TryDequeue(out byte[]? data); told++)
            {
                Assert.Equal(data.Length, DeliverTaken(receive, data));
            }

            if (IsListening(receive) && handle.IncomingEnd is { } end)
            {
                End(receive, end);
                told++;
            }
        }

        if (handle is { ReadSide: null, HungUp: { } error, HangUp: { State: IoOperationState.Armed } watch })
        {
            handle.HungUp = null; // as a system that tells an error once
            End(watch, error);
            told++;
        }

        return told;
    }

    private static int TellWrite(ScriptedHandle handle)
    {
        if (!handle.TakesSends || !IsListening(handle.WriteSide!))
        {
            return 0;
        }

        if (handle.WriteSide is SendOperation send)
        {
            handle.Sent.Write(send.Data.Span);
            EndSend(send, send.Data.Length);
        }
        else
        {
            End(handle.WriteSide!, SocketError.Success);
        }

        return 1;
    }
}

/// <summary>A handle of it.</summary>
internal sealed class ScriptedHandle(ScriptedBackend backend) : IoHandle(backend)
{
    public Queue<byte[]> Incoming { get; } = new();

    public SocketError? IncomingEnd { get; set; }

    public SocketError? HungUp { get; set; }

    public Queue<ScriptedHandle> Newcomers { get; } = new();

    public bool TakesSends { get; set; } = true;

    public MemoryStream Sent { get; } = new();

    public bool HasEnded { get; set; }

    /// <summary>Whether it was released with a reset; null as long as it is open.</summary>
    public bool? WasReset { get; set; }

    public override EndPoint? LocalEndPoint => null;

    public override EndPoint? RemoteEndPoint => null;
}
