using Spectre.Console;
using ToyVmm.Cli.Guests;
using ToyVmm.Cli.Hosting;

namespace ToyVmm.Cli.Commands;

/// <summary>
/// The list of the guests: on a terminal a table that wraps its last column to the width there is; elsewhere plain columns that
/// scripts can cut. The only user of Spectre.Console, so that no run of a guest loads it.
/// </summary>
internal static class GuestTable
{
    /// <summary>Writes the list.</summary>
    public static void Write(HostConsole console, IReadOnlyList<BuiltInGuest> guests)
    {
        if (console.OutputIsTerminal)
        {
            WriteTable(console, guests);
        }
        else
        {
            WriteColumns(console.Output, guests);
        }
    }

    private static void WriteColumns(TextWriter output, IReadOnlyList<BuiltInGuest> guests)
    {
        int name = guests.Max(guest => guest.Name.Length);
        int format = guests.Max(guest => guest.Format.Length);
        output.WriteLine($"{"NAME".PadRight(name)}  {"FORMAT".PadRight(format)}  TEACHES");
        foreach (BuiltInGuest guest in guests)
        {
            output.WriteLine($"{guest.Name.PadRight(name)}  {guest.Format.PadRight(format)}  {guest.Teaches}");
        }
    }

    private static void WriteTable(HostConsole console, IReadOnlyList<BuiltInGuest> guests)
    {
        // Spectre.Console looks at the terminal itself, but knows neither TERM=dumb nor that our stream is not Console's.
        IAnsiConsole ansi = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = console.UseColour ? AnsiSupport.Yes : AnsiSupport.No,
            ColorSystem = console.UseColour ? ColorSystemSupport.Standard : ColorSystemSupport.NoColors,
            Interactive = InteractionSupport.No,
            Out = new AnsiConsoleOutput(console.Output),
        });
        Table table = new() { Border = TableBorder.Simple };
        _ = table.AddColumn(new TableColumn("guest").NoWrap()).AddColumn(new TableColumn("format").NoWrap()).AddColumn("teaches");
        foreach (BuiltInGuest guest in guests)
        {
            _ = table.AddRow(new Text(guest.Name, new Style(foreground: Color.Green)), new Text(guest.Format), new Text(guest.Teaches));
        }

        ansi.Write(table);
    }
}
