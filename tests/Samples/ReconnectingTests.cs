namespace Toolkit.Tests.Samples;

/// <summary>A client of the toolkit's that lasts, and a server that is a process and does not.</summary>
public sealed class ReconnectingTests
{
    private const int Killed = 9; // SIGKILL

    [Fact]
    public void Server_KilledTenTimes_TheClientComesBack() => EventLoop.Run(async loop =>
    {
        await CancelScope.FailAfterAsync(TimeSpan.FromMinutes(2), async _ =>
        {
            SampleProcess server = await SampleProcess.ServeAsync("");
            int failed = 0;
            int answers = 0;
            await using ReconnectingClient client = loop.CreateReconnectingClient(
                async connection =>
                {
                    while (true)
                    {
                        await connection.WriteAsync("?"u8.ToArray());
                        await connection.ReadExactlyAsync(1);
                        answers++;
                        await loop.Delay(TimeSpan.FromMilliseconds(1));
                    }
                },
                server.EndPoint,
                options: new()
                {
                    InitialDelay = TimeSpan.FromMilliseconds(1),
                    MaxDelay = TimeSpan.FromMilliseconds(20),
                    AttemptFailed = _ => failed++,
                });
            LoopTask running = loop.CreateTask(() => client.RunAsync());
            for (int kill = 0; kill < 10; kill++)
            {
                (int answered, int attempts) = (answers, failed);
                await UntilAsync(() => answers > answered + 1);
                server.Signal(Killed);
                await server.WaitForExitAsync();
                await UntilAsync(() => failed > attempts);
                int port = server.Port;
                server.Dispose();
                server = await SampleProcess.ServeAsync("", port: port);
            }

            int last = answers;
            await UntilAsync(() => answers > last + 1);
            await client.StopAsync();
            await running;
            server.Dispose();
        });

        async Task UntilAsync(Func<bool> condition)
        {
            while (!condition())
            {
                await loop.Delay(TimeSpan.FromMilliseconds(1));
            }
        }
    });
}
