using System.Net;
using Toolkit.Simulation;

namespace Toolkit.Tests.Simulated;

/// <summary>What one connection's protocol does wrong is nobody else's affair.</summary>
public sealed class IsolationTests
{
    private static readonly string[] s_callbacks =
        ["ConnectionMade", "DataReceived", "EofReceived", "PauseWriting", "ResumeWriting", "ConnectionLost"];

    [Fact]
    public void Exception_OutOfAnyCallback_ChangesNothingForAnother() => SimulationRun.Explore(
        world =>
        {
            string quiet = TraceOfTheOther(world.Seed, throwsFrom: null);
            foreach (string callback in s_callbacks)
            {
                Assert.Equal(quiet, TraceOfTheOther(world.Seed, callback));
            }
        },
        count: 5,
        runsTwice: false);

    // One connection throws from the callback, or not; the other writes, pauses, ends.
    private static string TraceOfTheOther(ulong seed, string? throwsFrom)
    {
        using var hosts = new TwoHosts(new SimulationOptions { Seed = seed });
        var errors = new List<LoopError>();
        var culprit = new TestProtocol();
        var other = new TestProtocol();
        var served = new Queue<TestProtocol>([culprit, other]);
        culprit.OnEvery(callback =>
        {
            if (callback == throwsFrom)
            {
                throw new InvalidDataException(callback);
            }
        });
        EventLoop? serverLoop = null;
        hosts.Server.Start(async loop =>
        {
            serverLoop = loop;
            loop.ExceptionHandler = errors.Add;
            Server server = await loop.CreateServerAsync(served.Dequeue, TwoHosts.Any);
            await server.WaitClosedAsync();
        });
        hosts.World.RunUntilIdle();
        TestProtocol first = hosts.Connect();
        TestProtocol second = hosts.Connect();

        foreach ((TestProtocol server, TestProtocol client) in new[] { (culprit, first), (other, second) })
        {
            EventLoop loop = hosts.LoopOf(client);
            loop.CallSoon(() =>
            {
                client.Transport.Write(new byte[1000]);
                client.Transport.PauseReading();
            });
            hosts.World.RunFor(TimeSpan.FromSeconds(1));
            serverLoop!.CallSoon(() => server.Transport.Write(new byte[1_000_000]));
            hosts.World.RunFor(TimeSpan.FromSeconds(1));
            loop.CallSoon(client.Transport.ResumeReading);
            hosts.World.RunFor(TimeSpan.FromMinutes(1));
            loop.CallSoon(client.Transport.WriteEof);
            hosts.World.RunFor(TimeSpan.FromMinutes(1));
        }

        Assert.True(errors.Count == (throwsFrom is null ? 0 : 1), $"{errors.Count} errors, thrown from {throwsFrom}.");
        return $"{string.Join(' ', other.Callbacks.Distinct())}, {other.ReceivedLength}, {other.Transport.CloseReason}; "
            + $"{string.Join(' ', second.Callbacks.Distinct())}, {second.ReceivedLength}, {second.Transport.CloseReason}";
    }
}
