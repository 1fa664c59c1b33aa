using System.Collections.Immutable;

namespace ToyVmm.Engines.Classification;

/// <summary>
/// The sensitive, unprivileged instructions that Robin and Irvine found by reading the manuals ("Analysis of the Intel Pentium's Ability to
/// Support a Secure Virtual Machine Monitor", USENIX Security 2000). Their text says 17; their list has these 18.
/// </summary>
public static class RobinIrvine
{
    /// <summary>The list, as they write it.</summary>
    public static ImmutableArray<string> Mnemonics { get; } =
    [
        "SGDT", "SIDT", "SLDT", "SMSW", "PUSHF", "POPF",
        "LAR", "LSL", "VERR", "VERW", "POP (segment register)", "PUSH (segment register)", "CALL (far)", "JMP (far)", "INT n", "RET (far)", "STR", "MOV (segment register)",
    ];

    /// <summary>The entry of the list that a form belongs to; null where they do not have it.</summary>
    /// <param name="row">The form.</param>
    public static string? EntryOf(InstructionClassification row)
    {
        ArgumentNullException.ThrowIfNull(row);
        bool segment = row.Form.EndsWith(" ES", StringComparison.Ordinal) || row.Form.EndsWith(" CS", StringComparison.Ordinal) || row.Form.EndsWith(" SS", StringComparison.Ordinal)
            || row.Form.EndsWith(" DS", StringComparison.Ordinal) || row.Form.EndsWith(" FS", StringComparison.Ordinal) || row.Form.EndsWith(" GS", StringComparison.Ordinal)
            || row.Form.Contains("Sreg", StringComparison.Ordinal);
        bool far = row.Form.Contains("16:", StringComparison.Ordinal);
        return row.Mnemonic switch
        {
            "SGDT" or "SIDT" or "SLDT" or "SMSW" or "LAR" or "LSL" or "VERR" or "VERW" or "STR" => row.Mnemonic,
            "PUSHF" or "PUSHFD" => "PUSHF",
            "POPF" or "POPFD" => "POPF",
            "POP" when segment => "POP (segment register)",
            "PUSH" when segment => "PUSH (segment register)",
            "MOV" when segment => "MOV (segment register)",
            "CALL" when far => "CALL (far)",
            "JMP" when far => "JMP (far)",
            "INT" => "INT n",
            "RETF" => "RET (far)",
            _ => null,
        };
    }
}
