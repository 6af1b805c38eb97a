using System.IO.Pipes;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Toolkit.Tests.Contracts;

/// <summary>Descriptors that are passed over a Unix socket. That none is left is looked at after every scenario.</summary>
public abstract class HandlePassingContract(LoopUnderTest subject) : UnixSuite(subject)
{
    private static readonly ServerOptions s_taking = new() { MaxReceivedHandles = 4 };

    [Fact]
    public void Handle_OfAPipe_ArrivesWithItsBytes() => RunInDirectory(async loop =>
    {
        RequirePassing();
        using var pipe = new AnonymousPipeServerStream(PipeDirection.In);
        SafeFileHandle[] taken = [];
        string? text = null;
        (TestProtocol server, TestProtocol client) = await ConnectPairAsync(
            loop,
            new TestProtocol
            {
                OnData = (p, data) =>
                {
                    taken = [.. taken, .. p.Transport.TakeReceivedHandles()];
                    text ??= System.Text.Encoding.UTF8.GetString(data)[..1];
                },
            },
            options: s_taking);

        Assert.Equal(WriteStatus.Accepted, client.Transport.WriteWithHandles("take this"u8, pipe.ClientSafePipeHandle));
        pipe.DisposeLocalCopyOfClientHandle(); // at once: it is held until it has left
        await UntilAsync(loop, () => server.ReceivedLength == 9);

        SafeFileHandle end = Assert.Single(taken);
        Assert.Equal("t", text);
        using (var written = new FileStream(end, FileAccess.Write))
        {
            await written.WriteAsync("through"u8.ToArray());
        }

        var read = new StreamReader(pipe);
        Assert.Equal("through", await read.ReadToEndAsync());
        Assert.Empty(server.Transport.TakeReceivedHandles());
        client.Transport.Close();
        await server.Lost.Task;
    });

    [Fact]
    public void Handles_BehindBytesThatWait_ArriveInOrder() => RunInDirectory(async loop =>
    {
        RequirePassing();
        var arrived = new List<(long Position, int Count)>();
        long position = 0;
        TestProtocol server = new()
        {
            OnMade = p => p.Transport.PauseReading(),
            OnData = (p, data) =>
            {
                SafeFileHandle[] handles = p.Transport.TakeReceivedHandles();
                if (handles.Length > 0)
                {
                    arrived.Add((position, handles.Length));
                    Array.ForEach(handles, handle => handle.Dispose());
                }

                position += data.Length;
            },
        };
        var tcp = new TcpOptions { SendBufferSize = 8 * 1024 };
        (_, TestProtocol client) = await ConnectPairAsync(
            loop, server, options: s_taking, clientOptions: new ConnectOptions { Tcp = tcp });
        using SafeFileHandle some = File.OpenHandle("/dev/null");

        client.Transport.Write(new byte[200_000]);
        client.Transport.WriteWithHandles(new byte[100_000], some, some);
        client.Transport.WriteWithHandles("x"u8, some);
        client.Transport.Close();
        server.Transport.ResumeReading();
        Assert.Null(await server.Lost.Task);

        Assert.Equal(300_001, position);
        Assert.Equal(3, arrived.Sum(each => each.Count));
        Assert.All(arrived, each => Assert.True(each.Position <= 300_000));
        Assert.True(arrived[0].Position <= 200_000, $"The first came at {arrived[0].Position}.");
    });

    [Fact]
    public void Handles_ThatNobodyTakes_AreClosed() => RunInDirectory(async loop =>
    {
        RequirePassing();
        (TestProtocol server, TestProtocol client) = await ConnectPairAsync(loop, options: s_taking);
        using var pipe = new AnonymousPipeServerStream(PipeDirection.In);
        client.Transport.WriteWithHandles("x"u8, pipe.ClientSafePipeHandle);
        pipe.DisposeLocalCopyOfClientHandle();
        client.Transport.Close();

        Assert.Null(await server.Lost.Task);
        await client.Lost.Task;

        Assert.Equal(0, pipe.Read(new byte[1])); // the end: nobody has the other
    });

    [Fact]
    public void Handles_NotAskedFor_AreClosedByTheSystem() => RunInDirectory(async loop =>
    {
        RequirePassing();
        (TestProtocol server, TestProtocol client) = await ConnectPairAsync(loop);
        using SafeFileHandle some = File.OpenHandle("/dev/null");
        client.Transport.WriteWithHandles("x"u8, some);

        await UntilAsync(loop, () => server.ReceivedLength == 1);

        Assert.Empty(server.Transport.TakeReceivedHandles());
    });

    [Fact]
    public void Handles_MoreThanMayWait_EndTheConnection() => RunInDirectory(async loop =>
    {
        RequirePassing();
        (TestProtocol server, TestProtocol client) = await ConnectPairAsync(loop, options: s_taking);
        using var pipe = new AnonymousPipeServerStream(PipeDirection.In);
        using SafeHandle end = pipe.ClientSafePipeHandle;
        client.Transport.WriteWithHandles("x"u8, end, end, end, end, end);

        ConnectionException reason = Assert.IsType<ConnectionException>(await server.Lost.Task);

        Assert.Equal(CloseReason.InvalidData, reason.Reason);
        Assert.Equal("", server.ReceivedText);
        await client.Lost.Task;
    });

    [Fact]
    public void Calls_ThatAreMistakes_SayWhatToDo() => RunInDirectory(async loop =>
    {
        var taking = new ConnectOptions { MaxReceivedHandles = 1 };
        if (IsSimulated)
        {
            NotSupportedException simulated = Assert.Throws<NotSupportedException>(
                () => { _ = loop.CreateUnixServerAsync(MakeEcho, SocketPath, s_taking); });
            Assert.Contains("Use a loop on Linux", simulated.Message, StringComparison.Ordinal);
            Assert.Throws<NotSupportedException>(() => { _ = loop.CreateUnixConnectionAsync(MakeEcho, SocketPath, taking); });
        }

        (_, TestProtocol client) = await ConnectPairAsync(loop);
        using var some = new SafeFileHandle(-1, ownsHandle: false);
        if (IsSimulated)
        {
            Assert.Throws<NotSupportedException>(() => { client.Transport.WriteWithHandles("x"u8, some); });
            return;
        }

        RequirePassing();
        Assert.Throws<ArgumentException>(() => { client.Transport.WriteWithHandles([], some); });
        Assert.Throws<ArgumentException>(
            () => { client.Transport.WriteWithHandles("x"u8, [.. Enumerable.Repeat(some, 254)]); });
        Assert.Throws<ArgumentNullException>(() => { client.Transport.WriteWithHandles("x"u8, (SafeHandle)null!); });
        some.Dispose();
        Assert.Throws<ObjectDisposedException>(() => { client.Transport.WriteWithHandles("x"u8, some); });
        Assert.Throws<ArgumentException>(
            () => { _ = loop.CreateUnixConnectionAsync(MakeEcho, SocketPath, taking with { Tls = TlsPeers.Client }); });
        Server tcp = await loop.CreateServerAsync(MakeEcho, new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, 0));
        (Transport plain, _) = await loop.CreateConnectionAsync(() => Watch(new TestProtocol()), tcp.EndPoints[0]);
        using SafeFileHandle open = File.OpenHandle("/dev/null");
        Assert.Throws<NotSupportedException>(() => { plain.WriteWithHandles("x"u8, open); });
        tcp.Close();
        client.Transport.Abort();
        plain.Abort();
    });

    private void RequirePassing()
    {
        RequireRealMachine("A simulated process has no descriptors to pass.");
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Descriptors are passed on Linux alone.");
    }
}
