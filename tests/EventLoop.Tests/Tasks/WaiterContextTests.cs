namespace Toolkit.Tests.Tasks;

/// <summary>Where a wait resumes that was told not to bring the synchronization context back.</summary>
public sealed class WaiterContextTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Wait_WithoutTheContext_ResumesOnTheLoopWithNone(bool isDelay) => EventLoop.Run(async loop =>
    {
        var queue = new AsyncQueue<int>();
        int thread = Environment.CurrentManagedThreadId;
        Task<int> outer = OuterAsync();
        queue.TryPut(1);

        // What ends within such a resumption resumes the next one in place; with the context set it would be in the thread pool.
        Assert.Equal(thread, await outer);
        Assert.Same(loop.SynchronizationContext, SynchronizationContext.Current);

        async Task<int> OuterAsync()
        {
            await MiddleAsync().ConfigureAwait(false);
            return Environment.CurrentManagedThreadId;
        }

        async Task MiddleAsync()
        {
            if (isDelay)
            {
                await loop.Delay(TimeSpan.FromMilliseconds(1)).ConfigureAwait(false);
            }
            else
            {
                await queue.GetAsync().ConfigureAwait(false);
            }

            Assert.Null(SynchronizationContext.Current);
        }
    });
}
