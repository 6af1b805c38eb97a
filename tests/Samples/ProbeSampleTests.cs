using System.Net;
using System.Net.Sockets;
using Toolkit.Samples.Probe;

namespace Toolkit.Tests.Samples;

/// <summary>The service of the guide: in virtual time, and as a program that is interrupted.</summary>
public sealed class ProbeSampleTests
{
    [Fact]
    public void Targets_ThatAnswerFailOrHang_AreAllToldOf()
    {
        using var world = new SimulatedWorld();
        SimulatedHost server = world.AddHost("server", "10.0.0.1");
        SimulatedHost cutOff = world.AddHost("cut off", "10.0.0.2");
        SimulatedHost here = world.AddHost("here", "10.0.0.3");
        using SimulatedPeerListener listener = server.ListenAsPeer(new IPEndPoint(IPAddress.Any, 80));
        world.Partition(here, cutOff);
        using var output = new StringWriter();
        using var input = new StringReader("10.0.0.1:80\nnonsense\n10.0.0.2:80\n10.0.0.1:81\n");
        int exitCode = -1;
        Task run = here.Start(async loop => exitCode = await new ProbeService(loop, input, output).RunAsync());
        world.RunUntilComplete(run);

        string[] lines = output.ToString().TrimEnd().Split(output.NewLine);
        Assert.Equal(0, exitCode);
        Assert.Equal("1 answer, 2 are silent, 0 were not looked at", lines[^1]);
        Assert.Equal(
            ["10.0.0.1:80 answers", "10.0.0.1:81 is silent", "10.0.0.2:80 is silent"],
            lines[..^1].Where(line => !line.StartsWith("worker", StringComparison.Ordinal)).Order(StringComparer.Ordinal));
        Assert.Contains(lines, line => line.Contains("failed, and starts again in 0.1 s", StringComparison.Ordinal));
        Assert.InRange(world.Time, TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(2.1)); // the one that hangs, to its deadline
    }

    [Fact]
    public void Cancelled_WhatWasBegunIsFinishedAndTheRestIsLeft()
    {
        using var world = new SimulatedWorld();
        SimulatedHost cutOff = world.AddHost("cut off", "10.0.0.2");
        SimulatedHost here = world.AddHost("here", "10.0.0.3");
        world.Partition(here, cutOff);
        using var output = new StringWriter();
        using var input = new StringReader(string.Concat(Enumerable.Repeat("10.0.0.2:80\n", 50)));
        int exitCode = -1;
        Task run = here.Start(async loop =>
        {
            LoopTask<int> service = loop.CreateTask(() => new ProbeService(loop, input, output).RunAsync());
            await loop.Delay(TimeSpan.FromSeconds(1));
            service.Cancel("closing time");
            exitCode = await service;
        });
        world.RunUntilComplete(run);

        string[] lines = output.ToString().TrimEnd().Split(output.NewLine);
        Assert.Equal(1, exitCode);
        Assert.Equal(4, lines.Count(line => line.EndsWith("is silent", StringComparison.Ordinal)));
        Assert.Contains("closing time", lines[^2], StringComparison.Ordinal);
        Assert.Equal("0 answer, 4 are silent, 46 were not looked at", lines[^1]);
        Assert.InRange(world.Time, TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(2.1));
    }

    [Fact]
    public async Task Signals_QuitShowsTheTasksAndInterruptEndsInGoodOrder()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Signals are sent as Linux numbers them.");
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        using SampleProcess probe = SampleProcess.Start("", program: SampleProcess.Probe);
        await probe.Process.StandardInput.WriteLineAsync(listener.LocalEndPoint!.ToString());
        await probe.Process.StandardInput.FlushAsync(TestContext.Current.CancellationToken);
        await probe.UntilAsync(() => probe.Output.Contains("answers", StringComparison.Ordinal));

        probe.Signal(SampleProcess.Quit);
        await probe.UntilAsync(() => probe.Errors.Contains("task worker 4", StringComparison.Ordinal));
        Assert.Contains("waits to get from AsyncQueue<String> #1", probe.Errors, StringComparison.Ordinal);
        Assert.False(probe.Process.HasExited);

        probe.Signal(SampleProcess.Interrupt);
        Assert.Equal(1, await probe.WaitForExitAsync());
        Assert.Contains("SIGINT", probe.Output, StringComparison.Ordinal);
        Assert.Contains("1 answer, 0 are silent, 0 were not looked at", probe.Output, StringComparison.Ordinal);
    }
}
