using System.Diagnostics;
using Toolkit.Simulation;

namespace Toolkit.Tests.Simulated.Conversations;

/// <summary>
/// The fuzzer: a thousand seeds, and some of them twice. <c>SIM_SEED</c> and <c>SIM_COUNT</c> choose others, or more.
/// </summary>
public sealed class ConversationTests(ITestOutputHelper output)
{
    private const int Seeds = 1000;

    [Fact]
    public void Conversations_OverABreakingNetwork_HoldTheContract()
    {
        HashSet<Mark> marks = [];
        var real = Stopwatch.StartNew();

        SimulationReport report = SimulationRun.Explore(world => ConversationWorld.Play(world, marks), Seeds, runsTwice: false);

        output.WriteLine($"{report}, in {real.Elapsed.TotalSeconds:F1} s");
        Mark[] missing = [.. Enum.GetValues<Mark>().Except(marks)];
        if (report.Count >= Seeds)
        {
            Assert.True(missing.Length == 0, $"Never came up: {string.Join(", ", missing)}");
        }
    }

    [Fact]
    public void Conversations_PlayedTwice_AreTheSame()
        => SimulationRun.Explore(world => ConversationWorld.Play(world, []), 100);
}
