using System.Collections.Frozen;
using System.Collections.Immutable;
using ToyVmm.Hardware.Cpu;
using ToyVmm.VirtualMachines;
using static ToyVmm.Debugging.Registers.RegisterGroup;

namespace ToyVmm.Debugging.Registers;

/// <summary>
/// Every register of the CPU, one row each: name, width, group, how gdb is told of it, how it is read and how it is changed. The core registers stand
/// first and in the order that gdb wants (gdb manual, G.5.4).
/// </summary>
/// <remarks>
/// A selector that is written loads its descriptor cache as a MOV in the mode that the CPU is in does: in real mode the base alone, in virtual-8086 mode
/// all of it, in protected mode from its table, with MOV's checks, but without setting the accessed bit there. Writing the selector that is there already changes nothing: a stale
/// cache stays, as gdb, which writes all registers back, needs it.
/// </remarks>
public static unsafe class RegisterTable
{
    private const int Int32 = 32;

    private static readonly GdbRegister s_core = new(GdbRegister.Core, "int32", 32);
    private static readonly GdbRegister s_data = new(GdbRegister.Core, "data_ptr", 32);
    private static readonly GdbRegister s_float = new(GdbRegister.Core, "int", 32, "float");
    private static readonly GdbRegister s_extended = new(GdbRegister.Core, "i387_ext", 80);
    private static readonly GdbRegister s_vector = new(GdbRegister.Sse, "vec128", 128);
    private static readonly GdbRegister s_system32 = new(GdbRegister.System, "uint32", 32, "system");
    private static readonly GdbRegister s_system64 = new(GdbRegister.System, "uint64", 64, "system");
    private static readonly string[] s_segments = ["es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr"];

    /// <summary>All registers.</summary>
    public static ImmutableArray<Register> All { get; } = [.. Core(), .. Vectors(), .. System()];

    private static FrozenDictionary<string, RegisterField> Fields { get; } =
        All.Select(register => new RegisterField(register.Name, register, 0, register.Bits)).Concat(RegisterParts.Of(All))
            .ToFrozenDictionary(field => field.Name, StringComparer.OrdinalIgnoreCase);

    /// <summary>The names of all registers and of their parts.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. Fields.Keys.Order(StringComparer.Ordinal)];

    /// <summary>Finds a register or a part of one.</summary>
    /// <param name="name">Its name, in letters of any case, with or without gdb's '$'.</param>
    /// <returns>Null where there is none of that name.</returns>
    public static RegisterField? Find(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return Fields.GetValueOrDefault(name.StartsWith('$') ? name[1..] : name);
    }

    /// <summary>A whole register, by a name that is known to be one.</summary>
    /// <exception cref="KeyNotFoundException">There is none of that name.</exception>
    internal static Register Get(string name) => Fields[name].Register;

