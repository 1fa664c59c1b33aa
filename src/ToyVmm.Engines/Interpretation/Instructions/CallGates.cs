using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>Call gates (SDM 3A 5.8.3-5.8.5): the checks, the stack switch and the copy of parameters.</summary>
internal static unsafe class CallGates
{
    /// <summary>Checks a call gate and the code segment it names, but for the rules in which JMP and CALL differ.</summary>
    /// <returns>False with a fault pending.</returns>
    public static bool Check(CpuState* s, Interpreter cpu, ushort selector, in Descriptor gate, out Descriptor code)
    {
        code = default;
        if (gate.Dpl < s->Cpl || gate.Dpl < (selector & 3))
        {
            return cpu.RaiseSelector(Vector.GeneralProtection, selector, gate, "the call gate is more privileged than CPL or RPL");
        }

        if (!gate.Present)
        {
            return cpu.RaiseSelector(Vector.SegmentNotPresent, selector, gate, "the call gate is not present");
        }

        ushort target = gate.GateSelector;
        if (Interpreter.IsNull(target))
        {
            return cpu.Raise(Vector.GeneralProtection, 0, "the call gate's code selector is null");
        }

        if (!cpu.FetchDescriptor(target, Vector.GeneralProtection, out code))
        {
            return false;
        }

        if (!code.IsCode || code.Dpl > s->Cpl)
        {
            return cpu.RaiseSelector(Vector.GeneralProtection, target, code, "the call gate needs a code segment that is at least as privileged");
        }

        return code.Present || cpu.RaiseSelector(Vector.SegmentNotPresent, target, code, "the call gate's code segment is not present");
    }

    /// <summary>CALL through a gate.</summary>
    public static nint Call(CpuState* s, DecodedInstruction* i, Interpreter cpu, ushort selector, in Descriptor gate)
    {
        if (!Check(s, cpu, selector, gate, out Descriptor code))
        {
            return Flow.StopHere(i, cpu);
        }

        bool inner = !code.IsConforming && code.Dpl < s->Cpl;
        uint cpl = inner ? code.Dpl : s->Cpl;
        int size = gate.IsGate32 ? 4 : 2;
        SegmentCache stack = default;
        Descriptor stackDescriptor = default;
        StackFrame frame;
        if (inner)
        {
            uint* parameters = stackalloc uint[gate.ParameterCount];
            if (!cpu.FindInnerStack(cpl, out stack, out stackDescriptor, out uint pointer)
                || !ReadParameters(cpu, parameters, gate.ParameterCount, size))
            {
                return Flow.StopHere(i, cpu);
            }

            frame = StackFrame.Inner(cpu, stack, pointer, cpl);
            bool room = frame.Push(size, s->Ss.Selector) && frame.Push(size, s->Esp);
            for (int n = gate.ParameterCount - 1; room && n >= 0; n--)
            {
                room = frame.Push(size, parameters[n]);
            }

            if (!room)
            {
                return Flow.StopHere(i, cpu);
            }
        }
        else
        {
            frame = StackFrame.Current(cpu);
        }

        if (!frame.Push(size, s->Cs.Selector) || !frame.Push(size, i->NextEip))
        {
            return Flow.StopHere(i, cpu);
        }

        if (gate.GateOffset > code.Limit)
        {
            return Flow.Raise(i, cpu, Vector.GeneralProtection);
        }

        if ((inner && !cpu.MarkAccessed(stack.Selector, ref stackDescriptor)) || !cpu.MarkAccessed(gate.GateSelector, ref code))
        {
            return Flow.StopHere(i, cpu);
        }

        bool goOn = frame.Commit();
        if (inner)
        {
            s->Ss.LoadDescriptor(stack.Selector, stackDescriptor.Low, stackDescriptor.High);
        }

        cpu.LoadCode(gate.GateSelector, cpl, code);
        cpu.UpdateMode();
        s->Eip = gate.GateOffset;
        return goOn ? Flow.Lookup : Flow.LeaveTo(s, i, cpu, gate.GateOffset);
    }

    private static bool ReadParameters(Interpreter cpu, uint* parameters, int count, int size)
    {
        StackReader stack = new(cpu);
        for (int n = 0; n < count; n++)
        {
            if (!(size == 4 ? stack.Pop<uint>(out parameters[n]) : stack.Pop<ushort>(out parameters[n])))
            {
                return false;
            }
        }

        return true;
    }
}
