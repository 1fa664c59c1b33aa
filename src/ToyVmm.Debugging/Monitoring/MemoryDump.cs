using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using ToyVmm.Debugging.Expressions;
using ToyVmm.Debugging.Inspecting;
using ToyVmm.Engines.Decoding;
using ToyVmm.VirtualMachines;

namespace ToyVmm.Debugging.Monitoring;

/// <summary>
/// The commands x and xp: memory in units, or as instructions. Memory that belongs to a device is not read (a read may have
/// effects), and is shown as a gap.
/// </summary>
internal static class MemoryDump
{
    private const int MostUnits = 65536;
    private const int BytesALine = 16;

    /// <summary>Shows memory.</summary>
    /// <param name="inspector">Looks at the machine, and knows its symbols.</param>
    /// <param name="isPhysical">True for guest-physical addresses, false for linear ones.</param>
    /// <param name="format">Count, format letter and unit letter, all optional: "16xb", "4i", "".</param>
    /// <param name="arguments">The address.</param>
    public static MonitorReply Show(Inspector inspector, bool isPhysical, string format, string[] arguments)
    {
        VirtualMachine vm = inspector.Machine;
        string name = isPhysical ? "xp" : "x";
        if (arguments.Length == 0)
        {
            return MonitorReply.Error($"{name}: write {name}/NFU ADDRESS, for example {name}/16xb 0x7c00");
        }

        if (!TryParseFormat(format, out int count, out char letter, out int unit))
        {
            return MonitorReply.Error($"{name}/{format}: a count (to {MostUnits}), then one of x d u o c i, then one of b h w g");
        }

        // A linear address is where a register points to: eip in CS, esp in SS.
        string place = string.Join(' ', arguments);
        Expression? expression;
        ExpressionError? error;
        bool parsed = isPhysical
            ? Expression.TryParse(place, inspector.Symbols, out expression, out error)
            : Expression.TryParseAddress(place, inspector.Symbols, out expression, out error);
        ExpressionValue value = parsed ? expression!.Evaluate(new ExpressionContext(vm, vm.Vcpu.EventsDelivered)) : default;
        if (!parsed || !value.IsAddress)
        {
            return MonitorReply.Error($"{name} {place}: not an address: {(parsed ? value.Problem ?? "more than 32 bits" : error!.Message)}; write 0x7c00, 31744, $pc, $sp or a register such as $eax");
        }

        uint address = value.Address;
        GuestReader reader = new(vm, isPhysical);
        return new MonitorReply(letter == 'i' ? Instructions(reader, address, count) : Units(reader, address, count, letter, unit));
    }

    private static bool TryParseFormat(string format, out int count, out char letter, out int unit)
    {
        (count, letter, unit) = (1, 'x', 4);
        int digits = 0;
        while (digits < format.Length && char.IsAsciiDigit(format[digits]))
        {
            digits++;
        }

        if (digits > 0 && (!int.TryParse(format.AsSpan(0, digits), CultureInfo.InvariantCulture, out count) || count is < 1 or > MostUnits))
        {
            return false;
        }

        foreach (char c in format.AsSpan(digits))
        {
            switch (c)
            {
                case 'x' or 'd' or 'u' or 'o' or 'i':
                    letter = c;
                    break;
                case 'c':
                    (letter, unit) = (c, 1);
                    break;
                case 'b' or 'h' or 'w' or 'g':
                    unit = c switch { 'b' => 1, 'h' => 2, 'w' => 4, _ => 8 };
                    break;
                default:
                    return false;
            }
        }

        return true;
    }

    private static string Units(GuestReader reader, uint address, int count, char letter, int unit)
    {
        StringBuilder text = new();
        int aLine = letter == 'c' ? BytesALine : BytesALine / unit / (letter is 'o' or 'd' or 'u' && unit == 1 ? 2 : 1);
        Span<byte> bytes = stackalloc byte[8];
        for (int n = 0; n < count; n++)
        {
            if (n % aLine == 0)
            {
                _ = text.Append(CultureInfo.InvariantCulture, $"{(n > 0 ? "\n" : "")}{address:x8}:");
            }

            bytes.Clear();
            _ = text.Append(' ').Append(reader.Read(address, bytes[..unit]) == unit
                ? Format(BinaryPrimitives.ReadUInt64LittleEndian(bytes), letter, unit)
                : new string('?', (letter, unit) is ('c', _) ? 1 : 2 * unit));
            address += (uint)unit;
        }

        return text.ToString();
    }

    private static string Format(ulong value, char letter, int unit) => letter switch
    {
        'd' => ((long)(value << (64 - (8 * unit))) >> (64 - (8 * unit))).ToString(CultureInfo.InvariantCulture),
        'u' => value.ToString(CultureInfo.InvariantCulture),
        'o' => "0" + Convert.ToString((long)value, 8),
        'c' => value is >= 32 and < 127 ? ((char)value).ToString() : ".",
        _ => "0x" + value.ToString($"x{2 * unit}", CultureInfo.InvariantCulture),
    };

    private static string Instructions(GuestReader reader, uint address, int count)
    {
        StringBuilder text = new();
        Disassembler disassembler = new();
        Span<byte> code = stackalloc byte[Disassembler.MaxInstructionLength];
        for (int n = 0; n < count; n++)
        {
            int length = reader.Read(address, code);
            DisassembledInstruction instruction = disassembler.Disassemble(code[..length], reader.Machine.Cpu.Cs.Big ? 32 : 16, address);
            string bytes = Convert.ToHexStringLower(code[..Math.Min(length, instruction.Length)]);
            _ = text.Append(CultureInfo.InvariantCulture, $"{(n > 0 ? "\n" : "")}{address:x8}: {bytes,-22} {instruction.Text}");
            address += (uint)instruction.Length;
        }

        return text.ToString();
    }
}
