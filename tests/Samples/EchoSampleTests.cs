using System.Diagnostics;
using System.Net.Sockets;
using System.Text;

namespace Toolkit.Tests.Samples;

/// <summary>The echo sample from outside: what it prints, what it answers, how it ends.</summary>
public abstract class EchoSampleTests(LoopKind kind)
{
    private string Loop => $"--loop {kind.ToString().ToLowerInvariant()}";

    [Fact]
    public async Task Serve_OneLine_ComesBackAndOutputIsOneLine()
    {
        using SampleProcess server = await ServeAsync();
        using Socket client = await SampleClient.ConnectAsync(server);

        await SendAsync(client, "hello\n"u8.ToArray());
        client.Shutdown(SocketShutdown.Send);

        Assert.Equal("hello\n", Encoding.UTF8.GetString(await ReadToEndAsync(client)));
        Assert.Equal(
            $"listening on tcp://127.0.0.1:{server.Port} with {kind.ToString().ToLowerInvariant()}, pid {server.Process.Id}\n",
            server.Output);
        Assert.Equal("", server.Errors);
    }

    [Theory]
    [InlineData("--style protocol")]
    [InlineData("--style buffered")]
    [InlineData("--style protocol --frame 64")]
    [InlineData("--style buffered --frame 1000")]
    [InlineData("--style stream")]
    public async Task Serve_Megabytes_ComeBackInEveryStyle(string style)
    {
        using SampleProcess server = await ServeAsync(style);
        using Socket client = await SampleClient.ConnectAsync(server);
        byte[] sent = new byte[8_000_000]; // a multiple of both frame sizes
        new Random(5).NextBytes(sent);

        Task<byte[]> reading = ReadToEndAsync(client);
        await SendAsync(client, sent);
        client.Shutdown(SocketShutdown.Send);

        byte[] received = await reading;
        Assert.True(sent.AsSpan().SequenceEqual(received));
    }

    [Fact]
    public async Task Serve_ThousandClientsAtOnce_AreAllAnswered()
    {
        using SampleProcess server = await ServeAsync();
        Socket[] clients = await Task.WhenAll(Enumerable.Range(0, 1000).Select(_ => SampleClient.ConnectAsync(server)));
        await Task.WhenAll(clients.Select(async (client, i) =>
        {
            byte[] message = Encoding.UTF8.GetBytes($"client {i}");
            await SendAsync(client, message);
            Assert.Equal(message, await ReadAsync(client, message.Length));
            client.Dispose();
        }));
    }

    [Fact]
    public async Task Serve_Lines_ComeBackWholeAndSoDoesTheLast()
    {
        using SampleProcess server = await ServeAsync("--lines");
        using Socket client = await SampleClient.ConnectAsync(server);

        await SendAsync(client, "one\r\ntw"u8.ToArray());
        Assert.Equal("one\r\n"u8.ToArray(), await ReadAsync(client, 5));
        await SendAsync(client, "o\n\nlast"u8.ToArray());
        client.Shutdown(SocketShutdown.Send);

        Assert.Equal("two\n\nlast", Encoding.UTF8.GetString(await ReadToEndAsync(client)));
        Assert.Equal("", server.Errors);
    }

    [Theory]
    [InlineData("--idle 0.2")]
    [InlineData("--idle 0.2 --style stream")]
    [InlineData("--idle 0.2 --lines")]
    public async Task Serve_IdleClient_IsClosed(string arguments)
    {
        using SampleProcess server = await ServeAsync(arguments);
        using Socket client = await SampleClient.ConnectAsync(server);

        Assert.Empty(await ReadToEndAsync(client));
    }

