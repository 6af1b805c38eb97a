using System.Diagnostics;
using System.Net.Sockets;

namespace Toolkit.Tests.Samples;

/// <summary>
/// The echo server under faults that only the system can cause: calls that fail, a process that is halted, a clock that has
/// run for years, a network that loses. Each needs a tool, and is skipped where there is none.
/// </summary>
public abstract class InjectedFaultTests(LoopKind kind)
{
    private string Loop => $"--loop {kind.ToString().ToLowerInvariant()}";

    [Theory]
    [InlineData("accept4:error=ECONNABORTED:when=1+3")]
    [InlineData("accept4:error=EINTR:when=1+3")]
    [InlineData("accept4:error=ENFILE:when=2..4")]
    [InlineData("accept4:error=ENOMEM:when=2..4")]
    [InlineData("accept4:error=EPROTO:when=2..4")]
    [InlineData("accept4:error=EPERM:when=2..4")]
    public async Task Accept_FailsNowAndThen_EverybodyIsServed(string fault)
    {
        using SampleProcess server = await ServeUnderAsync(fault);
        for (int i = 0; i < 20; i++)
        {
            using Socket client = await ConnectAsync(server);
            await PingAsync(client);
        }

        Assert.True(server.Errors.Length < 10_000, server.Errors);
        server.Signal(SampleProcess.Terminate);
        Assert.Equal(0, await server.WaitForExitAsync());
    }

    [Theory]
    [InlineData("recvfrom:error=EINTR:when=2+3")]
    [InlineData("sendto:error=EINTR:when=2+3")]
    [InlineData("sendto:error=EAGAIN:when=2+3")]
    [InlineData("recvfrom:error=EAGAIN:when=2+3")]
    [InlineData("epoll_pwait2:error=EINTR:when=2+3")]
    public async Task Transfer_CallsAreInterrupted_EveryByteComesBack(string fault)
    {
        Assert.SkipWhen(
            kind == LoopKind.Portable && fault.Contains("EAGAIN", StringComparison.Ordinal),
            "The runtime waits for an edge that an invented EAGAIN does not have.");
        using SampleProcess server = await ServeUnderAsync(fault);
        using Socket client = await ConnectAsync(server);
        byte[] sent = new byte[500_000];
        new Random(7).NextBytes(sent);

        Task<byte[]> reading = ReadToEndAsync(client);
        for (int i = 0; i < sent.Length; i += 5_000)
        {
            await client.SendAsync(sent.AsMemory(i, 5_000), SocketFlags.None);
        }

        client.Shutdown(SocketShutdown.Send);
        byte[] received = await reading;
        Assert.True(sent.AsSpan().SequenceEqual(received), $"{received.Length} of {sent.Length} bytes came back.");
    }

    [Fact]
    public async Task Register_FailsNowAndThen_TheNewcomerIsClosedAndNothingIsLeft()
    {
        Assert.SkipUnless(kind == LoopKind.Epoll, "What the runtime does about its own epoll is not ours.");
        using SampleProcess server = await ServeUnderAsync("epoll_ctl:error=ENOMEM:when=8+3");
        int before = server.CountDescriptors();
        int served = 0;
        for (int i = 0; i < 30; i++)
        {
            try
            {
                using Socket client = await ConnectAsync(server);
                await PingAsync(client);
                served++;
            }
            catch (SocketException)
            {
                // Reset: its descriptor could not be watched.
            }
        }

        Assert.InRange(served, 1, 29);
        Assert.InRange(server.CountDescriptors(), 0, before + 15); // 30 or so would be left by a server that forgets them
        Assert.False(server.Process.HasExited);
    }

    [Fact]
    public async Task Halted_ForLongerThanTheIdleTime_WhoHasSentMeanwhileIsServed()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The process is halted by signal number.");
        using SampleProcess server = await SampleProcess.ServeAsync($"{Loop} --idle 0.5");
        using Socket client = await ConnectAsync(server);
        await PingAsync(client);

        server.Signal(SampleProcess.Halt);
        await client.SendAsync("ping"u8.ToArray(), SocketFlags.None);
        await Task.Delay(TimeSpan.FromSeconds(1)); // halted time is what this is about
        server.Signal(SampleProcess.Continue);

