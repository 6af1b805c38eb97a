using Toolkit.Bench.Cells;
using Toolkit.Bench.Results;

namespace Toolkit.Tests;

public sealed class BenchRunTests
{
    [Fact]
    public void Ratios_AreThoseOfEachRound()
    {
        BenchRun run = Runs.Empty().With("cell", "ours", 2, 3, 8).With("cell", "theirs", 4, 3, 2);

        Assert.Equal([0.5, 1, 4], run.Ratios("cell", "ours", "theirs", Metric.CpuPerRequest));
    }

    [Fact]
    public void Ratios_RoundThatOneDoesNotHave_IsLeftOut()
    {
        BenchRun run = Runs.Empty().With("cell", "ours", 2, 3).With("cell", "theirs", 4, 3, 2).With("other", "ours", 1, 1, 1);
        run.Measurements.RemoveAll(measurement => measurement is { Peer: "theirs", Round: 1 });

        Assert.Equal([1], run.Ratios("cell", "ours", "theirs", Metric.CpuPerRequest));
    }

    [Fact]
    public void Figures_WhatTheCellDoesNotHave_IsLeftOut()
        => Assert.Empty(Runs.Empty().With("cell", "ours", 1).Figures("cell", "ours", Metric.MemoryPerConnection));

    [Fact]
    public void Load_WhatWasSaved_IsTheSame()
    {
        string path = Path.GetTempFileName();
        try
        {
            BenchRun run = Runs.Empty().With("cell", "ours", 1, 2, 3);
            run.Primitives.Add(new PrimitiveMeasurement("post", "ours", 40, Allocated: null) { Round = 1 });
            run.Save(path);
            BenchRun loaded = BenchRun.Load(path);

            Assert.Equal(run.Measurements, loaded.Measurements);
            Assert.Equal(run.Primitives, loaded.Primitives);
            Assert.Equal(run.Machine, loaded.Machine);
        }
        finally
        {
            File.Delete(path);
        }
    }
}
