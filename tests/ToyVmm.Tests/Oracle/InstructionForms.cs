using Iced.Intel;

namespace ToyVmm.Tests.Oracle;

/// <summary>
/// Every instruction form of an integer i686 (8086 to P6), sorted into those that the host CPU can judge and those it cannot,
/// each of the latter with the reason. Nothing is left out silently: a form is in one list or in the other.
/// </summary>
public static class InstructionForms
{
    // x87 is not here: it is judged with its own state (the next step of the machine).
    private static readonly CpuidFeature[] Features =
    [
        CpuidFeature.INTEL8086, CpuidFeature.INTEL186, CpuidFeature.INTEL286, CpuidFeature.INTEL386, CpuidFeature.INTEL486,
        CpuidFeature.CX8, CpuidFeature.CMOV, CpuidFeature.MULTIBYTENOP,
        CpuidFeature.CPUID, CpuidFeature.TSC, CpuidFeature.MSR, CpuidFeature.SEP, CpuidFeature.RDPMC, CpuidFeature.SMM,
    ];

    /// <summary>All integer forms that exist in 32-bit code.</summary>
    public static IReadOnlyList<InstructionForm> Candidates { get; } =
        [.. Enum.GetValues<Code>().Distinct().Where(IsIntegerI686).Select(code => new InstructionForm(code))];

    /// <summary>The forms that the host CPU judges.</summary>
    public static IReadOnlyList<InstructionForm> Judged { get; } = [.. Candidates.Where(form => ReasonToExclude(form) is null)];

    /// <summary>The forms that it does not judge, and why.</summary>
    public static IReadOnlyList<(InstructionForm Form, string Reason)> Excluded { get; } =
        [.. Candidates.Select(form => (form, ReasonToExclude(form)!)).Where(pair => pair.Item2 is not null)];

    private static bool IsIntegerI686(Code code)
    {
        OpCodeInfo info = code.ToOpCode();
        return info.IsInstruction && info.Mode32 && code.CpuidFeatures().All(feature => Features.Contains(feature));
    }

    private static string? ReasonToExclude(InstructionForm form) => form.Mnemonic switch
    {
        Mnemonic.Mov when form.Operands.Contains(OpCodeOperandKind.seg_reg) => "moves segment registers: the host's selectors differ from the guest's",
        Mnemonic.Push or Mnemonic.Pop when form.Operands[0] is OpCodeOperandKind.cs or OpCodeOperandKind.ds or OpCodeOperandKind.es
            or OpCodeOperandKind.fs or OpCodeOperandKind.gs or OpCodeOperandKind.ss => "moves segment registers: the host's selectors differ from the guest's",
        Mnemonic.Lds or Mnemonic.Les or Mnemonic.Lfs or Mnemonic.Lgs or Mnemonic.Lss => "loads a segment register; FS and GS belong to .NET",
        Mnemonic.Call or Mnemonic.Jmp when form.Operands[0] is OpCodeOperandKind.farbr2_2 or OpCodeOperandKind.farbr4_2 or OpCodeOperandKind.mem => "far transfer: loads CS from the host's tables",
        Mnemonic.Retf => "far transfer: loads CS from the host's tables",
        Mnemonic.Lar or Mnemonic.Lsl or Mnemonic.Verr or Mnemonic.Verw => "reads the host's descriptor tables",
        Mnemonic.Sldt or Mnemonic.Str or Mnemonic.Sgdt or Mnemonic.Sidt or Mnemonic.Smsw => "reads the host's system registers (or, under UMIP, what the kernel makes up)",
        Mnemonic.Int or Mnemonic.Int1 or Mnemonic.Int3 or Mnemonic.Iret or Mnemonic.Iretd => "goes through the host's interrupt table",
        Mnemonic.Sysenter or Mnemonic.Sysexit => "enters or leaves the host's kernel",
        Mnemonic.In or Mnemonic.Out or Mnemonic.Insb or Mnemonic.Insw or Mnemonic.Insd or Mnemonic.Outsb or Mnemonic.Outsw or Mnemonic.Outsd => "port I/O: the host has none at CPL 3",
        Mnemonic.Cpuid or Mnemonic.Rdtsc or Mnemonic.Rdpmc => "shows the host's identity or time",
        Mnemonic.Ud0 or Mnemonic.Ud1 or Mnemonic.Ud2 => "always raises #UD",
        Mnemonic.Cli or Mnemonic.Sti => "raises #GP at CPL 3 with IOPL 0",
        Mnemonic.Wait => "belongs to x87: depends on CR0.MP and CR0.TS",
        Mnemonic.Reservednop => "hint space that later processors gave meanings (PREFETCHW, MPX, CET); the architectural NOP, 0F 1F, is judged",
        Mnemonic.Bswap when form.Code == Code.Bswap_r16 => "the result of a 16-bit BSWAP is undefined (SDM 2A, BSWAP)",
        _ when form.Info.IsPrivileged || form.Info.Cpl0 && !form.Info.Cpl3 => "privileged: raises #GP at CPL 3",
        _ => null,
    };
}
