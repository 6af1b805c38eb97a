using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;

namespace Toolkit.Tests.Contracts;

/// <summary>What the suites of stream transports have in common.</summary>
public abstract class StreamContract(LoopUnderTest subject) : LoopContract(subject)
{
    private const int NarrowBuffer = 8 * 1024;

    /// <summary>The names of the callbacks that <see cref="TestProtocol.OnEvery"/> is called for.</summary>
    public static TheoryData<string> EveryCallback =>
        ["ConnectionMade", "DataReceived", "EofReceived", "PauseWriting", "ResumeWriting", "ConnectionLost"];

    /// <summary>A connection whose kernel takes little, so that back-pressure is quick.</summary>
    protected static TcpOptions Narrow { get; } = new() { SendBufferSize = NarrowBuffer, ReceiveBufferSize = NarrowBuffer };

    /// <summary>The other end of it.</summary>
    protected static PeerOptions NarrowPeer { get; }
        = new() { SendBufferSize = NarrowBuffer, ReceiveBufferSize = NarrowBuffer };

    protected Task<Peer> ConnectNarrowPeerAsync<TProtocol>(EventLoop loop, TProtocol protocol, TcpOptions? options = null)
        where TProtocol : StreamProtocol, ITestProtocol
        => ConnectPeerAsync(
            loop,
            protocol,
            (options ?? TcpOptions.Default) with { SendBufferSize = NarrowBuffer, ReceiveBufferSize = NarrowBuffer },
            NarrowPeer);

    /// <summary>Every connection, server and lingering descriptor has left the loop.</summary>
    protected static Task UntilDesertedAsync(EventLoop loop) => UntilAsync(loop, () => loop.Host.ResidentCount == 0);

    /// <summary>Writes until the transport says that it is too much.</summary>
    protected static long FillUp(Transport transport, int chunk = 16 * 1024)
    {
        byte[] data = new byte[chunk];
        long written = 0;
        WriteStatus status;
        do
        {
            status = transport.Write(data);
            written += chunk;
        }
        while (status == WriteStatus.Accepted);
        return written;
    }

    /// <summary>Sends everything, and the end of the stream behind it.</summary>
    protected static async Task SendAndEndAsync(Peer peer, ReadOnlyMemory<byte> data)
    {
        await peer.SendAsync(data);
        peer.ShutdownSend();
    }

    /// <summary>Reads to the end of the stream, or to whatever else ends it, and says how much there was.</summary>
    protected static async Task<long> DrainAsync(Peer peer)
    {
        byte[] buffer = new byte[64 * 1024];
        long total = 0;
        try
        {
            while (await peer.ReceiveAsync(buffer) is var received and > 0)
            {
                total += received;
            }
        }
        catch (SocketException)
        {
            // A reset is an end as well.
        }

        return total;
    }

    /// <summary>The error that the peer's next receive ends with; Success is the end of the stream.</summary>
    protected static async Task<SocketError> EndOfAsync(Peer peer)
    {
        byte[] buffer = new byte[64 * 1024];
        try
        {
            while (await peer.ReceiveAsync(buffer) > 0)
            {
                // On to the end.
            }

            return SocketError.Success;
        }
        catch (SocketException exception)
        {
            return exception.SocketErrorCode;
        }
    }

    /// <summary>A server that stays, for scenarios with several connections.</summary>
    protected Task<Server> ServeAsync(EventLoop loop, Func<StreamProtocol> factory, TcpOptions? options = null)
        => loop.CreateServerAsync(
            () => Wrap(factory()),
            new IPEndPoint(IPAddress.Loopback, 0),
            new ServerOptions { Tls = ServerTls, Tcp = options ?? TcpOptions.Default });

    /// <summary>A seed that is printed, and that TOOLKIT_SEED repeats.</summary>
    protected static int NextSeed() => TestSeed.Draw();

    protected static string HashOf(ReadOnlySpan<byte> data) => Convert.ToHexString(SHA256.HashData(data));

    protected static void AssertSame(ReadOnlySpan<byte> expected, ReadOnlySpan<byte> actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        int differs = expected.CommonPrefixLength(actual);
        Assert.True(differs == expected.Length, $"The bytes differ at {differs} of {expected.Length}.");
    }

    /// <summary>
    /// Fails when the loop spins with nothing to do: it then burns all the processor time that it gets, while one that
    /// sleeps burns none, however busy the machine is. A virtual machine that was halted charges the halt to whoever ran,
    /// and so does a compilation; but not time after time. In virtual time one that spins never sees the end of this.
    /// </summary>
    protected async Task RequireIdleAsync(EventLoop loop)
    {
        const string Accounts = "/proc/thread-self/schedstat";
        TimeSpan watched = TimeSpan.FromMilliseconds(200);
        if (IsSimulated)
        {
            await Task.Delay(watched, loop.TimeProvider);
            return;
        }

        if (!File.Exists(Accounts))
        {
            return;
        }

        const int Attempts = 5;
        TimeSpan burnt = watched;
        for (int attempt = 0; attempt < Attempts && burnt >= watched / 4; attempt++)
        {
            await NextIterationAsync(loop);
            TimeSpan before = Burnt();
            await Task.Delay(watched, loop.TimeProvider);
            burnt = Burnt() - before;
        }

        Assert.True(burnt < watched / 4, $"The loop has nothing to do, and burnt {burnt} within {watched}.");

        static TimeSpan Burnt()
        {
            string nanoseconds = File.ReadAllText(Accounts).Split(' ')[0];
            return TimeSpan.FromMicroseconds(long.Parse(nanoseconds, CultureInfo.InvariantCulture) / 1000);
        }
    }

    /// <summary>The connection has ended by a reset, and said so.</summary>
    protected static void RequireReset(TestProtocol protocol)
    {
        Assert.True(protocol.Lost.Task.IsCompleted);
        ConnectionException reason = Assert.IsType<ConnectionException>(protocol.Lost.Task.Result);
        Assert.Equal(CloseReason.Reset, reason.Reason);
        Assert.IsType<SocketException>(reason.InnerException);
        Assert.Equal(CloseReason.Reset, protocol.Transport.CloseReason);
    }

    /// <summary>Runs a tool of the system.</summary>
    /// <returns>Whether it is there and has succeeded.</returns>
    protected static bool Tool(string name, string arguments)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo("/bin/sh")
            {
                ArgumentList = { "-c", $"exec {name} {arguments.Replace(";", "\\;", StringComparison.Ordinal)} >/dev/null 2>&1" },
            })!;
            process.WaitForExit();
            return process.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }
}