        byte[] answer = new byte[4];
        Assert.Equal(4, await client.ReceiveAsync(answer, SocketFlags.None));
    }

    [Fact]
    public async Task Clock_OfAMachineThatHasRunForTwoMonths_TimersFire()
    {
        RequireTool("unshare -T --monotonic 5000000 true");
        using SampleProcess server = await SampleProcess.ServeAsync(
            $"{Loop} --idle 0.3", tool: "unshare -T --monotonic 5000000 --fork");
        using Socket client = await ConnectAsync(server);
        await PingAsync(client);

        Assert.Empty(await ReadToEndAsync(client)); // closed for idleness
    }

    [Fact]
    public async Task Network_LosesAndRejectsPackets_EveryByteComesBack()
    {
        const string Rules = "nft add table inet t; nft add chain inet t c '{ type filter hook input priority 0; }'; "
            + "nft add rule inet t c tcp dport 8888 numgen random mod 100 '<' 4 drop; "
            + "nft add rule inet t c tcp dport 8888 numgen random mod 100 '<' 1 reject with icmp type host-unreachable";
        RequireTool($"unshare -n sh -ec \"ip link set lo up; {Rules}\"");
        string program = SampleProcess.Program;
        string script = $"""
            set -e
            ip link set lo up
            {Rules}
            head -c 2000000 /dev/urandom > "$1"
            dotnet '{program}' {Loop} > /dev/null & server=$!
            while ! grep -q ':22B8 ' /proc/net/tcp; do sleep 0.05; done
            dotnet '{program}' client < "$1" | cmp - "$1"
            kill -TERM $server
            wait $server
            """;
        string file = Path.GetTempFileName();
        try
        {
            var start = new ProcessStartInfo("unshare", ["-n", "bash", "-c", script, "bash", file])
            {
                UseShellExecute = false,
                RedirectStandardError = true,
                RedirectStandardOutput = true,
            };
            using Process process = Process.Start(start)!;
            Task<string> errors = process.StandardError.ReadToEndAsync();
            string output = await process.StandardOutput.ReadToEndAsync();
            await process.WaitForExitAsync();
            Assert.True(process.ExitCode == 0, output + await errors);
        }
        finally
        {
            File.Delete(file);
        }
    }

    private static void RequireTool(string command)
    {
        bool works = false;
        if (OperatingSystem.IsLinux())
        {
            var start = new ProcessStartInfo("sh", ["-c", command])
            {
                UseShellExecute = false,
                RedirectStandardError = true,
                RedirectStandardOutput = true,
            };
            using Process process = Process.Start(start)!;
            process.StandardError.ReadToEnd();
            process.WaitForExit();
            works = process.ExitCode == 0;
        }

        Assert.SkipUnless(works, $"This does not work here: {command}");
    }

    private static async Task<Socket> ConnectAsync(SampleProcess server)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(server.EndPoint);
        return socket;
    }

    private static async Task PingAsync(Socket client)
    {
        await client.SendAsync("ping"u8.ToArray(), SocketFlags.None);
        byte[] answer = new byte[4];
        if (await client.ReceiveAsync(answer, SocketFlags.None) == 0)
        {
            throw new SocketException((int)SocketError.ConnectionReset);
        }
    }

    private static async Task<byte[]> ReadToEndAsync(Socket socket)
    {
        using var all = new MemoryStream();
        byte[] buffer = new byte[64 * 1024];
        while (await socket.ReceiveAsync(buffer, SocketFlags.None) is var received and > 0)
        {
            all.Write(buffer, 0, received);
        }

        return all.ToArray();
    }

    private async Task<SampleProcess> ServeUnderAsync(string fault)
    {
        RequireTool("strace -e inject=getppid:error=EPERM true");
        string call = fault[..fault.IndexOf(':', StringComparison.Ordinal)];
        return await SampleProcess.ServeAsync(Loop, tool: $"strace -f -qq -o /dev/null -e trace={call} -e inject={fault}");
    }
}

public sealed class EpollInjectedFaultTests() : InjectedFaultTests(LoopKind.Epoll);

public sealed class PortableInjectedFaultTests() : InjectedFaultTests(LoopKind.Portable);
