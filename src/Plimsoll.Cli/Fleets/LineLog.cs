namespace Plimsoll.Cli.Fleets;

/// <summary>Hands warnings on as single lines, to wherever they do not tear a table.</summary>
internal sealed class LineLog(Action<string> line) : ILogger
{
    public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

    public void Log<TState>(
        LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (IsEnabled(logLevel)) line(EventLines.OneLine(formatter(state, exception)));
    }
}
