using ToyVmm.Engines.Probing;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation;

/// <summary>Entering a handler: the real-mode vector table (SDM 3B 20.1.4) and the gates of the IDT (SDM 3A 6.11-6.12, 3B 20.3).</summary>
public sealed unsafe partial class Interpreter
{
    // Bit 1 of an error code: the index is one of the IDT.
    private const uint ErrorIdt = 2;

    private bool EnterRealHandler(int vector, uint image, uint returnEip)
    {
        CpuState* s = State;
        uint entry = (uint)vector * 4;
        if (entry + 3 > s->IdtLimit)
        {
            return Raise(Vector.GeneralProtection, 0, "the vector lies outside the limit of the interrupt vector table");
        }

        if (!ReadSystem(s->IdtBase + entry, 4, out ulong target))
        {
            return false;
        }

        Tell(new MicroStep(MicroStepKind.VectorRead, s->IdtBase + entry, target & 0xFFFF_FFFF, 4, (uint)vector));
        StackFrame frame = StackFrame.Current(this);
        if (!frame.Push(2, image) || !frame.Push(2, s->Cs.Selector) || !frame.Push(2, returnEip))
        {
            return false;
        }

        uint offset = (ushort)target;
        if (offset > s->Cs.Limit)
        {
            return Raise(Vector.GeneralProtection, 0, "the handler lies beyond the limit of CS");
        }

        CommitEventFrame(ref frame);
        s->OtherFlags &= ~(Eflags.IF | Eflags.TF | Eflags.AC | Eflags.RF);
        LoadSegmentValue(&s->Cs, (ushort)(target >> 16));
        s->Eip = offset;
        return true;
    }

    private bool EnterThroughGate(in TrapInfo trap, uint image, uint returnEip)
    {
        CpuState* s = State;
        uint entry = (uint)trap.Vector * 8;
        uint error = entry | ErrorIdt | _external;
        bool software = trap.Source is TrapSource.SoftwareInterrupt or TrapSource.SoftwareException;
        if (entry + 7 > s->IdtLimit)
        {
            return Raise(Vector.GeneralProtection, error, "the vector lies outside the limit of the IDT");
        }

        if (!ReadSystem(s->IdtBase + entry, 8, out ulong bytes))
        {
            return false;
        }

        Tell(new MicroStep(MicroStepKind.GateRead, s->IdtBase + entry, bytes, 8, (uint)trap.Vector));
        Descriptor gate = new((uint)bytes, (uint)(bytes >> 32));
        if (gate.System is not (SystemType.TaskGate or SystemType.InterruptGate16 or SystemType.TrapGate16 or SystemType.InterruptGate32 or SystemType.TrapGate32))
        {
            return RaiseGate(Vector.GeneralProtection, error, gate, "the IDT entry is not an interrupt, trap or task gate");
        }

        if (software && gate.Dpl < s->Cpl)
        {
            return RaiseGate(Vector.GeneralProtection, error, gate, "the gate's DPL forbids INT n from this privilege level");
        }

        if (!gate.Present)
        {
            return RaiseGate(Vector.SegmentNotPresent, error, gate, "the IDT gate is not present");
        }

        bool pushesError = trap.Source == TrapSource.Exception && Vector.HasErrorCode(trap.Vector);
        if (gate.System == SystemType.TaskGate)
        {
            return CheckTaskGateTarget(gate.GateSelector, out Descriptor task)
                && SwitchTask(gate.GateSelector, task, TaskSwitchKind.Interrupt, returnEip, image, pushesError ? trap.ErrorCode : null);
        }

        return EnterThroughCodeGate(gate, image, returnEip, pushesError ? trap.ErrorCode : null);
    }

