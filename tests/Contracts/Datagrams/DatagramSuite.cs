using System.Globalization;
using System.Net;
using System.Text;

namespace Toolkit.Tests.Contracts;

/// <summary>
/// What the suites of datagrams have in common. Both ends of a conversation are end points of the loop under test.
/// </summary>
public abstract class DatagramSuite(LoopUnderTest subject) : LoopContract(subject)
{
    private readonly List<RecordingDatagrams> _recorded = [];

    /// <summary>Any port of the IPv4 loopback address.</summary>
    protected static DatagramOptions Anywhere { get; } = new() { LocalEndPoint = new IPEndPoint(IPAddress.Loopback, 0) };

    /// <summary>Runs the scenario, and checks that callbacks came in their order.</summary>
    protected void RunDatagrams(Func<EventLoop, Task> scenario, EventLoopOptions? options = null)
    {
        _recorded.Clear();
        Run(scenario, options);
        foreach (RecordingDatagrams protocol in _recorded)
        {
            Assert.True(protocol.Violation is null, $"{protocol.Violation}: {string.Join(' ', protocol.Told)}");
            Assert.Equal(1, protocol.LostCount); // the loop is disposed, so nobody is left
        }
    }

    protected async Task<RecordingDatagrams> OpenAsync(
        EventLoop loop, DatagramOptions options, RecordingDatagrams? protocol = null)
    {
        protocol ??= new RecordingDatagrams();
        _recorded.Add(protocol);
        await loop.CreateDatagramEndpointAsync(() => protocol, options);
        return protocol;
    }

    protected Task<RecordingDatagrams> OpenAsync(EventLoop loop, RecordingDatagrams? protocol = null)
        => OpenAsync(loop, Anywhere, protocol);

    protected Task<RecordingDatagrams> ConnectAsync(EventLoop loop, EndPoint remote, RecordingDatagrams? protocol = null)
        => OpenAsync(loop, new DatagramOptions { RemoteEndPoint = remote }, protocol);

    protected static DatagramAddress AddressOf(RecordingDatagrams endpoint)
        => DatagramAddress.FromEndPoint(endpoint.Transport.LocalEndPoint!);
}

/// <summary>Writes down what it is told, and does what a test has it do then.</summary>
public sealed class RecordingDatagrams : DatagramProtocol
{
    /// <summary>The callbacks, in words.</summary>
    public List<string> Told { get; } = [];

    public List<byte[]> Received { get; } = [];

    public List<DatagramAddress> Senders { get; } = [];

    public List<DatagramFlags> Flags { get; } = [];

    public List<Exception> Faults { get; } = [];

    public Exception? LostReason { get; private set; }

    public int LostCount { get; private set; }

    public int PauseCount { get; private set; }

    public int ResumeCount { get; private set; }

    /// <summary>What broke the order of callbacks, if anything did.</summary>
    public string? Violation { get; private set; }

    public Action? OnMade { get; init; }

    public Action<RecordingDatagrams, byte[], DatagramAddress>? OnReceived { get; set; }

    public Action<RecordingDatagrams, Exception>? OnFault { get; set; }

    public Action<RecordingDatagrams>? OnPause { get; set; }

    public Action<RecordingDatagrams>? OnLost { get; set; }

    public override void ConnectionMade()
    {
        Note("made", isFirst: true);
        OnMade?.Invoke();
    }

    public override void DatagramReceived(ReadOnlySpan<byte> data, in DatagramAddress from, DatagramFlags flags)
    {
        Note(string.Create(CultureInfo.InvariantCulture, $"{data.Length}"));
        if (!Transport.IsReading)
        {
            Violation ??= "a datagram while reading was paused or over";
        }

        byte[] copy = data.ToArray();
        Received.Add(copy);
        Senders.Add(from);
        Flags.Add(flags);
        OnReceived?.Invoke(this, copy, from);
    }

    public override void ErrorReceived(Exception exception)
    {
        Note("error");
        Faults.Add(exception);
        OnFault?.Invoke(this, exception);
    }

    public override void PauseWriting()
    {
        Note("pause");
        PauseCount++;
        OnPause?.Invoke(this);
    }

    public override void ResumeWriting()
    {
        Note("resume");
        ResumeCount++;
        if (ResumeCount > PauseCount)
        {
            Violation ??= "a resumption without a pause";
        }
    }

    public override void ConnectionLost(Exception? reason)
    {
        Note("lost");
        LostReason = reason;
        LostCount++;
        OnLost?.Invoke(this);
    }

    private void Note(string what, bool isFirst = false)
    {
        if (isFirst != (Told.Count == 0) || LostCount > 0)
        {
            Violation ??= $"'{what}' out of turn";
        }

        Told.Add(what);
    }
}
