using Microsoft.Win32.SafeHandles;

namespace Toolkit.Samples.Spawn;

/// <summary>Our standard input, which goes to the child as fast as that takes it.</summary>
internal sealed class InputPump : Protocol
{
    private Transport? _target;

    /// <summary>Whether there is an input that can be waited for.</summary>
    public bool IsOpen { get; private set; }

    /// <summary>Takes the standard input, without reading from it yet.</summary>
    /// <returns>Whether that is a pipe or a terminal; a file is for the child to read.</returns>
    public async Task<bool> TryOpenAsync(EventLoop loop)
    {
        try
        {
            using var handle = new SafeFileHandle(0, ownsHandle: false);
            await loop.ConnectReadPipeAsync(() => this, handle);
            return true;
        }
        catch (AdoptFailedException)
        {
            return false;
        }
    }

    /// <summary>Begins to read.</summary>
    public void Connect(Transport target)
    {
        _target = target;
        Transport.ResumeReading();
    }

    public override void ConnectionMade()
    {
        IsOpen = true;
        Transport.PauseReading();
    }

    public override void DataReceived(ReadOnlySpan<byte> data)
    {
        switch (_target!.Write(data))
        {
            case WriteStatus.AcceptedOverHighWater:
                Transport.PauseReading();
                break;
            case WriteStatus.Closed:
                Transport.Close(); // the child reads no more
                break;
        }
    }

    public override bool EofReceived()
    {
        EndInput(_target!);
        return false;
    }

    public override void ConnectionLost(Exception? reason) => IsOpen = false;

    /// <summary>The child takes more.</summary>
    public void Resume()
    {
        if (IsOpen)
        {
            Transport.ResumeReading();
        }
    }

    /// <summary>Nothing more will come: the end of a pipe, or the character for it at a terminal.</summary>
    public static void EndInput(Transport target)
    {
        const byte EndOfTransmission = 4;
        if (target.CanWriteEof)
        {
            target.WriteEof();
        }
        else
        {
            target.Write([EndOfTransmission]);
        }
    }
}
