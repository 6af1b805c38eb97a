using System.Net;

namespace Toolkit.Samples.Probe;

/// <summary>
/// Looks whether somebody listens at the addresses that it reads, a line each, and writes down what came of it. Its workers share
/// one queue; each has a supervisor, which starts it again when it fails.
/// </summary>
internal sealed class ProbeService(EventLoop loop, TextReader input, TextWriter output)
{
    private const int Workers = 4;

    private static readonly TimeSpan s_probeTime = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan s_farewellTime = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_longestPause = TimeSpan.FromSeconds(10);

    private readonly AsyncQueue<string> _targets = new(capacity: 100);
    private int _answered;
    private int _silent;

    /// <summary>Serves until the input ends, or the scope around is cancelled.</summary>
    /// <returns>The exit code: 0 when every target was looked at.</returns>
    public async Task<int> RunAsync()
    {
        bool isWhole = false;
        try
        {
            await TaskGroup.RunAsync(group =>
            {
                _ = group.Start(ReadTargetsAsync, "reader");
                for (int i = 1; i <= Workers; i++)
                {
                    string name = $"worker {i}";
                    _ = group.Start(() => SuperviseAsync(name), name);
                }

                return Task.CompletedTask;
            });
            isWhole = true;
        }
        catch (OperationCanceledException exception)
        {
            output.WriteLine(exception.Message); // Ctrl-C: what was begun is finished, and the rest is left
        }

        // In a cancelled scope every wait would throw, but for what a shield covers.
        await CancelScope.RunAsync(_ => WriteSummaryAsync(), deadline: loop.Time + s_farewellTime, shield: true);
        return isWhole ? 0 : 1;
    }

    private async Task ReadTargetsAsync()
    {
        // The reader blocks, and so has a thread; the queue is bounded, so it never runs ahead of the workers for long.
        while (await loop.RunInThreadAsync(input.ReadLine) is { } line)
        {
            await _targets.PutAsync(line);
        }

        _targets.Complete();
    }

    private async Task SuperviseAsync(string name)
    {
        TimeSpan pause = TimeSpan.FromSeconds(0.1);
        while (true)
        {
            try
            {
                await WorkAsync();
                return;
            }
            catch (FormatException exception)
            {
                string why = (exception as AddressFormatException)?.Reason ?? exception.Message;
                output.WriteLine($"{name} failed, and starts again in {pause.TotalSeconds} s: {why}");
            }

            await loop.Delay(pause);
            pause = TimeSpan.FromTicks(Math.Min(2 * pause.Ticks, s_longestPause.Ticks));
        }
    }

    private async Task WorkAsync()
    {
        await foreach (string target in _targets.GetAllAsync())
        {
            // What is taken off the queue is finished, Ctrl-C or not, within its time.
            string text = IPEndPoint.TryParse(target, out _) ? $"tcp://{target}" : target;
            var address = ServiceAddress.Parse(text, AddressUse.Connect);
            if (address is UdpAddress)
            {
                throw new AddressFormatException("Nobody listens to datagrams as to connections.", text, position: 0);
            }

            bool isThere = await CancelScope.RunAsync(
                _ => ProbeAsync(address), fallback: false, deadline: loop.Time + s_probeTime, shield: true);
            _ = isThere ? _answered++ : _silent++;
            output.WriteLine($"{target} {(isThere ? "answers" : "is silent")}");
        }
    }

    private async Task<bool> ProbeAsync(ServiceAddress address)
    {
        try
        {
            Connection<Silence> connection = await loop.CreateConnectionAsync(() => new Silence(), address);
            connection.Transport.Abort();
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }

    private async Task WriteSummaryAsync()
    {
        string summary = $"{_answered} answer, {_silent} are silent, {_targets.Count} were not looked at";
        await loop.RunInThreadAsync(() => output.WriteLine(summary));
    }

    private sealed class Silence : Protocol
    {
        public override void DataReceived(ReadOnlySpan<byte> data)
        {
        }
    }
}
