using System.Globalization;
using ToyVmm.Debugging.Expressions;
using ToyVmm.Debugging.Monitoring;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Symbols;

namespace ToyVmm.Debugging.Inspecting;

/// <summary>Something that can be asked of a stopped machine: <c>info SUBJECT ARGUMENTS</c>.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Arguments">What it takes, for the help; empty for nothing.</param>
/// <param name="Help">What it shows.</param>
public sealed record InspectionSubject(string Name, string Arguments, string Help);

/// <summary>
/// Looks inside a stopped machine. Nothing changes by it: no device is read, no accessed bit set, nothing latched, decoded or mapped.
/// Every front end asks here, so that they all say the same.
/// </summary>
/// <example>
/// <code>
/// Inspector inspector = new(vm) { Symbols = symbols };
/// Console.WriteLine(inspector.TryShow("walk", "0xc0000000", out InspectionText? text, out string? problem) ? text.Text : problem);
/// </code>
/// </example>
/// <param name="machine">The machine; not running while it is looked at.</param>
public sealed class Inspector(VirtualMachine machine)
{
    private const int MostInstructions = 65_536;
    private const int StackBelow = 4;
    private const int StackAbove = 16;

    private static readonly (InspectionSubject Subject, Func<Inspector, string, Reply> Show)[] s_subjects =
    [
        (new("registers", "", "all registers, and the flags in them by name"), (x, _) => RegisterReport.All(x.Machine)),
        (new("segments", "", "descriptor caches beside the table entries that they came from, and where they differ"), (x, _) => TableText.Segments(x)),
        (new("gdt", "", "the global descriptor table"), (x, _) => TableText.Table(x, isLocal: false)),
        (new("ldt", "", "the local descriptor table"), (x, _) => TableText.Table(x, isLocal: true)),
        (new("idt", "[VECTOR]", "the interrupt descriptor table; in real mode the interrupt vectors"), Idt),
        (new("tss", "[SELECTOR]", "the task-state segment in TR, or that of a selector"), Tss),
        (new("walk", "ADDRESS", "the page walk of an address step by step, and what each kind of access does there"), (x, rest) => x.At(rest, null, address => PageWalkReport.Read(x.Machine, address).ToText())),
        (new("mem", "", "what the page tables map"), (x, _) => Plain(PagingText.Mappings(x.Machine.Vcpu))),
        (new("tlb", "", "the TLB"), (x, _) => Plain(PagingText.TlbEntries(x.Machine.Vcpu))),
        (new("shadow", "[ADDRESS|user|supervisor]", "the guest's page table beside the TLB and what the engine has mapped, and why they differ"), Shadow),
        (new("code", "[ADDRESS [COUNT]]", "disassembly in the CPU's mode, with symbols and source lines"), Code),
        (new("translated", "[ADDRESS]", "the engine's block at an address: guest code, the host's beside it, and why they differ"), (x, rest) => x.At(rest, "pc", address => CodeText.Translated(x, address, out string? problem) is { } text ? text : new Reply(null, problem))),
        (new("stack", "[WORDS]", "the stack on both sides of ESP; what points into code by name"), Stack),
        (new("frames", "", "the calls that led here"), (x, _) => StackText.ShowFrames(x)),
        (new("symbol", "ADDRESS", "the name and the source line of an address"), (x, rest) => x.At(rest, "pc", address => x.Where(address))),
        (new("pic", "", "the 8259 interrupt controllers"), (x, _) => Plain(InterruptText.Pic(x.Machine.Machine))),
        (new("apic", "", "the local APIC and the I/O APIC"), (x, _) => Plain(InterruptText.Apic(x.Machine.Machine))),
        (new("pit", "", "the 8254 timer"), (x, _) => Plain(InterruptText.Pit(x.Machine.Machine))),
        (new("rtc", "", "the clock and its memory"), (x, _) => DeviceText.Clock(x.Machine.Machine)),
        (new("uart", "", "the serial ports"), (x, _) => DeviceText.Serial(x.Machine.Machine)),
        (new("ata", "", "the ATA channels: disks and CD-ROM drives"), (x, _) => DeviceText.Ata(x.Machine.Machine)),
        (new("keyboard", "", "the keyboard controller, keyboard and mouse"), (x, _) => DeviceText.Keyboard(x.Machine.Machine)),
    ];

    private (SymbolTable Table, Symbol[] Data)? _data;

    /// <summary>What can be asked.</summary>
    public static IReadOnlyList<InspectionSubject> Subjects { get; } = [.. s_subjects.Select(subject => subject.Subject)];

