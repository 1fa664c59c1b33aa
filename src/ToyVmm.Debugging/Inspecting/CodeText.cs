using System.Globalization;
using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;
using ToyVmm.VirtualMachines.Symbols;

namespace ToyVmm.Debugging.Inspecting;

/// <summary>One line of a disassembly.</summary>
/// <param name="Address">Linear, or physical where that was asked for.</param>
/// <param name="Bytes">The instruction's bytes; none where there is no memory.</param>
/// <param name="Instruction">The instruction.</param>
/// <param name="Symbol">The name that begins at the address, or null.</param>
/// <param name="Operand">Where it branches to, or the memory that it names, with a name; empty where there is none.</param>
/// <param name="Source">The source line, where another one than of the instruction before begins.</param>
/// <param name="IsCurrent">True for the next instruction of the CPU.</param>
public sealed record CodeLine(uint Address, byte[] Bytes, DisassembledInstruction Instruction, string? Symbol, string Operand, SourceLine? Source, bool IsCurrent);

/// <summary>Where, and as what, code is disassembled.</summary>
/// <param name="Address">Linear, or physical.</param>
/// <param name="IsPhysical">True for a physical address.</param>
/// <param name="Bits">16 or 32; null for what CS says.</param>
/// <param name="SegmentBase">Where the segment begins that offsets count from; null for CS.</param>
public readonly record struct CodePlace(uint Address, bool IsPhysical = false, int? Bits = null, uint? SegmentBase = null);

/// <summary>Disassembly with symbols and source lines.</summary>
internal static unsafe class CodeText
{
    /// <summary>Disassembles.</summary>
    /// <param name="inspector">What to look at.</param>
    /// <param name="place">Where to begin.</param>
    /// <param name="count">How many instructions.</param>
    public static IReadOnlyList<CodeLine> Read(Inspector inspector, CodePlace place, int count)
    {
        CpuState* s = inspector.Machine.Vcpu.State;
        GuestReader reader = new(inspector.Machine, place.IsPhysical);
        int bits = place.Bits ?? (s->Cs.Big ? 32 : 16);
        uint segment = place.SegmentBase ?? (place.IsPhysical ? 0 : s->Cs.Base);
        Disassembler disassembler = new();
        Span<byte> bytes = stackalloc byte[Disassembler.MaxInstructionLength];
        List<CodeLine> lines = [];
        SourceLine? before = null;
        uint address = place.Address;
        for (int n = 0; n < count; n++)
        {
            int length = reader.Read(address, bytes);
            DisassembledInstruction instruction = disassembler.Disassemble(bytes[..length], bits, address - segment);
            SourceLine? source = place.IsPhysical ? null : inspector.Lines.Find(address);
            SymbolOffset? name = inspector.Symbols.Find(address);
            string operand = instruction.Target is { } target ? Named(inspector, target + segment)
                : instruction.Reference is { } reference ? Named(inspector, reference + s->Ds.Base)
                : "";
            bool isCurrent = !place.IsPhysical && address == s->Cs.Base + s->Eip;
            lines.Add(new CodeLine(
                address, bytes[..Math.Min(length, instruction.Length)].ToArray(), instruction, name is { Offset: 0 } ? name.Value.Symbol.Name : null, operand,
                source is { } found && (before?.File, before?.Line) != (found.File, found.Line) ? source : null, isCurrent));
            before = source;
            if (length == 0)
            {
                break;
            }

            address += (uint)instruction.Length;
        }

        return lines;
    }

    /// <summary>The lines for people.</summary>
    public static InspectionText Show(Inspector inspector, IReadOnlyList<CodeLine> lines)
    {
        InspectionWriter text = new();
        foreach (CodeLine line in lines)
        {
            if (line.Symbol is { } symbol)
            {
                _ = text.Mark(MarkKind.Symbol, symbol + ":").End();
            }

            if (line.Source is { } source)
            {
                _ = text.Add("; ").Mark(MarkKind.Heading, source.ToString()).Write($"  {inspector.Sources.Text(source)?.Trim()}").End();
            }

            _ = text.Mark(MarkKind.Current, line.IsCurrent ? "=> " : inspector.HasBreakpoint?.Invoke(line.Address) == true ? " * " : "   ")
                .Write($"{line.Address:x8}  {Convert.ToHexStringLower(line.Bytes),-16} {line.Instruction.Text}");
            if (line.Operand.Length > 0)
            {
                _ = text.Add("  ").Mark(MarkKind.Symbol, line.Operand);
            }

            _ = text.End();
        }

        return text.ToText();
    }

    /// <summary>The block of guest code that the engine has at an address, beside its translation.</summary>
    public static InspectionText? Translated(Inspector inspector, uint linear, out string? problem)
    {
        CpuState* s = inspector.Machine.Vcpu.State;
        problem = null;
        if (inspector.Machine.EngineView.BlockAt(linear - s->Cs.Base) is not { } block)
        {
            problem = string.Create(CultureInfo.InvariantCulture, $"the engine has decoded no block at {linear:x8} in the mode that the CPU is in: it has not run since its page was last written, or never");
            return null;
        }

        InspectionWriter text = new();
        _ = text.Heading(string.Create(CultureInfo.InvariantCulture, $"block {block.Linear:x8}, {block.Count} instructions, {block.Length} bytes{inspector.NameAt(block.Linear, ", <", ">")}"));
        _ = block.HostOffset is { } host
            ? text.Line($"  translated at {host:x4}, {block.HostLength} bytes, {(block.RunsOnHost ? "runs on the host" : "begins with an instruction of the interpreter's")}; interpreted {block.Heat} times before")
            : text.Line($"  {(inspector.Machine.EngineView.IsTranslating ? FormattableString.Invariant($"not translated; interpreted {block.Heat} times") : "interpreted: this engine does not translate")}");
        if (block.LinksFrom.Count > 0)
        {
            _ = text.Line($"  linked from {string.Join(' ', block.LinksFrom.Distinct().Select(from => from.ToString("x8", CultureInfo.InvariantCulture) + inspector.NameAt(from, "<", ">")))}");
        }

        foreach (Engines.Translation.TranslationLine line in block.Lines)
        {
            string guest = line.Address is { } at ? string.Create(CultureInfo.InvariantCulture, $"{at:x8}  {line.Guest}") : "";
            _ = text.Mark(MarkKind.Current, line.Address == s->Cs.Base + s->Eip ? "=> " : "   ").Add(guest).Column(46).Add(line.Host).Column(92).Mark(MarkKind.Difference, line.Reason).End();
        }

        return text.ToText();
    }

    private static string Named(Inspector inspector, uint address) =>
        inspector.DataName(address) is { } data ? $"<{data}>" : inspector.Symbols.Find(address) is { } name ? $"<{name}>" : "";
}
