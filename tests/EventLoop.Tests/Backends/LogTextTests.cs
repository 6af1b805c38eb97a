using Toolkit.Backends;

namespace Toolkit.Tests.Backends;

public sealed class LogTextTests
{
    [Theory]
    [InlineData("", "")]
    [InlineData("plain text, C:\\temp, ünïcode, 日本, \U0001F600", "plain text, C:\\temp, ünïcode, 日本, \U0001F600")]
    [InlineData("a\r\nb\tc", @"a\r\nb\tc")]
    [InlineData("\0\u0007\u001b[31m\u007f\u0085\u009b", @"\u0000\u0007\u001B[31m\u007F\u0085\u009B")]
    [InlineData("\u2028\u2029\u202e\u200b\ufeff", @"\u2028\u2029\u202E\u200B\uFEFF")]
    [InlineData("\U0001F600\U000E0041x", "\U0001F600\\U000E0041x")]
    public void Escape_Text_HasNothingHiddenLeft(string text, string expected) => Assert.Equal(expected, LogText.Escape(text));

    [Fact]
    public void Escape_HalfAPair_IsEscaped()
    {
        // Not an attribute's argument, which cannot hold half a pair.
        Assert.Equal(@"a\uD83D", LogText.Escape("a\ud83d"));
        Assert.Equal(@"\uDE00b", LogText.Escape("\ude00b"));
    }

    [Fact]
    public void Escape_NothingToEscape_IsTheSameText()
    {
        string text = new('x', 100);

        Assert.Same(text, LogText.Escape(text));
        Assert.Throws<ArgumentNullException>(() => LogText.Escape(null!));
    }
}
