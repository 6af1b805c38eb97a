using System.IO.Pipes;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;
using Toolkit.Simulation;

namespace Toolkit.Tests.Contracts;

/// <summary>Pipes and terminals as transports.</summary>
public abstract class PipeContract(LoopUnderTest subject) : LoopContract(subject)
{
    private const string NoFiles = "A simulation has pipes, and neither terminals nor files.";

    [Fact]
    public void Bytes_ThroughAPipe_ComeInOrderAndThenItsEnd() => RunHere(async loop =>
    {
        (SafeHandle read, SafeHandle write) = MakePipe(loop);
        TestProtocol reader = Watch(new TestProtocol());
        TestProtocol writer = Watch(new TestProtocol());
        Transport input = (await loop.ConnectReadPipeAsync(() => reader, read)).Transport;
        Transport output = (await loop.ConnectWritePipeAsync(() => writer, write)).Transport;
        byte[] data = Pattern(1_000_000);

        Assert.True(read.IsClosed && write.IsClosed, "They are the loop's.");
        Assert.Equal(WriteStatus.AcceptedOverHighWater, output.Write(data));
        Assert.False(output.IsReading);
        output.WriteEof();
        Assert.Equal(WriteStatus.Closed, output.Write("more"u8));

        Assert.Null(await reader.Lost.Task);
        Assert.Equal(data, reader.Received);
        Assert.Equal(CloseReason.PeerEnd, input.CloseReason);
        Assert.Null(await writer.Lost.Task);
        Assert.Equal(CloseReason.LocalClose, output.CloseReason);
        Assert.Contains("EofReceived", reader.Callbacks);
    });

    [Fact]
    public void Reader_ThatIsPaused_IsToldAfterwardsAllThatCameAndTheEnd() => RunHere(async loop =>
    {
        (SafeHandle read, SafeHandle write) = MakePipe(loop);
        TestProtocol reader = Watch(new TestProtocol());
        Transport input = (await loop.ConnectReadPipeAsync(() => reader, read)).Transport;
        input.PauseReading();
        await WriteAndCloseAsync(loop, write, "late"u8.ToArray());
        for (int i = 0; i < 3; i++)
        {
            await NextTurnAsync(loop);
        }

        Assert.Equal(0, reader.ReceivedLength);
        Assert.False(input.IsClosing);
        input.ResumeReading();
        Assert.Null(await reader.Lost.Task);
        Assert.Equal("late"u8.ToArray(), reader.Received);
    });

    [Fact]
    public void Writer_WhoseReaderHasGone_NoticesWhileIdle() => RunHere(async loop =>
    {
        (SafeHandle read, SafeHandle write) = MakePipe(loop);
        TestProtocol writer = Watch(new TestProtocol());
        Transport output = (await loop.ConnectWritePipeAsync(() => writer, write)).Transport;

        read.Dispose();

        Assert.Null(await writer.Lost.Task);
        Assert.Equal(CloseReason.PeerEnd, output.CloseReason);
    });

    [Fact]
    public void Writer_WhoseReaderGoesWithBytesOnTheirWay_IsToldThatTheyAreLost() => RunHere(async loop =>
    {
        (SafeHandle read, SafeHandle write) = MakePipe(loop);
        TestProtocol writer = Watch(new TestProtocol());
        Transport output = (await loop.ConnectWritePipeAsync(() => writer, write)).Transport;
        output.Write(Pattern(300_000));
        Assert.True(output.UnsentBytes > 0);

        read.Dispose();

        ConnectionException reason = Assert.IsType<ConnectionException>(await writer.Lost.Task);
        Assert.Equal(CloseReason.Reset, reason.Reason);
        Assert.Contains("closed it", reason.Message, StringComparison.Ordinal);
    });

