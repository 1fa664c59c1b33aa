using System.Runtime.InteropServices;

namespace ToyVmm.Tests.Oracle;

/// <summary>The registers of a user-mode instruction: what goes in, what comes out. The layout is known to the machine code of <see cref="HostCpu"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct OracleState
{
    public uint Eax;     // the eight general registers in encoding order
    public uint Ecx;
    public uint Edx;
    public uint Ebx;
    public uint Esp;
    public uint Ebp;
    public uint Esi;
    public uint Edi;
    public uint Eip;     // offset in the flat code segment
    public uint Eflags;  // arithmetic flags and DF vary; bit 1 and IF are always set, TF and AC never are

    /// <summary>EFLAGS bits that a case may set: CF PF AF ZF SF DF OF.</summary>
    public const uint VaryingFlags = 0xCD5;

    /// <summary>EFLAGS bits that user mode always sees set: bit 1 (reserved) and IF.</summary>
    public const uint FixedFlags = 0x202;

    /// <summary>A general register by its number in instruction encodings (0 = EAX ... 7 = EDI).</summary>
    public uint this[int register]
    {
        readonly get => register switch
        {
            0 => Eax,
            1 => Ecx,
            2 => Edx,
            3 => Ebx,
            4 => Esp,
            5 => Ebp,
            6 => Esi,
            7 => Edi,
            _ => throw new ArgumentOutOfRangeException(nameof(register), register, "There are eight general registers."),
        };
        set
        {
            switch (register)
            {
                case 0: Eax = value; break;
                case 1: Ecx = value; break;
                case 2: Edx = value; break;
                case 3: Ebx = value; break;
                case 4: Esp = value; break;
                case 5: Ebp = value; break;
                case 6: Esi = value; break;
                case 7: Edi = value; break;
                default: throw new ArgumentOutOfRangeException(nameof(register), register, "There are eight general registers.");
            }
        }
    }

    /// <summary>The names of the general registers, in encoding order.</summary>
    public static ReadOnlySpan<string> Names => (string[])["EAX", "ECX", "EDX", "EBX", "ESP", "EBP", "ESI", "EDI"];

    /// <inheritdoc/>
    public override readonly string ToString() =>
        $"eax={Eax:X8} ecx={Ecx:X8} edx={Edx:X8} ebx={Ebx:X8} esp={Esp:X8} ebp={Ebp:X8} esi={Esi:X8} edi={Edi:X8} eip={Eip:X8} eflags={Eflags:X8} [{FlagNames(Eflags)}]";

    /// <summary>The arithmetic flags and DF in letters, "O S Z A P C D", set ones only.</summary>
    public static string FlagNames(uint flags)
    {
        (uint Bit, char Name)[] names = [(0x800, 'O'), (0x80, 'S'), (0x40, 'Z'), (0x10, 'A'), (4, 'P'), (1, 'C'), (0x400, 'D')];
        return string.Concat(names.Where(name => (flags & name.Bit) != 0).Select(name => name.Name));
    }
}

/// <summary>
/// Where things lie in the little world of a case. Its addresses are segment offsets on the host (the segments have a base)
/// and linear addresses for the CPU under test (flat segments with base 0), so a case is the same wherever the host mapped it,
/// and 16-bit addresses reach everything.
/// </summary>
public static class OracleLayout
{
    /// <summary>The only memory a case reads or writes: 256 bytes on both sides of a page border.</summary>
    public const uint WindowAddress = 0x8F00;

    /// <summary>Length of the window in bytes.</summary>
    public const int WindowSize = 512;

    /// <summary>First address that code, and the targets of branches, may have.</summary>
    public const uint CodeStart = 0x4000;

    /// <summary>The address behind the last one that code may have.</summary>
    public const uint CodeEnd = 0x6000;

    /// <summary>How much memory from address 0 a CPU under test needs.</summary>
    public const uint MemorySize = 0x1_0000;
}

/// <summary>One case: registers and the window of memory, before or after.</summary>
public unsafe ref struct OracleImage(OracleState* state, byte* window)
{
    /// <summary>The registers.</summary>
    public ref OracleState State => ref *state;

    /// <summary>The window of memory at <see cref="OracleLayout.WindowAddress"/>.</summary>
    public Span<byte> Window => new(window, OracleLayout.WindowSize);
}
