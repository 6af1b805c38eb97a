using System.Net;
using Toolkit.Simulation;

namespace Toolkit.Tests.Simulated.Conversations;

/// <summary>A connection as both ends see it, found by the address of the client.</summary>
internal sealed class Conversation(IPEndPoint client)
{
    private readonly byte _salt = (byte)(client.Port * 7);

    public Talker? Client { get; set; }

    public Talker? Server { get; set; }

    /// <summary>The byte at this place of what an end says: any other place or direction has another, nearly always.</summary>
    public byte ByteAt(bool ofClient, long offset)
        => (byte)((offset * 31) + ((offset >> 8) * 17) + _salt + (ofClient ? 101 : 0));
}

/// <summary>
/// One end of a conversation. It does what it is told at random moments, and writes down whatever must not be: a wrong byte, a
/// callback out of its place, an account that does not add up.
/// </summary>
internal sealed class Talker(ConversationWorld world, bool isClient) : Protocol
{
    /// <summary>The most bytes of one write.</summary>
    public const int LargestWrite = 150_000;

    private bool _writingPaused;
    private bool _eofWhilePaused;
    private TimeSpan? _mayResumeSince;

    public CallbackGrammar Grammar { get; } = new();

    public Conversation Conversation { get; private set; } = null!;

    /// <summary>How many bytes the transport has accepted.</summary>
    public long Accepted { get; private set; }

    /// <summary>How many bytes were received.</summary>
    public long Received { get; private set; }

    public bool HasEndedWriting { get; private set; }

    public bool HasReceivedEof { get; private set; }

    public bool IsMade { get; private set; }

    public bool IsLost { get; private set; }

    /// <summary>Whether a write was refused, so that nobody knows how much of it has left.</summary>
    public bool WasRefused { get; private set; }

    /// <summary>Whether the host has crashed: the talker is gone without a word.</summary>
    public bool IsGone { get; set; }

    public EventLoop Loop { get; private set; } = null!;

    /// <summary>When the connection has ended with all that was written gone; null when it has not, or otherwise.</summary>
    public TimeSpan? EndedWellAt { get; private set; }

    public Talker? Other => isClient ? Conversation.Server : Conversation.Client;

    public override void ConnectionMade()
    {
        using CallbackEntry entry = Grammar.Enter(ProtocolCallback.ConnectionMade, Transport);
        IsMade = true;
        Loop = EventLoop.Current;
        var client = (IPEndPoint)(isClient ? Transport.LocalEndPoint : Transport.RemoteEndPoint)!;
        Conversation = world.ConversationOf(client);
        if (isClient)
        {
            Conversation.Client = this;
        }
        else
        {
            Conversation.Server = this;
        }

        world.OnMade(this);
    }

    public override void DataReceived(ReadOnlySpan<byte> data)
    {
        using CallbackEntry entry = Grammar.Enter(ProtocolCallback.DataReceived, Transport, data.Length);
        int taken = world.TakesPart ? world.Random.Next(data.Length + 1) : data.Length;
        foreach (byte value in data[..taken])
        {
            if (value != Conversation.ByteAt(!isClient, Received))
            {
                world.Violation($"byte {Received} is wrong");
            }

            Received++;
        }

        if (taken < data.Length)
        {
            world.Note(Mark.GaveBack);
            Transport.Unread(data[taken..]);
        }

        world.OnCallback(this, nameof(DataReceived));
    }

    public override bool EofReceived()
    {
        using CallbackEntry entry = Grammar.Enter(ProtocolCallback.EofReceived, Transport);
        HasReceivedEof = true;
        world.Require(
            Other is null or { WasRefused: true } || Other.Accepted == Received,
            "an end of file came before all that was written");
        world.Note(_writingPaused ? Mark.EofWhileWritingIsPaused : Mark.Eof);
        _eofWhilePaused = _writingPaused;
        world.OnCallback(this, nameof(EofReceived));
        return world.Random.Chance(0.5);
    }

    public override void PauseWriting()
    {
        using CallbackEntry entry = Grammar.Enter(ProtocolCallback.PauseWriting, Transport);
        _writingPaused = true;
        world.Note(Mark.Paused);
    }

    public override void ResumeWriting()
    {
        using CallbackEntry entry = Grammar.Enter(ProtocolCallback.ResumeWriting, Transport);
        _writingPaused = false;
        world.Note(_eofWhilePaused ? Mark.ResumedAfterEof : Mark.Resumed);
        world.OnCallback(this, nameof(ResumeWriting));
    }

    public override void ConnectionLost(Exception? reason)
    {
        using CallbackEntry entry = Grammar.Enter(ProtocolCallback.ConnectionLost, Transport);
        IsLost = true;
        EndedWellAt = reason is null && Transport.CloseReason != CloseReason.LocalAbort ? world.Time : null;
        world.OnLost(this, _writingPaused);
    }

    /// <summary>Writes the next bytes of what this end says.</summary>
    public void Say(int count)
    {
        if (IsLost || Transport.IsClosing || HasEndedWriting)
        {
            return;
        }

        byte[] data = new byte[count];
        for (int i = 0; i < count; i++)
        {
            data[i] = Conversation.ByteAt(isClient, Accepted + i);
        }

        Accepted += count;
        bool isBeyondTheCap = Transport.UnsentBytes > Transport.WriteLimits.HardCap;
        WriteStatus status = Transport.Write(data);
        world.Require(!isBeyondTheCap || status == WriteStatus.Closed, "a write beyond the hard cap was taken");
        if (status == WriteStatus.Closed)
        {
            WasRefused = true;
            world.Note(Mark.WriteRefused);
        }
    }

    public void EndWriting()
    {
        if (!IsLost && !Transport.IsClosing && !HasEndedWriting)
        {
            HasEndedWriting = true;
            world.Note(Mark.HalfClosed);
            Transport.WriteEof();
        }
    }

    /// <summary>What must hold at every moment.</summary>
    public void Check()
    {
        foreach (string violation in Grammar.Violations)
        {
            world.Violation(violation);
        }

        if (!IsMade || IsGone)
        {
            return;
        }

        world.Require(Other is null || Received <= Other.Accepted, "more was received than was written");
        if (!IsLost && !Transport.IsClosing)
        {
            world.Require(
                Transport.BytesSent + Transport.UnsentBytes == Accepted || Transport.UnsentBytes == 0,
                $"{Accepted} accepted, {Transport.BytesSent} sent, {Transport.UnsentBytes} unsent");
            world.Require(Transport.BytesReceived == Received, "the count of received bytes is wrong");
            RequireResumption();
            world.Require(
                Transport.UnsentBytes <= (Transport.WriteLimits.HardCap ?? long.MaxValue - LargestWrite) + LargestWrite,
                "more is unsent than the hard cap and a write");
        }
    }

    // A pause means that a send is under way; when it has come down to the mark, the resumption follows before time goes on.
    private void RequireResumption()
    {
        bool mayResume = _writingPaused && Transport.UnsentBytes <= Transport.WriteLimits.Low && ConversationWorld.IsRunning(Loop);
        world.Require(!mayResume || _mayResumeSince is null || Loop.Time == _mayResumeSince, "writing stays paused");
        _mayResumeSince = mayResume ? _mayResumeSince ?? Loop.Time : null;
    }
}
