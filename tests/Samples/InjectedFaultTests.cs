using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;

namespace Toolkit.Tests.Samples;

/// <summary>
/// The echo server under faults that only the system can cause: calls that fail, a process that is halted, a clock that has
/// run for years, a network that loses. Each needs a tool, and is skipped where there is none.
/// </summary>
public abstract class InjectedFaultTests(LoopKind kind)
{
    private string Loop => $"--loop {kind.ToString().ToLowerInvariant()}";

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
                using Socket client = await SampleClient.ConnectAsync(server);
                await SampleClient.PingAsync(client);
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
        using Socket client = await SampleClient.ConnectAsync(server);
        await SampleClient.PingAsync(client);

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
        using Socket client = await SampleClient.ConnectAsync(server);
        await SampleClient.PingAsync(client);

        Assert.Empty(await ReadToEndAsync(client)); // closed for idleness
    }

    [Fact]
    public async Task Network_LosesAndRejectsPackets_EveryByteComesBack()
    {
        const string Rules = "nft add table inet t; nft add chain inet t c '{ type filter hook input priority 0; }'; "
            + "nft add rule inet t c tcp dport 8888 numgen random mod 100 '<' 4 drop; "
            + "nft add rule inet t c tcp dport 8888 tcp flags '&' syn == 0 " // to whoever connects, it is the end
            + "numgen random mod 100 '<' 1 reject with icmp type host-unreachable";
        RequireTool($"unshare -n sh -ec \"ip link set lo up; {Rules}\"");
        await RunInOwnNetworkAsync($$"""
            {{Rules}}
            head -c 2000000 /dev/urandom > "$file"
            dotnet "$program" {{Loop}} > /dev/null & server=$!
            while ! grep -q ':22B8 ' /proc/net/tcp; do sleep 0.05; done
            dotnet "$program" client < "$file" | cmp - "$file"
            kill -TERM $server
            wait $server
            """);
    }

    [Fact]
    public async Task Network_CollapsesTowardsThePeer_TheServerStopsReadingAndHoldsLittle()
    {
        const int SentKilobytes = 64_000;
        const string Collapse = "tc qdisc add dev near0 root tbf rate 64kbit burst 4kb latency 400ms";
        RequireTool($"unshare -n sh -ec 'ip link add near0 type veth peer name far0; {Collapse}; nsenter -V; ss -V'");

        // The client has a network of its own, so that what it sends is fast and what it gets is slow.
        string output = await RunInOwnNetworkAsync($$"""
            unshare -n sleep 100 & far=$!
            while [ "$(readlink /proc/$far/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do sleep 0.05; done
            ip link add near0 type veth peer name far0 netns $far
            ip addr add 10.9.8.1/24 dev near0
            ip link set near0 up
            nsenter -t $far -n ip addr add 10.9.8.2/24 dev far0
            nsenter -t $far -n ip link set far0 up
            head -c {{SentKilobytes}}000 /dev/urandom > "$file"
            dotnet "$program" {{Loop}} --host 10.9.8.1 > /dev/null & server=$!
            while ! grep -q ':22B8 ' /proc/net/tcp; do sleep 0.05; done
            report() {
                awk -v at=$1 '/VmRSS/ { print at "-kilobytes " $2 }' /proc/$server/status
                ss -Htn sport = :8888 | awk -v at=$1 '{ print at "-unread " $2 }'
            }

            report before
            {{Collapse}}
            nsenter -t $far -n dotnet "$program" client --host 10.9.8.1 < "$file" | cmp - "$file" & client=$!
            for i in $(seq 200); do
                if ss -Htn sport = :8888 | awk '{ exit !($2 > 50000) }'; then long=$((long + 1)); else long=0; fi
                if [ $long = 10 ]; then break; fi # for a second: in which a server that goes on reading would have read it all
                sleep 0.1
            done
            report collapsed
            tc qdisc del dev near0 root
            wait $client
            report after
            kill -TERM $server
            wait $server
            """);
        Dictionary<string, long> figures = output.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => line.Split(' '))
            .GroupBy(words => words[0], words => long.Parse(words[1], CultureInfo.InvariantCulture))
            .ToDictionary(group => group.Key, group => group.Max());

        // What the kernel has for the server to read, the server does not read; that it is no longer told to write is why.
        Assert.True(figures["collapsed-unread"] > 50_000, output);

        // Compiled code and the like are a few megabytes.
        Assert.InRange(figures["collapsed-kilobytes"] - figures["before-kilobytes"], 0, SentKilobytes / 4);
        Assert.InRange(figures["after-kilobytes"] - figures["before-kilobytes"], 0, SentKilobytes / 4);
    }

    protected async Task AcceptFailsNowAndThenAsync(string fault)
    {
        using SampleProcess server = await ServeUnderAsync(fault);
        for (int i = 0; i < 20; i++)
        {
            using Socket client = await SampleClient.ConnectAsync(server);
            await SampleClient.PingAsync(client);
        }

        Assert.True(server.Errors.Length < 10_000, server.Errors);
        server.Signal(SampleProcess.Terminate);
        Assert.Equal(0, await server.WaitForExitAsync());
    }

    protected async Task CallsFailNowAndThenAsync(string fault)
    {
        using SampleProcess server = await ServeUnderAsync(fault);
        using Socket client = await SampleClient.ConnectAsync(server);
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

    // Runs the script with $program and $file, a file for the time of the run, and returns what it prints.
    private static async Task<string> RunInOwnNetworkAsync(string script)
    {
        string file = Path.GetTempFileName();
        try
        {
            const string Prologue = "trap 'kill $(jobs -p) 2> /dev/null || true' EXIT; ip link set lo up; program=$1; file=$2; ";
            string[] command = ["-n", "timeout", "60", "bash", "-ec", Prologue + script, "bash", SampleProcess.Echo, file];
            var start = new ProcessStartInfo("unshare", command)
            {
                UseShellExecute = false,
                RedirectStandardError = true,
                RedirectStandardOutput = true,
            };
            using Process process = Process.Start(start)!;
            Task<string> errors = process.StandardError.ReadToEndAsync();
            string output = await process.StandardOutput.ReadToEndAsync();
            await process.WaitForExitAsync();
            Assert.True(process.ExitCode == 0, $"It ended with {process.ExitCode}: {output}{await errors}");
            return output;
        }
        finally
        {
            File.Delete(file);
        }
    }

    internal static void RequireTool(string command)
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

    private async Task<SampleProcess> ServeUnderAsync(string fault)
    {
        RequireTool("strace -e inject=getppid:error=EPERM true");
        string call = fault[..fault.IndexOf(':', StringComparison.Ordinal)];
        return await SampleProcess.ServeAsync(Loop, tool: $"strace -f --seccomp-bpf -qq -o /dev/null -e trace={call} -e inject={fault}");
    }
}

