using Microsoft.Extensions.Logging;
using Toolkit.Backends;

namespace Toolkit.Scheduling;

/// <summary>
/// Where warnings and errors go when nobody said where: standard error, as Python's logging does. A library that keeps
/// failures to itself until it is configured loses the first ones, which are the ones that matter.
/// </summary>
internal sealed class LastResortLogger(string category) : ILogger
{
    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => logLevel is >= LogLevel.Warning and < LogLevel.None;

    public void Log<TState>(
        LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (!IsEnabled(logLevel))
        {
            return;
        }

        // An exception may quote what a peer has sent.
        string message = $"{logLevel} {category}: {formatter(state, exception)}";
        Console.Error.WriteLine(
            exception is null ? message : $"{message}{Environment.NewLine}{LogText.Describe(exception)}");
    }

    /// <summary>Makes loggers of last resort.</summary>
    internal sealed class Factory : ILoggerFactory
    {
        public static Factory Instance { get; } = new();

        public void AddProvider(ILoggerProvider provider)
            => throw new NotSupportedException("Set EventLoopOptions.LoggerFactory to log elsewhere.");

        public ILogger CreateLogger(string categoryName) => new LastResortLogger(categoryName);

        public void Dispose()
        {
        }
    }
}
