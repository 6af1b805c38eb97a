namespace Toolkit.Diagnostics;

/// <summary>Who waits for whom, and the circles in it: tasks that wait for each other, and so for ever.</summary>
internal sealed class TaskCycles
{
    private readonly Dictionary<ILoopTask, List<ILoopTask>> _waitsFor = [];

    public void Add(ILoopTask waiting, ILoopTask awaited)
    {
        if (!_waitsFor.TryGetValue(waiting, out List<ILoopTask>? all))
        {
            _waitsFor.Add(waiting, all = []);
        }

        all.Add(awaited);
    }

    /// <summary>The circles, each once, as the tasks in it; those that share a task may be told as one.</summary>
    public IEnumerable<IReadOnlyList<ILoopTask>> Find()
    {
        var seen = new HashSet<ILoopTask>();
        foreach (ILoopTask start in _waitsFor.Keys)
        {
            // Depth first, by hand: the path is the stack, with how many of its edges each task has gone.
            var path = new List<ILoopTask>();
            var gone = new List<int>();
            Enter(start);
            while (path.Count > 0)
            {
                int next = gone[^1]++;
                if (!_waitsFor.TryGetValue(path[^1], out List<ILoopTask>? edges) || next == edges.Count)
                {
                    path.RemoveAt(path.Count - 1);
                    gone.RemoveAt(gone.Count - 1);
                }
                else if (path.IndexOf(edges[next]) is >= 0 and var first)
                {
                    yield return path[first..];
                }
                else
                {
                    Enter(edges[next]);
                }
            }

            void Enter(ILoopTask task)
            {
                if (seen.Add(task))
                {
                    path.Add(task);
                    gone.Add(0);
                }
            }
        }
    }
}
