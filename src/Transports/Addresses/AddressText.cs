using System.Globalization;
using System.Text;

namespace Toolkit.Transports;

/// <summary>The escapes of addresses: a byte of UTF-8 as <c>%</c> and two hexadecimal digits (RFC 3986, section 2.1).</summary>
internal static class AddressText
{
    private static readonly UTF8Encoding s_strictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Where half a surrogate pair stands alone, which no encoding can express; -1 when nowhere.</summary>
    public static int FindLoneSurrogate(string text)
    {
        for (int i = 0; i < text.Length; i++)
        {
            if (!char.IsSurrogate(text[i]))
            {
                continue;
            }

            if (!char.IsSurrogatePair(text, i))
            {
                return i;
            }

            i++;
        }

        return -1;
    }

    /// <summary>Escapes what has a meaning in an address, and what cannot be seen.</summary>
    /// <param name="text">Of whole characters.</param>
    /// <param name="reserved">What has a meaning at that place, beside <c>%</c>.</param>
    public static string Escape(string text, ReadOnlySpan<char> reserved)
    {
        StringBuilder? escaped = null;
        int index = 0;
        foreach (Rune rune in text.EnumerateRunes())
        {
            if (rune.Value == '%' || IsHidden(rune) || (rune.IsBmp && reserved.Contains((char)rune.Value)))
            {
                escaped ??= new StringBuilder(text.Length + 16).Append(text, 0, index);
                escaped.Append(Escape(rune));
            }
            else
            {
                escaped?.Append(text, index, rune.Utf16SequenceLength);
            }

            index += rune.Utf16SequenceLength;
        }

        return escaped?.ToString() ?? text;
    }

    /// <summary>A character as its escape.</summary>
    public static string Escape(Rune rune)
    {
        Span<byte> bytes = stackalloc byte[4];
        var escape = new StringBuilder();
        foreach (byte value in bytes[..rune.EncodeToUtf8(bytes)])
        {
            escape.Append(CultureInfo.InvariantCulture, $"%{value:X2}");
        }

        return escape.ToString();
    }

    /// <summary>Takes the escapes out of a text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="problem">What is wrong with an escape; null when nothing is.</param>
    /// <param name="index">Where that is.</param>
    /// <returns>What is meant, or null.</returns>
    public static string? Unescape(string text, out string? problem, out int index)
    {
        problem = null;
        index = text.IndexOf('%', StringComparison.Ordinal);
        if (index < 0)
        {
            return text;
        }

        var meant = new StringBuilder(text.Length).Append(text, 0, index);
        var bytes = new List<byte>();
        for (int i = index; i < text.Length;)
        {
            if (text[i] != '%')
            {
                meant.Append(text[i++]);
                continue;
            }

            // Those in a row, since together they are a character.
            index = i;
            bytes.Clear();
            for (; i < text.Length && text[i] == '%'; i += 3)
            {
                if (i + 2 >= text.Length || !char.IsAsciiHexDigit(text[i + 1]) || !char.IsAsciiHexDigit(text[i + 2]))
                {
                    index = i;
                    problem = "Expected two hexadecimal digits behind the %. A % that is meant is written as %25.";
                    return null;
                }

                bytes.Add(byte.Parse(text.AsSpan(i + 1, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture));
            }

            try
            {
                meant.Append(s_strictUtf8.GetString([.. bytes]));
            }
            catch (DecoderFallbackException)
            {
                problem = "The escaped bytes are not UTF-8.";
                return null;
            }
        }

        return meant.ToString();
    }

    private static bool IsHidden(Rune rune) => Rune.IsWhiteSpace(rune) || Rune.GetUnicodeCategory(rune)
        is UnicodeCategory.Control or UnicodeCategory.Format
        or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator;
}
