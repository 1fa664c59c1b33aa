using Iced.Intel;

namespace ToyVmm.Tests.Oracle;

/// <summary>
/// One form of an instruction: an opcode with its operand size and kinds of operands, as SDM volume 2 lists them one a line.
/// Everything comes from Iced's table; this is only the part that the generator asks for again and again.
/// </summary>
public sealed class InstructionForm
{
    /// <summary>Looks the form up.</summary>
    public InstructionForm(Code code)
    {
        Code = code;
        Info = code.ToOpCode();
        Operands = [.. Enumerable.Range(0, Info.OpCount).Select(Info.GetOpKind)];
        HasModRm = Info.GroupIndex >= 0 || Operands.Any(IsModRmOperand);
        IsMemoryOnly = Operands.Contains(OpCodeOperandKind.mem);
        Mnemonic = Info.Mnemonic;
    }

    /// <summary>Iced's name for the form.</summary>
    public Code Code { get; }

    /// <summary>Iced's row for the form.</summary>
    public OpCodeInfo Info { get; }

    /// <summary>The mnemonic.</summary>
    public Mnemonic Mnemonic { get; }

    /// <summary>Kinds of the explicit operands, in Intel order.</summary>
    public IReadOnlyList<OpCodeOperandKind> Operands { get; }

    /// <summary>Whether a ModR/M byte follows the opcode.</summary>
    public bool HasModRm { get; }

    /// <summary>Whether the ModR/M operand must be memory (LEA, BOUND, CMPXCHG8B).</summary>
    public bool IsMemoryOnly { get; }

    /// <summary>Whether the ModR/M operand may be memory.</summary>
    public bool CanBeMemory => IsMemoryOnly || Operands.Any(kind => kind is OpCodeOperandKind.r8_or_mem or OpCodeOperandKind.r16_or_mem or OpCodeOperandKind.r32_or_mem);

    /// <summary>Whether this is MOVS, CMPS, STOS, LODS or SCAS, which use ESI, EDI, DF and, with REP, ECX.</summary>
    public bool IsString => Operands.Any(kind => kind is OpCodeOperandKind.es_rDI or OpCodeOperandKind.seg_rSI);

    /// <summary>Whether the form is a branch with a displacement.</summary>
    public bool IsRelativeBranch => Operands.Any(kind => kind
        is OpCodeOperandKind.br16_1 or OpCodeOperandKind.br16_2 or OpCodeOperandKind.br32_1 or OpCodeOperandKind.br32_4);

    /// <summary>Whether this is an indirect near JMP or CALL.</summary>
    public bool IsIndirectBranch => Mnemonic is Mnemonic.Jmp or Mnemonic.Call && CanBeMemory;

    /// <summary>Whether the form is a bit test whose bit number is a register, so that with memory it reaches beyond its operand.</summary>
    public bool IsBitTestByRegister => Mnemonic is Mnemonic.Bt or Mnemonic.Bts or Mnemonic.Btr or Mnemonic.Btc
        && Operands[1] is OpCodeOperandKind.r16_reg or OpCodeOperandKind.r32_reg;

    /// <summary>Whether the form divides, so that it can raise #DE.</summary>
    public bool IsDivision => Mnemonic is Mnemonic.Div or Mnemonic.Idiv;

    /// <inheritdoc/>
    public override string ToString() => $"{Code} ({Info.ToOpCodeString()})";

    private static bool IsModRmOperand(OpCodeOperandKind kind) => kind
        is OpCodeOperandKind.mem
        or OpCodeOperandKind.r8_or_mem or OpCodeOperandKind.r16_or_mem or OpCodeOperandKind.r32_or_mem
        or OpCodeOperandKind.r8_reg or OpCodeOperandKind.r16_reg or OpCodeOperandKind.r32_reg;
}