public sealed class EpollInjectedFaultTests() : InjectedFaultTests(LoopKind.Epoll)
{
    [Theory]
    [InlineData("accept4:error=ECONNABORTED:when=1+3")]
    [InlineData("accept4:error=EINTR:when=1+3")]
    [InlineData("accept4:error=ENFILE:when=2..4")]
    [InlineData("accept4:error=ENOMEM:when=2..4")]
    [InlineData("accept4:error=EPROTO:when=2..4")]
    [InlineData("accept4:error=EPERM:when=2..4")]
    public Task Accept_FailsNowAndThen_EverybodyIsServed(string fault) => AcceptFailsNowAndThenAsync(fault);

    [Theory]
    [InlineData("recvfrom:error=EINTR:when=2+3")]
    [InlineData("sendto:error=EINTR:when=2+3")]
    [InlineData("sendto:error=EAGAIN:when=2+3")]
    [InlineData("recvfrom:error=EAGAIN:when=2+3")]
    [InlineData("epoll_pwait2:error=EINTR:when=2+3")]
    public Task Transfer_CallsFailNowAndThen_EveryByteComesBack(string fault) => CallsFailNowAndThenAsync(fault);
}

// No invented EAGAIN here: the runtime then waits for an edge that does not come.
public sealed class PortableInjectedFaultTests() : InjectedFaultTests(LoopKind.Portable)
{
    [Theory]
    [InlineData("accept4:error=ECONNABORTED:when=1+3")]
    [InlineData("accept4:error=ENFILE:when=2..4")]
    public Task Accept_FailsNowAndThen_EverybodyIsServed(string fault) => AcceptFailsNowAndThenAsync(fault);

    [Theory]
    [InlineData("recvfrom:error=EINTR:when=2+3")]
    [InlineData("sendto:error=EINTR:when=2+3")]
    public Task Transfer_CallsFailNowAndThen_EveryByteComesBack(string fault) => CallsFailNowAndThenAsync(fault);
}

// Accepting and receiving are no calls here, but entries of the ring.
public sealed class UringInjectedFaultTests() : InjectedFaultTests(LoopKind.Uring)
{
    [Theory]
    [InlineData("sendto:error=EINTR:when=2+3")]
    [InlineData("sendto:error=EAGAIN:when=2+3")]
    [InlineData("io_uring_enter:error=EINTR:when=2+3")]
    [InlineData("io_uring_enter:error=EAGAIN:when=2+3")]
    [InlineData("io_uring_enter:error=EBUSY:when=2+3")]
    public Task Transfer_CallsFailNowAndThen_EveryByteComesBack(string fault) => CallsFailNowAndThenAsync(fault);
}
