using System.Net.Sockets;

namespace Toolkit.Tests;

/// <summary>A client of the echo server, which is a socket of .NET's and nothing of ours.</summary>
public static class SampleClient
{
    public static async Task<Socket> ConnectAsync(SampleProcess server)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(server.EndPoint);
        return socket;
    }

    /// <summary>Has four bytes come back.</summary>
    /// <exception cref="SocketException">The connection was reset, or ended before.</exception>
    public static async Task PingAsync(Socket client)
    {
        await SendAsync(client, "ping"u8.ToArray());
        byte[] answer = await ReadAsync(client, 4);
        if (answer.Length < 4)
        {
            throw new SocketException((int)SocketError.ConnectionReset);
        }

        Assert.Equal("ping"u8.ToArray(), answer);
    }
}
