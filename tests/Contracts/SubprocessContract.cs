using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace Toolkit.Tests.Contracts;

/// <summary>Child processes as transports.</summary>
public abstract class SubprocessContract(LoopUnderTest subject, SpawnMethod method = SpawnMethod.Automatic)
    : LoopContract(subject)
{
    private readonly List<ChildProtocol> _children = [];

    private static int ManyInSequence => int.Parse(
        Environment.GetEnvironmentVariable("TOOLKIT_SOAK") is null ? "100" : "10000", CultureInfo.InvariantCulture);

    private static int ManyLines => Environment.GetEnvironmentVariable("TOOLKIT_SOAK") is null ? 100_000 : 1_000_000;

    protected override TimeSpan Patience => base.Patience + TimeSpan.FromMilliseconds(20 * ManyInSequence);

    [Fact]
    public void Sort_GivenItsInput_AnswersAndEndsInOrder() => RunTools(async loop =>
    {
        (SubprocessTransport child, ChildProtocol protocol) = await SpawnAsync(loop, new SpawnOptions { FileName = "sort" });
        Assert.Equal(["made"], protocol.Events);
        Assert.Null(child.ExitStatus);
        Transport input = child.GetPipeTransport(0)!;
        input.Write("b\na\n"u8);
        input.WriteEof();

        Assert.Null(await protocol.Lost.Task);
        Assert.Equal("a\nb\n", protocol.Output);
        Assert.Equal(ExitStatus.FromCode(0), child.ExitStatus);
        Assert.Equal("end", protocol.Events[^1]);
        Assert.Equal(["exited", "lost 0", "lost 1", "lost 2", "made"], protocol.Events[..^1].Order(StringComparer.Ordinal));
        Assert.All(protocol.PipeLosses.Values, Assert.Null);
        Assert.Equal(child.ExitStatus, await child.WaitExitedAsync());
        Assert.Equal(child.ExitStatus, await child.WaitCompletedAsync());
        Assert.False(child.Kill());
        Assert.True(child.IsClosing);
        child.Close();
    });

    [Theory]
    [InlineData("exit 7", 7, null)]
    [InlineData("kill -9 $$", null, 9)]
    [InlineData("kill -TERM $$", null, 15)]
    public void Ends_OfEachKind_AreToldAsTheyWere(string command, int? code, int? signal) => RunReal(async loop =>
    {
        RequireNative();
        SubprocessTransport child = (await loop.SpawnShellAsync(Make, command, Options())).Transport;

        ExitStatus status = await child.WaitCompletedAsync();

        Assert.Equal(code, status.Code);
        Assert.Equal(signal, status.Signal);
        Assert.False(status.IsSuccess);
        Assert.Equal(code ?? 128 + signal!.Value, status.ToShellCode());
    });

    [Fact]
    public void Arguments_AndEnvironment_ArriveVerbatim() => RunReal(async loop =>
    {
        const string Script = "printf '%s|' \"$@\" \"$MADE\" \"${PATH:-none}\"; pwd; echo err >&2";
        string[] arguments = ["-c", Script, "sh", "a b", "", "$(x); 'q' \"d\"", "\n", "ü"];
        (SubprocessTransport child, ChildProtocol protocol) = await SpawnAsync(loop, new SpawnOptions
        {
            FileName = "/bin/sh",
            Arguments = arguments,
            Environment = new Dictionary<string, string?> { ["MADE"] = "x=y", ["PATH"] = null },
            WorkingDirectory = "/usr",
            StandardInput = ChildStream.Null,
        });

        Assert.Null(child.GetPipeTransport(0));
        await child.WaitCompletedAsync();
        Assert.StartsWith("a b||$(x); 'q' \"d\"|\n|ü|x=y|", protocol.Output, StringComparison.Ordinal);
        Assert.EndsWith("/usr\n", protocol.Output, StringComparison.Ordinal);
        Assert.Equal("err\n", protocol.Error);
    });

    [Fact]
    public void Merge_PutsErrorsIntoTheOutputInTheirPlace() => RunReal(async loop =>
    {
        RequireNative();
        (SubprocessTransport child, ChildProtocol protocol) = await loop.SpawnShellAsync(
            Make, "echo 1; echo 2 >&2; echo 3", Options() with { StandardError = ChildStream.Merge });

        await child.WaitCompletedAsync();
        Assert.Equal("1\n2\n3\n", protocol.Output);
        Assert.Null(child.GetPipeTransport(2));
    });

    [Fact]
    public void Files_AreTheChildsStreams() => RunReal(async loop =>
    {
        RequireNative();
        string path = Path.GetTempFileName();
        await RunShellAsync(loop, "echo new", options => options with { StandardOutput = ChildStream.WriteFile(path) });
        await RunShellAsync(loop, "echo more", options => options with { StandardOutput = ChildStream.AppendFile(path) });
        ChildProtocol child = await RunShellAsync(
            loop, "cat", options => options with { StandardInput = ChildStream.ReadFile(path) });

        Assert.Equal("new\nmore\n", child.Output);
        File.Delete(path);
    });

    [Fact]
    public void Child_ThatIgnoresTheRequestToEnd_IsKilledAfterItsTime() => RunReal(async loop =>
    {
        RequireNative();
        (SubprocessTransport child, ChildProtocol protocol) = await loop.SpawnShellAsync(
            Make, "trap '' TERM; echo ready; while :; do sleep 60 & wait; done", OwnGroup());
        await UntilAsync(loop, () => protocol.Output == "ready\n");

        ExitStatus status = await child.TerminateAsync(TimeSpan.FromMilliseconds(50));

        Assert.Equal(9, status.Signal);
        await protocol.Lost.Task;
    });

    [Fact]
    public void Child_ThatClosesItsOutputAndLivesOn_LosesThePipeFirst() => RunReal(async loop =>
    {
        (SubprocessTransport child, ChildProtocol protocol) = await loop.SpawnShellAsync(
            Make, "exec 1>&- 2>&-; read x", Options());
        await UntilAsync(loop, () => protocol.PipeLosses.Count == 2);

        Assert.Null(child.ExitStatus);
        child.GetPipeTransport(0)!.WriteEof();
        Assert.Null(await protocol.Lost.Task);
        Assert.Equal(["made", "lost 0", "end"], protocol.Events.Where(e => e is "made" or "lost 0" or "end"));
    });

    [Fact]
    public void Grandchild_ThatHoldsThePipe_DelaysOnlyTheCompletion() => RunReal(async loop =>
    {
        (SubprocessTransport child, ChildProtocol protocol) = await loop.SpawnShellAsync(
            Make, "exec 3<&0; sh -c 'read x <&3; echo late' & exit 3", Options());

        Assert.Equal(3, (await child.WaitExitedAsync()).Code);
        Assert.DoesNotContain("lost 1", protocol.Events);
        child.GetPipeTransport(0)!.Write("go\n"u8); // which the grandchild has waited for
        Assert.Equal(3, (await child.WaitCompletedAsync()).Code);
        Assert.Equal("late\n", protocol.Output);
    });

    [Fact]
    public void Group_OfItsOwn_IsKilledWithTheChild() => RunReal(async loop =>
    {
        RequireNative();
        (SubprocessTransport child, ChildProtocol protocol) = await loop.SpawnShellAsync(
            Make, "sleep 1000 & echo ready; wait", OwnGroup());
        await UntilAsync(loop, () => protocol.Output == "ready\n");

        child.Kill(entireGroup: true);

        Assert.Null(await protocol.Lost.Task); // or the pipe would be held
        Assert.False(child.Kill(entireGroup: true));
    });

    [Fact]
    public void Input_ThatTheChildDoesNotTake_IsLostAndSaysSo() => RunReal(async loop =>
    {
        (SubprocessTransport child, ChildProtocol protocol) = await loop.SpawnShellAsync(Make, "exec 0<&-; echo done", Options());
        child.GetPipeTransport(0)!.Write(new byte[219_264]);

        await child.WaitCompletedAsync();
        Assert.Equal("done\n", protocol.Output);
        Assert.IsType<ConnectionException>(protocol.PipeLosses[0]);
    });

    [Fact]
    public void Close_KillsAndReaps() => RunReal(async loop =>
    {
        RequireNative();
        (SubprocessTransport child, ChildProtocol protocol) = await loop.SpawnShellAsync(Make, "echo x; sleep 1000", OwnGroup());
        child.Close();
        child.Close();

        Assert.True(child.IsClosing);
        Assert.DoesNotContain("exited", protocol.Events);
        Assert.Null(await protocol.Lost.Task);
        Assert.Equal(9, child.ExitStatus!.Value.Signal);
    });

    [Fact]
    public void Loop_ThatIsDisposedWithChildrenAlive_LeavesNothingOfThem()
    {
        Assert.SkipWhen(IsSimulated || !OperatingSystem.IsLinux(), "Real children are looked for in /proc.");
        RequireNative();
        var protocols = new List<ChildProtocol>();
        EventLoop loop = NewLoop();
        loop.RunUntilComplete(async () =>
        {
            for (int i = 0; i < 3; i++)
            {
                SpawnOptions options = Options() with { FileName = "sleep", Arguments = ["1000"] };
                protocols.Add((await loop.SpawnAsync(Make, options)).Protocol);
            }
        });
        loop.Dispose();

        Assert.All(protocols, protocol =>
        {
            Assert.Equal("end", protocol.Events[^1]);
            Assert.Equal(CloseReason.LoopShutdown, Assert.IsType<ConnectionException>(protocol.Lost.Task.Result).Reason);
            Assert.False(Directory.Exists($"/proc/{protocol.Transport.Pid}"));
        });
        RequireGrammar();
    }

    [Theory]
    [InlineData("made")]
    [InlineData("data")]
    [InlineData("exited")]
    public void Exception_OutOfACallback_IsReportedAndClosesTheChild(string callback) => RunReal(async loop =>
    {
        var failure = new InvalidOperationException(callback);
        ChildProtocol protocol = Make();
        protocol.OnMade = _ => Throw("made");
        protocol.OnData = (_, _, _) => Throw("data");
        protocol.OnExited = _ => Throw("exited");
        Task<Subprocess<ChildProtocol>> spawning = loop.SpawnShellAsync(() => protocol, "echo x", Options());
        if (callback == "made")
        {
            Assert.Same(failure, await Assert.ThrowsAsync<InvalidOperationException>(() => spawning));
        }

        Assert.Same(failure, await protocol.Lost.Task);
        SubprocessError error = Assert.IsType<SubprocessError>(TakeError());
        Assert.Same(failure, error.Exception);
        Assert.Same(protocol, error.Protocol);

        void Throw(string where)
        {
            if (where == callback)
            {
                throw failure;
            }
        }
    });

    [Fact]
    public void Waits_InACancelledScope_ThrowAndLeaveTheChildAlone() => RunTools(async loop =>
    {
        (SubprocessTransport child, ChildProtocol protocol) = await SpawnAsync(loop, Options() with { FileName = "cat" });
        await CancelScope.RunAsync(async scope =>
        {
            ValueTask<ExitStatus> wait = child.WaitExitedAsync();
            scope.Cancel();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => wait.AsTask());
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => child.WaitExitedAsync().AsTask());
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => child.WaitCompletedAsync().AsTask());
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => SpawnAsync(loop, Options() with { FileName = "cat" }));
        });

        Assert.Null(child.ExitStatus);
        child.GetPipeTransport(0)!.Close();
        Assert.Equal(0, (await child.WaitExitedAsync()).Code);
        await protocol.Lost.Task;
        await CancelScope.RunAsync(async scope =>
        {
            scope.Cancel();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => child.WaitExitedAsync().AsTask());
        });
    });

    [Fact]
    public void Spawn_ThatIsCancelledOnItsWay_LeavesNoChild() => RunReal(async loop =>
    {
        await CancelScope.RunAsync(async scope =>
        {
            Task<Subprocess<ChildProtocol>> spawning = SpawnAsync(
                loop, Options() with { FileName = "sleep", Arguments = ["1000"] });
            scope.Cancel(); // whatever comes of it comes by the loop, and so later

            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => spawning);
        });
        Assert.Empty(_children);
    });

    [Theory]
    [InlineData("no program", SpawnError.ProgramNotFound)]
    [InlineData("no path", SpawnError.ProgramNotFound)]
    [InlineData("directory", SpawnError.NotExecutable)]
    [InlineData("not executable", SpawnError.NotExecutable)]
    [InlineData("no working directory", SpawnError.WorkingDirectory)]
    [InlineData("too long", SpawnError.ArgumentsTooLong)]
    [InlineData("no file", SpawnError.Stream)]
    [InlineData("closed handle", SpawnError.Stream)]
    public void Programs_ThatCannotBeStarted_FailWithTheReason(string what, SpawnError error) => RunReal(async loop =>
    {
        if (error == SpawnError.Stream)
        {
            RequireNative();
        }

        SafeHandle closed = File.OpenHandle("/dev/null");
        closed.Dispose();
        SpawnOptions options = Options() with { FileName = "cat" };
        options = what switch
        {
            "no program" => options with { FileName = "no-such-program-anywhere" },
            "no path" => options with { FileName = "/no/such/program" },
            "directory" => options with { FileName = "/usr" },
            "not executable" => options with { FileName = "/etc/passwd" },
            "no working directory" => options with { WorkingDirectory = "/no/such/directory" },
            "too long" => options with { Arguments = [new string('x', 4_000_000)] },
            "no file" => options with { StandardInput = ChildStream.ReadFile("/no/such/file") },
            _ => options with { StandardInput = ChildStream.Of(closed) },
        };

        SpawnFailedException exception = await Assert.ThrowsAsync<SpawnFailedException>(() => SpawnAsync(loop, options));

        Assert.Equal(error, exception.Error);
        Assert.Equal(options.FileName, exception.FileName);
        Assert.Empty(_children);
    });

    [Fact]
    public void Calls_ThatAreMistakes_Throw() => RunReal(async loop =>
    {
        SpawnOptions good = Options() with { FileName = "cat" };
        SpawnOptions[] bad =
        [
            new(),
            good with { FileName = "c\0at" },
            good with { Arguments = ["a\0b"] },
            good with { WorkingDirectory = "/usr\0" },
            good with { Environment = new Dictionary<string, string?> { ["A=B"] = "" } },
            good with { Environment = new Dictionary<string, string?> { ["A"] = "\0" } },
            good with { StandardInput = ChildStream.Merge },
            good with { StandardOutput = ChildStream.ReadFile("/x") },
            good with { ExtraDescriptors = new Dictionary<int, SafeHandle> { [2] = File.OpenHandle("/dev/null") } },
        ];
        Assert.All(bad, options => Assert.ThrowsAny<ArgumentException>(() => { _ = loop.SpawnAsync(Make, options); }));
        bad[^1].ExtraDescriptors[2].Dispose();
        Assert.Throws<ArgumentException>(() => { _ = loop.SpawnShellAsync(Make, "ls", good); });
        Assert.Throws<ArgumentException>(() => { _ = loop.SpawnShellAsync(Make, ""); });

        SubprocessTransport child = (await SpawnAsync(loop, good)).Transport;
        Assert.Throws<ArgumentOutOfRangeException>(() => child.SendSignal((PosixSignal)77));
        Assert.Throws<InvalidOperationException>(() => child.Kill(entireGroup: true));
        Assert.Throws<InvalidOperationException>(() => child.ResizeTerminal(1, 1));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(async () => await child.TerminateAsync(TimeSpan.FromSeconds(-1)));
        child.Close();
        await child.WaitCompletedAsync();
    });

    [Fact]
    public void Many_AtOnceAndInSequence_LeaveNothing() => RunTools(async loop =>
    {
        SpawnOptions options = Options() with { FileName = "true", StandardError = ChildStream.Null };
        Subprocess<ChildProtocol>[] all = await Task.WhenAll(Enumerable.Range(0, 200).Select(_ => SpawnAsync(loop, options)));
        foreach ((SubprocessTransport child, _) in all)
        {
            Assert.Equal(0, (await child.WaitCompletedAsync()).Code);
        }

        for (int i = 0; i < ManyInSequence; i++)
        {
            SubprocessTransport child = (await SpawnAsync(loop, options)).Transport;
            Assert.Equal(0, (await child.WaitCompletedAsync()).Code);
            _children.Clear();
        }

        Assert.Equal(0, Zombies());
        string[] threads = [.. Directory.EnumerateDirectories("/proc/self/task")
            .Select(thread => File.ReadAllText($"{thread}/comm").Trim())];
        Assert.InRange(threads.Count(name => name.StartsWith("Toolkit spawner", StringComparison.Ordinal)), 0, 1);
    });

    [Fact]
    public void Output_OfManyLines_WaitsForASlowReader() => RunTools(async loop =>
    {
        int pauses = 0;
        ChildProtocol protocol = Make(keepsOutput: false);
        protocol.OnData = (p, _, _) =>
        {
            // Each piece is followed by a pause, so that the pipe is full most of the time.
            Transport output = p.Transport.GetPipeTransport(1)!;
            output.PauseReading();
            pauses++;
            loop.CallSoon(output.ResumeReading);
        };
        (SubprocessTransport child, _) = await loop.SpawnAsync(
            () => protocol, Options() with { FileName = "seq", Arguments = [ManyLines.ToString(CultureInfo.InvariantCulture)] });
        await child.WaitCompletedAsync();

        long expected = Enumerable.Range(1, ManyLines).Sum(i => (long)i.ToString(CultureInfo.InvariantCulture).Length + 1);
        Assert.Equal(expected, protocol.ReceivedLength);
        Assert.True(pauses > 3, "It came in few pieces.");
    });

    [Fact]
    public void Child_SeesItsStreamsAndNoSignalThatIsIgnoredOrBlocked() => RunReal(async loop =>
    {
        RequireNative();
        ChildProtocol child = await RunShellAsync(loop, "ls /proc/self/fd; grep Sig /proc/self/status; ps -o pgid= -p $$");

        string[] lines = child.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(["0", "1", "2", "3"], lines.TakeWhile(line => char.IsDigit(line[0]))); // 3 is the one that ls has opened
        Assert.Contains("SigBlk:\t0000000000000000", lines);
        Assert.Contains("SigIgn:\t0000000000000000", lines);
    });

    [Fact]
    public void Terminal_IsTheChildsOwn() => RunReal(async loop =>
    {
        RequireNative();
        (SubprocessTransport child, ChildProtocol protocol) = await loop.SpawnShellAsync(
            Make,
            "stty size; trap 'stty size; exit 4' WINCH; echo ready > /dev/tty; while :; do read x; done",
            Options() with { Terminal = new(100, 30) });
        await UntilAsync(loop, () => protocol.Output.Contains("ready", StringComparison.Ordinal));
        Assert.Same(child.GetPipeTransport(1), child.GetPipeTransport(0));
        Assert.StartsWith("30 100\r\n", protocol.Output, StringComparison.Ordinal);

        child.ResizeTerminal(120, 40);
        child.GetPipeTransport(0)!.Write("\n"u8);

        Assert.Equal(4, (await child.WaitCompletedAsync()).Code);
        Assert.Contains("40 120\r\n", protocol.Output, StringComparison.Ordinal);
        Assert.Null(protocol.PipeLosses[1]);
        Assert.Single(protocol.PipeLosses);
    });

    [Fact]
    public void Descriptors_BeyondTheStandardOnes_AreHandedOn() => RunReal(async loop =>
    {
        RequireNative();
        using SafeHandle file = File.OpenHandle("/etc/hostname");
        ChildProtocol child = await RunShellAsync(
            loop,
            "ls /proc/self/fd; readlink /proc/self/fd/7",
            options => options with { ExtraDescriptors = new Dictionary<int, SafeHandle> { [7] = file } });

        Assert.Equal("0\n1\n2\n3\n7\n/etc/hostname\n", child.Output);
    });

    [Fact]
    public void Children_OfTheFramework_KeepTheirStatusAndOursHaveTheirs() => RunReal(async loop =>
    {
        RequireNative();
        using var theirs = Process.Start("sh", ["-c", "exit 5"]); // whose status is not ours to take
        (SubprocessTransport child, ChildProtocol protocol) = await SpawnAsync(loop, Options() with { FileName = "cat" });
        ExitStatus status = await child.TerminateAsync(TimeSpan.FromMinutes(1));
        await loop.RunInThreadAsync(theirs.WaitForExit);

        Assert.Equal(5, theirs.ExitCode);
        Assert.Equal(15, status.Signal);
        await protocol.Lost.Task;
    });

    [Fact]
    public void Status_ThatSomebodyElseHasTaken_IsThatOfTheKernelOrUnknown() => RunReal(async loop =>
    {
        RequireNative();
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Children have descriptors on Linux.");
        (SubprocessTransport child, ChildProtocol protocol) = await SpawnAsync(loop, Options() with { FileName = "cat" });
        child.Kill();
        Assert.Equal(child.Pid, UnixCalls.WaitFor(child.Pid)); // in this turn, before the loop can look

        ExitStatus status = await child.WaitCompletedAsync();

        // PIDFD_GET_INFO tells how a process has ended since Linux 6.15, whoever has reaped it.
        Assert.Equal(Environment.OSVersion.Version >= new Version(6, 15) ? ExitStatus.FromSignal(9) : ExitStatus.Unknown, status);
        Assert.Null(await protocol.Lost.Task);
        Assert.False(child.Kill());
    });

    [Fact]
    public void Spawn_WithoutDescriptorsToSpare_FailsWholeAndLeavesNothing() => RunReal(async loop =>
    {
        RequireNative();
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The limit is that of Linux.");
        SpawnOptions options = Options() with { FileName = "cat" };
        (await SpawnAsync(loop, options)).Transport.Close(); // what is made once and kept is there
        await _children[0].Lost.Task;
        int failures = 0;

        // One descriptor more each time, so that each of those that a child takes is once the one that is not there.
        for (int spare = 0; ; spare++)
        {
            using (DescriptorLimit.LeaveBeforeReserve(spare))
            {
                try
                {
                    (await SpawnAsync(loop, options)).Transport.Close();
                    break;
                }
                catch (SpawnFailedException exception)
                {
                    Assert.Equal(SpawnError.OutOfDescriptors, exception.Error);
                    failures++;
                }
            }
        }

        Assert.InRange(failures, 3, 20);
        await _children[^1].Lost.Task;
        Assert.Equal(2, _children.Count);
        Assert.Equal(0, Zombies());
    });

    [Fact]
    public void Run_ToTheEnd_ReturnsWhatWasWrittenAndHowItEnded() => RunReal(async loop =>
    {
        ProcessResult result = await loop.RunProcessAsync(
            Options() with { FileName = "sh", Arguments = ["-c", "sort; echo oops >&2; exit 3"] }, "b\na\n"u8.ToArray());
        Assert.Equal("a\nb\n"u8.ToArray(), result.Output.ToArray());
        Assert.Equal("oops\n"u8.ToArray(), result.Error.ToArray());
        Assert.Equal(3, result.Status.Code);

        // Input that nobody reads is no failure.
        result = await loop.RunProcessAsync(Options() with { FileName = "true" }, new byte[1_000_000]);
        Assert.True(result.Status.IsSuccess);
    });

    [Fact]
    public void Run_OverALimit_EndsTheChildAndKeepsWhatItHadWritten() => RunTools(async loop =>
    {
        ProcessLimitException output = await Assert.ThrowsAsync<ProcessLimitException>(() => loop.RunProcessAsync(
            Options() with { FileName = "yes" }, limits: new RunOptions { MaxOutput = 1001 }));
        Assert.Equal(ProcessLimit.Output, output.Limit);
        Assert.Equal(1001, output.Result.Output.Length);
        Assert.False(output.Result.Status.IsSuccess);

        ProcessLimitException time = await Assert.ThrowsAsync<ProcessLimitException>(() => loop.RunProcessAsync(
            Options() with { FileName = "sleep", Arguments = ["1000"] },
            limits: new RunOptions { Timeout = TimeSpan.FromMilliseconds(20) }));
        Assert.Equal(ProcessLimit.Time, time.Limit);

        await CancelScope.RunAsync(async scope =>
        {
            Task<ProcessResult> run = loop.RunProcessAsync(Options() with { FileName = "sleep", Arguments = ["1000"] });
            await NextTurnAsync(loop);
            scope.Cancel();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => run);
        });
        Assert.Equal(0, Zombies());
    });

    [Fact]
    public void Coroutines_TalkToAChildAndEndIt() => RunTools(async loop =>
    {
        SubprocessTransport transport;
        await using (ChildProcess child = await loop.OpenProcessAsync(
            Options() with { FileName = "cat", StandardError = ChildStream.Null }))
        {
            transport = child.Transport;
            await child.Input.WriteAsync("there\nand back\n"u8.ToArray());
            Assert.Equal("there"u8.ToArray(), (await child.Output.ReadLineAsync())!.Value.ToArray());
            Assert.Equal("and back"u8.ToArray(), (await child.Output.ReadLineAsync())!.Value.ToArray());
            Assert.Throws<InvalidOperationException>(() => child.Error);
            Assert.Null(transport.ExitStatus);
        }

        Assert.NotNull(transport.ExitStatus);
    });

    private static int Zombies()
    {
        int own = Environment.ProcessId;
        int zombies = 0;
        foreach (string directory in Directory.EnumerateDirectories("/proc").Where(d => char.IsDigit(d["/proc/".Length])))
        {
            try
            {
                string[] fields = File.ReadAllText($"{directory}/stat").Split(')')[^1].Trim().Split(' ');
                zombies += fields[0] == "Z" && fields[1] == own.ToString(CultureInfo.InvariantCulture) ? 1 : 0;
            }
            catch (IOException)
            {
                // No process, or gone by now.
            }
        }

        return zombies;
    }

    private void RequireNative() => Assert.SkipWhen(
        method == SpawnMethod.Framework, "The framework knows of no groups, terminals, descriptors or signals.");

    private SpawnOptions Options() => new() { Method = method };

    private SpawnOptions OwnGroup() => Options() with { Group = ChildGroup.Own };

    private ChildProtocol Make() => Make(keepsOutput: true);

    private ChildProtocol Make(bool keepsOutput)
    {
        var protocol = new ChildProtocol { KeepsOutput = keepsOutput };
        _children.Add(protocol);
        return protocol;
    }

    private Task<Subprocess<ChildProtocol>> SpawnAsync(EventLoop loop, SpawnOptions options)
        => loop.SpawnAsync(Make, options with { Method = method });

    private async Task<ChildProtocol> RunShellAsync(
        EventLoop loop, string command, Func<SpawnOptions, SpawnOptions>? change = null)
    {
        SpawnOptions options = Options();
        (SubprocessTransport child, ChildProtocol protocol) = await loop.SpawnShellAsync(
            Make, command, change?.Invoke(options) ?? options);
        await child.WaitCompletedAsync();
        Assert.Equal(0, child.ExitStatus!.Value.Code);
        return protocol;
    }

    private void RunReal(Func<EventLoop, Task> scenario)
    {
        Run(async loop =>
        {
            RequireRealMachine("The programs are the machine's.");
            Assert.SkipWhen(OperatingSystem.IsWindows(), "The programs are those of Unix.");
            await scenario(loop);
        });
        RequireGrammar();
    }

    // What a simulation has, too.
    private void RunTools(Func<EventLoop, Task> scenario)
    {
        Run(async loop =>
        {
            Assert.SkipWhen(!IsSimulated && OperatingSystem.IsWindows(), "The programs are those of Unix.");
            if (IsSimulated)
            {
                SimulatedTools.AddTo(loop);
            }

            await scenario(loop);
        });
        RequireGrammar();
    }

    private void RequireGrammar() => Assert.All(_children, child => Assert.True(
        child.Violations.Count == 0, $"{string.Join("; ", child.Violations)}: {string.Join(' ', child.Events)}"));
}
