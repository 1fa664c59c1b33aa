using ToyVmm.Engines.Decoding;
using static System.FormattableString;

namespace ToyVmm.Debugging.Terminal;

/// <summary>One instruction of a listing.</summary>
/// <param name="Address">Its linear address.</param>
/// <param name="Length">Its bytes.</param>
/// <param name="Bytes">The bytes in hexadecimal.</param>
/// <param name="Text">The instruction.</param>
/// <param name="Label">The symbol that begins here; null for none.</param>
/// <param name="IsNext">True for the instruction that is next.</param>
/// <param name="HasBreakpoint">True where a breakpoint waits.</param>
public sealed record CodeLine(uint Address, int Length, string Bytes, string Text, string? Label, bool IsNext, bool HasBreakpoint)
{
    /// <inheritdoc/>
    public override string ToString() => Invariant($"{(IsNext ? "=>" : HasBreakpoint ? " *" : "  ")} {Address:x8}  {Bytes,-22} {Text}");
}

/// <summary>Listings of the guest's code, in the present mode of its CPU.</summary>
internal static class CodeView
{
    /// <summary>Disassembles.</summary>
    public static IReadOnlyList<CodeLine> Lines(DebugSession session, uint linear, int count)
    {
        Disassembler disassembler = new();
        uint segment = session.Cpu.Cs.Base;
        int bits = session.Cpu.Cs.Big ? 32 : 16;
        uint next = segment + session.Cpu.Eip;
        HashSet<uint> breakpoints = [.. session.Breakpoints.Where(one => one.IsEnabled).Select(one => one.Spec).OfType<LinearSpec>().Select(spec => spec.Address)];
        List<CodeLine> lines = [];
        byte[] bytes = new byte[Disassembler.MaxInstructionLength];
        for (int n = 0; n < count; n++)
        {
            int read = session.Memory.ReadLinear(linear, bytes);
            DisassembledInstruction instruction = disassembler.Disassemble(bytes.AsSpan(0, read), bits, linear - segment);
            string? label = session.Symbols.Find(linear) is { Offset: 0 } found ? found.Symbol.Name : null;
            string shown = Convert.ToHexStringLower(bytes.AsSpan(0, Math.Min(instruction.Length, read)));
            lines.Add(new CodeLine(linear, instruction.Length, shown, instruction.Text, label, linear == next, breakpoints.Contains(linear)));
            if (read == 0)
            {
                break;
            }

            linear += (uint)instruction.Length;
        }

        return lines;
    }

    /// <summary>The bytes of the next instruction.</summary>
    public static string Bytes(DebugSession session, in DisassembledInstruction instruction)
    {
        byte[] bytes = new byte[instruction.Length];
        int read = session.Memory.ReadLinear(session.Cpu.Cs.Base + session.Cpu.Eip, bytes);
        return Convert.ToHexStringLower(bytes.AsSpan(0, read));
    }
}
