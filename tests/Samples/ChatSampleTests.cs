using System.Net.Sockets;
using System.Text;
using Toolkit.Samples.Chat;

namespace Toolkit.Tests.Samples;

/// <summary>The chat sample from outside, on each kind of loop.</summary>
public abstract class ChatSampleTests(LoopKind kind)
{
    private string Loop => $"--loop {kind.ToString().ToLowerInvariant()}";

    [Fact]
    public async Task Serve_TwoPeople_JoinTalkWhisperAndLeave()
    {
        using SampleProcess server = await ServeAsync();
        using ChatClient ann = await ChatClient.ConnectAsync(server, "ann");
        using ChatClient bob = await ChatClient.ConnectAsync(server, "bob");
        Assert.Equal(
            $"listening on tcp://127.0.0.1:{server.Port} with {kind.ToString().ToLowerInvariant()}, pid {server.Process.Id}\n",
            server.Output);

        await ann.SendAsync("/join tea\nfirst\nsecond\r\n/who\n");
        Assert.Equal("* You are in tea, where there are 1.", await ann.ReadUntilAsync("* You are"));
        Assert.Equal("<ann> first", await ann.ReadAsync());
        Assert.Equal("<ann> second", await ann.ReadAsync());
        Assert.Equal("* In tea: ann", await ann.ReadAsync());

        await bob.SendAsync("/join tea\n");
        await bob.ReadUntilAsync("* ann has left.");
        Assert.Equal("- <ann> first", await bob.ReadAsync());
        Assert.Equal("- <ann> second", await bob.ReadAsync());
        Assert.Equal("* You are in tea, where there are 2.", await bob.ReadAsync());
        Assert.Equal("* bob has joined.", await ann.ReadAsync());

        await bob.SendAsync("/msg ANN psst, hey\n/msg nobody hey\n/msg ann\n/dance\n/quit\nnever said\n");
        Assert.Equal("[bob] psst, hey", await ann.ReadAsync());
        Assert.Equal("* bob has left.", await ann.ReadAsync());
        Assert.Equal("[to ann] psst, hey", await bob.ReadAsync());
        Assert.Equal("* Nobody is called nobody.", await bob.ReadAsync());
        Assert.Equal("* To whom, and what?", await bob.ReadAsync());
        Assert.StartsWith("* There is no /dance.", await bob.ReadAsync(), StringComparison.Ordinal);
        Assert.Equal("* Bye.", await bob.ReadAsync());
        Assert.Null(await bob.ReadAsync());
        Assert.Equal("", server.Errors);
    }

    [Fact]
    public async Task Member_WhoDoesNotRead_IsDroppedAndTheOthersHearEverything()
    {
        const int LinesAtOnce = 50;
        using SampleProcess server = await ServeAsync("--flood 0");
        using Socket deaf = await SampleClient.ConnectAsync(server);
        deaf.ReceiveBufferSize = 4096;
        using ChatClient ann = await ChatClient.ConnectAsync(server, "ann");
        using ChatClient bob = await ChatClient.ConnectAsync(server, "bob");
        await SendAsync(deaf, "/nick deaf\n"u8.ToArray());
        await ann.ReadUntilAsync("is now deaf");
        await bob.ReadUntilAsync("is now deaf");

        // The others keep up, however slow the machine is: more is said when both have heard what was said before.
        string padding = new('x', 1000);
        bool isDropped = false;
        for (int i = 0; !isDropped; i += LinesAtOnce)
        {
            await bob.SendAsync(string.Concat(Enumerable.Range(i, LinesAtOnce).Select(n => $"{n} {padding}\n")));
            for (int n = i; n < i + LinesAtOnce; n++)
            {
                foreach (ChatClient one in (ChatClient[])[ann, bob])
                {
                    string? heard = await one.ReadAsync();
                    if (string.Equals(heard, "* deaf has left.", StringComparison.Ordinal))
                    {
                        isDropped = true;
                        heard = await one.ReadAsync();
                    }

                    Assert.Equal($"<bob> {n} {padding}", heard);
                }
            }
        }

        Assert.Equal("", server.Errors);
    }

