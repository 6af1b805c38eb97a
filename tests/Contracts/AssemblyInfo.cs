// Descriptors are counted around each scenario, so there is one at a time.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
