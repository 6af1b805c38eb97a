using System.Net;
using System.Net.Sockets;
using Toolkit.Backends;

namespace Toolkit.Tests.Contracts;

/// <summary>The rules of the seam for datagrams, through operations that are submitted by hand.</summary>
public abstract class DatagramSeamContract(LoopUnderTest subject) : LoopContract(subject)
{
    [Fact]
    public void Receive_Cancelled_EndsOnceAndKeepsWhatCame() => Run(async loop =>
    {
        using var pair = new Pair(loop);
        loop.Host.Backend.Submit(pair.Receive);
        await NextTurnAsync(loop);
        pair.Send("1");
        loop.Host.Backend.Cancel(pair.Receive);
        loop.Host.Backend.Cancel(pair.Receive);
        Assert.Equal((true, 0), (pair.Receive.IsArmed, pair.Told.Count)); // told from Poll, and nowhere else
        await UntilAsync(loop, () => !pair.Receive.IsArmed);
        pair.Send("2");
        await NextTurnAsync(loop);
        Assert.Equal(["OperationAborted"], pair.Told);

        loop.Host.Backend.Submit(pair.Receive);
        await UntilAsync(loop, () => pair.Told.Count == 3);
        Assert.Equal(["OperationAborted", "1", "2"], pair.Told);
    });

    [Fact]
    public void Receive_OwnerWantsNoMore_KeepsTheRestInOrder() => Run(async loop =>
    {
        using var pair = new Pair(loop) { StaysArmed = false };
        string[] sent = [.. Enumerable.Range(0, 20).Select(i => $"{i}")];
        Array.ForEach(sent, pair.Send);

        for (int i = 1; i <= sent.Length; i++)
        {
            loop.Host.Backend.Submit(pair.Receive);
            await UntilAsync(loop, () => !pair.Receive.IsArmed);
            Assert.Equal(i, pair.Told.Count);
        }

        Assert.Equal(sent, pair.Told);
    });

    [Fact]
    public void Release_EndsWhatIsArmed() => Run(async loop =>
    {
        using var pair = new Pair(loop);
        loop.Host.Backend.Submit(pair.Receive);
        await NextTurnAsync(loop);

        pair.Dispose();
        Assert.Empty(pair.Told);
        await UntilAsync(loop, () => !pair.Receive.IsArmed);

        Assert.Equal(["OperationAborted"], pair.Told);
        Assert.Throws<ObjectDisposedException>(() => loop.Host.Backend.Submit(pair.Receive));
    });

    [Fact]
    public void TrySendTo_OneTooLongInTheMiddle_SaysWhichAndWhy() => Run(async loop =>
    {
        using var pair = new Pair(loop);
        loop.Host.Backend.Submit(pair.Receive);
        OutgoingDatagram[] batch = [pair.Datagram([1]), pair.Datagram(new byte[65_508]), pair.Datagram([2])];

        int sent = 0;
        SocketError error;
        do
        {
            sent += loop.Host.Backend.TrySendTo(pair.Sender, batch.AsSpan(sent), out error);
        }
        while (error == SocketError.WouldBlock); // which chaos says

        Assert.Equal((1, SocketError.MessageSize), (sent, error));
        await UntilAsync(loop, () => pair.Told.Count == 1);
    });

    [Fact]
    public void Send_AsAnOperation_EndsWithSuccess() => Run(async loop =>
    {
        using var pair = new Pair(loop);
        loop.Host.Backend.Submit(pair.Receive);
        var ends = new List<SocketError>();
        var send = new DatagramSendOperation(pair.Sender, new Ends(ends)) { Datagram = pair.Datagram("x"u8.ToArray()) };

        loop.Host.Backend.Submit(send);
        Assert.Empty(ends);
        Assert.Throws<InvalidOperationException>(
            () => loop.Host.Backend.Submit(new DatagramSendOperation(pair.Sender, new Ends(ends))));
        await UntilAsync(loop, () => ends.Count == 1 && pair.Told.Count == 1);

        Assert.Equal(SocketError.Success, ends[0]);
    });

    private sealed class Ends(List<SocketError> ends) : IDatagramSender
    {
        public void OnSent(SocketError error) => ends.Add(error);
    }

    private sealed class Pair : IDatagramReceiver, IDisposable
    {
        private readonly IoBackend _backend;
        private readonly IoHandle _receiver;
        private readonly IoAddress _to;

        public Pair(EventLoop loop)
        {
            _backend = loop.Host.Backend;
            _receiver = Open();
            Sender = Open();
            Receive = new DatagramReceiveOperation(_receiver, this, 2048);
            _to = IoAddress.FromEndPoint(_receiver.LocalEndPoint);
        }

        public List<string> Told { get; } = [];

        public bool StaysArmed { get; init; } = true;

        public IoHandle Sender { get; }

        public DatagramReceiveOperation Receive { get; }

        public OutgoingDatagram Datagram(byte[] data) => new(data, _to);

        public void Send(string text)
        {
            OutgoingDatagram[] one = [Datagram(System.Text.Encoding.UTF8.GetBytes(text))];
            while (_backend.TrySendTo(Sender, one, out _) == 0)
            {
                // Chaos has it wait.
            }
        }

        public bool OnDatagram(ReadOnlySpan<byte> data, in IoAddress from, bool isTruncated)
        {
            Assert.Equal(IoAddress.FromEndPoint(Sender.LocalEndPoint), from);
            Told.Add(System.Text.Encoding.UTF8.GetString(data));
            return StaysArmed;
        }

        public void OnReceiveEnded(SocketError error) => Told.Add($"{error}");

        public void Dispose()
        {
            _backend.Release(_receiver, reset: false);
            _backend.Release(Sender, reset: false);
        }

        private IoHandle Open()
        {
            var spec = new HandleSpec
            {
                AddressFamily = AddressFamily.InterNetwork,
                IsDatagram = true,
                LocalEndPoint = new IPEndPoint(IPAddress.Loopback, 0),
            };
            return _backend.Open(spec, out SocketError error) ?? throw new SocketException((int)error);
        }
    }
}
