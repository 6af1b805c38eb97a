using Toolkit.Backends;
using Toolkit.Tasks;

namespace Toolkit.Diagnostics;

/// <summary>
/// Goes through the scopes, groups and tasks of a loop, and writes down what each waits for. An object that is waited for has a
/// number, so that two who wait for the same one are seen to.
/// </summary>
internal sealed class TaskTreeWalk
{
    private readonly EventLoop _loop;
    private readonly int _maxEntries;
    private readonly List<TaskTreeEntry> _entries = [];
    private readonly Dictionary<object, int> _numbers = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<string, int> _lastNumbers = [];
    private readonly TaskCycles _cycles = new();
    private int _tasks;
    private int _waits;

    private TaskTreeWalk(EventLoop loop, int maxEntries)
    {
        _loop = loop;
        _maxEntries = maxEntries;
    }

    /// <summary>Describes the tasks. On the loop's thread.</summary>
    public static TaskTree Of(EventLoop loop, int maxEntries)
    {
        var walk = new TaskTreeWalk(loop, maxEntries);
        walk._entries.Add(new TaskTreeEntry
        {
            Depth = 0,
            Kind = TaskTreeKind.Loop,
            Name = loop.Name,
            Waits = walk.WaitsOf(loop.RootScope),
        });
        walk.AddInside(loop.RootScope, depth: 1);
        return new TaskTree
        {
            Entries = walk._entries,
            TasksLeftOut = Math.Max(0, loop.TaskCount - walk._tasks),
            Circles = [.. walk._cycles.Find().Select(cycle => (IReadOnlyList<string>)[.. cycle.Select(task => task.Name)])],
        };
    }

    private void AddInside(CancelScope scope, int depth)
    {
        foreach (CancelScope child in scope.Children)
        {
            if (_entries.Count >= _maxEntries)
            {
                return;
            }

            _entries.Add(Describe(child, depth));
            AddInside(child, depth + 1);
        }
    }

    private TaskTreeEntry Describe(CancelScope scope, int depth)
    {
        var entry = new TaskTreeEntry
        {
            Depth = depth,
            Kind = TaskTreeKind.Scope,
            IsCancelled = scope.IsCancelled,
            CancelReason = scope.CancelReason,
            Deadline = scope.IsCancelled ? null : scope.Deadline,
            IsShielded = scope.Shield,
            Waits = WaitsOf(scope),
        };
        switch (scope)
        {
            case TaskScope task:
                _tasks++;
                return entry with
                {
                    Kind = TaskTreeKind.Task,
                    Name = task.Task!.Name,
                    Activity = ActivityOf(task),
                    CreationPlace = task.CreationPlace?.ToString(),
                };
            case TaskGroup.GroupScope { Group: var group }:
                return entry with
                {
                    Kind = TaskTreeKind.Group,
                    TaskCount = group.Count,
                    Activity = group.HasBodyEnded ? TaskActivity.Waiting : null,
                };
            default:
                return entry;
        }
    }

    private TaskActivity ActivityOf(TaskScope scope)
        => scope.Task == CancelScope.TaskOf(_loop) ? TaskActivity.Running
            : !scope.HasBegun ? TaskActivity.NotBegun
            : HasWait(scope) ? TaskActivity.Waiting
            : TaskActivity.Ready;

    // Its own, and that of a group's body for the group's tasks, but not those of the tasks.
    private static bool HasWait(CancelScope scope)
        => scope.Waits.Any()
            || scope.Children.Any(child => child is not TaskScope
                && (HasWait(child) || child is TaskGroup.GroupScope { Group.HasBodyEnded: true }));

    private List<string> WaitsOf(CancelScope scope)
    {
        var waits = new List<string>();
        int leftOut = 0;
        foreach (IScopeWait wait in scope.Waits)
        {
            if (_waits >= _maxEntries && waits.Count > 0)
            {
                leftOut++;
                continue;
            }

            _waits++;
            WaitDescription description = wait.Describe();
            waits.Add(Describe(description));
            if (scope.Task is { } waiting && description.Holder is { } holder)
            {
                _cycles.Add(waiting, holder);
            }
        }

        if (leftOut > 0)
        {
            waits.Add($"for {leftOut} more");
        }

        return waits;
    }

    private string Describe(WaitDescription wait)
    {
        (string act, object? target, string? state, ILoopTask? holder) = wait;
        if (target is null)
        {
            return act;
        }

        if (target is ILoopTask task)
        {
            return $"{act} task {NameOf(task)}";
        }

        string heldBy = holder is null ? "" : $", held by task {NameOf(holder)}";
        return $"{act} {NameOf(target)}{(state is null ? "" : $" ({state}{heldBy})")}";
    }

    private string NameOf(object target)
    {
        string type = NameOf(target.GetType());
        if (!_numbers.TryGetValue(target, out int number))
        {
            number = _lastNumbers.GetValueOrDefault(type) + 1;
            _lastNumbers[type] = number;
            _numbers.Add(target, number);
        }

        return $"{type} #{number}";
    }

    private static string NameOf(ILoopTask task) => LogText.Escape(task.Name);

    private static string NameOf(Type type)
        => type.IsGenericType
            ? $"{type.Name[..type.Name.IndexOf('`', StringComparison.Ordinal)]}<"
                + $"{string.Join(", ", type.GetGenericArguments().Select(NameOf))}>"
            : type.Name;
}
