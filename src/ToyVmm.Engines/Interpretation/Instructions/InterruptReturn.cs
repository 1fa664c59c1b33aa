using Iced.Intel;
using ToyVmm.Engines.Decoding;
using ToyVmm.Engines.Probing;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>IRET in every mode (SDM 2A, IRET): real, virtual-8086, same ring, outer ring, to virtual-8086, to the previous task.</summary>
internal static unsafe class InterruptReturn
{
    // What an image may always change; IOPL, IF, VIF and VIP have rules of their own, and VM changes by way of ToVirtual8086 only.
    private const uint Always = Eflags.TF | Eflags.DF | Eflags.NT | Eflags.RF | Eflags.AC | Eflags.ID;

    /// <summary>The handler of an IRET.</summary>
    public static Handler Select(in Instruction x) => x.Mnemonic == Mnemonic.Iretd ? &Return<uint> : &Return<ushort>;

    private static nint Return<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
    {
        // NMIs are unblocked even by an IRET that faults (SDM 3A 6.7.1, 3C 24.3).
        s->NmiBlocked = 0;
        if (sizeof(T) == 4 && TryReturnFlat(s, cpu))
        {
            return Flow.Lookup;
        }

        if (cpu.IsProtected && (s->OtherFlags & Eflags.NT) != 0)
        {
            return ToPreviousTask(s, i, cpu);
        }

        if (cpu.IsVirtual8086 && cpu.Iopl < 3)
        {
            _ = cpu.Raise(Vector.GeneralProtection, 0, "IRET in virtual-8086 mode needs IOPL 3");
            return Flow.StopHere(i, cpu);
        }

        StackReader stack = new(cpu);
        if (!stack.Pop<T>(out uint eip) || !stack.Pop<T>(out uint code) || !stack.Pop<T>(out uint image))
        {
            return Flow.StopHere(i, cpu);
        }

        uint top = s->Ss.Base + (s->Ss.Big ? s->Esp : (ushort)s->Esp);
        cpu.Tell(new MicroStep(MicroStepKind.FrameRead, top, eip, sizeof(T), code & 0xFFFF, image));
        bool returned = !cpu.IsProtected ? InPlace<T>(s, cpu, ref stack, eip, (ushort)code, image)
            : sizeof(T) == 4 && (image & Eflags.VM) != 0 && s->Cpl == 0 ? ToVirtual8086(s, cpu, ref stack, eip, (ushort)code, image)
            : Protected<T>(s, cpu, ref stack, eip, (ushort)code, image);
        if (!returned)
        {
            return Flow.StopHere(i, cpu);
        }

        cpu.UpdateMode();
        cpu.UpdateAttention();
        return Flow.Lookup;
    }

    // To flat segments of the same or an outer ring, the frame in one page that the TLB's projection knows. On false nothing has changed.
    private static bool TryReturnFlat(CpuState* s, Interpreter cpu)
    {
        if (!cpu.HasPlainStack || !cpu.IsProtected || (s->OtherFlags & Eflags.NT) != 0)
        {
            return false;
        }

        uint* frame = (uint*)Direct.Read(s, s->Esp, 12);
        if (frame == null)
        {
            return false;
        }

        (uint eip, ushort code, uint image) = (frame[0], (ushort)frame[1], frame[2]);
        uint cpl = code & 3u;
        bool toVirtual8086 = (image & Eflags.VM) != 0 && s->Cpl == 0;
        if (cpl < s->Cpl || toVirtual8086 || !cpu.IsFlatCode(code, cpl, out ushort codeAccess))
        {
            return false;
        }

        uint changes = Changes(s, cpu);
        if (cpl == s->Cpl)
        {
            s->Esp += 12;
            SetFlags(s, cpu, image, changes);
            cpu.LoadFlatCode(code, codeAccess);
        }
        else
        {
            frame = (uint*)Direct.Read(s, s->Esp, 20);
            ushort stack = frame == null ? (ushort)0 : (ushort)frame[4];
            if ((stack & 3u) != cpl || !cpu.IsFlatData(stack, cpl, out ushort stackAccess))
            {
                return false;
            }

            s->Esp = frame[3];
            SetFlags(s, cpu, image, changes);
            cpu.LoadFlat(code, codeAccess, stack, stackAccess);
            if (cpu.DropInnerSegments())
            {
                cpu.UpdateMode();
            }
        }

        s->Eip = eip;
        cpu.UpdateAttentionAfterFlags();
        return true;
    }

