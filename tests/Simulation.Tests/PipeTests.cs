using System.IO.Pipes;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Toolkit.Simulation;

namespace Toolkit.Tests.Simulated;

/// <summary>What a simulation's pipes have beyond the contract: a size, a host, and a count.</summary>
public sealed class PipeTests
{
    [Fact]
    public void Pipe_HoldsAsMuchAsWasAskedFor() => Run(async (loop, host) =>
    {
        (SafeHandle read, SafeHandle write) = host.CreatePipe(capacity: 1000);
        Transport output = (await loop.ConnectWritePipeAsync(() => new TestProtocol(), write)).Transport;
        TestProtocol reader = (await loop.ConnectReadPipeAsync(() => new TestProtocol(), read)).Protocol;
        reader.Transport.PauseReading();
        output.Write(new byte[5000]);
        await loop.Delay(TimeSpan.FromDays(1));
        Assert.Equal(4000, output.UnsentBytes);

        reader.Transport.ResumeReading();
        output.Close();
        Assert.Null(await reader.Lost.Task);
        Assert.Equal(5000, reader.ReceivedLength);
    });

    [Fact]
    public void Ends_CountAsDescriptors() => Run(async (loop, host) =>
    {
        host.DescriptorLimit = 3;
        (SafeHandle read, SafeHandle write) = host.CreatePipe();
        Assert.Equal(2, host.DescriptorCount);
        Assert.Equal(
            SocketError.TooManyOpenSockets, Assert.Throws<SocketException>(() => { _ = host.CreatePipe(); }).SocketErrorCode);
        TestProtocol reader = (await loop.ConnectReadPipeAsync(() => new TestProtocol(), read)).Protocol;
        Assert.Equal(2, host.DescriptorCount);

        host.DescriptorLimit = 2;
        AdoptFailedException failure = await Assert.ThrowsAsync<AdoptFailedException>(
            () => loop.ConnectWritePipeAsync(() => new TestProtocol(), write));
        Assert.Equal(SocketError.TooManyOpenSockets, failure.Error);
        Assert.False(write.IsClosed);

        write.Dispose();
        write.Dispose();
        Assert.Null(await reader.Lost.Task);
        Assert.Equal(0, host.DescriptorCount);
    });

    [Fact]
    public void Mistakes_SaySo() => Run(async (loop, host) =>
    {
        SimulatedHost other = host.World.AddHost("other", "10.0.0.9");
        (SafeHandle read, SafeHandle write) = other.CreatePipe();
        Assert.Contains(
            "other",
            (await Assert.ThrowsAsync<InvalidOperationException>(
                () => loop.ConnectReadPipeAsync(() => new TestProtocol(), read))).Message,
            StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => { _ = host.CreatePipe(0); });
        using SafeHandle real = File.OpenHandle("/dev/null");
        Assert.Contains(
            nameof(SimulatedHost.CreatePipe),
            (await Assert.ThrowsAsync<NotSupportedException>(
                () => loop.ConnectReadPipeAsync(() => new TestProtocol(), real))).Message,
            StringComparison.Ordinal);

        await using var stream = new AnonymousPipeServerStream(PipeDirection.In);
        stream.DisposeLocalCopyOfClientHandle();
        await Assert.ThrowsAsync<NotSupportedException>(() => loop.ConnectPipeStreamAsync(() => new TestProtocol(), stream));

        // Nothing is left of a machine that has lost its power, and it counts from nothing when it is back.
        other.Crash();
        Assert.Throws<InvalidOperationException>(() => { _ = other.CreatePipe(); });
        other.Restart();
        _ = other.CreatePipe();
        read.Dispose();
        write.Dispose();
        Assert.Equal(2, other.DescriptorCount);
    });

    [Fact]
    public void Program_OnAnotherLoop_IsAtTheOtherEnd()
    {
        static ulong Once()
        {
            using var world = new SimulatedWorld(new SimulationOptions { Seed = 7 });
            SimulatedHost host = world.AddHost("host", "10.0.0.1");
            (SafeHandle read, SafeHandle write) = host.CreatePipe(100);
            long received = 0;
            host.Start(async loop =>
            {
                await using StreamConnection input =
                    (await loop.ConnectReadPipeAsync(() => new StreamConnection(), read)).Protocol;
                while (await input.ReadAsync() is { IsEmpty: false } data)
                {
                    received += data.Length;
                    await loop.Delay(TimeSpan.FromMilliseconds(10));
                }
            });
            host.Start(async loop =>
            {
                StreamConnection output = (await loop.ConnectWritePipeAsync(() => new StreamConnection(), write)).Protocol;
                await output.WriteAsync(new byte[1000]);
                output.CompleteWrites();
                await output.WaitClosedAsync();
            });
            world.RunFor(TimeSpan.FromMinutes(1));
            Assert.Equal(1000, received);
            Assert.Equal(0, host.DescriptorCount);
            return world.TraceHash;
        }

        Assert.Equal(Once(), Once());
    }

    private static void Run(Func<EventLoop, SimulatedHost, Task> scenario)
    {
        using var loop = new EventLoop(new EventLoopOptions { Kind = LoopKind.Simulated });
        loop.RunUntilComplete(() => scenario(loop, SimulatedWorld.HostOf(loop)));
    }
}
