using Iced.Intel;
using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>Far JMP and CALL (SDM 2A, JMP and CALL; SDM 3A 5.8): to code segments, and by way of gates and task states.</summary>
internal static unsafe class FarTransfers
{
    /// <summary>The handler of a far JMP.</summary>
    public static Handler Jump(in Instruction x) => x.Op0Kind switch
    {
        OpKind.FarBranch16 or OpKind.FarBranch32 => &JumpImmediate,
        _ => x.Code == Code.Jmp_m1616 ? &JumpMemory<ushort> : &JumpMemory<uint>,
    };

    /// <summary>The handler of a far CALL.</summary>
    public static Handler Call(in Instruction x) => x.Op0Kind switch
    {
        OpKind.FarBranch16 => &CallImmediate<ushort>,
        OpKind.FarBranch32 => &CallImmediate<uint>,
        _ => x.Code == Code.Call_m1616 ? &CallMemory<ushort> : &CallMemory<uint>,
    };

    private static nint JumpImmediate(CpuState* s, DecodedInstruction* i, Interpreter cpu) =>
        JumpTo(s, i, cpu, i->Immediate, i->Immediate2);

    private static nint JumpMemory<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
        => FarPointer.Read<T>(s, i, cpu, out uint offset, out ushort selector)
            ? JumpTo(s, i, cpu, offset, selector)
            : Flow.StopHere(i, cpu);

    private static nint CallImmediate<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
        => CallTo<T>(s, i, cpu, i->Immediate, i->Immediate2);

    private static nint CallMemory<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
        => FarPointer.Read<T>(s, i, cpu, out uint offset, out ushort selector)
            ? CallTo<T>(s, i, cpu, offset, selector)
            : Flow.StopHere(i, cpu);

    private static nint JumpTo(CpuState* s, DecodedInstruction* i, Interpreter cpu, uint offset, ushort selector)
    {
        if (!cpu.IsProtected)
        {
            if (!ControlTransfer.CheckTarget(s, cpu, offset))
            {
                return Flow.StopHere(i, cpu);
            }

            cpu.LoadSegmentValue(&s->Cs, selector);
            s->Eip = offset;
            cpu.UpdateMode();
            return Flow.Lookup;
        }

        if (!FindTarget(cpu, selector, out Descriptor target))
        {
            return Flow.StopHere(i, cpu);
        }

        if (target.IsCodeOrData)
        {
            return EnterCode(s, i, cpu, selector, target, offset);
        }

        if (target.System is SystemType.CallGate16 or SystemType.CallGate32)
        {
            return CallGates.Check(s, cpu, selector, target, out Descriptor code)
                ? EnterCode(s, i, cpu, target.GateSelector, code, target.GateOffset, throughGate: true)
                : Flow.StopHere(i, cpu);
        }

        return SwitchTask(s, i, cpu, selector, target, TaskSwitchKind.Jump);
    }

