using System.Net.Sockets;

namespace Toolkit.Tests;

/// <summary>What a client, a socket of .NET's, does as a whole and sockets do in parts.</summary>
public static class PeerSockets
{
    /// <summary>Reads until the peer has sent so many bytes, or ended.</summary>
    public static async Task<byte[]> ReadAsync(Socket socket, int count)
    {
        byte[] buffer = new byte[count];
        int read = 0;
        while (read < count && await socket.ReceiveAsync(buffer.AsMemory(read), SocketFlags.None) is var received and > 0)
        {
            read += received;
        }

        return buffer[..read];
    }

    /// <summary>Reads until the end of the stream.</summary>
    public static async Task<byte[]> ReadToEndAsync(Socket socket)
    {
        using var all = new MemoryStream();
        byte[] buffer = new byte[64 * 1024];
        while (await socket.ReceiveAsync(buffer, SocketFlags.None) is var received and > 0)
        {
            all.Write(buffer, 0, received);
        }

        return all.ToArray();
    }

    /// <summary>Sends everything.</summary>
    public static async Task SendAsync(Socket socket, ReadOnlyMemory<byte> data)
    {
        while (!data.IsEmpty)
        {
            data = data[await socket.SendAsync(data, SocketFlags.None)..];
        }
    }
}
