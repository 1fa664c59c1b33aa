using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Debugging.Strict;

/// <summary>
/// Follows which arithmetic flags the last instructions have left undefined (SDM 1 appendix A), and finds who decides by them. To save and to restore
/// the flags is no decision.
/// </summary>
/// <param name="checker">Takes the findings.</param>
internal sealed unsafe class FlagCheck(StrictChecker checker)
{
    private static readonly (uint Bit, string Name)[] s_names = [(Eflags.CF, "CF"), (Eflags.PF, "PF"), (Eflags.AF, "AF"), (Eflags.ZF, "ZF"), (Eflags.SF, "SF"), (Eflags.OF, "OF")];

    private uint _undefined;
    private uint _next;
    private string _culprit = "";
    private string _nextCulprit = "";

    /// <summary>Looks at an instruction before it runs.</summary>
    public void Before(InstructionFacts facts, CpuState* s)
    {
        uint used = facts.Kind is InstructionKind.FlagsSave || (facts.IsRepeated && Count(facts, s) == 0) ? 0 : facts.FlagsRead & _undefined;
        if (used != 0)
        {
            string names = string.Join(", ", s_names.Where(flag => (used & flag.Bit) != 0).Select(flag => flag.Name));
            checker.Report(
                StrictChecks.Flags, $"{facts.Name.ToUpperInvariant()} decides by {names}, which {_culprit.ToUpperInvariant()} has left undefined: another processor, or another model of this one, may set {(names.Length > 2 ? "them" : "it")} otherwise.",
                "Compare or test explicitly before the decision.", "SDM 1 appendix A; SDM 2, Flags Affected of " + _culprit.ToUpperInvariant());
        }

        (uint written, uint undefined) = Effects(facts, s);
        _next = (_undefined & ~written) | undefined;
        _nextCulprit = undefined != 0 ? facts.Name : _culprit;
    }

    /// <summary>The instruction has completed.</summary>
    public void Complete()
    {
        _undefined = _next;
        _culprit = _nextCulprit;
    }

    /// <summary>The instruction has faulted: its flags are those before it.</summary>
    public void Abandon()
    {
        _next = _undefined;
        _nextCulprit = _culprit;
    }

    private static (uint Written, uint Undefined) Effects(InstructionFacts facts, CpuState* s)
    {
        switch (facts.Kind)
        {
            case InstructionKind.FlagsRestore or InstructionKind.InterruptReturn:
                return (Eflags.Arithmetic, 0);
            case InstructionKind.Shift or InstructionKind.DoubleShift:
                return ShiftEffects(facts, s);
            default:
                return facts.IsRepeated && Count(facts, s) == 0 ? (0, 0) : (facts.FlagsWritten & ~facts.FlagsUndefined, facts.FlagsUndefined);
        }
    }

    // SDM 2 SAL/SAR/SHL/SHR, RCL/RCR/ROL/ROR, SHLD, SHRD: by 0 nothing changes, OF is defined for 1 only.
    private static (uint Written, uint Undefined) ShiftEffects(InstructionFacts facts, CpuState* s)
    {
        OperandFacts last = facts.Operands[^1];
        uint count = (last.Kind == OperandKind.Immediate ? last.Immediate : s->Ecx) & 31;
        if (count == 0)
        {
            return (0, 0);
        }

        bool rotates = facts.Name[0] == 'r';
        int bits = facts.Operands[0].Kind == OperandKind.Register ? 8 * System.Numerics.BitOperations.PopCount(facts.Operands[0].RegisterBytes)
            : 8 * (facts.Memory.FirstOrDefault(access => access.Writes).Size is var size and > 0 ? size : 4);
        uint written = Eflags.CF | (rotates ? 0 : Eflags.SF | Eflags.ZF | Eflags.PF) | (count == 1 ? Eflags.OF : 0);
        uint undefined = (count == 1 ? 0 : Eflags.OF) | (rotates ? 0 : Eflags.AF);
        if (facts.Kind == InstructionKind.DoubleShift && count > bits)
        {
            (written, undefined) = (0, Eflags.Arithmetic);
        }
        else if (count >= bits && facts.Name is "shl" or "sal" or "shr")
        {
            (written, undefined) = (written & ~Eflags.CF, undefined | Eflags.CF);
        }

        return (written, undefined);
    }

    private static uint Count(InstructionFacts facts, CpuState* s) => facts.Memory.Count > 0 && facts.Memory[0].AddressBits == 16 ? s->Ecx & 0xFFFF : s->Ecx;
}
