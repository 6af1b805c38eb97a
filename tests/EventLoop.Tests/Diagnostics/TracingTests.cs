using System.Diagnostics;
using Toolkit.Tests.Tasks;

namespace Toolkit.Tests.Diagnostics;

/// <summary>Tasks as activities.</summary>
public sealed class TracingTests
{
    [Fact]
    public void Task_WithAListener_IsAnActivityUnderThatOfItsCreator()
    {
        using var log = new ActivityLog();
        var errors = new List<LoopError>();
        string here = "";
        Scenario.Run(
            async loop =>
            {
                here = loop.Name;
                LoopTask outer = loop.CreateTask(
                    async () =>
                    {
                        Activity parent = Activity.Current!;
                        Assert.Equal("outer", parent.GetTagItem("toolkit.task.name"));
                        await TaskGroup.RunAsync(group =>
                        {
                            _ = group.Start(async () => await loop.Yield(), "inner");
                            return Task.CompletedTask;
                        });
                        Assert.Same(parent, Activity.Current);
                    },
                    "outer",
                    eager: true);
                Assert.Equal("main", Activity.Current!.GetTagItem("toolkit.task.name"));
                await outer;
                LoopTask failing = loop.CreateTask(() => throw new FormatException("so"), "failing");
                LoopTask cancelled = loop.CreateTask(async () => await loop.Delay(TimeSpan.FromSeconds(1)), "cancelled");
                await loop.Yield();
                cancelled.Cancel();
                await Scenario.TurnsAsync(3);
            },
            errors);
        Assert.Single(errors);

        Activity[] ended = log.Ended(activity => Equals(activity.GetTagItem("toolkit.loop.name"), here));
        Assert.Equal(["inner", "outer", "failing", "cancelled", "main"], ended.Select(NameOf));
        Assert.All(ended, activity => Assert.Equal("toolkit.task", activity.OperationName));
        Assert.Equal(ended[1].SpanId, ended[0].ParentSpanId);
        Assert.Equal(ActivityStatusCode.Unset, ended[0].Status);
        Assert.Equal(ActivityStatusCode.Error, ended[2].Status);
        Assert.Equal("System.FormatException", ended[2].GetTagItem("error.type"));
        Assert.Equal(ActivityStatusCode.Unset, ended[3].Status);
        Assert.Equal("Toolkit.ScopeCancelledException", ended[3].GetTagItem("error.type"));
    }

    [Fact]
    public void Callback_ScheduledInATask_KeepsItsActivity() // as it keeps the rest of the execution context
    {
        using var log = new ActivityLog();
        Scenario.Run(async loop =>
        {
            Activity? seen = null;
            loop.CallSoon(() => seen = Activity.Current);
            await loop.Yield();
            await loop.Yield();
            Assert.Equal("main", seen!.GetTagItem("toolkit.task.name"));
        });
    }

    private static object? NameOf(Activity activity) => activity.GetTagItem("toolkit.task.name");
}