    [Fact]
    public void Coroutines_OverPipes_ReadLinesAndTheEnd() => RunHere(async loop =>
    {
        (SafeHandle read, SafeHandle write) = MakePipe(loop);
        await using StreamConnection input = (await loop.ConnectReadPipeAsync(() => new StreamConnection(), read)).Protocol;
        StreamConnection output = (await loop.ConnectWritePipeAsync(() => new StreamConnection(), write)).Protocol;
        await output.WriteAsync("one\ntwo\n"u8.ToArray());
        output.CompleteWrites();

        Assert.Equal("one"u8.ToArray(), (await input.ReadLineAsync())!.Value.ToArray());
        Assert.Equal("two"u8.ToArray(), (await input.ReadLineAsync())!.Value.ToArray());
        Assert.Null(await input.ReadLineAsync());
        await output.WaitClosedAsync();
        await input.WaitClosedAsync();
    });

    [Fact]
    public void File_IntoAPipe_IsAsLongAsItIs() => RunHere(async loop =>
    {
        (SafeHandle read, SafeHandle write) = MakePipe(loop);
        TestProtocol reader = Watch(new TestProtocol());
        await loop.ConnectReadPipeAsync(() => reader, read);
        Transport output = (await loop.ConnectWritePipeAsync(() => Watch(new TestProtocol()), write)).Transport;
        byte[] data = Pattern(1_000_000);
        using FileStream file = TestFile.Create(data);

        output.Write("head"u8);
        Assert.Equal(data.Length, await output.SendFileAsync(file));
        output.Write("tail"u8);
        output.Close();

        Assert.Null(await reader.Lost.Task);
        Assert.Equal([.. "head"u8, .. data, .. "tail"u8], reader.Received);
    });

