using System.Buffers;
using System.Text;

namespace Toolkit.Samples.Chat;

/// <summary>
/// The text of lines that may come from a telnet client: its negotiations (RFC 854), stray carriage returns and NULs are taken
/// out. None of them is answered, which a client takes for a no.
/// </summary>
/// <param name="limit">How many bytes a line has at most.</param>
internal sealed class TelnetInput(int limit)
{
    private const byte EndOfSubnegotiation = 240;
    private const byte Subnegotiation = 250;
    private const byte Will = 251;
    private const byte Dont = 254;
    private const byte Iac = 255;

    private readonly ArrayBufferWriter<byte> _text = new();
    private State _state;

    private enum State
    {
        Text,
        Command,
        Option,
        Subnegotiation,
        SubnegotiationCommand,
    }

    /// <summary>Takes a line without its line feed.</summary>
    /// <returns>Its text; null when the line feed was part of a negotiation, and the line goes on.</returns>
    public string? Read(ReadOnlySpan<byte> line)
    {
        foreach (byte value in line)
        {
            Take(value);
        }

        if (_state != State.Text)
        {
            Take((byte)'\n');
            return null;
        }

        string text = Encoding.UTF8.GetString(_text.WrittenSpan);
        _text.ResetWrittenCount();
        return text;
    }

    private void Take(byte value)
    {
        _state = (_state, value) switch
        {
            (State.Text, Iac) => State.Command,
            (State.Command, Subnegotiation) => State.Subnegotiation,
            (State.Command, >= Will and <= Dont) => State.Option,
            (State.Subnegotiation, Iac) => State.SubnegotiationCommand,
            (State.Subnegotiation, _) => State.Subnegotiation,
            (State.SubnegotiationCommand, EndOfSubnegotiation) => State.Text,
            (State.SubnegotiationCommand, _) => State.Subnegotiation,
            (State.Text, _) => Append(value),
            _ => State.Text, // a command without an option, or the option itself
        };
    }

    private State Append(byte value)
    {
        if (value is not ((byte)'\r' or 0) && _text.WrittenCount < limit)
        {
            _text.Write([value]);
        }

        return State.Text;
    }
}