    private static IEnumerable<Register> Core() =>
    [
        Row("eax", Int32, General, s_core, v => v.Cpu.Eax, (v, x) => v.Cpu.Eax = (uint)x),
        Row("ecx", Int32, General, s_core, v => v.Cpu.Ecx, (v, x) => v.Cpu.Ecx = (uint)x),
        Row("edx", Int32, General, s_core, v => v.Cpu.Edx, (v, x) => v.Cpu.Edx = (uint)x),
        Row("ebx", Int32, General, s_core, v => v.Cpu.Ebx, (v, x) => v.Cpu.Ebx = (uint)x),
        Row("esp", Int32, General, s_data, v => v.Cpu.Esp, (v, x) => v.Cpu.Esp = (uint)x),
        Row("ebp", Int32, General, s_data, v => v.Cpu.Ebp, (v, x) => v.Cpu.Ebp = (uint)x),
        Row("esi", Int32, General, s_core, v => v.Cpu.Esi, (v, x) => v.Cpu.Esi = (uint)x),
        Row("edi", Int32, General, s_core, v => v.Cpu.Edi, (v, x) => v.Cpu.Edi = (uint)x),
        Row("eip", Int32, General, new GdbRegister(GdbRegister.Core, "code_ptr", 32), v => v.Cpu.Eip, RegisterWrites.Eip),
        Row("eflags", Int32, Flags, new GdbRegister(GdbRegister.Core, "i386_eflags", 32), RegisterWrites.ReadEflags, RegisterWrites.Eflags),
        Selector(1), Selector(2), Selector(3), Selector(0), Selector(4), Selector(5),
        .. Enumerable.Range(0, 8).Select(n => Row($"st{n}", 80, X87, s_extended, v => FloatingPointRegisters.ReadStack(v, n), (v, x) => FloatingPointRegisters.WriteStack(v, n, x))),
        Row("fctrl", 16, X87, s_float, v => v.Cpu.FpuControl, (v, x) => v.Vcpu.SetFpuWords((ushort)x, v.Cpu.FpuStatus)),
        Row("fstat", 16, X87, s_float, v => v.Cpu.FpuStatus, (v, x) => v.Vcpu.SetFpuWords(v.Cpu.FpuControl, (ushort)x)),
        Row("ftag", 16, X87, s_float, v => v.Vcpu.FpuTagWord, (v, x) => v.Vcpu.FpuTagWord = (ushort)x),
        Row("fiseg", 16, X87, s_float, v => v.Cpu.FpuInstructionSelector, (v, x) => v.Cpu.FpuInstructionSelector = (ushort)x),
        Row("fioff", Int32, X87, s_float, v => v.Cpu.FpuInstructionOffset, (v, x) => v.Cpu.FpuInstructionOffset = (uint)x),
        Row("foseg", 16, X87, s_float, v => v.Cpu.FpuDataSelector, (v, x) => v.Cpu.FpuDataSelector = (ushort)x),
        Row("fooff", Int32, X87, s_float, v => v.Cpu.FpuDataOffset, (v, x) => v.Cpu.FpuDataOffset = (uint)x),
        Row("fop", 11, X87, s_float, v => v.Cpu.FpuOpcode, (v, x) => v.Cpu.FpuOpcode = (ushort)x),
    ];

    private static IEnumerable<Register> Vectors() =>
    [
        .. Enumerable.Range(0, 8).Select(n => Row($"xmm{n}", 128, Sse, s_vector, v => FloatingPointRegisters.ReadVector(v, n), (v, x) => FloatingPointRegisters.WriteVector(v, n, x))),
        new Register("mxcsr", Int32, Sse, new GdbRegister(GdbRegister.Sse, "i386_mxcsr", 32, "vector"), v => v.Cpu.Mxcsr, RegisterWrites.Mxcsr),
        .. Enumerable.Range(0, 8).Select(n => Row($"mm{n}", 64, Mmx, null, v => FloatingPointRegisters.ReadMmx(v, n), (v, x) => FloatingPointRegisters.WriteMmx(v, n, (ulong)x))),
    ];

