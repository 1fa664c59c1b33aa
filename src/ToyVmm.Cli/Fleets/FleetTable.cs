using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using Spectre.Console;
using ToyVmm.Cli.Hosting;
using ToyVmm.VirtualMachines.Scheduling;

namespace ToyVmm.Cli.Fleets;

/// <summary>
/// The live table on a terminal: a line for each guest, four times a second, and above it whatever the guests print. A thread of its own draws; it
/// only reads what the fleet publishes after each slice, so nobody waits for it.
/// </summary>
internal sealed class FleetTable : IDisposable
{
    private const int PeriodMilliseconds = 250;
    private const int MostRows = 24;
    private const int LongestName = 20;

    private readonly Fleet _fleet;
    private readonly IAnsiConsole _ansi;
    private readonly ConcurrentQueue<string> _lines = new();
    private readonly ManualResetEventSlim _stop = new(false);
    private readonly Thread _thread;
    private readonly Dictionary<FleetGuest, GuestStatus> _before = [];
    private readonly bool _colour;
    private long _drawn = Stopwatch.GetTimestamp();

    /// <summary>Begins to draw.</summary>
    /// <param name="fleet">The fleet.</param>
    /// <param name="console">The terminal.</param>
    public FleetTable(Fleet fleet, HostConsole console)
    {
        _fleet = fleet;
        _colour = console.UseColour;
        _ansi = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = AnsiSupport.Yes,
            ColorSystem = _colour ? ColorSystemSupport.Standard : ColorSystemSupport.NoColors,
            Interactive = InteractionSupport.Yes,
            Out = new TerminalOutput(console),
        });
        _thread = new Thread(Run) { IsBackground = true, Name = "fleet table" };
        _thread.Start();
    }

    /// <summary>Prints a line above the table. From any thread.</summary>
    public void Add(ReadOnlyMemory<byte> line) => _lines.Enqueue(Encoding.UTF8.GetString(line.Span).TrimEnd('\n'));

    /// <summary>Draws the last table, which stays.</summary>
    public void Dispose()
    {
        _stop.Set();
        _thread.Join();
        _stop.Dispose();
    }

    private void Run() => _ansi.Live(Draw()).AutoClear(false).Start(context =>
    {
        bool last;
        do
        {
            last = _stop.Wait(PeriodMilliseconds);
            while (_lines.TryDequeue(out string? line))
            {
                _ansi.WriteLine(line);
            }

            context.UpdateTarget(Draw());
        }
        while (!last);
    });

    private Table Draw()
    {
        double seconds = Math.Max(Stopwatch.GetElapsedTime(_drawn).TotalSeconds, 1e-3);
        _drawn = Stopwatch.GetTimestamp();
        Table table = new() { Border = TableBorder.None };
        int name = Math.Clamp(_fleet.Guests.Max(guest => guest.Name.Length), 5, LongestName);
        int left = _ansi.Profile.Width - 1;
        foreach ((string head, int width) in (ReadOnlySpan<(string, int)>)[("guest", name), ("state", 10), ("share", 7), ("instr/s", 8), ("exits/s", 8), ("memory", 10)])
        {
            TableColumn column = new TableColumn(head).Width(width).NoWrap().Padding(0, 0, 1, 0);
            _ = table.AddColumn(head is "guest" or "state" ? column : column.RightAligned());
            left -= width + 1;
        }

        int why = Math.Max(left - 1, 4);
        _ = table.AddColumn(new TableColumn("why").Width(why).NoWrap().Padding(1, 0, 0, 0));
        List<(FleetGuest Guest, GuestStatus Now, GuestStatus Before)> rows =
            [.. _fleet.Guests.Select(guest => (guest, guest.Status, _before.GetValueOrDefault(guest) ?? guest.Status))];
        ulong work = Math.Max(1, rows.Aggregate(0ul, (sum, row) => sum + row.Now.Work - row.Before.Work));
        foreach ((FleetGuest guest, GuestStatus now, GuestStatus before) in rows.Take(MostRows))
        {
            _ = table.AddRow(
                Cell(guest.Name, name),
                new Text(FleetText.State(now.State), new Style(foreground: Colour(now.State))),
                new Text(FleetText.Share(now.Work - before.Work, work)),
                new Text(Rate(now.Instructions - before.Instructions, seconds)),
                new Text(Rate(now.Exits - before.Exits, seconds)),
                new Text(string.Create(CultureInfo.InvariantCulture, $"{now.MemoryBytes / 1048576.0:0.0} MiB")),
                Cell(guest.Stop?.Detail ?? "", why));
        }

        if (rows.Count > MostRows)
        {
            _ = table.AddRow(new Text($"and {rows.Count - MostRows} more"));
        }

        foreach ((FleetGuest guest, GuestStatus now, _) in rows)
        {
            _before[guest] = now;
        }

        return table;
    }

    // One line each, whatever the terminal's width.
    private static Text Cell(string text, int width) => new(text.Length <= width ? text : text[..(width - 1)] + "\u2026");

    private static Color Colour(FleetGuestState state) => state switch
    {
        FleetGuestState.Ready or FleetGuestState.Running => Color.Green,
        FleetGuestState.Throttled or FleetGuestState.Restarting => Color.Yellow,
        _ => Color.Grey,
    };

    private static string Rate(ulong count, double seconds) => (count / seconds) switch
    {
        >= 1e9 and double rate => string.Create(CultureInfo.InvariantCulture, $"{rate / 1e9:0.00} G"),
        >= 1e6 and double rate => string.Create(CultureInfo.InvariantCulture, $"{rate / 1e6:0.0} M"),
        >= 1e3 and double rate => string.Create(CultureInfo.InvariantCulture, $"{rate / 1e3:0.0} k"),
        double rate => string.Create(CultureInfo.InvariantCulture, $"{rate:0}"),
    };

    // Spectre.Console would ask Console, which stays unloaded.
    private sealed class TerminalOutput(HostConsole console) : IAnsiConsoleOutput
    {
        public TextWriter Writer { get; } = new StreamWriter(console.OutputStream, new UTF8Encoding(false), 1 << 14) { AutoFlush = false };

        public bool IsTerminal => true;

        public int Width => Posix.TerminalSize(1)?.Columns ?? 80;

        public int Height => Posix.TerminalSize(1)?.Rows ?? 24;

        public void SetEncoding(Encoding encoding)
        {
        }
    }
}
