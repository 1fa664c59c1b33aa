using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace ToyVmm.Cli.Hosting;

/// <summary>
/// Log messages, a line each on standard error: "info ToyVmm.Bus: ...". The standard console logger would bring dependency
/// injection, options and a thread along, which a command-line tool has no use for.
/// </summary>
internal sealed class ErrorLogger(TextWriter output, LogLevel minimum) : ILoggerFactory
{
    private readonly Lock _lock = new();

    /// <summary>The factory for a verbosity: nothing, -v (information) or -vv (debug).</summary>
    public static ILoggerFactory Create(int verbosity, HostConsole console) => verbosity switch
    {
        0 => NullLoggerFactory.Instance,
        1 => new ErrorLogger(console.Error, LogLevel.Information),
        _ => new ErrorLogger(console.Error, LogLevel.Debug),
    };

    /// <inheritdoc/>
    public ILogger CreateLogger(string categoryName) => new Category(this, categoryName);

    /// <inheritdoc/>
    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException("this factory has one destination");

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    private static string Name(LogLevel level) => level switch
    {
        LogLevel.Trace => "trace",
        LogLevel.Debug => "debug",
        LogLevel.Information => "info",
        LogLevel.Warning => "warning",
        _ => "error",
    };

    private sealed class Category(ErrorLogger owner, string name) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel != LogLevel.None && logLevel >= owner.Minimum;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
            {
                lock (owner._lock)
                {
                    owner.Output.WriteLine($"{Name(logLevel)} {name}: {formatter(state, exception)}");
                }
            }
        }
    }

    private TextWriter Output => output;

    private LogLevel Minimum => minimum;
}