    private bool EnterThroughCodeGate(in Descriptor gate, uint image, uint returnEip, uint? errorCode)
    {
        CpuState* s = State;
        ushort selector = gate.GateSelector;
        if (IsNull(selector))
        {
            return RaiseExternal(Vector.GeneralProtection, "the gate's code selector is null");
        }

        if (!FetchDescriptor(selector, Vector.GeneralProtection, out Descriptor code))
        {
            return false;
        }

        if (!code.IsCode || code.Dpl > s->Cpl)
        {
            return RaiseSelector(Vector.GeneralProtection, selector, code, "the gate needs a code segment that is at least as privileged");
        }

        if (!code.Present)
        {
            return RaiseSelector(Vector.SegmentNotPresent, selector, code, "the handler's code segment is not present");
        }

        bool fromVirtual = IsVirtual8086;
        bool inner = !code.IsConforming && code.Dpl < s->Cpl;
        if (fromVirtual && (!inner || code.Dpl != 0))
        {
            return RaiseSelector(Vector.GeneralProtection, selector, code, "virtual-8086 mode can be left to ring 0 only");
        }

        uint cpl = inner ? code.Dpl : s->Cpl;
        int size = gate.IsGate32 ? 4 : 2;
        SegmentCache stack = s->Ss;
        Descriptor stackDescriptor = default;
        StackFrame frame;
        if (inner)
        {
            if (!FindInnerStack(cpl, out stack, out stackDescriptor, out uint pointer))
            {
                return false;
            }

            frame = StackFrame.Inner(this, stack, pointer, cpl);
            if (fromVirtual && !(frame.Push(size, s->Gs.Selector) && frame.Push(size, s->Fs.Selector)
                && frame.Push(size, s->Ds.Selector) && frame.Push(size, s->Es.Selector)))
            {
                return false;
            }

            if (!frame.Push(size, s->Ss.Selector) || !frame.Push(size, s->Esp))
            {
                return false;
            }
        }
        else
        {
            frame = StackFrame.Current(this);
        }

        if (!frame.Push(size, image) || !frame.Push(size, s->Cs.Selector) || !frame.Push(size, returnEip)
            || (errorCode is uint error && !frame.Push(size, error)))
        {
            return false;
        }

        if (gate.GateOffset > code.Limit)
        {
            return RaiseExternal(Vector.GeneralProtection, "the handler lies beyond the limit of its code segment");
        }

        if ((inner && !MarkAccessed(stack.Selector, ref stackDescriptor)) || !MarkAccessed(selector, ref code))
        {
            return false;
        }

        CommitEventFrame(ref frame);
        if (inner)
        {
            s->Ss.LoadDescriptor(stack.Selector, stackDescriptor.Low, stackDescriptor.High);
        }

        if (fromVirtual)
        {
            s->Gs.LoadNull(0);
            s->Fs.LoadNull(0);
            s->Ds.LoadNull(0);
            s->Es.LoadNull(0);
        }

        bool masks = gate.System is SystemType.InterruptGate16 or SystemType.InterruptGate32;
        s->OtherFlags &= ~(Eflags.TF | Eflags.NT | Eflags.RF | Eflags.VM | (masks ? Eflags.IF : 0));
        LoadCode(selector, cpl, code);
        s->Eip = gate.GateOffset;
        return true;
    }

    // Finds SS:ESP of an inner ring in the TSS (SDM 3A 5.8.5) and checks the segment. The accessed bit is set by the caller, behind its last check.
    internal bool FindInnerStack(uint cpl, out SegmentCache stack, out Descriptor descriptor, out uint pointer)
    {
        CpuState* s = State;
        stack = default;
        descriptor = default;
        pointer = 0;
        bool wide = TaskState.Is32(s->Tr);
        uint offset = wide ? 4 + (cpl * 8) : 2 + (cpl * 4);
        int width = wide ? 4 : 2;
        if (offset + (uint)width + 1 > s->Tr.Limit)
        {
            return RaiseSelector(Vector.InvalidTss, s->Tr.Selector, "the TSS is too short to hold the inner stack pointer");
        }

        if (!ReadSystem(s->Tr.Base + offset, width, out ulong newPointer) || !ReadSystem(s->Tr.Base + offset + (uint)width, 2, out ulong newSelector))
        {
            return false;
        }

        ushort selector = (ushort)newSelector;
        Tell(new MicroStep(MicroStepKind.InnerStackRead, s->Tr.Base + offset, newPointer, width, selector, cpl));
        if (!CheckStackSegment(selector, cpl, Vector.InvalidTss, out descriptor))
        {
            return false;
        }

        stack.LoadDescriptor(selector, descriptor.Low, descriptor.High);
        pointer = (uint)newPointer;
        return true;
    }

    private bool RaiseGate(int vector, uint error, in Descriptor gate, string cause)
    {
        _ = Raise(vector, error, cause);
        FaultDescriptor = gate;
        return false;
    }

    // An event has no instruction behind which to leave for a device that its frame was stored to: the run loop leaves before the next one.
    private void CommitEventFrame(ref StackFrame frame)
    {
        if (!frame.Commit())
        {
            State->Attention |= Attention.PostedWrites;
        }
    }
}
