using System.Net.Sockets;

namespace Toolkit.Tests.Samples;

/// <summary>An io_uring that is forbidden, or not there, or taken away.</summary>
public sealed class UringFaultTests
{
    [Theory]
    [InlineData("EPERM", "forbidden")]
    [InlineData("ENOSYS", "no io_uring")]
    [InlineData("EINVAL", "too old")]
    [InlineData("ENOMEM", "memory")]
    public async Task AskedForByName_CannotBeHad_SaysWhyAndExitsWithOne(string error, string reason)
    {
        string tool = Under($"io_uring_setup:error={error}");

        (int exitCode, string output, string errors) = await SampleProcess.RunAsync(
            "serve --loop uring --port 0", tool: tool);

        Assert.Equal((1, ""), (exitCode, output));
        Assert.Single(errors.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.Contains(reason, errors, StringComparison.OrdinalIgnoreCase);
    }

    [Theory]
    [InlineData("EPERM")]
    [InlineData("ENOSYS")]
    [InlineData("ENOMEM")]
    public async Task AskedForNothing_CannotBeHad_RunsOnEpoll(string error)
    {
        using SampleProcess server = await SampleProcess.ServeAsync("", tool: Under($"io_uring_setup:error={error}"));
        Assert.Contains("with epoll", server.Output, StringComparison.Ordinal);
        using Socket client = await SampleClient.ConnectAsync(server);
        await SampleClient.PingAsync(client);
    }

    [Fact]
    public async Task TakenAwayInTheMiddle_WhatHasArrivedIsAnsweredAndTheRunEndsInOneLine()
    {
        LoopContract.RequireKind(LoopKind.Uring);
        using SampleProcess server = await SampleProcess.ServeAsync(
            "--loop uring", tool: Under("io_uring_enter:error=EPERM:when=40+"));
        int answered = 0;
        try
        {
            using Socket client = await SampleClient.ConnectAsync(server);
            for (; answered < 1_000; answered++)
            {
                await SampleClient.PingAsync(client);
            }
        }
        catch (SocketException)
        {
            // The server has ended.
        }

        Assert.InRange(answered, 5, 999);
        Assert.Equal(1, await server.WaitForExitAsync());
        Assert.Contains("The uring backend cannot go on", server.Errors, StringComparison.Ordinal);
    }

    private static string Under(string fault)
    {
        LoopContract.RequireKind(LoopKind.Uring);
        InjectedFaultTests.RequireTool("strace -e inject=getppid:error=EPERM true");
        string call = fault[..fault.IndexOf(':', StringComparison.Ordinal)];
        return $"strace -f --seccomp-bpf -qq -o /dev/null -e trace={call} -e inject={fault}";
    }
}