    // What the image may change in protected mode.
    private static uint Changes(CpuState* s, Interpreter cpu) =>
        Always | (s->Cpl <= cpu.Iopl ? Eflags.IF : 0) | (s->Cpl == 0 ? Eflags.IoplMask | Eflags.VIF | Eflags.VIP : 0);

    // Real and virtual-8086 mode.
    private static bool InPlace<T>(CpuState* s, Interpreter cpu, ref StackReader stack, uint eip, ushort code, uint image)
        where T : unmanaged
    {
        if (eip > s->Cs.Limit)
        {
            return cpu.Raise(Vector.GeneralProtection, 0, "IRET beyond the limit of CS");
        }

        stack.Commit(s);
        cpu.LoadSegmentValue(&s->Cs, code);
        s->Eip = eip;
        uint changes = Always | Eflags.IF | (cpu.IsVirtual8086 ? 0 : Eflags.IoplMask);
        SetFlags(s, cpu, image, changes & Operand.Mask<T>());
        return true;
    }

    private static bool Protected<T>(CpuState* s, Interpreter cpu, ref StackReader stack, uint eip, ushort code, uint image)
        where T : unmanaged
    {
        uint changes = Changes(s, cpu);
        if (!FarReturn.Protected<T>(s, cpu, ref stack, eip, code, 0))
        {
            return false;
        }

        SetFlags(s, cpu, image, changes & Operand.Mask<T>());
        return true;
    }

    private static bool ToVirtual8086(CpuState* s, Interpreter cpu, ref StackReader stack, uint eip, ushort code, uint image)
    {
        if (!stack.Pop<uint>(out uint esp) || !stack.Pop<uint>(out uint ss) || !stack.Pop<uint>(out uint es)
            || !stack.Pop<uint>(out uint ds) || !stack.Pop<uint>(out uint fs) || !stack.Pop<uint>(out uint gs))
        {
            return false;
        }

        if (eip > 0xFFFF)
        {
            return cpu.Raise(Vector.GeneralProtection, 0, "IRET to virtual-8086 mode beyond 64 KiB");
        }

        SetFlags(s, cpu, image, Always | Eflags.IF | Eflags.IoplMask | Eflags.VM | Eflags.VIF | Eflags.VIP);
        s->Cs.LoadVirtual8086(code);
        s->Ss.LoadVirtual8086((ushort)ss);
        s->Es.LoadVirtual8086((ushort)es);
        s->Ds.LoadVirtual8086((ushort)ds);
        s->Fs.LoadVirtual8086((ushort)fs);
        s->Gs.LoadVirtual8086((ushort)gs);
        s->Esp = esp;
        s->Eip = eip;
        s->Cpl = 3;
        return true;
    }

    private static nint ToPreviousTask(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!cpu.ReadSystem(s->Tr.Base + TaskState.BackLink, 2, out ulong link)
            || !cpu.CheckTaskReturnTarget((ushort)link, out Descriptor task)
            || !cpu.SwitchTask((ushort)link, task, TaskSwitchKind.Return, i->NextEip, LazyFlags.GetEflags(s)))
        {
            return Flow.StopHere(i, cpu);
        }

        return cpu.AfterTaskSwitch(s, i);
    }

    private static void SetFlags(CpuState* s, Interpreter cpu, uint image, uint changes)
    {
        LazyFlags.Set(s, image);
        changes &= cpu.EflagsBits;
        s->OtherFlags = (s->OtherFlags & ~changes) | (image & changes);
        cpu.KeepResumeFlag();
    }
}
