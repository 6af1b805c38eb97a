using System.Text;
using Toolkit.Backends;

namespace Toolkit.Diagnostics;

/// <summary>The tasks of a loop in writing, for people: a line for each, and below it what it waits for.</summary>
internal static class TaskDump
{
    /// <summary>Describes the tasks. On the loop's thread.</summary>
    public static string Of(EventLoop loop)
    {
        TaskTree tree = TaskTreeWalk.Of(loop, maxEntries: int.MaxValue);
        var text = new StringBuilder();
        text.Append($"{loop.BackendName} loop at {loop.Time}: {loop.TaskCount} tasks, {loop.ReadyCount} callbacks ready, ")
            .Append($"{loop.Timers.Count} timers, {loop.Host.ResidentCount} transports and servers\n");
        foreach (TaskTreeEntry entry in tree.Entries)
        {
            if (entry.Kind != TaskTreeKind.Loop)
            {
                AppendLine(text, entry.Depth, $"{NameOf(entry)}{StateOf(entry)}");
            }

            foreach (string line in LinesOf(entry.CreationPlace))
            {
                AppendLine(text, entry.Depth + 1, $"created {line}");
            }

            foreach (string wait in entry.Waits)
            {
                AppendLine(text, entry.Depth + 1, $"waits {wait}");
            }
        }

        foreach (IReadOnlyList<string> circle in tree.Circles)
        {
            AppendLine(text, 0, $"a circle: {string.Join(" waits for ", circle.Append(circle[0]).Select(LogText.Escape))}");
        }

        return text.ToString();
    }

    private static string NameOf(TaskTreeEntry entry) => entry.Kind switch
    {
        TaskTreeKind.Task => $"task {LogText.Escape(entry.Name!)}" + entry.Activity switch
        {
            TaskActivity.Running => ", running",
            TaskActivity.NotBegun => ", not begun",
            TaskActivity.Ready => ", ready, or awaiting what is none of the loop's waits",
            _ => "",
        },
        TaskTreeKind.Group => $"group of {entry.TaskCount} tasks"
            + (entry.Activity == TaskActivity.Waiting ? ", which are waited for" : ""),
        _ => "scope",
    };

    private static string StateOf(TaskTreeEntry entry)
    {
        string reason = entry.CancelReason is { } said ? $" ({LogText.Escape(said)})" : "";
        return (entry.IsCancelled ? $", cancelled{reason}" : "")
            + (entry.Deadline is { } deadline ? $", deadline {deadline}" : "")
            + (entry.IsShielded ? ", shielded" : "");
    }

    private static string[] LinesOf(string? place)
        => place?.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) ?? [];

    private static void AppendLine(StringBuilder text, int depth, string line)
        => text.Append(' ', depth * 2).Append(line).Append('\n');
}