    [Fact]
    public async Task Serve_MaxConnections_LetsTheNextOneWait()
    {
        using SampleProcess server = await ServeAsync("--max 1");
        Socket first = await SampleClient.ConnectAsync(server);
        using Socket second = await SampleClient.ConnectAsync(server);
        await SendAsync(first, "first"u8.ToArray());
        Assert.Equal("first"u8.ToArray(), await ReadAsync(first, 5));
        await SendAsync(second, "second"u8.ToArray());
        Assert.Equal(0, second.Available);

        first.Dispose();

        Assert.Equal("second"u8.ToArray(), await ReadAsync(second, 6));
    }

    [Fact]
    public async Task Serve_PeerThatNeverReads_IsAbortedWhenBackpressureIsIgnored()
    {
        using SampleProcess server = await ServeAsync("--ignore-backpressure");
        using Socket client = await SampleClient.ConnectAsync(server);
        byte[] chunk = new byte[256 * 1024];

        await Assert.ThrowsAsync<SocketException>(async () =>
        {
            // Our own receive buffer and the server's hard cap are a few megabytes.
            for (int i = 0; i < 1000; i++)
            {
                await SendAsync(client, chunk);
            }
        });
    }

    [Fact]
    public async Task Terminate_WithIdleClient_DrainsAndExitsWithZero()
    {
        using SampleProcess server = await ServeAsync();
        using Socket client = await SampleClient.ConnectAsync(server);
        await SendAsync(client, "x"u8.ToArray());
        await ReadAsync(client, 1);

        server.Signal(SampleProcess.Terminate);

        Assert.Empty(await ReadToEndAsync(client));
        client.Dispose();
        Assert.Equal(0, await server.WaitForExitAsync());
    }

    [Fact]
    public async Task SecondSignal_WithClientThatHoldsUpTheDrain_AbortsAndExitsWithOne()
    {
        using SampleProcess server = await ServeAsync();
        using Socket client = await SampleClient.ConnectAsync(server);
        await FillAsync(client);

        server.Signal(SampleProcess.Interrupt);
        await UntilRefusedAsync(server); // it has stopped listening, and drains
        server.Signal(SampleProcess.Interrupt);

        Assert.Equal(1, await server.WaitForExitAsync());
    }

    [Fact]
    public async Task Client_InputToAServer_ComesOutAgain()
    {
        using SampleProcess server = await ServeAsync();
        using SampleProcess client = SampleProcess.Start($"client --port {server.Port}");
        string text = string.Join('\n', Enumerable.Range(0, 20_000).Select(i => $"line {i}")) + "\n";

        await client.Process.StandardInput.WriteAsync(text);
        client.Process.StandardInput.Close();

        Assert.Equal(0, await client.WaitForExitAsync());
        client.Process.WaitForExit();
        Assert.Equal(text, client.Output);
    }

    [Fact]
    public async Task Serve_PortInUse_SaysSoInOneLineAndExitsWithOne()
    {
        using SampleProcess server = await ServeAsync();

        (int exitCode, string output, string errors) = await SampleProcess.RunAsync($"serve {Loop} --port {server.Port}");

        Assert.Equal((1, ""), (exitCode, output));
        Assert.Equal($"Cannot listen on 127.0.0.1:{server.Port}: the port is in use.\n", errors);
    }

    [Fact]
    public async Task Exhaustion_OfDescriptors_ShedsNewcomersAndServesTheOthers()
    {
        // The figures of one quick round; TOOLKIT_EXHAUSTION=20,6,10 makes it twenty rounds of six seconds, half of them
        // after ten idle seconds.
        int[] figures = [.. (Environment.GetEnvironmentVariable("TOOLKIT_EXHAUSTION") ?? "1,1.5,0").Split(',')
            .Select(figure => (int)(double.Parse(figure) * 1000))];
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The limit is set from outside with prlimit.");
        for (int round = 0; round < figures[0] / 1000; round++)
        {
            await ExhaustAsync(TimeSpan.FromMilliseconds(figures[1]), TimeSpan.Zero);
            if (figures[2] > 0)
            {
                await ExhaustAsync(TimeSpan.FromMilliseconds(figures[1]), TimeSpan.FromMilliseconds(figures[2]));
            }
        }
    }

