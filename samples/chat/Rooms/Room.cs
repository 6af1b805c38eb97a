using System.Text;

namespace Toolkit.Samples.Chat;

/// <summary>Who is in a room, and what was said last.</summary>
internal sealed class Room(string name)
{
    private const int HistoryLength = 20;

    private readonly List<Member> _members = [];
    private readonly Queue<string> _history = new(HistoryLength);

    public string Name => name;

    public int Count => _members.Count;

    public IEnumerable<string> Names => _members.Select(member => member.Name);

    /// <summary>A newcomer is told what was said last, and the others are told of the newcomer.</summary>
    public void Add(Member newcomer)
    {
        foreach (string line in _history)
        {
            newcomer.SendLine($"- {line}");
        }

        Tell($"* {newcomer.Name} has joined.");
        _members.Add(newcomer);
        newcomer.SendLine($"* You are in {name}, where there are {_members.Count}.");
    }

    public void Remove(Member member)
    {
        _members.Remove(member);
        Tell($"* {member.Name} has left.");
    }

    /// <summary>A member says something: everybody hears it, who says it too.</summary>
    public void Say(Member member, string text)
    {
        string line = $"<{member.Name}> {text}";
        if (_history.Count == HistoryLength)
        {
            _history.Dequeue();
        }

        _history.Enqueue(line);
        Tell(line);
    }

    /// <summary>
    /// Writes a line to everybody. A write may abort the connection of a member who does not read, but its end is told later,
    /// and so the list does not change in here.
    /// </summary>
    public void Tell(string line)
    {
        byte[] bytes = Encoding.UTF8.GetBytes($"{line}\n");
        foreach (Member member in _members)
        {
            member.Transport.Write(bytes);
        }
    }
}