    [Fact]
    public async Task Terminate_WhilePeopleTalk_EverybodyHearsWhatAnybodyHeard()
    {
        using SampleProcess server = await ServeAsync("--flood 0");
        ChatClient[] people = await Task.WhenAll(
            Enumerable.Range(0, 10).Select(i => ChatClient.ConnectAsync(server, $"person-{i}")));
        var mayTalk = new SemaphoreSlim(100); // or who reads slowly would be dropped
        var muchSaid = new TaskCompletionSource();
        Task<List<string>>[] hearing = [
            Task.Run(() => people[0].ReadSaidAsync(() => mayTalk.Release())),
            .. people[1..].Select(person => Task.Run(() => person.ReadSaidAsync()))];
        Task talking = Task.Run(async () =>
        {
            try
            {
                for (int i = 0; ; i++)
                {
                    await mayTalk.WaitAsync();
                    await people[0].SendAsync($"line {i}\n");
                    if (i == 2_000)
                    {
                        muchSaid.SetResult();
                    }
                }
            }
            catch (Exception exception) when (exception is IOException or ObjectDisposedException)
            {
                // The server is gone.
            }
        });

        await muchSaid.Task;
        server.Signal(SampleProcess.Terminate);
        List<string>[] heard = await Task.WhenAll(hearing);
        Array.ForEach(people, person => person.Dispose()); // or the server would wait a while for their ends
        mayTalk.Release();
        await talking;

        Assert.Equal(0, await server.WaitForExitAsync());
        Assert.True(heard[0].Count > 1_900);
        Assert.Equal(Enumerable.Range(0, heard[0].Count).Select(i => $"<person-0> line {i}"), heard[0]);
        Assert.All(heard, one => Assert.Equal(heard[0], one));
        mayTalk.Dispose();
    }

    // The server is halted, so its kernel has the lines and it has not: they were accepted all the same.
    [Fact]
    public async Task Terminate_WithLinesThatItHasNotReadYet_SaysThemFirst()
    {
        const int Lines = 200;
        using SampleProcess server = await ServeAsync("--flood 50");
        ChatClient[] people = await Task.WhenAll(
            Enumerable.Range(0, 5).Select(i => ChatClient.ConnectAsync(server, $"person-{i}")));

        server.Signal(SampleProcess.Halt);
        foreach (ChatClient person in people)
        {
            await person.SendAsync(string.Concat(Enumerable.Range(0, Lines).Select(n => $"line {n}\n")));
        }

        server.Signal(SampleProcess.Terminate);
        server.Signal(SampleProcess.Continue);
        List<string>[] heard = await Task.WhenAll(people.Select(person => person.ReadSaidAsync()));

        Array.ForEach(people, person => person.Dispose()); // or the server would wait a while for their ends
        Assert.Equal(0, await server.WaitForExitAsync());
        Assert.All(heard, one => Assert.Equal(heard[0], one));
        for (int i = 0; i < people.Length; i++)
        {
            Assert.Equal(
                Enumerable.Range(0, Lines).Select(n => $"<person-{i}> line {n}"),
                heard[0].Where(line => line.StartsWith($"<person-{i}>", StringComparison.Ordinal)));
        }
    }

