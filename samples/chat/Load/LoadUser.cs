using System.Buffers.Text;
using System.Globalization;

namespace Toolkit.Samples.Chat;

/// <summary>
/// One of the crowd. It says a line when it has heard one of its own, with a few under way, and so is never faster than the
/// server.
/// </summary>
internal sealed class LoadUser(LoadRun run, LoadRoom room, int speaker, int quota, string name, string[] sentences) : LineProtocol
{
    private const int UnderWay = 4;

    private int _said;
    private int _heard;
    private bool _isLeaving;
    private bool _hasJoined;

    public LoadRoom Room => room;

    public override void ConnectionMade()
    {
        SendLine($"/nick {name}");
        SendLine($"/join {room.Name}");
    }

    public override void ConnectionLost(Exception? reason)
    {
        base.ConnectionLost(reason);
        if (!_isLeaving)
        {
            run.Fail($"{name} lost the connection: {reason?.Message ?? "the server closed it"}");
        }
    }

    /// <summary>Everybody is there: speak.</summary>
    public void Begin()
    {
        for (int i = 0; i < UnderWay; i++)
        {
            Say();
        }
    }

    /// <summary>Leaves.</summary>
    public void Leave()
    {
        _isLeaving = true;
        if (!Transport.IsClosing)
        {
            SendLine("/quit");
        }
    }

    protected override void LineReceived(ReadOnlySpan<byte> line)
    {
        if (line.StartsWith("<"u8))
        {
            Hear(line);
        }
        else if (!_hasJoined && line.StartsWith("* You are in load-"u8))
        {
            _hasJoined = true;
            run.OnJoined();
        }
        else if (line.StartsWith("* Somebody is called"u8))
        {
            run.Fail($"{name} is taken; is another crowd there?");
        }
    }

    private void Say()
    {
        if (_said < quota)
        {
            string sentence = sentences[((speaker * 31) + _said) % sentences.Length];
            SendLine(string.Create(CultureInfo.InvariantCulture, $"{speaker} {_said++} {sentence}"));
        }
    }

    // <name> speaker number sentence
    private void Hear(ReadOnlySpan<byte> line)
    {
        if (!_hasJoined)
        {
            return; // the lobby's
        }

        ReadOnlySpan<byte> text = line[(line.IndexOf("> "u8) + 2)..];
        if (!Utf8Parser.TryParse(text, out int of, out int digits)
            || !Utf8Parser.TryParse(text[(digits + 1)..], out int number, out _))
        {
            run.Fail($"{name} hears what nobody has said");
            return;
        }

        if (room.Check(_heard++, line, of, number) is { } failure)
        {
            run.Fail($"{name}: {failure}");
        }

        if (of == speaker)
        {
            Say();
        }

        run.OnHeard(_heard == room.Total);
    }
}