    /// <summary>The machine.</summary>
    public VirtualMachine Machine => machine;

    /// <summary>The guest's names.</summary>
    public SymbolTable Symbols { get; set; } = SymbolTable.Empty;

    /// <summary>The guest's source lines.</summary>
    public SourceLines Lines { get; set; } = SourceLines.Empty;

    /// <summary>The texts of the sources.</summary>
    public SourceFiles Sources { get; set; } = new();

    /// <summary>Where breakpoints wait, for listings; null where there are none.</summary>
    internal Func<uint, bool>? HasBreakpoint { get; set; }

    /// <summary>Shows a subject.</summary>
    /// <param name="subject">Its name; the beginning of one is enough where no other begins so.</param>
    /// <param name="arguments">What stands behind it.</param>
    /// <param name="text">What there is to see.</param>
    /// <param name="problem">What is wrong with the question; null together with <paramref name="text"/> where there is no such subject.</param>
    public bool TryShow(string subject, string arguments, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out InspectionText? text, out string? problem)
    {
        ArgumentNullException.ThrowIfNull(subject);
        ArgumentNullException.ThrowIfNull(arguments);
        (text, problem) = (null, null);
        (InspectionSubject Subject, Func<Inspector, string, Reply> Show)[] found = [.. s_subjects.Where(known => known.Subject.Name.StartsWith(subject, StringComparison.Ordinal))];
        int exact = Array.FindIndex(found, known => known.Subject.Name == subject);
        if (subject.Length == 0 || (exact < 0 && found.Length != 1))
        {
            return false;
        }

        (InspectionSubject chosen, Func<Inspector, string, Reply> show) = found[Math.Max(exact, 0)];
        arguments = arguments.Trim();
        if (chosen.Arguments.Length == 0 && arguments.Length > 0)
        {
            problem = $"{chosen.Name}: takes no arguments";
            return false;
        }

        Reply reply = show(this, arguments);
        (text, problem) = (reply.Text, reply.Problem is null ? null : $"{chosen.Name}: {reply.Problem}");
        return text is not null;
    }

    /// <summary>Disassembles from an address on.</summary>
    /// <param name="place">Where, and as what.</param>
    /// <param name="count">How many instructions.</param>
    public IReadOnlyList<CodeLine> Disassemble(CodePlace place, int count) => CodeText.Read(this, place, Math.Clamp(count, 0, MostInstructions));

    /// <summary>Lines of a disassembly for people.</summary>
    /// <param name="lines">The lines.</param>
    public InspectionText Show(IReadOnlyList<CodeLine> lines) => CodeText.Show(this, lines);

    /// <summary>The words of the stack around ESP.</summary>
    /// <param name="below">How many below it.</param>
    /// <param name="above">How many from it on.</param>
    public IReadOnlyList<StackWord> StackWords(int below, int above) => StackText.Words(this, below, above);

    /// <summary>The calls that led here, the last one first.</summary>
    public IReadOnlyList<StackFrame> Frames() => StackText.Frames(this);

    /// <summary>An address by name and source line: <c>main+0x1c (main.c:12)</c>; empty where nothing is known of it.</summary>
    /// <param name="linear">The linear address.</param>
    public string Describe(uint linear)
    {
        string name = DataName(linear) ?? Symbols.Find(linear)?.ToString() ?? "";
        return Lines.Find(linear) is not { } line ? name : name.Length == 0 ? line.ToString() : $"{name} ({line})";
    }

    /// <summary>The source line that an address belongs to: <c>main.c:12</c>.</summary>
    /// <param name="linear">The linear address.</param>
    /// <returns>Null where no line is known.</returns>
    public string? SourceOf(uint linear) => Lines.Find(linear)?.ToString();

    /// <summary>The source line that an address belongs to, with its text where that is to be found: <c>main.c:12: x = y;</c>.</summary>
    /// <param name="linear">The linear address.</param>
    /// <returns>Null where no line is known.</returns>
    public string? DescribeSource(uint linear) =>
        Lines.Find(linear) is not { } line ? null : Sources.Text(line) is { } text ? $"{line}: {text.Trim()}" : line.ToString();

    /// <summary>A name with what stands around it; empty where there is none.</summary>
    internal string NameAt(uint? linear, string before, string after) => linear is { } address && Symbols.Find(address) is { } name ? $"{before}{name}{after}" : "";