    private static nint CallTo<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu, uint offset, ushort selector)
        where T : unmanaged
    {
        Descriptor code = default;
        if (cpu.IsProtected)
        {
            if (!FindTarget(cpu, selector, out Descriptor target))
            {
                return Flow.StopHere(i, cpu);
            }

            if (!target.IsCodeOrData)
            {
                return target.System is SystemType.CallGate16 or SystemType.CallGate32
                    ? CallGates.Call(s, i, cpu, selector, target)
                    : SwitchTask(s, i, cpu, selector, target, TaskSwitchKind.Call);
            }

            code = target;
            if (!CheckCode(s, cpu, selector, code, throughGate: false))
            {
                return Flow.StopHere(i, cpu);
            }
        }

        StackFrame frame = StackFrame.Current(cpu);
        if (!frame.Push(sizeof(T), s->Cs.Selector) || !frame.Push(sizeof(T), i->NextEip))
        {
            return Flow.StopHere(i, cpu);
        }

        if (!cpu.IsProtected)
        {
            if (!ControlTransfer.CheckTarget(s, cpu, offset))
            {
                return Flow.StopHere(i, cpu);
            }

            cpu.LoadSegmentValue(&s->Cs, selector);
        }
        else
        {
            if (!CheckOffset(cpu, offset, code) || !cpu.MarkAccessed(selector, ref code))
            {
                return Flow.StopHere(i, cpu);
            }

            cpu.LoadCode(selector, s->Cpl, code);
        }

        bool goOn = frame.Commit();
        cpu.UpdateMode();
        s->Eip = offset;
        return goOn ? Flow.Lookup : Flow.LeaveTo(s, i, cpu, offset);
    }

    private static nint EnterCode(CpuState* s, DecodedInstruction* i, Interpreter cpu, ushort selector, Descriptor code, uint offset, bool throughGate = false)
    {
        if (!CheckCode(s, cpu, selector, code, throughGate) || !CheckOffset(cpu, offset, code) || !cpu.MarkAccessed(selector, ref code))
        {
            return Flow.StopHere(i, cpu);
        }

        cpu.LoadCode(selector, s->Cpl, code);
        s->Eip = offset;
        cpu.UpdateMode();
        return Flow.Lookup;
    }

    // The descriptor that a far pointer names in protected mode.
    private static bool FindTarget(Interpreter cpu, ushort selector, out Descriptor target)
    {
        target = default;
        return Interpreter.IsNull(selector)
            ? cpu.Raise(Vector.GeneralProtection, 0, "far transfer to a null selector")
            : cpu.FetchDescriptor(selector, Vector.GeneralProtection, out target);
    }

    // A code segment of the same ring (or a conforming one of an inner ring); a gate's own RPL does not count.
    private static bool CheckCode(CpuState* s, Interpreter cpu, ushort selector, in Descriptor code, bool throughGate)
    {
        bool allowed = code.IsConforming ? code.Dpl <= s->Cpl : code.Dpl == s->Cpl && (throughGate || (selector & 3) <= s->Cpl);
        if (!code.IsCode || !allowed)
        {
            return cpu.RaiseSelector(Vector.GeneralProtection, selector, code, "far transfer to a segment that is not code, or to another ring");
        }

        return code.Present || cpu.RaiseSelector(Vector.SegmentNotPresent, selector, code, "far transfer to a code segment that is not present");
    }

    private static bool CheckOffset(Interpreter cpu, uint offset, in Descriptor code) =>
        offset <= code.Limit || cpu.Raise(Vector.GeneralProtection, 0, "far transfer beyond the limit of the code segment");

    private static nint SwitchTask(CpuState* s, DecodedInstruction* i, Interpreter cpu, ushort selector, Descriptor target, TaskSwitchKind kind)
    {
        bool isGate = target.System == SystemType.TaskGate;
        if (!isGate && !target.IsTaskState)
        {
            _ = cpu.RaiseSelector(Vector.GeneralProtection, selector, target, "far transfer to a descriptor that is neither code, gate nor task");
            return Flow.StopHere(i, cpu);
        }

        if (target.Dpl < s->Cpl || target.Dpl < (selector & 3))
        {
            _ = cpu.RaiseSelector(Vector.GeneralProtection, selector, target, "the task gate or TSS is more privileged than CPL or RPL");
            return Flow.StopHere(i, cpu);
        }

        if (isGate && !target.Present)
        {
            _ = cpu.RaiseSelector(Vector.SegmentNotPresent, selector, target, "the task gate is not present");
            return Flow.StopHere(i, cpu);
        }

        ushort task = isGate ? target.GateSelector : selector;
        return cpu.CheckTaskGateTarget(task, out Descriptor state)
            && cpu.SwitchTask(task, state, kind, i->NextEip, LazyFlags.GetEflags(s))
            ? cpu.AfterTaskSwitch(s, i)
            : Flow.StopHere(i, cpu);
    }
}
