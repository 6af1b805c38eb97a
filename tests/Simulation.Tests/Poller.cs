namespace Toolkit.Tests.Simulated;

/// <summary>Asks a server every second, whatever becomes of it.</summary>
public sealed class Poller(EventLoop loop)
{
    public static readonly TimeSpan AnswerTime = TimeSpan.FromSeconds(2);

    public long Answers { get; private set; }

    public async Task AskAsync(StreamConnection connection)
    {
        while (true)
        {
            await connection.WriteAsync("how are you?\n"u8.ToArray());

            // A way that is broken says nothing. Who wants to know asks, and does not wait for ever.
            ReadOnlyMemory<byte>? answer = await CancelScope.FailAfterAsync(
                AnswerTime, async _ => await connection.ReadLineAsync());
            if (answer is null)
            {
                return; // the server has ended the connection, and the client makes another
            }

            Answers++;
            await loop.Delay(TimeSpan.FromSeconds(1));
        }
    }
}