    [Fact]
    public void File_IntoASocketThatStandsInForAPipe_HoldsUpNobody() => RunHere(async loop =>
    {
        RequireRealMachine(NoFiles);
        string path = Path.Combine(Path.GetTempPath(), $"tk-{Guid.NewGuid():N}");
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(path));
        listener.Listen();
        using var ours = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        ours.Connect(new UnixDomainSocketEndPoint(path));
        using Socket theirs = listener.Accept();
        File.Delete(path);
        SafeFileHandle end = UnixCalls.Duplicate(ours.SafeHandle);
        Assert.True(IsBlocking(end), "It waits by itself, as those of shells and Node do.");
        Transport output = (await loop.ConnectWritePipeAsync(() => Watch(new TestProtocol()), end)).Transport;
        byte[] data = Pattern(3_000_000);
        using FileStream file = TestFile.Create(data);

        Task<long> sending = output.SendFileAsync(file);
        await loop.Delay(TimeSpan.FromMilliseconds(20)); // while nobody reads
        Assert.False(sending.IsCompleted);
        byte[] received = new byte[data.Length];
        await loop.RunInThreadAsync(() =>
        {
            for (int count = 0; count < received.Length;)
            {
                count += theirs.Receive(received.AsSpan(count));
            }
        });

        Assert.Equal(data.Length, await sending);
        Assert.Equal(data, received);
        output.Close();
    });

    [Fact]
    public void Fifo_IsAPipeOfWhoeverKnowsItsName() => RunHere(async loop =>
    {
        RequireRealMachine(NoFiles);
        string path = Path.Combine(Path.GetTempPath(), $"tk-{Guid.NewGuid():N}");
        UnixCalls.MakeFifo(path);

        // Each open waits for the other.
        SafeFileHandle[] ends = await Task.WhenAll(
            loop.RunInThreadAsync(() => File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite)),
            loop.RunInThreadAsync(() => File.OpenHandle(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite)));
        TestProtocol reader = Watch(new TestProtocol());
        TestProtocol writer = Watch(new TestProtocol());
        await loop.ConnectReadPipeAsync(() => reader, ends[0]);
        Transport output = (await loop.ConnectWritePipeAsync(() => writer, ends[1])).Transport;
        output.Write("by name"u8);
        output.Close();

        Assert.Null(await reader.Lost.Task);
        Assert.Equal("by name"u8.ToArray(), reader.Received);
        await writer.Lost.Task;
        File.Delete(path);
    });

    [Fact]
    public void Terminal_BothWays_CarriesWhatIsTypedAndShown() => RunHere(async loop =>
    {
        RequireRealMachine(NoFiles);
        using PseudoTerminal pair = OpenTerminal();
        Assert.Equal(TerminalSize.Default, pair.Size);
        TestProtocol screen = Watch(new TestProtocol());
        TestProtocol program = Watch(new TestProtocol());
        Transport master = (await loop.ConnectTerminalAsync(() => screen, pair.OpenMaster())).Transport;
        Transport slave = (await loop.ConnectTerminalAsync(() => program, pair.OpenSlave())).Transport;

        master.Write("typed\n"u8);
        await UntilAsync(loop, () => program.ReceivedLength >= 6);
        Assert.Equal("typed\n", Encoding.ASCII.GetString(program.Received));
        slave.Write("shown\n"u8);
        await UntilAsync(loop, () => screen.ReceivedLength >= 14);
        Assert.Equal("typed\r\nshown\r\n", Encoding.ASCII.GetString(screen.Received));

        Assert.False(slave.CanWriteEof);
        Assert.Throws<NotSupportedException>(slave.WriteEof);
        slave.Close();
        Assert.Null(await program.Lost.Task);
        Assert.Null(await screen.Lost.Task); // an input/output error to the system, the end of the stream to everybody else
        Assert.Equal(CloseReason.PeerEnd, master.CloseReason);
    });

    [Fact]
    public void BlockingMode_ThatOthersShare_IsAsItWas() => RunHere(async loop =>
    {
        RequireRealMachine(NoFiles);
        (SafeHandle read, SafeHandle write) = MakePipe(loop);
        using var kept = new SafeFileHandle(read.DangerousGetHandle(), ownsHandle: false);
        (Transport input, TestProtocol reader) = await loop.ConnectReadPipeAsync(() => Watch(new TestProtocol()), kept);
        Assert.True(IsBlocking(read));
        input.Close();
        await reader.Lost.Task;
        Assert.True(IsBlocking(read));

        // The master of a pseudo-terminal cannot be opened anew: here it is made blocking, and has to be again at the end.
        using PseudoTerminal pair = OpenTerminal();
        SafeFileHandle master = pair.OpenMaster();
        using SafeFileHandle shared = pair.OpenMaster();
        Assert.False(IsBlocking(shared)); // its own
        (Transport terminal, TestProtocol screen) = await loop.ConnectTerminalAsync(() => Watch(new TestProtocol()), master);
        terminal.Close();
        await screen.Lost.Task;
        Assert.False(IsBlocking(shared));
        read.Dispose();
        write.Dispose();
    });

    [Theory]
    [InlineData("file", SocketError.SocketNotSupported)]
    [InlineData("null", SocketError.SocketNotSupported)]
    [InlineData("closed", SocketError.NotSocket)]
    [InlineData("other direction", SocketError.InvalidArgument)]
    [InlineData("no terminal", SocketError.InvalidArgument)]
    public void Files_ThatAreNotWhatIsWanted_AreRefusedAndStillTheCallers(string what, SocketError error) => RunHere(async loop =>
    {
        if (what is "file" or "null")
        {
            RequireRealMachine(NoFiles);
        }

        (SafeHandle read, SafeHandle write) = MakePipe(loop);
        using SafeFileHandle file = File.OpenHandle(typeof(PipeContract).Assembly.Location);
        using SafeFileHandle device = File.OpenHandle("/dev/null");

        AdoptFailedException exception = await Assert.ThrowsAsync<AdoptFailedException>(async () =>
        {
            switch (what)
            {
                case "file":
                    await loop.ConnectReadPipeAsync(() => new TestProtocol(), file);
                    break;
                case "null":
                    await loop.ConnectReadPipeAsync(() => new TestProtocol(), device);
                    break;
                case "closed":
                    read.Dispose();
                    await loop.ConnectReadPipeAsync(() => new TestProtocol(), read);
                    break;
                case "other direction":
                    await loop.ConnectWritePipeAsync(() => new TestProtocol(), read);
                    break;
                default:
                    await loop.ConnectTerminalAsync(() => new TestProtocol(), write);
                    break;
            }
        });

        Assert.Equal(error, exception.Error);
        Assert.False(file.IsClosed || device.IsClosed || write.IsClosed);
        read.Dispose();
        write.Dispose();
    });

    [Fact]
    public void Calls_ThatAreMistakes_Throw() => RunHere(async loop =>
    {
        (SafeHandle read, SafeHandle write) = MakePipe(loop);
        Transport input = (await loop.ConnectReadPipeAsync(() => Watch(new TestProtocol()), read)).Transport;
        Transport output = (await loop.ConnectWritePipeAsync(() => Watch(new TestProtocol()), write)).Transport;

        Assert.Throws<InvalidOperationException>(() => input.Write("x"u8));
        Assert.False(input.CanWriteEof);
        Assert.Throws<NotSupportedException>(input.WriteEof);
        Assert.True(output.CanWriteEof);
        Assert.Throws<InvalidOperationException>(() => output.Unread("x"u8));
        Assert.Throws<ArgumentNullException>(() => { _ = loop.ConnectReadPipeAsync(() => new TestProtocol(), null!); });
        Assert.Throws<ArgumentOutOfRangeException>(() =>
        {
            _ = loop.ConnectReadPipeAsync(
                () => new TestProtocol(), read, new PipeTransportOptions { LingerTime = TimeSpan.FromSeconds(-1) });
        });
        await CancelScope.RunAsync(async scope =>
        {
            scope.Cancel();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(
                () => loop.ConnectReadPipeAsync(() => new TestProtocol(), read));
        });
        input.Close();
        output.Close();
    });

    private (SafeHandle Read, SafeHandle Write) MakePipe(EventLoop loop)
    {
        if (IsSimulated)
        {
            return SimulatedWorld.HostOf(loop).CreatePipe();
        }

        var server = new AnonymousPipeServerStream(PipeDirection.In);
        GC.SuppressFinalize(server); // which would close the other end at a moment of its own
        return (server.SafePipeHandle, server.ClientSafePipeHandle);
    }

    private static PseudoTerminal OpenTerminal() => PseudoTerminal.Open();

    private async Task WriteAndCloseAsync(EventLoop loop, SafeHandle write, byte[] data)
    {
        if (IsSimulated)
        {
            StreamConnection output = (await loop.ConnectWritePipeAsync(() => new StreamConnection(), write)).Protocol;
            await output.WriteAsync(data);
            output.CompleteWrites();
            await output.WaitClosedAsync();
            return;
        }

        await loop.RunInThreadAsync(() =>
        {
            using var stream = new AnonymousPipeClientStream(PipeDirection.Out, (SafePipeHandle)write);
            stream.Write(data);
        });
    }

    private void RunHere(Func<EventLoop, Task> scenario) => Run(async loop =>
    {
        Assert.SkipUnless(IsSimulated || OperatingSystem.IsLinux(), "Elsewhere nothing waits for pipes.");
        await scenario(loop);
        if (IsSimulated)
        {
            Assert.Equal(0, SimulatedWorld.HostOf(loop).DescriptorCount);
        }
    });

    private static bool IsBlocking(SafeHandle handle)
    {
        const int NonBlocking = 0x800;
        string line = File.ReadLines($"/proc/self/fdinfo/{handle.DangerousGetHandle()}")
            .First(l => l.StartsWith("flags:", StringComparison.Ordinal));
        return (Convert.ToInt32(line["flags:".Length..].Trim(), 8) & NonBlocking) == 0;
    }
}
