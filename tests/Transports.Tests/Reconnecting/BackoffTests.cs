using Toolkit.Transports;

namespace Toolkit.Tests.Reconnecting;

/// <summary>How waits are drawn.</summary>
public sealed class BackoffTests
{
    [Fact]
    public void Waits_AreSpreadEvenlyUnderABoundThatGrowsToTheCap()
    {
        int seed = TestSeed.Draw();
        var random = new Random(seed);
        for (int round = 0; round < 20; round++)
        {
            var options = new ReconnectOptions
            {
                InitialDelay = TimeSpan.FromMilliseconds(random.Next(1, 1000)),
                MaxDelay = TimeSpan.FromSeconds(random.Next(1, 100_000)),
                Factor = 1 + (random.NextDouble() * 3),
            };
            options.Validate();
            var backoff = new Backoff(options);
            int[] tenths = new int[10];
            for (int wait = 0; wait < 10_000; wait++)
            {
                double bound = Math.Min(
                    options.InitialDelay.TotalSeconds * Math.Pow(options.Factor, wait), options.MaxDelay.TotalSeconds);
                Assert.Equal(bound, backoff.Bound.TotalSeconds, 2e-7 + (1e-9 * bound)); // in ticks
                double share = backoff.Next(random.NextDouble()).TotalSeconds / bound;
                Assert.InRange(share, 0, 1);
                tenths[Math.Min((int)(share * 10), 9)]++;
            }

            // Of 10,000 a tenth is 1,000, give or take 30; eight times that is off once in 10^15 runs.
            Assert.All(tenths, count => Assert.InRange(count, 760, 1240));
            backoff.Reset();
            Assert.Equal(options.InitialDelay, backoff.Bound);
        }
    }

    [Fact]
    public void Bound_OfEnormousNumbers_IsTheCap()
    {
        var backoff = new Backoff(new ReconnectOptions { Factor = double.MaxValue, MaxDelay = TimeSpan.MaxValue });
        Assert.Equal(TimeSpan.FromSeconds(1), backoff.Bound);
        backoff.Next(0);
        Assert.Equal(TimeSpan.MaxValue, backoff.Bound);
        Assert.True(backoff.Next(0.999) > TimeSpan.FromDays(10_000_000));
        Assert.Equal(TimeSpan.MaxValue, backoff.Bound);
    }

    [Fact]
    public void IsTransient_IsTheNetworkAndTime()
    {
        Assert.All<Exception>(
            [
                new ConnectionException(CloseReason.Reset, "x"), new TlsException(CloseReason.TlsFailed, "x"),
                new EndOfStreamException(), new System.Net.Sockets.SocketException(), new TimeoutException(),
                new AggregateException(new AggregateException(new IOException()), new TimeoutException()),
            ],
            failure => Assert.True(ReconnectOptions.IsTransient(failure)));
        Assert.All<Exception>(
            [
                new ArgumentException("x"), new InvalidOperationException(), new ObjectDisposedException("x"),
                new AggregateException(), new AggregateException(new IOException(), new FormatException()),
            ],
            failure => Assert.False(ReconnectOptions.IsTransient(failure)));
    }
}
