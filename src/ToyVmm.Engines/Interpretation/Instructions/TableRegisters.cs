using Iced.Intel;
using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>LGDT, LIDT, SGDT, SIDT; LLDT, LTR, SLDT, STR (SDM 3A 2.4).</summary>
internal static unsafe class TableRegisters
{
    // With a 16-bit operand size only 24 bits of the base are loaded, as on a 286.
    private const uint Base24 = 0x00FF_FFFF;

    /// <summary>The handler of LGDT and LIDT.</summary>
    public static Handler LoadTable(in Instruction x) => x.Code switch
    {
        Code.Lgdt_m1632_16 => &LoadGdt<ushort>,
        Code.Lgdt_m1632 => &LoadGdt<uint>,
        Code.Lidt_m1632_16 => &LoadIdt<ushort>,
        _ => &LoadIdt<uint>,
    };

    /// <summary>The handler of SLDT and STR.</summary>
    public static Handler StoreSelector(in Instruction x) => (x.Mnemonic == Mnemonic.Str, x.Op0Kind == OpKind.Memory, x.Op0Register.IsGPR32()) switch
    {
        (false, true, _) => &StoreLdtrMemory,
        (true, true, _) => &StoreTrMemory,
        (false, false, true) => &StoreLdtr<uint>,
        (false, false, false) => &StoreLdtr<ushort>,
        (true, false, true) => &StoreTr<uint>,
        (true, false, false) => &StoreTr<ushort>,
    };

    /// <summary>The handler of LLDT.</summary>
    public static Handler LoadLdtr(in Instruction x) => x.Op0Kind == OpKind.Memory ? &LoadLdtrMemory : &LoadLdtrRegister;

    /// <summary>The handler of LTR.</summary>
    public static Handler LoadTr(in Instruction x) => x.Op0Kind == OpKind.Memory ? &LoadTrMemory : &LoadTrRegister;

    /// <summary>SGDT. Any ring may: one of the instructions that show the real machine (pitfall of classical virtualization).</summary>
    public static nint StoreGdt(CpuState* s, DecodedInstruction* i, Interpreter cpu) => StoreTable(s, i, cpu, s->GdtBase, s->GdtLimit);

    /// <summary>SIDT.</summary>
    public static nint StoreIdt(CpuState* s, DecodedInstruction* i, Interpreter cpu) => StoreTable(s, i, cpu, s->IdtBase, s->IdtLimit);

    // All four bytes of the base are stored whatever the operand size, as 386 and later processors do.
    private static nint StoreTable(CpuState* s, DecodedInstruction* i, Interpreter cpu, uint address, uint limit)
    {
        bool user = s->Cpl == 3;
        cpu.Stores.Clear();
        if (!cpu.CheckSegment(i->Segment, Segmented.Effective(s, i), 6, SegmentRights.Write, out uint linear)
            || !cpu.Stores.Add(linear, 2, limit, user) || !cpu.Stores.Add(linear + 2, 4, address, user))
        {
            return Flow.StopHere(i, cpu);
        }

        return Flow.NextIf(cpu.Stores.Commit(), s, i, cpu);
    }

    private static nint LoadGdt<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
    {
        if (!ReadTable(s, i, cpu, out uint address, out uint limit))
        {
            return Flow.StopHere(i, cpu);
        }

        s->GdtBase = sizeof(T) == 2 ? address & Base24 : address;
        s->GdtLimit = limit;
        return Flow.EndBlock(s, i);
    }

    private static nint LoadIdt<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
    {
        if (!ReadTable(s, i, cpu, out uint address, out uint limit))
        {
            return Flow.StopHere(i, cpu);
        }

        s->IdtBase = sizeof(T) == 2 ? address & Base24 : address;
        s->IdtLimit = limit;
        return Flow.EndBlock(s, i);
    }

    private static bool ReadTable(CpuState* s, DecodedInstruction* i, Interpreter cpu, out uint address, out uint limit)
    {
        address = 0;
        limit = 0;
        uint offset = Segmented.Effective(s, i);
        if (!Privilege.IsRingZero(s, cpu) || !cpu.CheckSegment(i->Segment, offset, 6, SegmentRights.Read, out uint linear))
        {
            return false;
        }

        byte* source = cpu.BeginRead(linear, 2);
        if (source == null)
        {
            return false;
        }

        limit = *(ushort*)source;
        source = cpu.BeginRead(linear + 2, 4);
        if (source == null)
        {
            return false;
        }

        address = *(uint*)source;
        return true;
    }

    private static nint StoreLdtr<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
        => StoreRegister<T>(s, i, cpu, s->Ldtr.Selector);

    private static nint StoreTr<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
        => StoreRegister<T>(s, i, cpu, s->Tr.Selector);

    private static nint StoreLdtrMemory(CpuState* s, DecodedInstruction* i, Interpreter cpu) => StoreMemory(s, i, cpu, s->Ldtr.Selector);

    private static nint StoreTrMemory(CpuState* s, DecodedInstruction* i, Interpreter cpu) => StoreMemory(s, i, cpu, s->Tr.Selector);

