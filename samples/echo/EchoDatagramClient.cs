namespace Toolkit.Samples.Echo;

/// <summary>
/// The client over UDP: each line of standard input is a datagram, whose answer goes to standard output. One that is not answered
/// in time is lost, and counted.
/// </summary>
internal sealed class EchoDatagramClient : DatagramProtocol
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(1);

    private readonly Stream _output = Console.OpenStandardOutput();
    private byte[] _awaited = [];
    private TaskCompletionSource? _answered;
    private Exception? _fault;

    /// <summary>Talks until the end of the input.</summary>
    /// <returns>The exit code: 0 when all came back.</returns>
    public static int Run(ServiceAddress? address, string host, int port)
    {
        try
        {
            return EventLoop.Run(
                async loop =>
                {
                    (_, EchoDatagramClient client) = await loop.CreateDatagramEndpointAsync(
                        () => new EchoDatagramClient(), local: null, remote: address ?? new UdpAddress(host, port));
                    return await client.TalkAsync(loop);
                },
                new EventLoopOptions { ThreadTimeout = TimeSpan.Zero }); // the terminal may be read for ever
        }
        catch (Exception exception) when (exception is IOException or ArgumentException)
        {
            Console.Error.WriteLine(exception.Message);
            return 1;
        }
    }

    // An answer that comes late is one to an earlier line, which is lost by then.
    public override void DatagramReceived(ReadOnlySpan<byte> data, in DatagramAddress from, DatagramFlags flags)
    {
        if (_answered is { } answered && data.SequenceEqual(_awaited))
        {
            _answered = null;
            _output.Write(data);
            _output.Flush();
            answered.SetResult();
        }
    }

    public override void ErrorReceived(Exception exception)
    {
        _fault = exception;
        _answered?.TrySetResult(); // nobody will answer
    }

    private bool WasRefused => _fault is not null;

    private async Task<int> TalkAsync(EventLoop loop)
    {
        using Stream input = Console.OpenStandardInput();
        using var lines = new StreamReader(input);
        int sent = 0;
        int lost = 0;
        while (await loop.RunInThreadAsync(lines.ReadLine) is { } line)
        {
            sent++;
            if (!await IsAnsweredAsync(System.Text.Encoding.UTF8.GetBytes(line + "\n"), loop))
            {
                lost++;
            }
        }

        if (lost > 0)
        {
            Console.Error.WriteLine($"{lost} of {sent} lines were not answered.{(_fault is null ? "" : $" {_fault.Message}")}");
        }

        return lost == 0 ? 0 : 1;
    }

    private async Task<bool> IsAnsweredAsync(byte[] data, EventLoop loop)
    {
        var answered = new TaskCompletionSource();
        _awaited = data;
        _answered = answered;
        _fault = null;
        if (Transport.Send(data) == DatagramSendStatus.TooLong)
        {
            throw new IOException($"A line of {data.Length} bytes is longer than a datagram.");
        }

        bool isInTime = true;
        try
        {
            await answered.Task.WaitAsync(s_patience, loop.TimeProvider);
        }
        catch (TimeoutException)
        {
            isInTime = false;
        }

        _answered = null;
        return isInTime && !WasRefused;
    }
}
