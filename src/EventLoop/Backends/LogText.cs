using System.Globalization;
using System.Text;

namespace Toolkit.Backends;

/// <summary>
/// Text in which a peer may have had a hand, made fit for one line of a log or of an error message: it can then neither end
/// the line and forge another, nor speak to the terminal that shows it. Any thread.
/// </summary>
public static class LogText
{
    /// <summary>
    /// Writes what a reader cannot see as escape sequences: control and format characters, among them those that turn the
    /// direction of writing round, separators of lines, and halves of surrogate pairs. Everything else stays, a backslash too.
    /// </summary>
    public static string Escape(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        StringBuilder? escaped = null;
        for (int i = 0; i < text.Length;)
        {
            bool isRune = Rune.TryGetRuneAt(text, i, out Rune rune);
            int length = isRune ? rune.Utf16SequenceLength : 1;
            if (isRune && !IsHidden(rune))
            {
                escaped?.Append(text, i, length);
            }
            else
            {
                escaped ??= new StringBuilder(text.Length + 16).Append(text, 0, i);
                AppendEscape(escaped, isRune ? rune.Value : text[i]);
            }

            i += length;
        }

        return escaped?.ToString() ?? text;
    }

    /// <summary>An exception as <see cref="Exception.ToString"/> has it, with its messages escaped.</summary>
    internal static string Describe(Exception exception)
    {
        var text = new StringBuilder();
        Append(text, exception);
        return text.ToString();
    }

    private static void Append(StringBuilder text, Exception exception)
    {
        text.Append(exception.GetType()).Append(": ").Append(Escape(exception.Message));
        IReadOnlyList<Exception> causes = exception switch
        {
            AggregateException aggregate => aggregate.InnerExceptions,
            { InnerException: { } inner } => [inner],
            _ => [],
        };
        foreach (Exception cause in causes)
        {
            text.AppendLine().Append(" ---> ");
            Append(text, cause);
            text.AppendLine().Append("   --- End of inner exception stack trace ---");
        }

        if (exception.StackTrace is { } stack)
        {
            text.AppendLine().Append(stack);
        }
    }

    private static bool IsHidden(Rune rune) => Rune.GetUnicodeCategory(rune)
        is UnicodeCategory.Control or UnicodeCategory.Format
        or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator;

    private static void AppendEscape(StringBuilder text, int value)
        => _ = value switch
        {
            '\r' => text.Append(@"\r"),
            '\n' => text.Append(@"\n"),
            '\t' => text.Append(@"\t"),
            <= char.MaxValue => text.Append(CultureInfo.InvariantCulture, $@"\u{value:X4}"),
            _ => text.Append(CultureInfo.InvariantCulture, $@"\U{value:X8}"),
        };
}
