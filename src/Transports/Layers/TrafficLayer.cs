using System.Globalization;
using System.Net;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;
using Toolkit.Transports;

namespace Toolkit;

/// <summary>
/// A layer that writes down what passes it, and changes nothing: <see cref="TrafficLoggingLayer"/> for a log, and
/// <see cref="Simulation.WireTap"/> for a human who looks for the reason of a failure.
/// </summary>
public abstract class TrafficLayer : StreamLayer
{
    private protected TrafficLayer(StreamProtocol protocol)
        : base(protocol)
    {
    }

    /// <summary>Whether anybody reads what is noted; otherwise nothing is formatted.</summary>
    private protected abstract bool IsOn { get; }

    /// <inheritdoc/>
    public sealed override void ConnectionMade()
    {
        if (IsOn)
        {
            Note($"made {Name(Transport.LocalEndPoint)} to {Name(Transport.RemoteEndPoint)}");
        }

        try
        {
            base.ConnectionMade();
        }
        catch (Exception exception)
        {
            NoteThrown(nameof(ConnectionMade), exception);
            throw;
        }
    }

    /// <inheritdoc/>
    public sealed override void DataReceived(ReadOnlySpan<byte> data)
    {
        NoteBytes('<', data);
        try
        {
            base.DataReceived(data);
        }
        catch (Exception exception)
        {
            NoteThrown(nameof(DataReceived), exception);
            throw;
        }
    }

    /// <inheritdoc/>
    public sealed override bool EofReceived()
    {
        Note("< eof");
        try
        {
            return base.EofReceived();
        }
        catch (Exception exception)
        {
            NoteThrown(nameof(EofReceived), exception);
            throw;
        }
    }

    /// <inheritdoc/>
    public sealed override void PauseWriting()
    {
        Note("paused");
        try
        {
            base.PauseWriting();
        }
        catch (Exception exception)
        {
            NoteThrown(nameof(PauseWriting), exception);
            throw;
        }
    }

    /// <inheritdoc/>
    public sealed override void ResumeWriting()
    {
        Note("resumed");
        try
        {
            base.ResumeWriting();
        }
        catch (Exception exception)
        {
            NoteThrown(nameof(ResumeWriting), exception);
            throw;
        }
    }

    /// <inheritdoc/>
    public sealed override void ConnectionLost(Exception? reason)
    {
        if (IsOn)
        {
            Note(reason is null ? $"lost {Transport.CloseReason}" : $"lost {Transport.CloseReason}: {reason.Message}");
        }

        try
        {
            base.ConnectionLost(reason);
        }
        catch (Exception exception)
        {
            NoteThrown(nameof(ConnectionLost), exception);
            throw;
        }
    }

    /// <inheritdoc/>
    protected sealed override Memory<byte> GetBuffer(int sizeHint)
    {
        try
        {
            return base.GetBuffer(sizeHint);
        }
        catch (Exception exception)
        {
            NoteThrown(nameof(GetBuffer), exception);
            throw;
        }
    }

    /// <inheritdoc/>
    protected sealed override void BufferUpdated(ReadOnlySpan<byte> data)
    {
        NoteBytes('<', data);
        try
        {
            base.BufferUpdated(data);
        }
        catch (Exception exception)
        {
            NoteThrown(nameof(BufferUpdated), exception);
            throw;
        }
    }

    /// <inheritdoc/>
    protected sealed override WriteStatus Write(ReadOnlySpan<byte> data)
    {
        NoteBytes('>', data);
        try
        {
            return Noted(base.Write(data));
        }
        catch (Exception exception)
        {
            NoteThrown(nameof(Write), exception);
            throw;
        }
    }

    /// <inheritdoc/>
    protected sealed override WriteStatus WriteVectored(ReadOnlySpan<ReadOnlyMemory<byte>> buffers)
    {
        if (IsOn)
        {
            NoteBytes('>', Joined(buffers));
        }

        try
        {
            return Noted(base.WriteVectored(buffers));
        }
        catch (Exception exception)
        {
            NoteThrown(nameof(WriteVectored), exception);
            throw;
        }
    }

    /// <inheritdoc/>
    protected sealed override WriteStatus WriteWithHandles(ReadOnlySpan<byte> data, ReadOnlySpan<SafeHandle> handles)
    {
        NoteBytes('>', data);
        if (IsOn)
        {
            Note(string.Create(CultureInfo.InvariantCulture, $"> handles {handles.Length}"));
        }

        try
        {
            return Noted(base.WriteWithHandles(data, handles));
        }
        catch (Exception exception)
        {
            NoteThrown(nameof(WriteWithHandles), exception);
            throw;
        }
    }

    /// <inheritdoc/>
    protected sealed override bool SendingFile(long count) => true;

