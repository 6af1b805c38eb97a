using System.Text;
using Toolkit.Backends;

namespace Toolkit.Samples.Chat;

/// <summary>
/// One connection: what a person types, line by line, and what the room says to them. Lines that begin with a slash are
/// commands. It does not watch for pauses of writing, since it cannot make the room wait; the hard cap ends the connection of
/// who does not read.
/// </summary>
internal sealed class Member(ChatHall hall) : LineProtocol
{
    private const int LineLimit = 1024;
    private const int NameLimit = 20;
    private const int NamesShown = 50;
    private const string Commands = "/join ROOM, /nick NAME, /who, /msg NAME TEXT, /quit";

    private readonly TelnetInput _input = new(LineLimit);
    private FloodGate? _gate;
    private Room? _room;

    /// <summary>The nickname.</summary>
    public string Name { get; private set; } = "";

    public override void ConnectionMade()
    {
        MaxLength = LineLimit;
        _gate = hall.Settings.LinesPerSecond is { } rate ? new FloodGate(Transport, rate) : null;
        Name = hall.NameGuest(this);
        SendLine($"* Welcome, {Name}. {Commands}; anything else is said to the room.");
        Enter(hall.Open(ChatHall.Lobby));
    }

    /// <summary>Has everything read that has arrived, however much it is.</summary>
    public void LiftFloodGate() => _gate?.Lift();

    public override void ConnectionLost(Exception? reason)
    {
        base.ConnectionLost(reason);
        if (_room is not null)
        {
            hall.Leave(_room, this);
        }

        hall.Forget(this);
    }

    protected override void LineReceived(ReadOnlySpan<byte> line)
    {
        _gate?.Pass();
        if (_input.Read(line) is not { } typed)
        {
            return;
        }

        // Now it can neither move a cursor nor forge a line.
        string text = LogText.Escape(typed.Trim());
        if (text.StartsWith('/'))
        {
            string[] words = text.Split(' ', 2, StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
            Obey(words[0], words is [_, var rest] ? rest : "");
        }
        else if (text.Length > 0)
        {
            _room!.Say(this, text);
        }
    }

    protected override void LineTooLong(FramingException error)
        => SendLine($"* That line was not said: it is longer than {LineLimit} bytes.");

    // Half a line that was never finished was never said.
    protected override void FramingFailed(FramingException error) => Transport.Close();

    // Why a name cannot be; null when it can.
    private static string? Problem(string what, string name)
    {
        int length = 0;
        foreach (Rune rune in name.EnumerateRunes())
        {
            length++;
            if (!Rune.IsLetterOrDigit(rune) && rune.Value is not ('-' or '_'))
            {
                return $"* A {what} has letters, digits, - and _ only.";
            }
        }

        return length switch
        {
            0 => $"* Which {what}?",
            > NameLimit => $"* A {what} has at most {NameLimit} characters.",
            _ => null,
        };
    }

    private void Obey(string command, string argument)
    {
        switch (command)
        {
            case "/join":
                Join(argument);
                break;
            case "/nick":
                Rename(argument);
                break;
            case "/who":
                string[] names = [.. _room!.Names.Take(NamesShown)];
                string others = _room.Count > names.Length ? $" and {_room.Count - names.Length} others" : "";
                SendLine($"* In {_room.Name}: {string.Join(", ", names)}{others}");
                break;
            case "/msg":
                Whisper(argument);
                break;
            case "/quit":
                SendLine("* Bye.");
                Transport.Close();
                break;
            default:
                SendLine($"* There is no {command}. {Commands}");
                break;
        }
    }

    private void Join(string name)
    {
        if (Problem("room", name) is { } problem)
        {
            SendLine(problem);
        }
        else if (string.Equals(name, _room!.Name, StringComparison.OrdinalIgnoreCase))
        {
            SendLine($"* You are in {_room.Name}.");
        }
        else
        {
            hall.Leave(_room, this);
            Enter(hall.Open(name));
        }
    }

    private void Enter(Room room)
    {
        _room = room;
        room.Add(this);
    }

    private void Rename(string name)
    {
        if (Problem("nickname", name) is { } problem)
        {
            SendLine(problem);
        }
        else if (!hall.TryRename(this, name))
        {
            SendLine($"* Somebody is called {name} already.");
        }
        else
        {
            (string former, Name) = (Name, name);
            _room!.Tell($"* {former} is now {name}.");
        }
    }

    private void Whisper(string argument)
    {
        string[] words = argument.Split(' ', 2, StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        if (words is not [var name, var text])
        {
            SendLine("* To whom, and what?");
        }
        else if (hall.Find(name) is not { } other)
        {
            SendLine($"* Nobody is called {name}.");
        }
        else
        {
            other.SendLine($"[{Name}] {text}");
            SendLine($"[to {other.Name}] {text}");
        }
    }
}
