// Tests that count descriptors, threads or allocations must not run beside others.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
