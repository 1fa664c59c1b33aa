using Iced.Intel;
using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>PUSHF, POPF, CLI, STI: the flags that IOPL guards (SDM 3A 2.3).</summary>
internal static unsafe class FlagInstructions
{
    private const uint PopfSystem = Eflags.TF | Eflags.DF | Eflags.NT | Eflags.AC | Eflags.ID;

    /// <summary>The handler of PUSHF and PUSHFD.</summary>
    public static Handler Push(in Instruction x) => x.Mnemonic == Mnemonic.Pushfd ? &Push<uint> : &Push<ushort>;

    /// <summary>The handler of POPF and POPFD.</summary>
    public static Handler Pop(in Instruction x) => x.Mnemonic == Mnemonic.Popfd ? &Pop<uint> : &Pop<ushort>;

    /// <summary>CLI.</summary>
    public static nint ClearInterrupt(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!MayChangeInterrupts(s, cpu))
        {
            return Flow.StopHere(i, cpu);
        }

        s->OtherFlags &= ~Eflags.IF;
        return End(s, i, cpu);
    }

    /// <summary>STI.</summary>
    public static nint SetInterrupt(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!MayChangeInterrupts(s, cpu))
        {
            return Flow.StopHere(i, cpu);
        }

        // Only the STI that opens interrupts holds them off for one more instruction.
        if ((s->OtherFlags & Eflags.IF) == 0)
        {
            s->OtherFlags |= Eflags.IF;
            if (!cpu.RunsOnUnattended)
            {
                s->Shadow = InterruptShadow.Sti;
                cpu.UpdateAttention();
            }
        }

        return End(s, i, cpu);
    }

    // With nothing pending the next instruction follows as any other does.
    private static nint End(CpuState* s, DecodedInstruction* i, Interpreter cpu) =>
        s->Attention == Attention.None ? Flow.Next(s, i, cpu) : Flow.EndBlock(s, i);

    // Virtual-8086 mode has CPL 3, so one comparison serves every mode (VME and PVI are off).
    private static bool MayChangeInterrupts(CpuState* s, Interpreter cpu) =>
        s->Cpl <= cpu.Iopl || cpu.IsReal || cpu.Raise(Vector.GeneralProtection, 0, "CLI or STI needs CPL <= IOPL");

    private static bool MayTouchFlags(Interpreter cpu) =>
        !cpu.IsVirtual8086 || cpu.Iopl == 3 || cpu.Raise(Vector.GeneralProtection, 0, "PUSHF and POPF in virtual-8086 mode need IOPL 3");

    private static nint Push<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
    {
        byte* target = MayTouchFlags(cpu) ? Stack.BeginPush(s, cpu, sizeof(T)) : null;
        if (target == null)
        {
            return Flow.StopHere(i, cpu);
        }

        Operand.Store<T>(target, LazyFlags.GetEflags(s) & ~(Eflags.RF | Eflags.VM));
        Stack.Move(s, -sizeof(T));
        return Flow.NextIf(cpu.CommitWrite(target), s, i, cpu);
    }

    private static nint Pop<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
    {
        byte* source = MayTouchFlags(cpu) ? Stack.Top(s, cpu, sizeof(T)) : null;
        if (source == null)
        {
            return Flow.StopHere(i, cpu);
        }

        // IOPL changes at CPL 0 only, IF where CPL <= IOPL; otherwise both stay without a fault. VIF and VIP are cleared by POPFD
        // at CPL 0 (SDM 2B, POPF, table 4-16); VM never changes.
        uint image = Operand.Load<T>(source);
        uint changes = PopfSystem;
        changes |= s->Cpl == 0 ? Eflags.IoplMask : 0;
        changes |= s->Cpl <= cpu.Iopl || cpu.IsReal ? Eflags.IF : 0;
        changes &= Operand.Mask<T>() & cpu.EflagsBits;
        uint clears = Eflags.RF | (sizeof(T) == 4 && !cpu.IsVirtual8086 ? Eflags.VIF | Eflags.VIP : 0);
        Stack.Move(s, sizeof(T));
        LazyFlags.Set(s, image);
        uint old = s->OtherFlags;
        s->OtherFlags = (old & ~(changes | clears)) | (image & changes);
        if (((old ^ s->OtherFlags) & Eflags.AC) != 0)
        {
            cpu.UpdateMode();
        }

        cpu.UpdateAttentionAfterFlags();
        return End(s, i, cpu);
    }
}
