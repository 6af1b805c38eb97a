using Microsoft.Extensions.Logging;
using Toolkit.Scheduling;

namespace Toolkit.Tests.Scheduling;

public sealed class LastResortLoggerTests
{
    [Theory]
    [InlineData(LogLevel.Trace, false)]
    [InlineData(LogLevel.Debug, false)]
    [InlineData(LogLevel.Information, false)]
    [InlineData(LogLevel.Warning, true)]
    [InlineData(LogLevel.Error, true)]
    [InlineData(LogLevel.Critical, true)]
    [InlineData(LogLevel.None, false)]
    public void Log_ByLevel_WritesWarningsAndErrorsOnly(LogLevel level, bool written)
    {
        ILogger logger = LastResortLogger.Factory.Instance.CreateLogger("Some.Category");

        string output = CaptureError(() => logger.Log(level, "it {What}", "happened"));

        Assert.Equal(written, logger.IsEnabled(level));
        Assert.Equal(written ? $"{level} Some.Category: it happened{Environment.NewLine}" : "", output);
    }

    [Fact]
    public void Log_Exception_IsWrittenWithIt()
    {
        ILogger logger = LastResortLogger.Factory.Instance.CreateLogger("C");

        string output = CaptureError(() => logger.LogError(new FormatException("the inner workings"), "outer"));

        Assert.Contains("Error C: outer", output, StringComparison.Ordinal);
        Assert.Contains("FormatException: the inner workings", output, StringComparison.Ordinal);
    }

    [Fact]
    public void Log_ExceptionThatQuotesAPeer_IsEscaped()
    {
        ILogger logger = LastResortLogger.Factory.Instance.CreateLogger("C");
        var inner = new AggregateException("both", new FormatException("a\nError D: b"), new IOException("\u001b[2J"));
        var thrown = Assert.Throws<InvalidDataException>((Action)(() => throw new InvalidDataException("x\r\0y", inner)));

        string output = CaptureError(() => logger.LogError(thrown, "outer"));

        string[] lines = output.Split(Environment.NewLine);
        Assert.Equal(@"System.IO.InvalidDataException: x\r\u0000y", lines[1]);
        Assert.Contains(@" ---> System.FormatException: a\nError D: b", lines);
        Assert.Contains(@" ---> System.IO.IOException: \u001B[2J", lines);
        Assert.Contains(lines, line => line.StartsWith("   at ", StringComparison.Ordinal));
        Assert.All(lines, line => Assert.DoesNotContain(line, char.IsControl));
    }

    [Fact]
    public void Loop_WithoutLoggerAndHandler_WritesUnhandledErrorsToStandardError()
    {
        string output = CaptureError(() => EventLoop.Run(loop =>
        {
            loop.CallSoon(() => throw new FormatException("nobody caught me"));
            var done = new TaskCompletionSource();
            loop.CallSoon(done.SetResult);
            return done.Task;
        }));

        Assert.Contains("Error Toolkit.EventLoop: A callback threw.", output, StringComparison.Ordinal);
        Assert.Contains("nobody caught me", output, StringComparison.Ordinal);
    }

    [Fact]
    public void AddProvider_SaysWhatToDoInstead()
    {
        var exception = Assert.Throws<NotSupportedException>(() => LastResortLogger.Factory.Instance.AddProvider(null!));
        Assert.Contains("LoggerFactory", exception.Message, StringComparison.Ordinal);
    }

    private static string CaptureError(Action action)
    {
        TextWriter outer = Console.Error;
        using var writer = new StringWriter();
        Console.SetError(writer);
        try
        {
            action();
        }
        finally
        {
            Console.SetError(outer);
        }

        return writer.ToString();
    }
}
