using System.Buffers.Binary;
using System.Net;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;

namespace Toolkit.Bench.Servers;

/// <summary>What serves a connection.</summary>
internal enum ToolkitStyle
{
    Protocol,
    Buffered,
    Streams,
}

/// <summary>How the toolkit's server is made.</summary>
internal sealed record ToolkitServerOptions
{
    public LoopKind Loop { get; init; }

    public ToolkitStyle Style { get; init; }

    public TimeSpan Spin { get; init; }

    /// <summary>What it shows over TLS; null for a server without.</summary>
    public X509Certificate2? Certificate { get; init; }
}

/// <summary>The toolkit, as its guide has it.</summary>
internal static class ToolkitServer
{
    private const int Backlog = 4096;

    public static void Run(ServerMode mode, ToolkitServerOptions options)
        => EventLoop.Run(
            async loop =>
            {
                var anyPort = new IPEndPoint(IPAddress.Loopback, 0);
                if (mode == ServerMode.Datagrams)
                {
                    (DatagramTransport transport, _) = await loop.CreateDatagramEndpointAsync(
                        () => new DatagramEcho(), new DatagramOptions { LocalEndPoint = anyPort });
                    ServerControl.Begin(((IPEndPoint)transport.LocalEndPoint!).Port);
                    await new Future(loop); // it ends with its input
                }

                var serverOptions = new ServerOptions
                {
                    Backlog = Backlog,
                    Tls = options.Certificate is not { } certificate ? null : new TlsServerOptions
                    {
                        Certificate = TlsCertificate.From(certificate),
                        Authentication = new() { EnabledSslProtocols = SslProtocols.Tls13 },
                    },
                };
                Server server = options.Style == ToolkitStyle.Streams
                    ? await loop.StartServerAsync(EchoAsync, anyPort, serverOptions)
                    : await loop.CreateServerAsync(() => Create(mode, options.Style), anyPort, serverOptions);
                ServerControl.Begin(((IPEndPoint)server.EndPoints[0]).Port);
                await server.WaitClosedAsync();
            },
            new EventLoopOptions { Kind = options.Loop, SpinDuration = options.Spin });

    private static async Task EchoAsync(StreamConnection connection)
    {
        while (await connection.ReadAsync() is { IsEmpty: false } data)
        {
            await connection.WriteAsync(data);
        }
    }

    private static StreamProtocol Create(ServerMode mode, ToolkitStyle style) => mode switch
    {
        ServerMode.Framed => new FramedProtocol(),
        ServerMode.Bulk => new BulkProtocol(),
        _ when style == ToolkitStyle.Buffered => new BufferedEchoProtocol(),
        _ => new EchoProtocol(),
    };

    private sealed class EchoProtocol : Protocol
    {
        public override void DataReceived(ReadOnlySpan<byte> data) => Transport.Write(data);

        public override void PauseWriting() => Transport.PauseReading();

        public override void ResumeWriting() => Transport.ResumeReading();
    }

    private sealed class DatagramEcho : DatagramProtocol
    {
        public override void DatagramReceived(ReadOnlySpan<byte> data, in DatagramAddress from, DatagramFlags flags)
            => Transport.SendTo(data, from);
    }

    private sealed class BufferedEchoProtocol : BufferedProtocol
    {
        private readonly byte[] _buffer = new byte[16 * 1024];

        public override Memory<byte> GetBuffer(int sizeHint) => _buffer;

        public override void BufferUpdated(int count) => Transport.Write(_buffer.AsSpan(0, count));

        public override void PauseWriting() => Transport.PauseReading();

        public override void ResumeWriting() => Transport.ResumeReading();
    }

    private sealed class FramedProtocol : Protocol
    {
        private readonly byte[] _frame = new byte[Frame.Size];
        private int _begun;

        public override void DataReceived(ReadOnlySpan<byte> data)
        {
            while (!data.IsEmpty)
            {
                // A whole frame in what has arrived needs no copy.
                if (_begun == 0 && data.Length >= Frame.Size)
                {
                    Transport.Write(data[..Frame.Size]);
                    data = data[Frame.Size..];
                    continue;
                }

                int taken = Math.Min(Frame.Size - _begun, data.Length);
                data[..taken].CopyTo(_frame.AsSpan(_begun));
                data = data[taken..];
                _begun += taken;
                if (_begun == Frame.Size)
                {
                    Transport.Write(_frame);
                    _begun = 0;
                }
            }
        }

        public override void PauseWriting() => Transport.PauseReading();

        public override void ResumeWriting() => Transport.ResumeReading();
    }

    private sealed class BulkProtocol : Protocol
    {
        private long _count;

        public override void DataReceived(ReadOnlySpan<byte> data) => _count += data.Length;

        public override bool EofReceived()
        {
            Span<byte> count = stackalloc byte[sizeof(long)];
            BinaryPrimitives.WriteInt64LittleEndian(count, _count);
            Transport.Write(count);
            return false;
        }
    }
}
