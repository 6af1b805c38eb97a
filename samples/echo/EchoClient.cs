namespace Toolkit.Samples.Echo;

/// <summary>The client: standard input to the server, what comes back to standard output.</summary>
internal sealed class EchoClient : Protocol
{
    private const int ChunkSize = 64 * 1024;

    private readonly Stream _output = Console.OpenStandardOutput();
    private readonly TaskCompletionSource<Exception?> _lost = new();
    private TaskCompletionSource _writable = CompletedSource();

    public static int Run(ServiceAddress? address, string host, int port, string? path, bool withTls, string? authority)
    {
        try
        {
            TlsClientOptions? tls = withTls || (address is TlsAddress && authority is not null)
                ? new TlsClientOptions
                {
                    TargetHost = path is null && (address is null or InternetAddress) ? null : host,
                    TrustedRoots = authority is null ? null : TlsCertificate.LoadRoots(authority),
                }
                : null;
            return EventLoop.Run(
                async loop =>
                {
                    var options = new ConnectOptions { Tls = tls };
                    (_, EchoClient client) = address is not null
                        ? await loop.CreateConnectionAsync(() => new EchoClient(), address, options)
                        : path is null
                        ? await loop.CreateConnectionAsync(() => new EchoClient(), host, port, options)
                        : await loop.CreateUnixConnectionAsync(() => new EchoClient(), path, options);
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

    public override void DataReceived(ReadOnlySpan<byte> data)
    {
        _output.Write(data);
        _output.Flush();
    }

    public override void PauseWriting() => _writable = new TaskCompletionSource();

    public override void ResumeWriting() => _writable.TrySetResult();

    public override void ConnectionLost(Exception? reason)
    {
        _writable.TrySetResult();
        _lost.TrySetResult(reason);
    }

    private static TaskCompletionSource CompletedSource()
    {
        var source = new TaskCompletionSource();
        source.SetResult();
        return source;
    }

    private async Task<int> TalkAsync(EventLoop loop)
    {
        Task sending = SendInputAsync(loop);
        Exception? reason = await _lost.Task;
        if (sending.IsFaulted)
        {
            await sending;
        }

        if (reason is not null)
        {
            Console.Error.WriteLine(reason.Message);
        }

        return reason is null ? 0 : 1;
    }

    private async Task SendInputAsync(EventLoop loop)
    {
        using Stream input = Console.OpenStandardInput();
        byte[] chunk = new byte[ChunkSize];
        while (await loop.RunInThreadAsync(() => input.Read(chunk)) is var count and > 0)
        {
            if (Transport.Write(chunk.AsSpan(0, count)) == WriteStatus.Closed)
            {
                return;
            }

            await _writable.Task;
        }

        if (Transport.CanWriteEof)
        {
            Transport.WriteEof();
        }
        else
        {
            Transport.Close(); // before TLS 1.3 no side goes on alone
        }
    }
}