    [Fact]
    public async Task Serve_WhoSaysNothingOrComesTooOften_IsTurnedAway()
    {
        using SampleProcess server = await ServeAsync("--first-byte 0.1 --per-address 2");
        using ChatClient ann = await ChatClient.ConnectAsync(server, "ann");
        using Socket silent = await SampleClient.ConnectAsync(server);
        SocketException ended = await Assert.ThrowsAsync<SocketException>(() => ReadToEndAsync(silent));
        Assert.Equal(SocketError.ConnectionReset, ended.SocketErrorCode);
        await ann.ReadUntilAsync("has left.");

        using ChatClient bob = await ChatClient.ConnectAsync(server, "bob");
        SocketException refused = await Assert.ThrowsAsync<SocketException>(
            async () => await ReadToEndAsync(await SampleClient.ConnectAsync(server)));

        Assert.Equal(SocketError.ConnectionReset, refused.SocketErrorCode);
        ann.Dispose();
        bob.Dispose();
        server.Signal(SampleProcess.Terminate);
        Assert.Equal(0, await server.WaitForExitAsync());
        Assert.Contains("was ended: The peer sent nothing within 00:00:00.1", server.Errors, StringComparison.Ordinal);
        Assert.Contains("has as many connections as it may", server.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Load_OnAServer_HearsTheSameOrderAndExitsWithZero()
    {
        using SampleProcess server = await ServeAsync();

        (int exitCode, string output, string errors) = await SampleProcess.RunAsync(
            $"load --port {server.Port} --users 50 --rooms 3 --messages 5001", program: SampleProcess.Chat);

        Assert.Equal(0, exitCode);
        string summary = Assert.Single(output.TrimEnd().Split('\n'));
        Assert.StartsWith("5001 messages of 50 users in 3 rooms: 83", summary, StringComparison.Ordinal);
        Assert.EndsWith("; all in the same order, none lost", summary, StringComparison.Ordinal);
        Assert.Contains("lines heard", errors, StringComparison.Ordinal);
        server.Signal(SampleProcess.Terminate);
        Assert.Equal(0, await server.WaitForExitAsync());
    }

    private Task<SampleProcess> ServeAsync(string arguments = "")
        => SampleProcess.ServeAsync($"{Loop} {arguments}", program: SampleProcess.Chat);
}

public sealed class EpollChatSampleTests() : ChatSampleTests(LoopKind.Epoll);

public sealed class PortableChatSampleTests() : ChatSampleTests(LoopKind.Portable);

public sealed class UringChatSampleTests() : ChatSampleTests(LoopKind.Uring);

/// <summary>What the chat makes of what people type, which the kind of loop has no part in.</summary>
public sealed class ChatCommandTests
{
    [Fact]
    public async Task Names_ThatCannotBe_AreRefusedInOneLine()
    {
        using SampleProcess server = await ServeAsync();
        using ChatClient ann = await ChatClient.ConnectAsync(server, "ann");
        foreach ((string command, string answer) in (IEnumerable<(string, string)>)
        [
            ("/nick", "* Which nickname?"),
            ("/nick a\u0007b", "* A nickname has letters, digits, - and _ only."),
            ("/nick a b", "* A nickname has letters, digits, - and _ only."),
            ("/nick a\u202eb", "* A nickname has letters, digits, - and _ only."),
            ("/nick aaaaaaaaaaaaaaaaaaaaa", "* A nickname has at most 20 characters."),
            ("/nick ANN", "* Somebody is called ANN already."),
            ("/join ../etc", "* A room has letters, digits, - and _ only."),
        ])
        {
            using ChatClient bob = await ChatClient.ConnectAsync(server, null);
            await bob.SendAsync($"{command}\n/nick bøb_2\n");
            Assert.Equal(answer, await bob.ReadAsync());
            Assert.EndsWith(" is now bøb_2.", await bob.ReadAsync(), StringComparison.Ordinal);
            await bob.SendAsync("/quit\n");
            while (await bob.ReadAsync() is not null)
            {
                // the name is free again when the end has come
            }
        }
    }

    [Fact]
    public async Task Text_OfTelnetAndOfControlCharacters_IsHarmless()
    {
        using SampleProcess server = await ServeAsync();
        using ChatClient ann = await ChatClient.ConnectAsync(server, "ann");

        await ann.SendAsync([255, 251, 31, .. "will\r\n"u8]);
        await ann.SendAsync([.. "sub"u8, 255, 250, 24, 0, (byte)'\n', 255, 255, 255, 240, .. "negotiation\r\0\n"u8]);
        await ann.SendAsync([255, 253, (byte)'\n', .. "option ten\n"u8]); // the line feed is an option's number
        await ann.SendAsync("\u001b[31mred\r over\u0008 \u202e\n"u8.ToArray());
        await ann.SendAsync([.. "not "u8, 0xC3, .. " UTF-8\n"u8]);
        await ann.SendAsync($"{new string('x', 1024)}\n{new string('x', 1025)}\nlast\n");

        Assert.Equal("<ann> will", await ann.ReadAsync());
        Assert.Equal("<ann> subnegotiation", await ann.ReadAsync());
        Assert.Equal("<ann> option ten", await ann.ReadAsync());
        Assert.Equal(@"<ann> \u001B[31mred over\u0008 \u202E", await ann.ReadAsync());
        Assert.Equal("<ann> not \ufffd UTF-8", await ann.ReadAsync());
        Assert.Equal($"<ann> {new string('x', 1024)}", await ann.ReadAsync());
        Assert.Equal("* That line was not said: it is longer than 1024 bytes.", await ann.ReadAsync());
        Assert.Equal("<ann> last", await ann.ReadAsync());
    }

    private static Task<SampleProcess> ServeAsync() => SampleProcess.ServeAsync("", program: SampleProcess.Chat);
}

/// <summary>What does not depend on the loop.</summary>
public sealed class ChatArgumentTests
{
    [Theory]
    [InlineData("--prt 3")]
    [InlineData("--port 65536")]
    [InlineData("--loop simulated")]
    [InlineData("--flood -1")]
    [InlineData("--first-byte x")]
    [InlineData("--idle -1")]
    [InlineData("--per-address 0")]
    [InlineData("--users 3")]
    [InlineData("load --users 0")]
    [InlineData("load --rooms x")]
    [InlineData("load --loop epoll")]
    public async Task Arguments_Wrong_SaySoAndExitWithTwo(string arguments)
    {
        (int exitCode, string output, string errors) = await SampleProcess.RunAsync(arguments, program: SampleProcess.Chat);

        Assert.Equal((2, ""), (exitCode, output));
        Assert.NotEqual("", errors);
    }

    [Fact]
    public async Task Load_WhereThereIsNoServer_SaysSoAndExitsWithOne()
    {
        using var bound = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        bound.Bind(new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, 0));
        int port = ((System.Net.IPEndPoint)bound.LocalEndPoint!).Port;

        (int exitCode, string output, string errors) = await SampleProcess.RunAsync(
            $"load --port {port}", program: SampleProcess.Chat);

        Assert.Equal((1, ""), (exitCode, output));
        Assert.Single(errors.TrimEnd().Split('\n'));
    }

    [Fact]
    public void LoadRoom_LossAndDisorder_AreSeen()
    {
        var room = new LoadRoom("room");
        int ann = room.AddSpeaker(3);
        int bob = room.AddSpeaker(3);
        Assert.Null(room.Check(0, "a0"u8, ann, 0));
        Assert.Null(room.Check(1, "b0"u8, bob, 0));
        Assert.Null(room.Check(2, "a1"u8, ann, 1));

        Assert.Null(room.Check(0, "a0"u8, ann, 0)); // the second to hear them
        Assert.NotNull(room.Check(1, "a1"u8, ann, 1));
        Assert.NotNull(room.Check(3, "a1"u8, ann, 1));
        Assert.NotNull(room.Check(4, "b2"u8, bob, 2));
        Assert.Equal(6, room.Total);
    }

    [Fact]
    public void TelnetInput_EndlessNegotiation_KeepsNoMoreThanALine()
    {
        var input = new TelnetInput(10);
        for (int i = 0; i < 1_000; i++)
        {
            Assert.Null(input.Read([.. "text"u8, 255, 251]));
        }

        Assert.Equal("texttextte", input.Read(Encoding.UTF8.GetBytes("end")));
        Assert.Equal("next", input.Read("next"u8));
    }
}
