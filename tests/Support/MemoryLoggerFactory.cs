using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Toolkit.Tests;

/// <summary>Keeps what is logged. May be used from any thread.</summary>
public sealed class MemoryLoggerFactory : ILoggerFactory
{
    private readonly ConcurrentQueue<LogLine> _lines = new();

    /// <summary>Called with every line as it is logged, on the thread that logs.</summary>
    public Action<LogLine>? OnLine { get; set; }

    public IReadOnlyCollection<LogLine> Lines => [.. _lines];

    /// <summary>The lines with the given event id.</summary>
    public LogLine[] Of(int eventId) => [.. _lines.Where(line => line.EventId == eventId)];

    public ILogger CreateLogger(string categoryName) => new MemoryLogger(this, categoryName);

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException();

    public void Dispose()
    {
    }

    private sealed class MemoryLogger(MemoryLoggerFactory factory, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            var line = new LogLine(logLevel, eventId.Id, category, formatter(state, exception), exception);
            factory._lines.Enqueue(line);
            factory.OnLine?.Invoke(line);
        }
    }
}

/// <summary>One line of a log.</summary>
public sealed record LogLine(LogLevel Level, int EventId, string Category, string Text, Exception? Exception);
