using System.Net;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Toolkit.Transports;

namespace Toolkit;

/// <summary>What the protocol has for its transport.</summary>
public abstract partial class StreamLayer
{
    /// <summary>Asks the layer for what a layer may change, and the transport below it for the rest.</summary>
    private sealed class LayerTransport(StreamLayer layer, StreamProtocol protocol)
        : Transport(protocol), ITlsTransport, IHandleTransport, IFileTransport, IClosingTransport
    {
        public StreamLayer Layer => layer;

        public override long Id => layer.Transport.Id;

        public override DateTimeOffset StartTime => layer.Transport.StartTime;

        public override EndPoint? LocalEndPoint => layer.Transport.LocalEndPoint;

        public override EndPoint? RemoteEndPoint => layer.Transport.RemoteEndPoint;

        public override PeerCredentials? PeerCredentials => layer.Transport.PeerCredentials;

        public override long BytesReceived => layer.BytesReceived;

        public override long BytesSent => layer.Transport.BytesSent;

        public override long UnsentBytes => layer.UnsentBytes;

        public override object? UserState
        {
            get => layer.Transport.UserState;
            set => layer.Transport.UserState = value;
        }

        public override bool IsClosing => layer.Transport.IsClosing;

        public override CloseReason CloseReason => layer.Transport.CloseReason;

        public override bool IsReading => layer.IsReading;

        public override bool CanWriteEof => layer.Transport.CanWriteEof;

        public override WriteLimits WriteLimits
        {
            get => layer.WriteLimits;
            set
            {
                VerifyAccess();
                layer.WriteLimits = value;
            }
        }

        TlsConnectionInfo? ITlsTransport.Tls => layer.Transport.Tls;

        public void Bind() => BindProtocol();

        public override WriteStatus Write(ReadOnlySpan<byte> data)
        {
            VerifyAccess();
            return layer.Write(data);
        }

        public override WriteStatus WriteVectored(ReadOnlySpan<ReadOnlyMemory<byte>> buffers)
        {
            VerifyAccess();
            return layer.WriteVectored(buffers);
        }

        WriteStatus IHandleTransport.WriteWithHandles(ReadOnlySpan<byte> data, ReadOnlySpan<SafeHandle> handles)
        {
            VerifyAccess();
            return layer.WriteWithHandles(data, handles);
        }

        SafeFileHandle[] IHandleTransport.TakeReceivedHandles() => layer.Transport.TakeReceivedHandles();

        FileSend IFileTransport.SendFile(SafeFileHandle file, long offset, long count, CancellationToken cancellationToken)
        {
            VerifyAccess();
            IFileTransport below = FileSending.SenderOf(layer.Transport);
            return layer.SendingFile(count)
                ? layer.SendFile(below, file, offset, count, cancellationToken)
                : throw new NotSupportedException(
                    $"{layer.GetType().Name} lets no file pass: it has to see, or to hold, what is sent. "
                    + "Read it, and write what was read.");
        }

        ValueTask<Exception?> IClosingTransport.WaitClosedAsync(CancellationToken cancellationToken)
            => layer.Transport.WaitClosedAsync(cancellationToken);

        public override void WriteEof()
        {
            VerifyAccess();
            layer.WriteEof();
        }

        Task ITlsTransport.StartTlsAsync(TlsOptions options, CancellationToken cancellationToken)
        {
            VerifyAccess();
            ITlsTransport below = layer.Transport as ITlsTransport
                ?? throw new NotSupportedException(
                    $"{layer.Transport.GetType().Name} is no transport that can go on with TLS.");
            layer._ground?.RequireUpgradable();
            layer.StartingTls();
            return below.StartTlsAsync(options, cancellationToken);
        }

        public override void PauseReading()
        {
            VerifyAccess();
            if (!IsClosing)
            {
                layer.PauseReading();
            }
        }

        public override void ResumeReading()
        {
            VerifyAccess();
            if (!IsClosing)
            {
                layer.ResumeReading();
            }
        }

        public override void Unread(ReadOnlySpan<byte> data)
        {
            VerifyAccess();
            layer._wasGivenBack |= !data.IsEmpty;
            layer.Unread(data);
        }

        public override void Close()
        {
            VerifyAccess();
            layer.Close(null);
        }

        public override void Close(ConnectionException reason)
        {
            StreamTransport.RequireReason(reason);
            VerifyAccess();
            layer.Close(reason);
        }

        public override void Abort()
        {
            VerifyAccess();
            layer.Abort(null);
        }

        public override void Abort(ConnectionException reason)
        {
            StreamTransport.RequireReason(reason);
            VerifyAccess();
            layer.Abort(reason);
        }

        // Of a transport that is none of a loop's, the calls that are passed on look themselves.
        protected override void VerifyAccess() => layer._loop?.VerifyAccess();
    }
}
