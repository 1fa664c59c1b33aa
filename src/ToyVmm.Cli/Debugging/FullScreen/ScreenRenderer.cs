using System.Text;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace ToyVmm.Cli.Debugging.FullScreen;

/// <summary>Draws the windows of the full-screen view with Spectre.Console, into a text for the terminal: as many lines as it has, but for the last, which is for commands.</summary>
/// <param name="colours">True for colours. Without them bold and reverse video are left, and the marks in the text.</param>
internal sealed class ScreenRenderer(bool colours)
{
    /// <summary>The smallest terminal that everything fits on.</summary>
    public const int LeastRows = 24, LeastColumns = 80;

    private const int RightColumns = 34;
    private const int RegisterRows = 12;

    // Where the locale is no UTF-8, boxes are made of ASCII (POSIX.1-2017, 8.2: the first that is set counts).
    private readonly BoxBorder _border =
        (new[] { "LC_ALL", "LC_CTYPE", "LANG" }.Select(Environment.GetEnvironmentVariable).FirstOrDefault(value => !string.IsNullOrEmpty(value)) ?? "").Contains("UTF", StringComparison.OrdinalIgnoreCase)
            ? BoxBorder.Square : BoxBorder.Ascii;

    /// <summary>How many lines each window has on a terminal of some height.</summary>
    public static (int Code, int Traps, int Output, int Stack) Lines(int rows)
    {
        int body = rows - 3;
        int code = body * 9 / 21;
        int traps = body * 5 / 21;
        return (code - 2, traps - 2, body - code - traps - 2, body - RegisterRows - 2);
    }

    /// <summary>Draws.</summary>
    /// <param name="contents">What to draw.</param>
    /// <param name="rows">The terminal's rows.</param>
    /// <param name="columns">And columns.</param>
    public string Render(ScreenContents contents, int rows, int columns)
    {
        using StringWriter writer = new() { NewLine = "\n" };
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = AnsiSupport.Yes,
            ColorSystem = colours ? ColorSystemSupport.Standard : ColorSystemSupport.NoColors,
            Interactive = InteractionSupport.No,
            Out = new FixedOutput(writer, columns, rows - 1),
        });
        console.Write(MakeLayout(contents, rows, columns));
        StringBuilder text = new("\x1b[?25l\x1b[H");
        string[] lines = writer.ToString().TrimEnd('\n').Split('\n');
        foreach (string line in lines.Take(rows - 1))
        {
            _ = text.Append(line.TrimEnd('\r')).Append("\x1b[0m\x1b[K\r\n");
        }

        return text.Append("\x1b[J").ToString();
    }

    private Layout MakeLayout(ScreenContents contents, int rows, int columns)
    {
        Layout root = new("root");
        Layout status = new Layout("status").Size(1);
        Layout message = new Layout("message").Size(1);
        _ = status.Update(Row(contents.Status, columns, new Style(decoration: Decoration.Invert)));
        _ = message.Update(Row(contents.Message, columns, Style.Plain));
        if (contents.Page is { } page)
        {
            Layout all = new("page");
            _ = all.Update(Window(page.Title, page.Lines, columns - 2));
            return root.SplitRows(status, all, message);
        }

        (int code, int traps, int output, int stack) = Lines(rows);
        int left = columns - RightColumns;
        Layout body = new Layout("body").SplitColumns(
            new Layout("left").Size(left).SplitRows(
                Part("code", "code", contents.Code, code + 2, left - 2),
                Part("traps", "interrupts and exceptions", contents.Traps, traps + 2, left - 2),
                Part("output", "the guest's output", contents.Output, output + 2, left - 2)),
            new Layout("right").Size(RightColumns).SplitRows(
                Part("registers", "registers", contents.Registers, RegisterRows, RightColumns - 2),
                Part("stack", "stack", contents.Stack, stack + 2, RightColumns - 2)));
        return root.SplitRows(status, body, message);
    }

    private Layout Part(string name, string title, IReadOnlyList<ScreenLine> lines, int rows, int columns)
    {
        Layout part = new Layout(name).Size(rows);
        return part.Update(Window(title, lines, columns));
    }

    private Panel Window(string title, IReadOnlyList<ScreenLine> lines, int columns)
    {
        List<IRenderable> rows = [.. lines.Select(line => Row(line.Text, columns, StyleOf(line)))];
        return new Panel(new Rows(rows)) { Header = new PanelHeader($" {title} "), Border = _border, Expand = true, Padding = new Padding(0, 0, 0, 0) };
    }

    private static Style StyleOf(in ScreenLine line) => new(
        foreground: line.IsMarked ? Color.Yellow : null,
        decoration: (line.IsCurrent ? Decoration.Bold : Decoration.None) | (line.IsCursor ? Decoration.Invert : Decoration.None));

    // Never wrapped: a line of a window is a line.
    private static Text Row(string text, int columns, Style style)
    {
        string plain = text.Length > columns ? text[..columns] : text.PadRight(columns);
        return new Text(string.Concat(plain.Select(c => char.IsControl(c) ? ' ' : c)), style) { Overflow = Overflow.Crop };
    }

    // Spectre.Console would ask Console, which stays unloaded.
    private sealed class FixedOutput(TextWriter writer, int width, int height) : IAnsiConsoleOutput
    {
        public TextWriter Writer => writer;

        public bool IsTerminal => true;

        public int Width => width;

        public int Height => height;

        public void SetEncoding(Encoding encoding)
        {
        }
    }
}
