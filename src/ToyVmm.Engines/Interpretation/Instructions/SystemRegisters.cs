using Iced.Intel;
using ToyVmm.Engines.Decoding;
using ToyVmm.Engines.Probing;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>MOV to and from control and debug registers, LMSW, SMSW, CLTS (SDM 3A 2.5, 3B 17.2).</summary>
internal static unsafe class SystemRegisters
{
    private const uint Dr6Writable = 0x0000_E00F;
    private const uint Dr6Fixed = 0xFFFF_0FF0;
    private const uint Dr7Writable = 0xFFFF_23FF;
    private const uint Dr7Fixed = 0x0000_0400;
    private const uint Dr7GeneralDetect = 1 << 13;

    /// <summary>The handler of a MOV with a control or debug register.</summary>
    public static Handler Move(in Instruction x) =>
        x.Op0Register.IsCR() ? &WriteControl
        : x.Op1Register.IsCR() ? &ReadControl
        : x.Op0Register.IsDR() ? &WriteDebug
        : x.Op1Register.IsDR() ? &ReadDebug
        : &HandlerTable.InvalidOpcode;

    /// <summary>The handler of SMSW.</summary>
    public static Handler StoreStatus(in Instruction x) =>
        x.Op0Kind == OpKind.Memory ? &StoreStatusMemory : x.Op0Register.IsGPR32() ? &StoreStatus<uint> : &StoreStatus<ushort>;

    /// <summary>The handler of LMSW.</summary>
    public static Handler LoadStatus(in Instruction x) => x.Op0Kind == OpKind.Memory ? &LoadStatusMemory : &LoadStatusRegister;

    /// <summary>CLTS.</summary>
    public static nint ClearTaskSwitched(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!Privilege.IsRingZero(s, cpu))
        {
            return Flow.StopHere(i, cpu);
        }

