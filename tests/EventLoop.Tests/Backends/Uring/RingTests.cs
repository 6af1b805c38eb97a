using System.Runtime.Versioning;
using Toolkit.Backends.Uring;

namespace Toolkit.Tests.Backends.Uring;

/// <summary>Queues that are too small for what goes through them.</summary>
[SupportedOSPlatform("linux")]
public sealed class RingTests
{
    private const byte NoOperation = 0;
    private const int Count = 1000;

    public RingTests() => LoopContract.RequireKind(LoopKind.Uring);

    [Theory]
    [InlineData(1)]
    [InlineData(8)]
    public void SubmissionQueueIsFull_EverythingIsSubmittedOnceAndInOrder(int submissions)
    {
        using var ring = new Ring(submissions, completions: 4096);
        for (int i = 0; i < Count; i++)
        {
            Submit(ring, i);
        }

        Assert.True(ring.WantsEntering);
        Assert.Equal(0, ring.Enter(wait: true, TimeSpan.TicksPerSecond));

        Assert.Equal(Enumerable.Range(0, Count), TakeAll(ring));
        Assert.False(ring.WantsEntering);
    }

    [Fact]
    public void CompletionQueueOverflows_TheKernelKeepsTheRest()
    {
        using var ring = new Ring(submissions: 2, completions: 4);
        for (int i = 0; i < Count; i++)
        {
            Submit(ring, i);
            if (i % 2 == 1)
            {
                int errno = ring.Enter(wait: false, 0); // and nothing is taken
                Assert.True(Ring.IsPassing(errno), $"errno {errno}");
            }
        }

        Assert.True(ring.WantsEntering);
        List<int> completed = [];
        while (completed.Count < Count)
        {
            int before = completed.Count;
            completed.AddRange(TakeAll(ring));
            int errno = ring.Enter(wait: completed.Count == before, TimeSpan.TicksPerSecond);
            Assert.True(Ring.IsPassing(errno), $"errno {errno}");
            Assert.True(completed.Count > before || ring.HasCompletions, $"{completed.Count} of {Count} have completed.");
        }

        Assert.Equal(Enumerable.Range(0, Count), completed);
        Assert.Equal(0u, ring.LostCompletions);
    }

    [Fact]
    public void Enter_NothingCompletes_WaitsForAsLongAsAsked()
    {
        using var ring = new Ring(submissions: 2, completions: 4);
        long start = TimeProvider.System.GetTimestamp();

        int errno = ring.Enter(wait: true, TimeSpan.FromMilliseconds(20).Ticks);

        Assert.True(Ring.IsPassing(errno) && errno != 0, $"errno {errno}");
        Assert.True(TimeProvider.System.GetElapsedTime(start) >= TimeSpan.FromMilliseconds(20), "The wait was short.");
    }

    [Theory]
    [InlineData(9)] // EBADF
    [InlineData(1)] // EPERM
    public void Check_ErrorThatIsNotInTheRunOfThings_Throws(int errno)
    {
        Assert.False(Ring.IsPassing(errno));
        var exception = Assert.Throws<BackendFailedException>(() => Ring.Check(errno));
        Assert.Contains($"errno {errno}", exception.Message, StringComparison.Ordinal);
    }

    private static void Submit(Ring ring, int number)
    {
        ref SubmissionEntry entry = ref ring.NextEntry();
        entry.Operation = NoOperation;
        entry.UserData = (ulong)number;
    }

    private static List<int> TakeAll(Ring ring)
    {
        List<int> taken = [];
        while (ring.TryTake(out CompletionEntry completion))
        {
            Assert.Equal(0, completion.Result);
            taken.Add((int)completion.UserData);
        }

        return taken;
    }
}
