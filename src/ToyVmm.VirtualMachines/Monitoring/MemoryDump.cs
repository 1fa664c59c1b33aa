using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;

namespace ToyVmm.VirtualMachines.Monitoring;

/// <summary>
/// The commands x and xp: memory in units, or as instructions. Memory that belongs to a device is not read (a read may have
/// effects), and is shown as a gap.
/// </summary>
internal static unsafe class MemoryDump
{
    private const int MostUnits = 65536;
    private const int BytesALine = 16;

    /// <summary>Shows memory.</summary>
    /// <param name="vm">The machine.</param>
    /// <param name="isPhysical">True for guest-physical addresses, false for linear ones.</param>
    /// <param name="format">Count, format letter and unit letter, all optional: "16xb", "4i", "".</param>
    /// <param name="arguments">The address.</param>
    public static MonitorReply Show(VirtualMachine vm, bool isPhysical, string format, string[] arguments)
    {
        string name = isPhysical ? "xp" : "x";
        if (arguments is not [string place])
        {
            return MonitorReply.Error($"{name}: write {name}/NFU ADDRESS, for example {name}/16xb 0x7c00");
        }

        if (!TryParseFormat(format, out int count, out char letter, out int unit))
        {
            return MonitorReply.Error($"{name}/{format}: a count (to {MostUnits}), then one of x d u o c i, then one of b h w g");
        }

        if (!TryParseAddress(vm, place, out uint address))
        {
            return MonitorReply.Error($"{name} {place}: not an address; write 0x7c00, 31744, $pc, $sp or a register such as $eax");
        }

        Reader reader = new(vm, isPhysical);
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

    private static bool TryParseAddress(VirtualMachine vm, string text, out uint address)
    {
        CpuState* s = vm.Vcpu.State;
        if (text.StartsWith('$'))
        {
            uint? value = text[1..].ToLowerInvariant() switch
            {
                // As code and stack addresses these two are only good together with their segments.
                "pc" or "eip" => s->Cs.Base + s->Eip,
                "sp" or "esp" => s->Ss.Base + s->Esp,
                "eax" => s->Eax,
                "ebx" => s->Ebx,
                "ecx" => s->Ecx,
                "edx" => s->Edx,
                "esi" => s->Esi,
                "edi" => s->Edi,
                "ebp" => s->Ebp,
                "cr2" => s->Cr2,
                "cr3" => s->Cr3,
                _ => null,
            };
            address = value ?? 0;
            return value is not null;
        }

        return text.StartsWith("0x", StringComparison.OrdinalIgnoreCase)
            ? uint.TryParse(text.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out address)
            : uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out address);
    }

    private static string Units(Reader reader, uint address, int count, char letter, int unit)
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

    private static string Instructions(Reader reader, uint address, int count)
    {
        StringBuilder text = new();
        Disassembler disassembler = new();
        Span<byte> code = stackalloc byte[Disassembler.MaxInstructionLength];
        for (int n = 0; n < count; n++)
        {
            int length = reader.Read(address, code);
            DisassembledInstruction instruction = disassembler.Disassemble(code[..length], reader.CodeBits, address);
            string bytes = Convert.ToHexStringLower(code[..Math.Min(length, instruction.Length)]);
            _ = text.Append(CultureInfo.InvariantCulture, $"{(n > 0 ? "\n" : "")}{address:x8}: {bytes,-22} {instruction.Text}");
            address += (uint)instruction.Length;
        }

        return text.ToString();
    }

    /// <summary>Reads memory, and only memory, in one of the two address spaces.</summary>
    private readonly struct Reader(VirtualMachine vm, bool isPhysical)
    {
        public int CodeBits => vm.Cpu.Cs.Big ? 32 : 16;

        /// <returns>How many bytes there were before something that is no memory.</returns>
        public int Read(uint address, Span<byte> bytes)
        {
            if (!isPhysical)
            {
                return Disassembler.ReadCode(vm.Vcpu, address, bytes);
            }

            int count = 0;
            while (count < bytes.Length && vm.Machine.Memory.TryRead(new GuestPhysicalAddress(address + (uint)count), bytes.Slice(count, 1)))
            {
                count++;
            }

            return count;
        }
    }
}
