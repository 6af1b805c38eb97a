using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace Toolkit.Bench.Servers;

/// <summary>A plain server on .NET's sockets: a coroutine and a buffer for each connection.</summary>
internal static class SocketServer
{
    private const int Backlog = 4096;

    public static async Task RunAsync(ServerMode mode, int bufferSize)
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen(Backlog);
        ServerControl.Begin(((IPEndPoint)listener.LocalEndPoint!).Port);
        while (true)
        {
            Socket connection = await listener.AcceptAsync();
            connection.NoDelay = true;
            _ = ServeAsync(connection, mode, new byte[bufferSize]);
        }
    }

    private static async Task ServeAsync(Socket connection, ServerMode mode, byte[] buffer)
    {
        using (connection)
        {
            try
            {
                await (mode switch
                {
                    ServerMode.Framed => AnswerFramesAsync(connection, buffer),
                    ServerMode.Bulk => CountAsync(connection, buffer),
                    _ => EchoAsync(connection, buffer),
                });
            }
            catch (SocketException)
            {
                // The peer has reset it.
            }
        }
    }

    private static async Task EchoAsync(Socket connection, byte[] buffer)
    {
        while (await connection.ReceiveAsync(buffer, SocketFlags.None) is var count and > 0)
        {
            await connection.SendAsync(buffer.AsMemory(0, count), SocketFlags.None);
        }
    }

    private static async Task AnswerFramesAsync(Socket connection, byte[] buffer)
    {
        int begun = 0;
        while (await connection.ReceiveAsync(buffer.AsMemory(begun), SocketFlags.None) is var count and > 0)
        {
            int available = begun + count;
            int frames = available / Frame.Size;
            for (int i = 0; i < frames; i++)
            {
                await connection.SendAsync(buffer.AsMemory(i * Frame.Size, Frame.Size), SocketFlags.None);
            }

            begun = available - (frames * Frame.Size);
            buffer.AsSpan(frames * Frame.Size, begun).CopyTo(buffer);
        }
    }

    private static async Task CountAsync(Socket connection, byte[] buffer)
    {
        long total = 0;
        while (await connection.ReceiveAsync(buffer, SocketFlags.None) is var count and > 0)
        {
            total += count;
        }

        BinaryPrimitives.WriteInt64LittleEndian(buffer, total);
        await connection.SendAsync(buffer.AsMemory(0, sizeof(long)), SocketFlags.None);
    }
}
