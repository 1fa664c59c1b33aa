using System.Globalization;

namespace ToyVmm.Debugging.Registers;

/// <summary>The parts of registers that have names of their own.</summary>
internal static class RegisterParts
{
    // Name of the part, register, lowest bit, bits.
    private static readonly (string Name, string Register, int Shift, int Bits)[] s_parts =
    [
        ("ax", "eax", 0, 16), ("cx", "ecx", 0, 16), ("dx", "edx", 0, 16), ("bx", "ebx", 0, 16), ("sp", "esp", 0, 16), ("bp", "ebp", 0, 16), ("si", "esi", 0, 16), ("di", "edi", 0, 16),
        ("al", "eax", 0, 8), ("cl", "ecx", 0, 8), ("dl", "edx", 0, 8), ("bl", "ebx", 0, 8), ("ah", "eax", 8, 8), ("ch", "ecx", 8, 8), ("dh", "edx", 8, 8), ("bh", "ebx", 8, 8),
        ("ip", "eip", 0, 16), ("flags", "eflags", 0, 16),

        // SDM 1 3.4.3
        ("eflags.cf", "eflags", 0, 1), ("eflags.pf", "eflags", 2, 1), ("eflags.af", "eflags", 4, 1), ("eflags.zf", "eflags", 6, 1), ("eflags.sf", "eflags", 7, 1),
        ("eflags.tf", "eflags", 8, 1), ("eflags.if", "eflags", 9, 1), ("eflags.df", "eflags", 10, 1), ("eflags.of", "eflags", 11, 1), ("eflags.iopl", "eflags", 12, 2),
        ("eflags.nt", "eflags", 14, 1), ("eflags.rf", "eflags", 16, 1), ("eflags.vm", "eflags", 17, 1), ("eflags.ac", "eflags", 18, 1), ("eflags.vif", "eflags", 19, 1),
        ("eflags.vip", "eflags", 20, 1), ("eflags.id", "eflags", 21, 1),

        // SDM 3A 2.5
        ("cr0.pe", "cr0", 0, 1), ("cr0.mp", "cr0", 1, 1), ("cr0.em", "cr0", 2, 1), ("cr0.ts", "cr0", 3, 1), ("cr0.et", "cr0", 4, 1), ("cr0.ne", "cr0", 5, 1),
        ("cr0.wp", "cr0", 16, 1), ("cr0.am", "cr0", 18, 1), ("cr0.nw", "cr0", 29, 1), ("cr0.cd", "cr0", 30, 1), ("cr0.pg", "cr0", 31, 1),
        ("cr4.tsd", "cr4", 2, 1), ("cr4.de", "cr4", 3, 1), ("cr4.pse", "cr4", 4, 1), ("cr4.pae", "cr4", 5, 1), ("cr4.pge", "cr4", 7, 1), ("cr4.pce", "cr4", 8, 1),
        ("cr4.osfxsr", "cr4", 9, 1), ("cr4.osxmmexcpt", "cr4", 10, 1), ("efer.nxe", "efer", 11, 1),

        ("gdtr.base", "gdtr_base", 0, 32), ("gdtr.limit", "gdtr_limit", 0, 16), ("idtr.base", "idtr_base", 0, 32), ("idtr.limit", "idtr_limit", 0, 16),
        ("fstat.top", "fstat", 11, 3), ("apic_base.enabled", "apic_base", 11, 1),
    ];

    // Of a selector (SDM 3A 3.4.2), and of what its cache keeps (SDM 3A 3.4.5).
    private static readonly (string Part, string Of, int Shift, int Bits)[] s_segmentParts =
    [
        ("rpl", "", 0, 2), ("ti", "", 2, 1), ("index", "", 3, 13), ("base", "_base", 0, 32), ("limit", "_limit", 0, 32),
        ("access", "_access", 0, 16), ("type", "_access", 0, 4), ("s", "_access", 4, 1), ("dpl", "_access", 5, 2), ("p", "_access", 7, 1), ("db", "_access", 14, 1), ("g", "_access", 15, 1),
    ];

    /// <summary>All parts.</summary>
    /// <param name="registers">The registers.</param>
    public static IEnumerable<RegisterField> Of(IReadOnlyList<Register> registers)
    {
        Dictionary<string, Register> byName = registers.ToDictionary(register => register.Name);
        foreach ((string name, string register, int shift, int bits) in s_parts)
        {
            yield return new RegisterField(name, byName[register], shift, bits);
        }

        foreach (string segment in (string[])["es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr"])
        {
            foreach ((string part, string of, int shift, int bits) in s_segmentParts)
            {
                yield return new RegisterField($"{segment}.{part}", byName[segment + of], shift, bits);
            }
        }

        for (int n = 0; n < 8; n++)
        {
            string number = n.ToString(CultureInfo.InvariantCulture);
            yield return new RegisterField($"st{number}.significand", byName[$"st{number}"], 0, 64);
            yield return new RegisterField($"st{number}.exponent", byName[$"st{number}"], 64, 15);
            yield return new RegisterField($"st{number}.sign", byName[$"st{number}"], 79, 1);
            foreach ((char letter, int bits) in ((char, int)[])[('q', 64), ('d', 32), ('w', 16), ('b', 8)])
            {
                for (int part = 0; part < 128 / bits; part++)
                {
                    yield return new RegisterField($"xmm{number}.{letter}{part}", byName[$"xmm{number}"], part * bits, bits);
                }
            }
        }
    }
}