    // Sends until the server takes no more, because it can get rid of none.
    private static async Task FillAsync(Socket client)
    {
        byte[] chunk = new byte[64 * 1024];
        using var stalled = new CancellationTokenSource();
        while (true)
        {
            stalled.CancelAfter(TimeSpan.FromSeconds(1));
            try
            {
                await client.SendAsync(chunk, SocketFlags.None, stalled.Token);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    private static async Task UntilRefusedAsync(SampleProcess server)
    {
        var waited = Stopwatch.StartNew();
        while (waited.Elapsed < TimeSpan.FromSeconds(30))
        {
            try
            {
                using Socket probe = await SampleClient.ConnectAsync(server);
            }
            catch (SocketException)
            {
                return;
            }
        }

        Assert.Fail("The server goes on listening.");
    }

    private async Task<SampleProcess> ServeAsync(string arguments = "") => await SampleProcess.ServeAsync($"{Loop} {arguments}");

    private async Task ExhaustAsync(TimeSpan storm, TimeSpan idle)
    {
        using SampleProcess server = await ServeAsync();
        Socket[] clients = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => SampleClient.ConnectAsync(server)));
        await PingAllAsync(clients);
        if (idle > TimeSpan.Zero)
        {
            await Task.Delay(idle); // the runtime's helper threads end when idle, and are made anew when needed
        }

        server.LimitDescriptors(server.CountDescriptors() + 100);
        using var over = new CancellationTokenSource(storm);
        long closed = 0;
        Task[] newcomers = [.. Enumerable.Range(0, 200).Select(_ => Task.Run(async () =>
        {
            while (!over.IsCancellationRequested)
            {
                try
                {
                    using Socket newcomer = await SampleClient.ConnectAsync(server);
                    await newcomer.SendAsync("ping"u8.ToArray(), SocketFlags.None);
                    byte[] answer = new byte[4];
                    if (await newcomer.ReceiveAsync(answer, SocketFlags.None, over.Token) == 0)
                    {
                        Interlocked.Increment(ref closed);
                        await Task.Delay(5);
                    }
                    else
                    {
                        await Task.Delay(Timeout.Infinite, over.Token); // in, and stays
                    }
                }
                catch (Exception exception) when (exception is SocketException or OperationCanceledException)
                {
                    Interlocked.Increment(ref closed);
                    await Task.Delay(5);
                }
            }
        }))];
        while (!over.IsCancellationRequested)
        {
            await PingAllAsync(clients);
        }

        await Task.WhenAll(newcomers);
        Assert.False(server.Process.HasExited, $"The server died: {server.Errors}");
        await PingAllAsync(clients);
        Assert.True(closed > 0, "No newcomer was turned away, so nothing was exhausted.");
        server.LimitDescriptors(null);

        var waited = Stopwatch.StartNew();
        using (Socket late = await SampleClient.ConnectAsync(server))
        {
            await SampleClient.PingAsync(late);
        }

        Assert.True(server.Errors.Length < 10_000, $"The log has {server.Errors.Length} characters.");
        TestContext.Current.SendDiagnosticMessage(
            $"{kind}: {closed} turned away; served again after {waited.ElapsedMilliseconds} ms; {server.Errors.Length} log characters");
        Array.ForEach(clients, client => client.Dispose());
        server.Signal(SampleProcess.Terminate);
        Assert.Equal(0, await server.WaitForExitAsync());
    }

    private static async Task PingAllAsync(Socket[] clients)
    {
        foreach (Socket client in clients)
        {
            await SampleClient.PingAsync(client);
        }
    }
}

public sealed class EpollEchoSampleTests() : EchoSampleTests(LoopKind.Epoll);

public sealed class PortableEchoSampleTests() : EchoSampleTests(LoopKind.Portable);

public sealed class UringEchoSampleTests() : EchoSampleTests(LoopKind.Uring);
