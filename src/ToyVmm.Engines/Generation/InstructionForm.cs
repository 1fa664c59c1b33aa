using System.Collections.Immutable;
using Iced.Intel;
using ToyVmm.Engines.Classification;
using Mn = Iced.Intel.Mnemonic;

namespace ToyVmm.Engines.Generation;

/// <summary>What a generator of programs must know of an instruction form before it puts it between others.</summary>
[Flags]
public enum FormTraits
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>It may continue elsewhere: branches, calls, returns, interrupts; not faults.</summary>
    Transfers = 1 << 0,

    /// <summary>It uses SP or ESP without naming it.</summary>
    Stack = 1 << 1,

    /// <summary>A string instruction: SI, DI and the counter.</summary>
    String = 1 << 2,

    /// <summary>It accesses a port.</summary>
    Port = 1 << 3,

    /// <summary>Privileged or sensitive: it belongs to the system state, by the classification that was found by search.</summary>
    System = 1 << 4,

    /// <summary>x87.</summary>
    X87 = 1 << 5,

    /// <summary>MMX or SSE.</summary>
    Vector = 1 << 6,

    /// <summary>It stores or loads the x87 environment or state, with pointers that processors keep in different ways.</summary>
    FloatingPointState = 1 << 7,

    /// <summary>An approximation, whose last bits differ between processors: FSIN and its like, RCPPS, RSQRTPS.</summary>
    Approximates = 1 << 8,

    /// <summary>It loads a segment register.</summary>
    LoadsSegment = 1 << 9,

    /// <summary>It tells about the processor or the time: CPUID, RDTSC, RDPMC.</summary>
    Identifies = 1 << 10,

    /// <summary>It may take a LOCK prefix.</summary>
    Lockable = 1 << 11,

    /// <summary>It writes the flags from a value: POPF, SAHF, IRET.</summary>
    LoadsFlags = 1 << 12,

    /// <summary>It leaves flags, or a result, that the manuals call undefined.</summary>
    LeavesUndefined = 1 << 13,
}

/// <summary>An instruction form: an opcode with the kinds of its operands, as Iced and the classification name it.</summary>
public sealed class InstructionForm
{
    // It completes, or raises something else than #UD, in some mode.
    private readonly bool _isKnown;

    private InstructionForm(InstructionClassification row)
    {
        const int InvalidOpcode = 6;
        const int NoEncoding = -1;
        _isKnown = row.Outcomes.Any(outcome => outcome.Completes || outcome.Vector is not (InvalidOpcode or NoEncoding));
        Name = row.Name;
        Code = Enum.Parse<Code>(row.Name);
        OpCodeInfo info = Code.ToOpCode();
        Traits = TraitsOf(Code, info, row);
        Mnemonic = info.Mnemonic.ToString().ToUpperInvariant();
    }

    /// <summary>All forms that are in the classification, in its order.</summary>
    public static ImmutableArray<InstructionForm> All { get; } = [.. ClassificationTable.Rows.Select(row => new InstructionForm(row))];

    /// <summary>The name: the key of the classification.</summary>
    public string Name { get; }

    /// <summary>The mnemonic, in capitals.</summary>
    public string Mnemonic { get; }

    /// <summary>What it is like.</summary>
    public FormTraits Traits { get; }

    /// <summary>The decoder's number.</summary>
    internal Code Code { get; }

    /// <summary>True where it is like one of these.</summary>
    public bool Is(FormTraits traits) => (Traits & traits) != 0;

    /// <summary>True where a processor model has it, as far as the interpreter has what the model has.</summary>
    public bool IsIn(CpuModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        Instruction x = default;
        x.Code = Code;
        return _isKnown && Decoding.InstructionAvailability.Has(model, x);
    }

    /// <inheritdoc/>
    public override string ToString() => Name;

    private static FormTraits TraitsOf(Code code, OpCodeInfo info, InstructionClassification row)
    {
        FormTraits traits = FormTraits.None;
        void Add(FormTraits trait, bool when) => traits |= when ? trait : 0;
        Add(FormTraits.System, !row.IsInnocuous);
        Add(FormTraits.Transfers, code.FlowControl() is not (FlowControl.Next or FlowControl.Exception));
        Add(FormTraits.Stack, code.IsStackInstruction());
        Add(FormTraits.String, code.IsStringInstruction());
        Add(FormTraits.Lockable, info.CanUseLockPrefix);
        Mnemonic mnemonic = info.Mnemonic;
        Add(FormTraits.Port, mnemonic is Mn.In or Mn.Out or Mn.Insb or Mn.Insw
            or Mn.Insd or Mn.Outsb or Mn.Outsw or Mn.Outsd);
        Add(FormTraits.Identifies, mnemonic is Mn.Cpuid or Mn.Rdtsc or Mn.Rdpmc);
        Add(FormTraits.LoadsFlags, mnemonic is Mn.Popf or Mn.Popfd or Mn.Sahf or Mn.Iret or Mn.Iretd);
        Add(FormTraits.Approximates, mnemonic is Mn.Fsin or Mn.Fcos or Mn.Fsincos or Mn.Fptan
            or Mn.Fpatan or Mn.F2xm1 or Mn.Fyl2x or Mn.Fyl2xp1
            or Mn.Rcpps or Mn.Rcpss or Mn.Rsqrtps or Mn.Rsqrtss);
        Add(FormTraits.FloatingPointState, mnemonic is Mn.Fnstenv or Mn.Fstenv or Mn.Fldenv or Mn.Fnsave
            or Mn.Fsave or Mn.Frstor or Mn.Fxsave or Mn.Fxrstor);
        Add(FormTraits.LoadsSegment, mnemonic is Mn.Lds or Mn.Les or Mn.Lfs or Mn.Lgs or Mn.Lss
            || code is Code.Mov_Sreg_rm16 or Code.Mov_Sreg_r32m16
            || (mnemonic == Mn.Pop && info.GetOpKind(0) is OpCodeOperandKind.es or OpCodeOperandKind.ss or OpCodeOperandKind.ds or OpCodeOperandKind.fs or OpCodeOperandKind.gs));
        Instruction x = default;
        x.Code = code;
        Add(FormTraits.LeavesUndefined, x.RflagsUndefined != RflagsBits.None
            || mnemonic is Mn.Rol or Mn.Ror or Mn.Rcl or Mn.Rcr or Mn.Shl
                or Mn.Sal or Mn.Shr or Mn.Sar or Mn.Shld or Mn.Shrd
                or Mn.Bsf or Mn.Bsr or Mn.Bswap);
        bool x87 = code.CpuidFeatures().Any(feature => feature.ToString().StartsWith("FPU", StringComparison.Ordinal)) || mnemonic == Mn.Wait;
        Add(FormTraits.X87, x87);
        Add(FormTraits.Vector, Enumerable.Range(0, info.OpCount).Any(n => info.GetOpKind(n).ToString() is { } kind && (kind.StartsWith("mm_", StringComparison.Ordinal) || kind.StartsWith("xmm_", StringComparison.Ordinal)))
            || mnemonic is Mn.Ldmxcsr or Mn.Stmxcsr or Mn.Emms);
        return traits;
    }
}
