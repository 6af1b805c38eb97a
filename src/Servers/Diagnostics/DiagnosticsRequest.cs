namespace Toolkit;

/// <summary>What is asked of a loop.</summary>
[Flags]
internal enum LoopParts
{
    None = 0,
    Metrics = 1,
    Transports = 2,
    Tasks = 4,
    All = Metrics | Transports | Tasks,
}

/// <summary>What can be asked for.</summary>
/// <param name="Word">By which word.</param>
/// <param name="Parts">What of each loop; none for <c>help</c>.</param>
/// <param name="Description">What the answer says, for <c>help</c>.</param>
internal sealed record DiagnosticsRequest(string Word, LoopParts Parts, string Description)
{
    public static IReadOnlyList<DiagnosticsRequest> All { get; } =
    [
        new("snapshot", LoopParts.All, "all of the following"),
        new("transports", LoopParts.Transports, "the transports and servers of each loop"),
        new("tasks", LoopParts.Tasks, "the tasks of each loop, as a tree, and what they wait for"),
        new("metrics", LoopParts.Metrics, "the numbers of each loop"),
        new("help", LoopParts.None, "what can be asked for"),
    ];

    /// <summary>The request of that word; null when there is none.</summary>
    public static DiagnosticsRequest? Find(ReadOnlySpan<byte> word)
    {
        foreach (DiagnosticsRequest request in All)
        {
            if (System.Text.Ascii.Equals(word, request.Word))
            {
                return request;
            }
        }

        return null;
    }
}
