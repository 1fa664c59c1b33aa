using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using ToyVmm.Debugging.Registers;
using ToyVmm.Hardware.Cpu;
using ToyVmm.VirtualMachines;

namespace ToyVmm.Debugging.Gdb;

/// <summary>Which of CS:EIP gdb, which knows no segments, is given as the place where the guest is.</summary>
public enum ProgramCounter
{
    /// <summary>The linear address in real and virtual-8086 mode, EIP otherwise.</summary>
    Auto,

    /// <summary>The linear address always.</summary>
    Linear,

    /// <summary>EIP always.</summary>
    Offset,
}

/// <summary>
/// The registers as gdb sees them: the rows of the <see cref="RegisterTable"/> that have a place in the target description, numbered from 0 in its order; bytes
/// lowest first.
/// </summary>
/// <param name="machine">The machine; not running while registers are read or written.</param>
public sealed class GdbRegisters(VirtualMachine machine)
{
    /// <summary>The registers, by number.</summary>
    public static ImmutableArray<Register> All { get; } = [.. RegisterTable.All.Where(register => register.Gdb is not null)];

    /// <summary>The number of EIP.</summary>
    public static int PlaceNumber { get; } = NumberOf("eip");

    /// <summary>The registers that come with every stop: gdb wants to know at once where the guest is.</summary>
    public static ImmutableArray<int> Expedited { get; } = [NumberOf("esp"), NumberOf("ebp"), PlaceNumber];

    /// <summary>What is shown as EIP.</summary>
    public ProgramCounter ProgramCounter { get; set; }

    /// <summary>Where gdb is told that the guest is.</summary>
    public uint Place => machine.Cpu.Eip + PlaceOffset;

    // gdb looks for code and breakpoints at EIP itself: with a CS whose base is not 0 that is elsewhere.
    private uint PlaceOffset => ProgramCounter switch
    {
        ProgramCounter.Linear => machine.Cpu.Cs.Base,
        ProgramCounter.Offset => 0,
        _ => (machine.Cpu.Cr0 & Cr0.PE) == 0 || (machine.Cpu.OtherFlags & Eflags.VM) != 0 ? machine.Cpu.Cs.Base : 0,
    };

    private static int NumberOf(string name) => All.IndexOf(All.Single(register => register.Name == name));

    /// <summary>All registers, two digits for each byte.</summary>
    public string ReadAll()
    {
        StringBuilder text = new();
        for (int n = 0; n < All.Length; n++)
        {
            _ = text.Append(Read(n));
        }

        return text.ToString();
    }

    /// <summary>A register, two digits for each byte; null where there is none of that number.</summary>
    public string? Read(int number)
    {
        if ((uint)number >= (uint)All.Length)
        {
            return null;
        }

        Register register = All[number];
        UInt128 value = register.Name == "eip" ? Place : register.Read(machine);
        StringBuilder text = new();
        for (int shift = 0; shift < register.Gdb!.Bits; shift += 8)
        {
            _ = text.Append(((byte)(value >> shift)).ToString("x2", CultureInfo.InvariantCulture));
        }

        return text.ToString();
    }

    /// <summary>Changes a register.</summary>
    /// <param name="number">Its number.</param>
    /// <param name="bytes">As many bytes as it has, lowest first.</param>
    /// <returns>Null, or why it cannot be.</returns>
    public string? Write(int number, ReadOnlySpan<byte> bytes)
    {
        if ((uint)number >= (uint)All.Length)
        {
            return "there is no such register";
        }

        Register register = All[number];
        if (bytes.Length != register.Gdb!.Bits / 8)
        {
            return $"{register.Name} has {register.Gdb.Bits / 8} bytes";
        }

        UInt128 value = 0;
        for (int n = 0; n < bytes.Length; n++)
        {
            value |= (UInt128)bytes[n] << (8 * n);
        }

        if (register.Name == "eip")
        {
            value = (uint)value - PlaceOffset;
        }

        return value == register.Read(machine) ? null : register.TryWrite(machine, value);
    }

    /// <summary>Changes all registers: those that differ, and that can be.</summary>
    /// <param name="bytes">The bytes of the first registers, or of all.</param>
    /// <returns>Null, or why not; the registers before that one are changed.</returns>
    public string? WriteAll(ReadOnlySpan<byte> bytes)
    {
        for (int n = 0; n < All.Length && bytes.Length > 0; n++)
        {
            int length = All[n].Gdb!.Bits / 8;
            if (bytes.Length < length)
            {
                return $"the bytes end inside of {All[n].Name}";
            }

            if (Write(n, bytes[..length]) is { } problem)
            {
                return problem;
            }

            bytes = bytes[length..];
        }

        return null;
    }
}