        uint old = s->Cr0;
        s->Cr0 &= ~Cr0.TS;
        cpu.NoteControlRegister(0, old, s->Cr0);
        return Flow.EndBlock(s, i);
    }

    private static nint ReadControl(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (i->Source is not (0 or 2 or 3 or 4))
        {
            return Flow.Raise(i, cpu, Vector.InvalidOpcode);
        }

        if (!Privilege.IsRingZero(s, cpu))
        {
            return Flow.StopHere(i, cpu);
        }

        uint value = i->Source switch
        {
            0 => s->Cr0,
            2 => s->Cr2,
            3 => s->Cr3,
            _ => s->Cr4,
        };
        Operand.SetRegister<uint>(s, i->Destination, value);
        return Flow.Next(s, i, cpu);
    }

    private static nint WriteControl(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (i->Destination is not (0 or 2 or 3 or 4))
        {
            return Flow.Raise(i, cpu, Vector.InvalidOpcode);
        }

        if (!Privilege.IsRingZero(s, cpu))
        {
            return Flow.StopHere(i, cpu);
        }

        uint value = Operand.Register<uint>(s, i->Source);
        uint old = i->Destination == 2 ? s->Cr2 : s->Cr4;
        switch (i->Destination)
        {
            case 0:
                if (!SetCr0(s, cpu, value))
                {
                    return Flow.StopHere(i, cpu);
                }

                break;
            case 2:
                s->Cr2 = value;
                break;
            case 3:
                if (!cpu.LoadPageDirectory(value))
                {
                    return Flow.StopHere(i, cpu);
                }

                break;
            default:
                if (!SetCr4(s, cpu, value))
                {
                    return Flow.StopHere(i, cpu);
                }

                break;
        }

        if (i->Destination is 2 or 4)
        {
            cpu.NoteControlRegister(i->Destination, old, value);
        }

        return Flow.EndBlock(s, i);
    }

    private static bool SetCr0(CpuState* s, Interpreter cpu, uint value)
    {
        // Bits that do not exist are ignored, which makes 386 and 486 tell apart (SDM 3B 22.21).
        value &= cpu.Vcpu.Model.Cr0Bits;
        if ((value & (Cr0.PG | Cr0.PE)) == Cr0.PG)
        {
            return cpu.Raise(Vector.GeneralProtection, 0, "CR0.PG without CR0.PE");
        }

        if ((value & (Cr0.NW | Cr0.CD)) == Cr0.NW)
        {
            return cpu.Raise(Vector.GeneralProtection, 0, "CR0.NW without CR0.CD");
        }

        value |= Cr0.ET;
        uint changes = s->Cr0 ^ value;
        bool loads = (value & Cr0.PG) != 0 && (s->Cr4 & Cr4.PAE) != 0 && (changes & Cr0.LoadsPointers) != 0;
        if (loads && !cpu.LoadPointers(s->Cr3))
        {
            return false;
        }

        cpu.NoteControlRegister(0, s->Cr0, value);
        s->Cr0 = value;
        const uint Coprocessor = Cr0.TS | Cr0.MP | Cr0.EM | Cr0.NE;
        if ((changes & ~Coprocessor) == 0)
        {
            // The common case: an operating system that hands the FPU over lazily. Handlers look at these bits themselves.
            return true;
        }

        if ((changes & Cr0.PG) != 0)
        {
            cpu.Vcpu.Mmu.Tlb.FlushAll();
            cpu.Tell(new MicroStep(MicroStepKind.TlbFlushed, Text: "CR0.PG changed"));
        }

        if ((changes & (Cr0.PG | Cr0.WP)) != 0)
        {
            cpu.FlushTlbProjection();
        }

        // Entering protected mode, the code segment loses real mode's right to be written; everything else in the caches stays.
        if ((changes & value & Cr0.PE) != 0)
        {
            s->Cs.Refresh();
        }

        cpu.UpdateMode();
        return true;
    }

    private static bool SetCr4(CpuState* s, Interpreter cpu, uint value)
    {
        if ((value & ~cpu.Vcpu.Model.Cr4Bits) != 0)
        {
            return cpu.Raise(Vector.GeneralProtection, 0, "a reserved bit of CR4");
        }

        uint changes = s->Cr4 ^ value;
        bool loads = (value & Cr4.PAE) != 0 && (s->Cr0 & Cr0.PG) != 0 && (changes & Cr4.Paging) != 0;
        if (loads && !cpu.LoadPointers(s->Cr3))
        {
            return false;
        }

        s->Cr4 = value;
        if ((changes & Cr4.Paging) != 0)
        {
            cpu.Vcpu.Mmu.Tlb.FlushAll();
            cpu.FlushTlbProjection();
            cpu.Tell(new MicroStep(MicroStepKind.TlbFlushed, Text: "a paging bit of CR4 changed"));
        }

        return true;
    }

    private static nint ReadDebug(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!MayTouchDebug(s, cpu, i->Source))
        {
            return Flow.StopHere(i, cpu);
        }

        // Without CR4.DE, DR4 and DR5 are other names of DR6 and DR7.
        uint value = i->Source switch
        {
            < 4 => s->BreakpointAddresses[i->Source],
            4 or 6 => s->Dr6,
            _ => s->Dr7,
        };
        Operand.SetRegister<uint>(s, i->Destination, value);
        return Flow.Next(s, i, cpu);
    }

    private static nint WriteDebug(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!MayTouchDebug(s, cpu, i->Destination))
        {
            return Flow.StopHere(i, cpu);
        }

        uint value = Operand.Register<uint>(s, i->Source);
        switch (i->Destination)
        {
            case < 4:
                s->BreakpointAddresses[i->Destination] = value;
                break;
            case 4 or 6:
                s->Dr6 = (value & Dr6Writable) | Dr6Fixed;
                break;
            default:
                s->Dr7 = (value & Dr7Writable) | Dr7Fixed;
                cpu.UpdateMode();
                cpu.UpdateAttention();
                break;
        }

        return Flow.EndBlock(s, i);
    }

    private static bool MayTouchDebug(CpuState* s, Interpreter cpu, int number)
    {
        // In virtual-8086 mode it is #GP(0), whatever the register (SDM 2B, MOV to and from debug registers, virtual-8086 mode exceptions).
        bool isVirtual = (s->OtherFlags & Eflags.VM) != 0;
        if (number > 7 || (number is 4 or 5 && (s->Cr4 & Cr4.DE) != 0 && !isVirtual))
        {
            return cpu.Raise(Vector.InvalidOpcode, 0, "DR4 and DR5 do not exist while CR4.DE is set");
        }

        return Privilege.IsRingZero(s, cpu) && ((s->Dr7 & Dr7GeneralDetect) == 0 || cpu.RaiseGeneralDetect());
    }

    private static nint StoreStatus<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
    {
        Operand.SetRegister<T>(s, i->Destination, s->Cr0);
        return Flow.Next(s, i, cpu);
    }

    private static nint StoreStatusMemory(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        byte* target = Segmented.Write(s, i, cpu, 2);
        if (target == null)
        {
            return Flow.StopHere(i, cpu);
        }

        *(ushort*)target = (ushort)s->Cr0;
        return Flow.NextIf(cpu.CommitWrite(target), s, i, cpu);
    }

    private static nint LoadStatusRegister(CpuState* s, DecodedInstruction* i, Interpreter cpu) =>
        LoadStatus(s, i, cpu, Operand.Register<ushort>(s, i->Destination));

    private static nint LoadStatusMemory(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        byte* source = Privilege.IsRingZero(s, cpu) ? Segmented.Read(s, i, cpu, 2) : null;
        return source == null ? Flow.StopHere(i, cpu) : LoadStatus(s, i, cpu, *(ushort*)source);
    }

    // LMSW loads PE, MP, EM and TS; it can set PE but not clear it.
    private static nint LoadStatus(CpuState* s, DecodedInstruction* i, Interpreter cpu, uint value)
    {
        const uint Loaded = Cr0.MP | Cr0.EM | Cr0.TS;
        if (!Privilege.IsRingZero(s, cpu) || !SetCr0(s, cpu, (s->Cr0 & ~Loaded) | (value & (Loaded | Cr0.PE))))
        {
            return Flow.StopHere(i, cpu);
        }

        return Flow.EndBlock(s, i);
    }
}