    /// <inheritdoc/>
    protected sealed override void WriteEof()
    {
        Note("> eof");
        try
        {
            base.WriteEof();
        }
        catch (Exception exception)
        {
            NoteThrown(nameof(WriteEof), exception);
            throw;
        }
    }

    /// <inheritdoc/>
    protected sealed override void PauseReading()
    {
        Note("pause reading");
        try
        {
            base.PauseReading();
        }
        catch (Exception exception)
        {
            NoteThrown(nameof(PauseReading), exception);
            throw;
        }
    }

    /// <inheritdoc/>
    protected sealed override void ResumeReading()
    {
        Note("resume reading");
        try
        {
            base.ResumeReading();
        }
        catch (Exception exception)
        {
            NoteThrown(nameof(ResumeReading), exception);
            throw;
        }
    }

    /// <inheritdoc/>
    protected sealed override void Unread(ReadOnlySpan<byte> data)
    {
        NoteBytes('-', data);
        try
        {
            base.Unread(data);
        }
        catch (Exception exception)
        {
            NoteThrown(nameof(Unread), exception);
            throw;
        }
    }

    /// <inheritdoc/>
    protected sealed override void StartingTls()
    {
        Note("start tls");
        try
        {
            base.StartingTls();
        }
        catch (Exception exception)
        {
            NoteThrown(nameof(StartingTls), exception);
            throw;
        }
    }

    /// <inheritdoc/>
    protected sealed override void Close(ConnectionException? reason)
    {
        Note(reason is null || !IsOn ? "close" : $"close: {reason.Message}");
        try
        {
            base.Close(reason);
        }
        catch (Exception exception)
        {
            NoteThrown(nameof(Close), exception);
            throw;
        }
    }

    /// <inheritdoc/>
    protected sealed override void Abort(ConnectionException? reason)
    {
        Note(reason is null || !IsOn ? "abort" : $"abort: {reason.Message}");
        try
        {
            base.Abort(reason);
        }
        catch (Exception exception)
        {
            NoteThrown(nameof(Abort), exception);
            throw;
        }
    }

    /// <inheritdoc/>
    internal sealed override FileSend SendFile(
        IFileTransport below, SafeFileHandle file, long offset, long count, CancellationToken cancellationToken)
    {
        if (IsOn)
        {
            Note(string.Create(CultureInfo.InvariantCulture, $"> file {count}"));
        }

        try
        {
            return base.SendFile(below, file, offset, count, cancellationToken);
        }
        catch (Exception exception)
        {
            NoteThrown(nameof(SendFile), exception);
            throw;
        }
    }

    /// <summary>Writes down a callback, a call, or what came of it, in a few words.</summary>
    /// <param name="what">The words, in which a message or an address may stand as it came.</param>
    private protected abstract void Note(string what);

    /// <summary>Writes down bytes.</summary>
    /// <param name="direction">Received (&lt;), written (&gt;) or given back (-).</param>
    /// <param name="data">All of them.</param>
    private protected abstract void NoteBytes(char direction, ReadOnlySpan<byte> data);

    /// <summary>Bytes between quotes, those that are no printable ASCII escaped as in C.</summary>
    private protected static string Quote(ReadOnlySpan<byte> data, int limit)
    {
        ReadOnlySpan<byte> shown = data[..Math.Min(limit, data.Length)];
        StringBuilder text = new StringBuilder(shown.Length + 16).Append('"');
        foreach (byte value in shown)
        {
            _ = value switch
            {
                (byte)'\r' => text.Append(@"\r"),
                (byte)'\n' => text.Append(@"\n"),
                (byte)'\t' => text.Append(@"\t"),
                (byte)'"' => text.Append(@"\"""),
                (byte)'\\' => text.Append(@"\\"),
                >= (byte)' ' and <= (byte)'~' => text.Append((char)value),
                _ => text.Append(CultureInfo.InvariantCulture, $@"\x{value:x2}"),
            };
        }

        return text.Append(shown.Length < data.Length ? "\"..." : "\"").ToString();
    }

    private static string Name(EndPoint? endPoint) => endPoint?.ToString() ?? "nowhere";

    private static byte[] Joined(ReadOnlySpan<ReadOnlyMemory<byte>> buffers)
    {
        using var joined = new MemoryStream();
        foreach (ReadOnlyMemory<byte> buffer in buffers)
        {
            joined.Write(buffer.Span);
        }

        return joined.ToArray();
    }

    private void NoteThrown(string member, Exception exception)
    {
        if (IsOn)
        {
            Note($"{member} threw {exception.GetType().Name}: {exception.Message}");
        }
    }

    private WriteStatus Noted(WriteStatus status)
    {
        if (status == WriteStatus.Closed)
        {
            Note("> refused, it is closing");
        }

        return status;
    }
}
