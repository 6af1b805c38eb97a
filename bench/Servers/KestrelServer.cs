using System.Buffers;
using System.Buffers.Binary;
using System.IO.Pipelines;
using System.Net;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Toolkit.Bench.Servers;

/// <summary>Kestrel with a handler of connections: any number of writes, and one flush, for what one read has brought.</summary>
internal static class KestrelServer
{
    private const int Backlog = 4096;

    public static async Task RunAsync(ServerMode mode, X509Certificate2? certificate)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseSockets(sockets => sockets.Backlog = Backlog);
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen =>
        {
            if (certificate is not null)
            {
                listen.UseHttps(certificate, https => https.SslProtocols = SslProtocols.Tls13);
            }

            _ = mode switch
            {
                ServerMode.Framed => listen.UseConnectionHandler<FramedHandler>(),
                ServerMode.Bulk => listen.UseConnectionHandler<BulkHandler>(),
                _ => listen.UseConnectionHandler<EchoHandler>(),
            };
        }));

        await using WebApplication application = builder.Build();
        await application.StartAsync();
        IServerAddressesFeature addresses =
            application.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!;
        ServerControl.Begin(new Uri(addresses.Addresses.Single()).Port);
        await ((IHost)application).WaitForShutdownAsync();
    }

    /// <summary>Reads until the peer ends; the derived classes say how what was read is answered.</summary>
    private abstract class AnsweringHandler : ConnectionHandler
    {
        public override async Task OnConnectedAsync(ConnectionContext connection)
        {
            PipeReader input = connection.Transport.Input;
            PipeWriter output = connection.Transport.Output;
            try
            {
                ReadResult read;
                do
                {
                    read = await input.ReadAsync();
                    input.AdvanceTo(Answer(read.Buffer, output), read.Buffer.End);
                    await output.FlushAsync();
                }
                while (!read.IsCompleted);
            }
            catch (ConnectionResetException)
            {
                // By the peer.
            }
        }

        /// <returns>How far it has been answered.</returns>
        protected abstract SequencePosition Answer(ReadOnlySequence<byte> data, PipeWriter output);
    }

    private sealed class EchoHandler : AnsweringHandler
    {
        protected override SequencePosition Answer(ReadOnlySequence<byte> data, PipeWriter output)
        {
            foreach (ReadOnlyMemory<byte> segment in data)
            {
                output.Write(segment.Span);
            }

            return data.End;
        }
    }

    private sealed class FramedHandler : AnsweringHandler
    {
        protected override SequencePosition Answer(ReadOnlySequence<byte> data, PipeWriter output)
        {
            Span<byte> joined = stackalloc byte[Frame.Size];
            while (data.Length >= Frame.Size)
            {
                scoped ReadOnlySpan<byte> first = data.FirstSpan;
                if (first.Length < Frame.Size)
                {
                    data.Slice(0, Frame.Size).CopyTo(joined);
                    first = joined;
                }

                int frames = first.Length / Frame.Size;
                for (int i = 0; i < frames; i++)
                {
                    output.Write(first.Slice(i * Frame.Size, Frame.Size));
                }

                data = data.Slice(frames * Frame.Size);
            }

            return data.Start;
        }
    }

    private sealed class BulkHandler : ConnectionHandler
    {
        public override async Task OnConnectedAsync(ConnectionContext connection)
        {
            PipeReader input = connection.Transport.Input;
            long total = 0;
            ReadResult read;
            do
            {
                read = await input.ReadAsync();
                total += read.Buffer.Length;
                input.AdvanceTo(read.Buffer.End);
            }
            while (!read.IsCompleted);

            byte[] count = new byte[sizeof(long)];
            BinaryPrimitives.WriteInt64LittleEndian(count, total);
            await connection.Transport.Output.WriteAsync(count);
        }
    }
}