    private static IEnumerable<Register> System() =>
    [
        new Register("cr0", Int32, Control, s_system32, v => v.Cpu.Cr0, (v, x) => v.Vcpu.TrySetCr0((uint)x)),
        Row("cr2", Int32, Control, s_system32, v => v.Cpu.Cr2, (v, x) => v.Cpu.Cr2 = (uint)x),
        new Register("cr3", Int32, Control, s_system32, v => v.Cpu.Cr3, (v, x) => v.Vcpu.TrySetCr3((uint)x)),
        new Register("cr4", Int32, Control, s_system32, v => v.Cpu.Cr4, (v, x) => v.Vcpu.TrySetCr4((uint)x)),
        .. Enumerable.Range(0, 4).Select(n => ReadOnly($"pdpte{n}", 64, Control, null, v => v.Cpu.PageDirectoryPointers[n])),
        .. Enumerable.Range(0, s_segments.Length).Select(n => Row($"{s_segments[n]}_base", Int32, Segment, s_system32, v => Cache(v, n).Base, (v, x) => Cache(v, n).Base = (uint)x)),
        .. Enumerable.Range(0, s_segments.Length).Select(n => ReadOnly($"{s_segments[n]}_limit", Int32, Segment, s_system32, v => Cache(v, n).Limit)),
        .. Enumerable.Range(0, s_segments.Length).Select(n => ReadOnly($"{s_segments[n]}_access", 16, Segment, null, v => Cache(v, n).Access)),
        ReadOnly("cpl", 2, Segment, s_system32, v => v.Cpu.Cpl),
        Row("gdtr_base", Int32, DescriptorTables, s_system32, v => v.Cpu.GdtBase, (v, x) => v.Cpu.GdtBase = (uint)x),
        Row("gdtr_limit", 16, DescriptorTables, s_system32, v => v.Cpu.GdtLimit, (v, x) => v.Cpu.GdtLimit = (uint)x),
        Row("idtr_base", Int32, DescriptorTables, s_system32, v => v.Cpu.IdtBase, (v, x) => v.Cpu.IdtBase = (uint)x),
        Row("idtr_limit", 16, DescriptorTables, s_system32, v => v.Cpu.IdtLimit, (v, x) => v.Cpu.IdtLimit = (uint)x),
        ReadOnly("ldtr", 16, DescriptorTables, s_system32, v => v.Cpu.Ldtr.Selector),
        ReadOnly("tr", 16, DescriptorTables, s_system32, v => v.Cpu.Tr.Selector),
        .. Enumerable.Range(0, 4).Select(n => Row($"dr{n}", Int32, Debug, s_system32, v => v.Cpu.BreakpointAddresses[n], (v, x) => v.Cpu.BreakpointAddresses[n] = (uint)x)),
        Row("dr6", Int32, Debug, s_system32, v => v.Cpu.Dr6, (v, x) => v.Cpu.Dr6 = RegisterWrites.Dr6Bits((uint)x)),
        Row("dr7", Int32, Debug, s_system32, v => v.Cpu.Dr7, (v, x) => v.Cpu.Dr7 = RegisterWrites.Dr7Bits((uint)x)),
        Row("tsc", 64, Msr, s_system64, v => v.Cpu.Retired + v.Cpu.TscOffset, (v, x) => v.Cpu.TscOffset = (ulong)x - v.Cpu.Retired),
        ReadOnly("apic_base", 64, Msr, s_system64, v => v.Vcpu.ApicBase),
        Row("sysenter_cs", Int32, Msr, s_system32, v => v.Cpu.SysenterCs, (v, x) => v.Cpu.SysenterCs = (uint)x),
        Row("sysenter_esp", Int32, Msr, s_system32, v => v.Cpu.SysenterEsp, (v, x) => v.Cpu.SysenterEsp = (uint)x),
        Row("sysenter_eip", Int32, Msr, s_system32, v => v.Cpu.SysenterEip, (v, x) => v.Cpu.SysenterEip = (uint)x),
        new Register("efer", Int32, Msr, s_system32, v => v.Cpu.Efer, (v, x) => v.Vcpu.TrySetEfer((uint)x)),
    ];

    /// <summary>A segment register's cache: ES CS SS DS FS GS LDTR TR.</summary>
    internal static ref SegmentCache Cache(VirtualMachine machine, int number) => ref *(&machine.Vcpu.State->Es + number);

    private static Register Selector(int number) =>
        new(s_segments[number], 16, Segment, s_core, v => Cache(v, number).Selector, (v, x) => SelectorWrites.Write(v, number, (ushort)x));

    private static Register Row(string name, int bits, RegisterGroup group, GdbRegister? gdb, RegisterReader read, Action<VirtualMachine, UInt128> write) =>
        new(name, bits, group, gdb, read, (machine, value) =>
        {
            write(machine, value);
            return null;
        });

    private static Register Row(string name, int bits, RegisterGroup group, GdbRegister? gdb, RegisterReader read, RegisterWriter write) =>
        new(name, bits, group, gdb, read, write);

    private static Register ReadOnly(string name, int bits, RegisterGroup group, GdbRegister? gdb, RegisterReader read) =>
        new(name, bits, group, gdb, read, write: null);
}
