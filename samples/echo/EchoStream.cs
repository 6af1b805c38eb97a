namespace Toolkit.Samples.Echo;

/// <summary>The echo as a coroutine: it reads, writes, and waits while the client does not read.</summary>
internal sealed class EchoStream(EchoSettings settings)
{
    private static readonly LineDelimiter s_lineFeed = LineDelimiter.Of("\n"u8);

    public Task EchoAsync(StreamConnection connection)
        => settings.Lines || settings.IdleTimeout is not null ? EchoInTimeAsync(connection) : EchoAllAsync(connection);

    // All that it takes.
    private static async Task EchoAllAsync(StreamConnection connection)
    {
        while (await connection.ReadAsync() is { IsEmpty: false } data)
        {
            await connection.WriteAsync(data);
        }
    }

    private async Task EchoInTimeAsync(StreamConnection connection)
    {
        while (await ReadInTimeAsync(connection) is { IsEmpty: false } data)
        {
            await connection.WriteAsync(data);
        }
    }

    // The connection is closed when the handler returns, so an idle client is as good as one that has ended.
    private async Task<ReadOnlyMemory<byte>> ReadInTimeAsync(StreamConnection connection)
        => settings.IdleTimeout is { } timeout
            ? await CancelScope.MoveOnAfterAsync(timeout, async _ => await ReadAsync(connection), fallback: default)
            : await ReadAsync(connection);

    private ValueTask<ReadOnlyMemory<byte>> ReadAsync(StreamConnection connection)
        => settings.Lines ? ReadLineAsync(connection) : connection.ReadAsync();

    // With the line feed, which goes back as well; what stands behind the last one is echoed too.
    private static async ValueTask<ReadOnlyMemory<byte>> ReadLineAsync(StreamConnection connection)
    {
        try
        {
            return await connection.ReadUntilAsync(s_lineFeed);
        }
        catch (IncompleteReadException end)
        {
            return end.Partial;
        }
    }
}
