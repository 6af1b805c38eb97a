namespace Toolkit.Samples.Chat;

/// <summary>
/// What was said in a room, in the order in which the first to hear it heard it; everybody else must hear the same.
/// </summary>
internal sealed class LoadRoom(string name)
{
    private readonly List<byte[]> _heard = [];
    private readonly List<int> _next = []; // of each speaker

    public string Name => name;

    /// <summary>How many lines will be said in it.</summary>
    public int Total { get; private set; }

    /// <summary>Adds someone who will say so many lines.</summary>
    /// <returns>The speaker's number.</returns>
    public int AddSpeaker(int quota)
    {
        Total += quota;
        _next.Add(0);
        return _next.Count - 1;
    }

    /// <summary>Somebody has heard a line.</summary>
    /// <param name="index">How many they had heard before.</param>
    /// <param name="line">The whole of it.</param>
    /// <param name="speaker">Whose it says it is.</param>
    /// <param name="number">How many its speaker says to have said before.</param>
    /// <returns>What is wrong with it; null when it is right.</returns>
    public string? Check(int index, ReadOnlySpan<byte> line, int speaker, int number)
    {
        if (index < _heard.Count)
        {
            return line.SequenceEqual(_heard[index]) ? null : $"line {index} of {name} is not the same for all";
        }

        _heard.Add(line.ToArray());
        return number == _next[speaker]++ ? null : $"line {number} of speaker {speaker} in {name} comes out of order";
    }
}
