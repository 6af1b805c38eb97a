using System.Buffers.Binary;
using System.Net;
using System.Text;

namespace Toolkit.Tests.RealPeers;

/// <summary>Programs that people use, over UDP.</summary>
public abstract class DatagramPeerTests(LoopKind kind)
{
    [Fact]
    public async Task Socat_GetsBackWhatItSends()
    {
        PeerProgram.Require("socat");
        using SampleProcess server = await SampleProcess.ServeAsync($"--udp --loop {kind.ToString().ToLowerInvariant()}");
        string text = string.Concat(Enumerable.Range(0, 1000).Select(i => $"line {i}\n"));

        // What it reads at once is a datagram; the answer is waited for so long after the end of its input.
        Assert.Equal(text, await PeerProgram.RunAsync(
            "socat", text, "-b", "65000", "-t", "1", "-", $"UDP:127.0.0.1:{server.Port}"));
    }

    [Fact]
    public void SocatAsServer_AnswersTheLoop() => Run(async loop =>
    {
        PeerProgram.Require("socat");
        string path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        using PeerProgram server = PeerProgram.Start("socat", "-T", "20", $"UNIX-RECVFROM:{path},fork", "PIPE");
        var answers = new List<string>();
        var client = new Answers(answers);
        try
        {
            while (!File.Exists(path))
            {
                await Task.Delay(TimeSpan.FromMilliseconds(5), loop.TimeProvider);
            }

            (DatagramTransport transport, _) = await loop.CreateDatagramEndpointAsync(() => client, new DatagramOptions
            {
                LocalEndPoint = new System.Net.Sockets.UnixDomainSocketEndPoint(path + ".client"),
                RemoteEndPoint = new System.Net.Sockets.UnixDomainSocketEndPoint(path),
            });
            transport.Send("hello"u8);
            await client.Answered.Task;
            Assert.Equal(["hello"], answers);
            transport.Close();
        }
        finally
        {
            File.Delete(path);
        }
    });

    [Fact]
    public void Dig_AsksAServerOfOurs() => Run(async loop =>
    {
        PeerProgram.Require("dig");
        (DatagramTransport server, Names names) = await loop.CreateDatagramEndpointAsync(
            () => new Names(), new DatagramOptions { LocalEndPoint = new IPEndPoint(IPAddress.Loopback, 0) });
        int port = ((IPEndPoint)server.LocalEndPoint!).Port;

        string known = await PeerProgram.RunAsync(
            "dig", "", "@127.0.0.1", "-p", $"{port}", "+noedns", "+short", "+tries=1", "answer.example", "A");
        string unknown = await PeerProgram.RunAsync(
            "dig", "", "@127.0.0.1", "-p", $"{port}", "+noedns", "+tries=1", "nothing.example", "A");

        Assert.Equal("192.0.2.42\n", known);
        Assert.Contains("status: NXDOMAIN", unknown, StringComparison.Ordinal);
        Assert.Equal(2, names.Asked);
        server.Close();
    });

    private void Run(Func<EventLoop, Task> scenario)
    {
        LoopContract.RequireKind(kind);
        EventLoop.Run(scenario, new EventLoopOptions { Kind = kind });
    }

    private sealed class Answers(List<string> answers) : DatagramProtocol
    {
        public TaskCompletionSource Answered { get; } = new();

        public override void DatagramReceived(ReadOnlySpan<byte> data, in DatagramAddress from, DatagramFlags flags)
        {
            answers.Add(Encoding.UTF8.GetString(data));
            Answered.TrySetResult();
        }

        public override void ErrorReceived(Exception exception) => Answered.TrySetException(exception);
    }

    /// <summary>As much of a name server (RFC 1035) as answers one question of type A.</summary>
    private sealed class Names : DatagramProtocol
    {
        private const int HeaderLength = 12;
        private const ushort Answer = 0x8400; // a response, with authority
        private const ushort NoSuchName = 3;

        private static readonly byte[] s_known = [6, .. "answer"u8, 7, .. "example"u8, 0];

        public int Asked { get; private set; }

        public override void DatagramReceived(ReadOnlySpan<byte> data, in DatagramAddress from, DatagramFlags flags)
        {
            int nameLength = data.Length > HeaderLength ? data[HeaderLength..].IndexOf((byte)0) + 1 : 0;
            int questionEnd = HeaderLength + nameLength + 4;
            if (nameLength == 0 || data.Length < questionEnd || flags != DatagramFlags.None)
            {
                return; // no question, and nobody is to be answered for it
            }

            Asked++;
            bool isKnown = data.Slice(HeaderLength, nameLength).SequenceEqual(s_known);
            byte[] response = new byte[questionEnd + (isKnown ? 16 : 0)];
            data[..questionEnd].CopyTo(response);
            BinaryPrimitives.WriteUInt16BigEndian(response.AsSpan(2), (ushort)(Answer | (isKnown ? 0 : NoSuchName)));
            BinaryPrimitives.WriteUInt16BigEndian(response.AsSpan(6), (ushort)(isKnown ? 1 : 0));
            response.AsSpan(8, 4).Clear(); // neither authorities nor more
            if (isKnown)
            {
                // The name of the question, type A, class IN, a minute, four bytes.
                ReadOnlySpan<byte> answer = [0xc0, HeaderLength, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 42];
                answer.CopyTo(response.AsSpan(questionEnd));
            }

            Transport.SendTo(response, from);
        }
    }
}

public sealed class EpollDatagramPeerTests() : DatagramPeerTests(LoopKind.Epoll);

public sealed class PortableDatagramPeerTests() : DatagramPeerTests(LoopKind.Portable);

public sealed class UringDatagramPeerTests() : DatagramPeerTests(LoopKind.Uring);
