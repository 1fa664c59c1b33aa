using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Debugging.Terminal;

/// <summary>EFLAGS in letters.</summary>
internal static class FlagText
{
    private static readonly (uint Bit, string Name)[] s_flags =
    [
        (Eflags.CF, "CF"), (Eflags.PF, "PF"), (Eflags.AF, "AF"), (Eflags.ZF, "ZF"), (Eflags.SF, "SF"), (Eflags.TF, "TF"), (Eflags.IF, "IF"), (Eflags.DF, "DF"), (Eflags.OF, "OF"),
        (Eflags.NT, "NT"), (Eflags.RF, "RF"), (Eflags.VM, "VM"), (Eflags.AC, "AC"),
    ];

    /// <summary>The names of those that are set.</summary>
    public static string Of(uint eflags)
    {
        string names = string.Join(' ', s_flags.Where(flag => (eflags & flag.Bit) != 0).Select(flag => flag.Name));
        uint level = (eflags >> 12) & 3;
        return level == 0 ? names : $"{names} IOPL={level}".TrimStart();
    }
}
