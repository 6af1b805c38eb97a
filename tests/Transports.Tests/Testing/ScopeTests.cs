namespace Toolkit.Tests.Testing;

/// <summary>What a transport calls belongs to no task and no scope, whoever made the transport.</summary>
public sealed class ScopeTests
{
    [Fact]
    public void Callbacks_OfAConnectionMadeInAScope_BelongToNone() => EventLoop.Run(
        async loop =>
        {
            var local = new AsyncLocal<int> { Value = 3 };
            var seen = new List<(CancelScope?, ILoopTask?, int)>();
            var peer = new RecordingProtocol { OnMade = p => p.Transport.Write("x"u8) };
            var protocol = new RecordingProtocol { OnMade = _ => Look(), OnData = (_, _) => Look() };
            await loop.CreateTask(() => CancelScope.RunAsync(async _ =>
            {
                await MemoryConnection.CreateAsync(loop, peer, protocol);
                await protocol.FirstData;
            }));
            Assert.Equal(Enumerable.Repeat<(CancelScope?, ILoopTask?, int)>((null, null, 3), 2), seen);
            peer.Transport.Abort();

            void Look() => seen.Add((CancelScope.Current, LoopTask.Current, local.Value));
        },
        new EventLoopOptions { Kind = LoopKind.Simulated });
}
