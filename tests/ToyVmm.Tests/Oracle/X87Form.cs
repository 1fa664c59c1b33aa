using Iced.Intel;

namespace ToyVmm.Tests.Oracle;

/// <summary>One x87 instruction form with all its encodings: the bytes D8-DF, a ModRM byte, and for memory a 32-bit address.</summary>
/// <param name="Code">Iced's name of the form.</param>
/// <param name="Encodings">The first bytes of each encoding, an operand-size prefix included where there is one.</param>
/// <param name="IsMemory">True when an address follows.</param>
public sealed record X87Form(Code Code, IReadOnlyList<byte[]> Encodings, bool IsMemory)
{
    /// <summary>The instructions whose last bits no two processor families agree on (SDM 1 8.3.10); an engine without the host's unit is within a bound.</summary>
    public static IReadOnlySet<Code> Approximate { get; } =
        new HashSet<Code> { Code.F2xm1, Code.Fyl2x, Code.Fyl2xp1, Code.Fptan, Code.Fpatan, Code.Fsin, Code.Fcos, Code.Fsincos };

    /// <summary>Every form that Iced decodes as a P6 does.</summary>
    public static IReadOnlyList<X87Form> Every { get; } = [.. All()];

    /// <summary>True for a control instruction, which leaves FIP, FDP and FOP alone (SDM 1 8.1.8).</summary>
    public bool IsControl => Code.Mnemonic() is Mnemonic.Fldcw or Mnemonic.Fldenv or Mnemonic.Frstor or Mnemonic.Fnstcw or Mnemonic.Fnstsw
        or Mnemonic.Fnstenv or Mnemonic.Fnsave or Mnemonic.Fnclex or Mnemonic.Fninit;

    /// <summary>Bytes of the memory operand.</summary>
    public int MemorySize => Code switch
    {
        Code.Fnsave_m108byte or Code.Frstor_m108byte => 108,
        Code.Fnsave_m94byte or Code.Frstor_m94byte => 94,
        Code.Fnstenv_m28byte or Code.Fldenv_m28byte => 28,
        Code.Fnstenv_m14byte or Code.Fldenv_m14byte => 14,
        _ => Name.Contains("m80", StringComparison.Ordinal) ? 10
            : Name.Contains("m64", StringComparison.Ordinal) ? 8
            : Name.Contains("m32", StringComparison.Ordinal) ? 4
            : 2,
    };

    /// <summary>Iced's name of the form.</summary>
    public string Name { get; } = Code.ToString();

    /// <inheritdoc/>
    public override string ToString() => Name;

    private static IEnumerable<X87Form> All()
    {
        var forms = new Dictionary<Code, (List<byte[]> Encodings, bool IsMemory)>();
        for (int escape = 0xD8; escape <= 0xDF; escape++)
        {
            for (int modrm = 0; modrm < 256; modrm++)
            {
                // Registers, or [disp32].
                bool isMemory = (modrm & 0xC7) == 0x05;
                if (modrm < 0xC0 && !isMemory)
                {
                    continue;
                }

                foreach (byte[] bytes in (byte[][])[[(byte)escape, (byte)modrm], [0x66, (byte)escape, (byte)modrm]])
                {
                    Instruction instruction = Decoder.Create(32, new ByteArrayCodeReader([.. bytes, 0, 0, 0, 0])).Decode();
                    if (instruction.IsInvalid)
                    {
                        continue;
                    }

                    if (!forms.TryGetValue(instruction.Code, out (List<byte[]> Encodings, bool IsMemory) form))
                    {
                        form = ([], isMemory);
                        forms.Add(instruction.Code, form);
                    }

                    form.Encodings.Add(bytes);
                }
            }
        }

        return forms.OrderBy(form => form.Key).Select(form => new X87Form(form.Key, form.Value.Encodings, form.Value.IsMemory));
    }
}
