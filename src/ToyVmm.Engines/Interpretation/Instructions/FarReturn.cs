using Iced.Intel;
using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>RETF (SDM 2B, RET), and the part that it shares with IRET: the return to a code segment of the same or an outer ring.</summary>
internal static unsafe class FarReturn
{
    /// <summary>The handler of a RETF.</summary>
    public static Handler Select(in Instruction x) => x.Code is Code.Retfw or Code.Retfw_imm16 ? &Return<ushort> : &Return<uint>;

    /// <summary>Returns in protected mode. ESP moves behind what was popped and <paramref name="released"/> bytes more, on both stacks.</summary>
    /// <returns>False with a fault or an exit pending and nothing changed.</returns>
    public static bool Protected<T>(CpuState* s, Interpreter cpu, ref StackReader stack, uint eip, ushort selector, uint released)
        where T : unmanaged
    {
        if (!CheckCode(s, cpu, selector, out Descriptor code))
        {
            return false;
        }

        uint cpl = selector & 3u;
        stack.Skip(released);
        if (cpl == s->Cpl)
        {
            if (!CheckTarget(cpu, eip, code) || !cpu.MarkAccessed(selector, ref code))
            {
                return false;
            }

            stack.Commit(s);
            cpu.LoadCode(selector, cpl, code);
            s->Eip = eip;
            return true;
        }

        if (!stack.Pop<T>(out uint newPointer) || !stack.Pop<T>(out uint stackSelector)
            || !cpu.CheckStackSegment((ushort)stackSelector, cpl, Vector.GeneralProtection, out Descriptor outer)
            || !CheckTarget(cpu, eip, code)
            || !cpu.MarkAccessed((ushort)stackSelector, ref outer) || !cpu.MarkAccessed(selector, ref code))
        {
            return false;
        }

        cpu.LoadCode(selector, cpl, code);
        s->Eip = eip;
        s->Ss.LoadDescriptor((ushort)stackSelector, outer.Low, outer.High);
        newPointer += released;
        s->Esp = s->Ss.Big ? newPointer : (s->Esp & 0xFFFF_0000) | (ushort)newPointer;
        cpu.DropInnerSegments();
        return true;
    }

    private static nint Return<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
    {
        StackReader stack = new(cpu);
        if (!stack.Pop<T>(out uint eip) || !stack.Pop<T>(out uint code))
        {
            return Flow.StopHere(i, cpu);
        }

        if (cpu.IsProtected)
        {
            if (!Protected<T>(s, cpu, ref stack, eip, (ushort)code, (ushort)i->Immediate))
            {
                return Flow.StopHere(i, cpu);
            }
        }
        else
        {
            if (eip > s->Cs.Limit)
            {
                return Flow.Raise(i, cpu, Vector.GeneralProtection);
            }

            stack.Skip((ushort)i->Immediate);
            stack.Commit(s);
            cpu.LoadSegmentValue(&s->Cs, (ushort)code);
            s->Eip = eip;
        }

        cpu.UpdateMode();
        return Flow.Lookup;
    }

    private static bool CheckCode(CpuState* s, Interpreter cpu, ushort selector, out Descriptor code)
    {
        code = default;
        if (Interpreter.IsNull(selector))
        {
            return cpu.Raise(Vector.GeneralProtection, 0, "return to a null code selector");
        }

        if (!cpu.FetchDescriptor(selector, Vector.GeneralProtection, out code))
        {
            return false;
        }

        uint rpl = selector & 3u;
        if (!code.IsCode || rpl < s->Cpl || (code.IsConforming ? code.Dpl > rpl : code.Dpl != rpl))
        {
            return cpu.RaiseSelector(Vector.GeneralProtection, selector, code, "return to a segment that is not code, or to a ring that the selector may not name");
        }

        return code.Present || cpu.RaiseSelector(Vector.SegmentNotPresent, selector, code, "return to a code segment that is not present");
    }

    private static bool CheckTarget(Interpreter cpu, uint eip, in Descriptor code) =>
        eip <= code.Limit || cpu.Raise(Vector.GeneralProtection, 0, "return beyond the limit of the code segment");
}