    /// <summary>The variable that an address is in.</summary>
    internal string? DataName(uint linear)
    {
        if (_data is not { } data || data.Table != Symbols)
        {
            data = (Symbols, [.. Symbols.All.Where(symbol => symbol.Kind == SymbolKind.Data).OrderBy(symbol => symbol.Address)]);
            _data = data;
        }

        int low = 0;
        int high = data.Data.Length;
        while (low < high)
        {
            int middle = (low + high) / 2;
            (low, high) = data.Data[middle].Address <= linear ? (middle + 1, high) : (low, middle);
        }

        if (low == 0)
        {
            return null;
        }

        Symbol found = data.Data[low - 1];
        return linear - found.Address < Math.Max(found.Size, 1) ? new SymbolOffset(found, linear - found.Address).ToString() : null;
    }

    private static Reply Plain(string text) => new InspectionText(text, []);

    private static Reply Idt(Inspector x, string rest)
    {
        if (rest.Length == 0)
        {
            return TableText.Interrupts(x, null);
        }

        ExpressionValue? value = x.Value(rest, out string? problem);
        return value is not { } vector ? new Reply(null, problem) : vector.Bits > 255 ? new Reply(null, "a vector is 0 to 255") : TableText.Interrupts(x, (int)vector.Bits);
    }

    private static Reply Tss(Inspector x, string rest)
    {
        ushort? selector = null;
        if (rest.Length > 0)
        {
            if (x.Value(rest, out string? wrong) is not { } value)
            {
                return new Reply(null, wrong);
            }

            selector = (ushort)value.Bits;
        }

        InspectionText? text = TaskText.Show(x, selector, out string? problem);
        return new Reply(text, problem);
    }

    private static Reply Shadow(Inspector x, string rest) => rest switch
    {
        "" => PagingReportText.All(x.Machine, isUser: x.Machine.Cpu.Cpl == 3),
        "user" => PagingReportText.All(x.Machine, isUser: true),
        "supervisor" => PagingReportText.All(x.Machine, isUser: false),
        _ => x.At(rest, null, address => PagingReportText.Page(x.Machine, address)),
    };

    private static Reply Code(Inspector x, string rest)
    {
        const int Default = 10;
        int count = Default;

        // The last word is the count, where something stands before it that is an address by itself.
        int blank = rest.LastIndexOf(' ');
        if (blank > 0 && int.TryParse(rest[(blank + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out int wanted)
            && Expression.TryParseAddress(rest[..blank], x.Symbols, out _, out _))
        {
            (rest, count) = (rest[..blank], wanted);
        }

        return count is < 1 or > MostInstructions ? new Reply(null, $"a count is 1 to {MostInstructions}")
            : x.At(rest, "pc", address => x.Show(x.Disassemble(new CodePlace(address), count)));
    }

    private static Reply Stack(Inspector x, string rest)
    {
        const int Most = 4096;
        int words = StackAbove;
        return rest.Length > 0 && (!int.TryParse(rest, NumberStyles.None, CultureInfo.InvariantCulture, out words) || words is < 1 or > Most)
            ? new Reply(null, $"how many words? 1 to {Most}")
            : StackText.ShowWords(x, StackBelow, words);
    }

    private InspectionText Where(uint address)
    {
        InspectionWriter text = new InspectionWriter().Write($"{address:x8}  ").Mark(MarkKind.Symbol, Describe(address) is { Length: > 0 } name ? name : "no name is known");
        return Lines.Find(address) is { } line && Sources.Text(line) is { } source ? text.Write($"\n{line.Line,5}  {source}").ToText() : text.ToText();
    }

    private Reply At(string text, string? otherwise, Func<uint, Reply> show)
    {
        if (text.Length == 0 && otherwise is null)
        {
            return new Reply(null, "of which address? for example 0x7c00, eip, main or ds:esi");
        }

        if (!Expression.TryParseAddress(text.Length == 0 ? otherwise! : text, Symbols, out Expression? expression, out ExpressionError? error))
        {
            return new Reply(null, error.ToString());
        }

        ExpressionValue value = expression.Evaluate(new ExpressionContext(machine, machine.Vcpu.EventsDelivered));
        return value.IsAddress ? show(value.Address) : new Reply(null, value.Problem ?? $"{value} is no address of 32 bits");
    }

    private ExpressionValue? Value(string text, out string? problem)
    {
        if (!Expression.TryParse(text, Symbols, out Expression? expression, out ExpressionError? error))
        {
            problem = error.ToString();
            return null;
        }

        ExpressionValue value = expression.Evaluate(new ExpressionContext(machine, machine.Vcpu.EventsDelivered));
        problem = value.Problem;
        return value.IsAvailable ? value : null;
    }

    private readonly record struct Reply(InspectionText? Text, string? Problem)
    {
        public static implicit operator Reply(InspectionText text) => new(text, null);
    }
}
