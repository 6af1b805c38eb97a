using System.Net;
using System.Net.Sockets;

namespace Toolkit.Tests;

/// <summary>
/// The other end of a connection, played by a test: it does what sockets do and nothing of its own. What is awaited here comes
/// back to whoever awaits it, on the loop to the loop; nothing else ever waits, since there may be no other thread that it
/// could wait for.
/// </summary>
public abstract class Peer : IDisposable
{
    /// <summary>
    /// Ends when the peer is connected, or with the <see cref="SocketException"/> that says why it is not; with some exception
    /// when it is closed before.
    /// </summary>
    public abstract Task Connected { get; }

    /// <summary>The peer's own address.</summary>
    public abstract IPEndPoint LocalEndPoint { get; }

    /// <summary>The address of the end under test.</summary>
    public abstract IPEndPoint RemoteEndPoint { get; }

    /// <summary>How many bytes have arrived and were not received.</summary>
    public abstract int Available { get; }

    /// <summary>Sends as much as there is room for at this moment, before anybody polls.</summary>
    /// <returns>How many bytes that was.</returns>
    /// <exception cref="SocketException">The connection is gone.</exception>
    public abstract int TrySend(ReadOnlySpan<byte> data);

    /// <summary>Sends everything.</summary>
    /// <exception cref="SocketException">The connection is gone.</exception>
    public abstract Task SendAsync(ReadOnlyMemory<byte> data);

    /// <summary>Receives what there is and fits, as soon as there is something.</summary>
    /// <returns>How many bytes that was; zero at the end of the stream.</returns>
    /// <exception cref="SocketException">The connection is gone.</exception>
    public abstract ValueTask<int> ReceiveAsync(Memory<byte> buffer);

    /// <summary>Ends the sending side, behind all that was sent.</summary>
    /// <exception cref="SocketException">The connection is gone.</exception>
    public abstract void ShutdownSend();

    /// <summary>Closes with a reset instead of an end of file, also while it is still connecting.</summary>
    public abstract void Reset();

    /// <summary>Closes; with unread bytes that is a reset, as on Linux. A second call does nothing.</summary>
    public abstract void Dispose();

    /// <summary>Sends everything at once, before anybody polls. There must be room for it.</summary>
    public void SendNow(ReadOnlySpan<byte> data) => Assert.Equal(data.Length, TrySend(data));

    /// <summary>Receives so many bytes, or fewer when the stream ends before.</summary>
    public async Task<byte[]> ReadAsync(int count)
    {
        byte[] buffer = new byte[count];
        int read = 0;
        while (read < count && await ReceiveAsync(buffer.AsMemory(read)) is var received and > 0)
        {
            read += received;
        }

        return buffer[..read];
    }

    /// <summary>Receives until the end of the stream.</summary>
    public async Task<byte[]> ReadToEndAsync()
    {
        using var all = new MemoryStream();
        byte[] buffer = new byte[64 * 1024];
        while (await ReceiveAsync(buffer) is var received and > 0)
        {
            all.Write(buffer, 0, received);
        }

        return all.ToArray();
    }
}

/// <summary>Where a test listens for what the loop under test connects to it.</summary>
public abstract class PeerListener : IDisposable
{
    /// <summary>Where it listens.</summary>
    public abstract IPEndPoint LocalEndPoint { get; }

    /// <summary>Whether somebody waits to be accepted.</summary>
    public abstract bool HasNewcomer { get; }

    /// <summary>Accepts a connection, as soon as there is one.</summary>
    public abstract Task<Peer> AcceptAsync();

    /// <summary>
    /// Accepts a connection that the loop has begun, before anybody polls: the two systems have agreed on it by themselves.
    /// </summary>
    public abstract Peer AcceptNow();

    /// <summary>Stops listening; whoever waits is reset. A second call does nothing.</summary>
    public abstract void Dispose();
}

/// <summary>What is special about a peer; null leaves it to the system.</summary>
public sealed record PeerOptions
{
    /// <summary>The most bytes that wait to be received; systems make of it what they like.</summary>
    public int? ReceiveBufferSize { get; init; }

    /// <summary>The most bytes that wait to be sent; systems make of it what they like.</summary>
    public int? SendBufferSize { get; init; }
}
