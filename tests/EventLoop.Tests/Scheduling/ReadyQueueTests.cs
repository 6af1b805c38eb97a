using System.Runtime.CompilerServices;
using Toolkit.Scheduling;

namespace Toolkit.Tests.Scheduling;

public sealed class ReadyQueueTests
{
    private static readonly Action<object?>[] s_callbacks = [static _ => { }, static _ => GC.KeepAlive(null)];

    [Fact]
    public void Queue_RandomOperations_IsAQueue()
    {
        for (int seed = 1; seed <= 50; seed++)
        {
            var random = new Random(seed);
            var queue = new ReadyQueue();
            var oracle = new Queue<(Action<object?> Callback, object? State)>();
            for (int i = 0; i < 200; i++)
            {
                // Bursts of several hundred pass the initial capacity, and begin anywhere in the ring.
                int burst = random.Next(600);
                bool filling = random.Next(2) == 0;
                for (int j = 0; j < burst && (filling || oracle.Count > 0); j++)
                {
                    if (filling)
                    {
                        (Action<object?> Callback, object? State) entry = (s_callbacks[random.Next(2)], new object());
                        queue.Enqueue(entry.Callback, entry.State);
                        oracle.Enqueue(entry);
                    }
                    else
                    {
                        RequireNext(seed, queue, oracle);
                    }
                }

                Assert.True(queue.Count == oracle.Count, $"Seed {seed}: {queue.Count} instead of {oracle.Count}.");
            }

            while (oracle.Count > 0)
            {
                RequireNext(seed, queue, oracle);
            }

            Assert.Equal(0, queue.Count);
        }
    }

    [Fact]
    public void Enqueue_FullRingThatHasWrapped_KeepsTheOrder()
    {
        var queue = new ReadyQueue();
        int next = 0;
        int taken = 0;
        for (; next < 256; next++)
        {
            queue.Enqueue(s_callbacks[0], next);
        }

        for (; taken < 100; taken++)
        {
            queue.Dequeue(out _, out object? state);
            Assert.Equal(taken, state);
        }

        for (; next < 1000; next++)
        {
            queue.Enqueue(s_callbacks[0], next);
        }

        for (; taken < 1000; taken++)
        {
            queue.Dequeue(out _, out object? state);
            Assert.Equal(taken, state);
        }

        Assert.Equal(0, queue.Count);
    }

    [Fact]
    public void Dequeue_State_IsNotKept()
    {
        var queue = new ReadyQueue();
        WeakReference state = Pass(queue);
        GC.Collect();

        Assert.False(state.IsAlive);
        GC.KeepAlive(queue);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static WeakReference Pass(ReadyQueue queue)
    {
        object state = new();
        queue.Enqueue(s_callbacks[0], state);
        queue.Dequeue(out _, out object? taken);
        Assert.Same(state, taken);
        return new WeakReference(state);
    }

    private static void RequireNext(int seed, ReadyQueue queue, Queue<(Action<object?> Callback, object? State)> oracle)
    {
        queue.Dequeue(out Action<object?> callback, out object? state);
        (Action<object?> Callback, object? State) expected = oracle.Dequeue();
        Assert.True(
            ReferenceEquals(expected.Callback, callback) && ReferenceEquals(expected.State, state),
            $"Seed {seed}: the wrong entry came out, with {oracle.Count} behind it.");
    }
}
