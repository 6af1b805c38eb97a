using System.Net;
using System.Text;

namespace Toolkit.Tests.Contracts;

/// <summary>What the suites of stream connections have in common.</summary>
public abstract class StreamSuite(LoopUnderTest subject) : StreamContract(subject)
{
    /// <summary>A stream connection of ours, and its peer.</summary>
    protected async Task<(StreamConnection Connection, Peer Peer)> ConnectStreamAsync(
        EventLoop loop, StreamOptions? options = null, TcpOptions? tcp = null, PeerOptions? peerOptions = null)
    {
        var connection = new StreamConnection(options);
        Server server = await loop.CreateServerAsync(
            () => connection,
            new IPEndPoint(IPAddress.Loopback, 0),
            new ServerOptions { MaxConnections = 1, Tcp = tcp ?? TcpOptions.Default });
        Peer peer = Network.ConnectNow(server.EndPoints[0], peerOptions);
        while (server.ConnectionCount == 0)
        {
            await NextIterationAsync(loop);
        }

        server.Close();
        return (connection, peer);
    }

    protected static string TextOf(ReadOnlyMemory<byte>? bytes)
        => bytes is { } some ? Encoding.UTF8.GetString(some.Span) : "(null)";

    /// <summary>Reads to the end of the stream.</summary>
    protected static async Task<byte[]> ReadAllAsync(StreamConnection connection)
    {
        using var all = new MemoryStream();
        while (await connection.ReadAsync() is { IsEmpty: false } data)
        {
            all.Write(data.Span);
        }

        return all.ToArray();
    }

    protected static Task<Server> StartAsync(EventLoop loop, Func<StreamConnection, Task> handler, ServerOptions? options = null)
        => loop.StartServerAsync(handler, new IPEndPoint(IPAddress.Loopback, 0), options);
}
