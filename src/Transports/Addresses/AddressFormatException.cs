using Toolkit.Backends;

namespace Toolkit;

/// <summary>
/// A text is no <see cref="ServiceAddress"/>. The message says what was expected, and its second and third line point at the
/// place; what cannot be seen in the text is escaped.
/// </summary>
public sealed class AddressFormatException : FormatException
{
    // Of a long text, what is around the place.
    private const int ShownBefore = 60;
    private const int ShownAfter = 40;

    /// <summary>Creates the exception.</summary>
    /// <param name="reason">What is wrong, and what was expected.</param>
    /// <param name="text">The text.</param>
    /// <param name="position">Where in the text, from 0 to its length.</param>
    public AddressFormatException(string reason, string text, int position)
        : base(Describe(reason, text, position))
    {
        Reason = reason;
        Position = position;
    }

    /// <summary>What is wrong, in one line: the first of the message.</summary>
    public string Reason { get; }

    /// <summary>Where in the text that is, as an index of a character; its length when something is missing at the end.</summary>
    public int Position { get; }

    private static string Describe(string reason, string text, int position)
    {
        ArgumentNullException.ThrowIfNull(reason);
        ArgumentNullException.ThrowIfNull(text);
        ArgumentOutOfRangeException.ThrowIfNegative(position);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(position, text.Length);
        int start = Math.Max(0, position - ShownBefore);
        int end = Math.Min(text.Length, position + ShownAfter);
        string before = (start > 0 ? "..." : "") + LogText.Escape(text[start..position]);
        string after = LogText.Escape(text[position..end]) + (end < text.Length ? "..." : "");
        return $"{reason}\n  {before}{after}\n  {new string(' ', before.Length)}^";
    }
}
