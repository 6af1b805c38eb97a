using System.Text;
using Toolkit.Backends;
using Toolkit.Tasks;

namespace Toolkit.Diagnostics;

/// <summary>
/// The tasks of a loop in writing: the tree of scopes, groups and tasks, and what each waits for. An object that is waited for
/// has a number, so that two who wait for the same one are seen to.
/// </summary>
internal sealed class TaskDump
{
    private readonly EventLoop _loop;
    private readonly StringBuilder _text = new();
    private readonly Dictionary<object, int> _numbers = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<string, int> _lastNumbers = [];
    private readonly TaskCycles _cycles = new();

    private TaskDump(EventLoop loop) => _loop = loop;

    /// <summary>Describes the tasks. On the loop's thread.</summary>
    public static string Of(EventLoop loop)
    {
        var dump = new TaskDump(loop);
        dump.WriteLoop();
        return dump._text.ToString();
    }

    private void WriteLoop()
    {
        AppendLine($"{_loop.BackendName} loop at {_loop.Time}: {_loop.Tasks.Count} tasks, {_loop.ReadyCount} callbacks ready, "
            + $"{_loop.Timers.Count} timers, {_loop.Host.ResidentCount} transports and servers");
        WriteInside(_loop.RootScope, depth: 1);
        foreach (IReadOnlyList<ILoopTask> cycle in _cycles.Find())
        {
            AppendLine($"a circle: {string.Join(" waits for ", cycle.Append(cycle[0]).Select(NameOf))}");
        }
    }

    private void WriteInside(CancelScope scope, int depth)
    {
        foreach (IScopeWait wait in scope.Waits)
        {
            Indent(depth);
            AppendLine($"waits {Describe(wait)}");
            if (scope.Task is { } waiting && wait.Describe().Holder is { } holder)
            {
                _cycles.Add(waiting, holder);
            }
        }

        foreach (CancelScope child in scope.Children)
        {
            Indent(depth);
            AppendLine(child switch
            {
                TaskScope task => DescribeTask(task),
                TaskGroup.GroupScope { Group: var group } => $"group of {group.Count} tasks"
                    + (group.HasBodyEnded ? ", which are waited for" : "") + StateOf(child),
                _ => $"scope{StateOf(child)}",
            });
            WriteCreation(child as TaskScope, depth + 1);
            WriteInside(child, depth + 1);
        }
    }

    private string DescribeTask(TaskScope scope)
    {
        string what = scope.Task == CancelScope.TaskOf(_loop) ? ", running"
            : !scope.HasBegun ? ", not begun"
            : HasWait(scope) ? ""
            : ", ready, or awaiting what is none of the loop's waits";
        return $"task {NameOf(scope.Task!)}{what}{StateOf(scope)}";
    }

    // Its own, and that of a group's body for the group's tasks, but not those of the tasks.
    private static bool HasWait(CancelScope scope)
        => scope.Waits.Any()
            || scope.Children.Any(child => child is not TaskScope
                && (HasWait(child) || child is TaskGroup.GroupScope { Group.HasBodyEnded: true }));

    private static string StateOf(CancelScope scope)
    {
        string reason = scope.CancelReason is { } said ? $" ({LogText.Escape(said)})" : "";
        return (scope.IsCancelled ? $", cancelled{reason}" : "")
            + (scope.Deadline is { } deadline && !scope.IsCancelled ? $", deadline {deadline}" : "")
            + (scope.Shield ? ", shielded" : "");
    }

    private string Describe(IScopeWait wait)
    {
        (string act, object? target, string? state, ILoopTask? holder) = wait.Describe();
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

    private void WriteCreation(TaskScope? scope, int depth)
    {
        if (scope?.CreationPlace is { } place)
        {
            foreach (string line in place.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
            {
                Indent(depth);
                AppendLine($"created {line}");
            }
        }
    }

    private void Indent(int depth) => _text.Append(' ', depth * 2);

    private void AppendLine(string text) => _text.Append(text).Append('\n');
}
