namespace Toolkit;

/// <summary>
/// The tasks of a loop as data (<see cref="EventLoop.DescribeTasks"/>): the tree of tasks, groups and scopes, and what each waits
/// for. Immutable; any thread.
/// </summary>
public sealed record TaskTree
{
    /// <summary>The entries, each before those that are inside it. The first is the loop itself.</summary>
    public required IReadOnlyList<TaskTreeEntry> Entries { get; init; }

    /// <summary>How many tasks are not among the entries, because there were more than were asked for.</summary>
    public required int TasksLeftOut { get; init; }

    /// <summary>
    /// Circles of tasks that wait for each other, and so for ever, by their names: over futures, and in debug mode over locks.
    /// </summary>
    public required IReadOnlyList<IReadOnlyList<string>> Circles { get; init; }
}

/// <summary>What an entry of a <see cref="TaskTree"/> is.</summary>
public enum TaskTreeKind
{
    /// <summary>The loop: what is around all others.</summary>
    Loop,

    /// <summary>A task.</summary>
    Task,

    /// <summary>A group of tasks.</summary>
    Group,

    /// <summary>A scope.</summary>
    Scope,
}

/// <summary>What a task, or a group, is at.</summary>
public enum TaskActivity
{
    /// <summary>The task has not begun.</summary>
    NotBegun,

    /// <summary>It is the one that runs at this moment.</summary>
    Running,

    /// <summary>It waits; or, of a group, its body has ended and its tasks are waited for.</summary>
    Waiting,

    /// <summary>It is about to go on, or awaits what is none of the loop's waits, which cannot be told apart.</summary>
    Ready,
}

/// <summary>A task, a group or a scope, in a <see cref="TaskTree"/>.</summary>
public sealed record TaskTreeEntry
{
    /// <summary>How far inside it is: 0 for the loop. What follows with a greater depth is inside this.</summary>
    public required int Depth { get; init; }

    /// <summary>What it is.</summary>
    public required TaskTreeKind Kind { get; init; }

    /// <summary>The name, of a task and of the loop.</summary>
    public string? Name { get; init; }

    /// <summary>What it is at; null where that does not apply, and of a group whose body goes on.</summary>
    public TaskActivity? Activity { get; init; }

    /// <summary>How many tasks a group has that have not ended; null of all others.</summary>
    public int? TaskCount { get; init; }

    /// <summary>Whether it is cancelled, and not left yet.</summary>
    public bool IsCancelled { get; init; }

    /// <summary>Why, when whoever cancelled it has said so.</summary>
    public string? CancelReason { get; init; }

    /// <summary>The deadline, in the loop's time; null for none, and when it is cancelled.</summary>
    public TimeSpan? Deadline { get; init; }

    /// <summary>Whether it is shielded from cancellation outside.</summary>
    public bool IsShielded { get; init; }

    /// <summary>
    /// What it waits for, in words that follow "waits"; what names it has are escaped. An object that is waited for has a number,
    /// so that two who wait for the same one are seen to.
    /// </summary>
    public IReadOnlyList<string> Waits { get; init; } = [];

    /// <summary>In debug mode, where a task was created.</summary>
    public string? CreationPlace { get; init; }
}