    private static nint StoreRegister<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu, ushort selector)
        where T : unmanaged
    {
        if (!cpu.IsProtected)
        {
            return Flow.Raise(i, cpu, Vector.InvalidOpcode);
        }

        Operand.SetRegister<T>(s, i->Destination, selector);
        return Flow.Next(s, i, cpu);
    }

    private static nint StoreMemory(CpuState* s, DecodedInstruction* i, Interpreter cpu, ushort selector)
    {
        if (!cpu.IsProtected)
        {
            return Flow.Raise(i, cpu, Vector.InvalidOpcode);
        }

        byte* target = Segmented.Write(s, i, cpu, 2);
        if (target == null)
        {
            return Flow.StopHere(i, cpu);
        }

        *(ushort*)target = selector;
        return Flow.NextIf(cpu.CommitWrite(target), s, i, cpu);
    }

    private static nint LoadLdtrRegister(CpuState* s, DecodedInstruction* i, Interpreter cpu) =>
        LoadLdtr(s, i, cpu, (ushort)Operand.Register<ushort>(s, i->Destination));

    private static nint LoadLdtrMemory(CpuState* s, DecodedInstruction* i, Interpreter cpu) =>
        ReadSelector(s, i, cpu, out ushort selector) ? LoadLdtr(s, i, cpu, selector) : Flow.StopHere(i, cpu);

    private static nint LoadTrRegister(CpuState* s, DecodedInstruction* i, Interpreter cpu) =>
        LoadTr(s, i, cpu, (ushort)Operand.Register<ushort>(s, i->Destination));

    private static nint LoadTrMemory(CpuState* s, DecodedInstruction* i, Interpreter cpu) =>
        ReadSelector(s, i, cpu, out ushort selector) ? LoadTr(s, i, cpu, selector) : Flow.StopHere(i, cpu);

    // Mode and ring are checked before the operand is touched.
    private static bool ReadSelector(CpuState* s, DecodedInstruction* i, Interpreter cpu, out ushort selector)
    {
        selector = 0;
        if (!MayLoad(s, cpu))
        {
            return false;
        }

        byte* source = Segmented.Read(s, i, cpu, 2);
        selector = source == null ? (ushort)0 : *(ushort*)source;
        return source != null;
    }

    private static bool MayLoad(CpuState* s, Interpreter cpu) =>
        cpu.IsProtected ? Privilege.IsRingZero(s, cpu) : cpu.Raise(Vector.InvalidOpcode, 0);

    private static nint LoadLdtr(CpuState* s, DecodedInstruction* i, Interpreter cpu, ushort selector)
    {
        if (!MayLoad(s, cpu))
        {
            return Flow.StopHere(i, cpu);
        }

        if (Interpreter.IsNull(selector))
        {
            s->Ldtr.LoadNull(selector);
            return Flow.EndBlock(s, i);
        }

        if (!CheckGlobal(cpu, selector, out Descriptor table))
        {
            return Flow.StopHere(i, cpu);
        }

        if (table.System != SystemType.LocalTable)
        {
            _ = cpu.RaiseSelector(Vector.GeneralProtection, selector, table, "LLDT needs an LDT descriptor");
            return Flow.StopHere(i, cpu);
        }

        if (!table.Present)
        {
            _ = cpu.RaiseSelector(Vector.SegmentNotPresent, selector, table, "the LDT is not present");
            return Flow.StopHere(i, cpu);
        }

        s->Ldtr.LoadDescriptor(selector, table.Low, table.High);
        return Flow.EndBlock(s, i);
    }

    private static nint LoadTr(CpuState* s, DecodedInstruction* i, Interpreter cpu, ushort selector)
    {
        if (!MayLoad(s, cpu) || !CheckGlobal(cpu, selector, out Descriptor task))
        {
            return Flow.StopHere(i, cpu);
        }

        if (task.System is not (SystemType.AvailableTask16 or SystemType.AvailableTask32))
        {
            _ = cpu.RaiseSelector(Vector.GeneralProtection, selector, task, "LTR needs an available TSS descriptor");
            return Flow.StopHere(i, cpu);
        }

        if (!task.Present)
        {
            _ = cpu.RaiseSelector(Vector.SegmentNotPresent, selector, task, "the TSS is not present");
            return Flow.StopHere(i, cpu);
        }

        if (!cpu.MarkBusy(selector, busy: true))
        {
            return Flow.StopHere(i, cpu);
        }

        s->Tr.LoadDescriptor(selector, task.Low, task.High | Descriptor.Busy);
        return Flow.EndBlock(s, i);
    }

    private static bool CheckGlobal(Interpreter cpu, ushort selector, out Descriptor descriptor)
    {
        descriptor = default;
        return Interpreter.IsNull(selector) ? cpu.Raise(Vector.GeneralProtection, 0, "LTR with a null selector")
            : (selector & 4) != 0 ? cpu.RaiseSelector(Vector.GeneralProtection, selector, "LLDT and LTR need a selector of the GDT")
            : cpu.FetchDescriptor(selector, Vector.GeneralProtection, out descriptor);
    }
}

/// <summary>The check that every privileged instruction starts with.</summary>
internal static unsafe class Privilege
{
    /// <summary>True at CPL 0; otherwise #GP(0) is pending. Virtual-8086 mode is CPL 3, real mode CPL 0.</summary>
    public static bool IsRingZero(CpuState* s, Interpreter cpu) =>
        s->Cpl == 0 || cpu.Raise(Vector.GeneralProtection, 0, "a privileged instruction outside ring 0");
}
