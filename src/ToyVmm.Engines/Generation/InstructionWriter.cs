using Iced.Intel;

namespace ToyVmm.Engines.Generation;

/// <summary>The register files of operands.</summary>
public enum OperandRegister
{
    /// <summary>AL CL DL BL AH CH DH BH.</summary>
    Byte,

    /// <summary>AX to DI.</summary>
    Word,

    /// <summary>EAX to EDI.</summary>
    Doubleword,

    /// <summary>ES CS SS DS FS GS.</summary>
    Segment,

    /// <summary>CR0 to CR7.</summary>
    Control,

    /// <summary>DR0 to DR7.</summary>
    Debug,

    /// <summary>MM0 to MM7.</summary>
    Mmx,

    /// <summary>XMM0 to XMM7.</summary>
    Xmm,

    /// <summary>ST(0) to ST(7).</summary>
    X87,
}

/// <summary>A memory operand: registers by number, -1 for none.</summary>
/// <param name="Base">0 to 7, EAX to EDI; with 16-bit addresses BX (3), BP (5), SI (6) or DI (7).</param>
/// <param name="Index">As the base; not ESP. With 16-bit addresses SI or DI, beside BX or BP.</param>
/// <param name="Scale">1, 2, 4 or 8.</param>
/// <param name="Displacement">Added to them.</param>
/// <param name="Segment">0 to 5, ES to GS: an override; -1 for none.</param>
/// <param name="Wide">True for 32-bit addresses.</param>
public readonly record struct MemoryPlace(int Base, int Index, int Scale, uint Displacement, int Segment, bool Wide);

/// <summary>Chooses the operands of an instruction.</summary>
public interface IOperandSource
{
    /// <summary>A register's number.</summary>
    /// <param name="file">In which register file.</param>
    int Register(OperandRegister file);

    /// <summary>True for memory where a register would do as well.</summary>
    bool WantsMemory();

    /// <summary>A place in memory.</summary>
    /// <param name="bytes">The operand's size; 0 where it is not known (LEA, FXSAVE).</param>
    MemoryPlace Memory(int bytes);

    /// <summary>An immediate operand.</summary>
    /// <param name="bits">8, 16 or 32.</param>
    /// <param name="mnemonic">Of the instruction.</param>
    uint Immediate(int bits, string mnemonic);

    /// <summary>Where a near branch goes: an offset in the code segment.</summary>
    uint Target();

    /// <summary>Where a far branch goes.</summary>
    (ushort Selector, uint Offset) FarTarget();

    /// <summary>True for a REP or LOCK prefix where one is allowed.</summary>
    bool WantsPrefix();
}

/// <summary>Writes instruction forms with operands of somebody's choice: every form of the classification, in 16- and in 32-bit code.</summary>
public sealed class InstructionWriter
{
    private readonly List<byte> _bytes = [];
    private readonly Encoder _encoder;
    private readonly bool _code32;

    /// <summary>Makes a writer.</summary>
    /// <param name="code32">True for 32-bit code.</param>
    public InstructionWriter(bool code32)
    {
        _code32 = code32;
        _encoder = Encoder.Create(code32 ? 32 : 16, new ListWriter(_bytes));
    }

    /// <summary>Encodes an instruction.</summary>
    /// <param name="form">The form.</param>
    /// <param name="address">Its offset in the code segment.</param>
    /// <param name="operands">Chooses its operands.</param>
    /// <returns>Its bytes; none where such operands or such code has no encoding for it.</returns>
    public ReadOnlySpan<byte> Write(InstructionForm form, uint address, IOperandSource operands)
    {
        ArgumentNullException.ThrowIfNull(form);
        ArgumentNullException.ThrowIfNull(operands);
        OpCodeInfo info = form.Code.ToOpCode();
        Instruction x = default;
        x.Code = form.Code;
        if ((_code32 && !info.Mode32) || (!_code32 && !info.Mode16))
        {
            return default;
        }

        for (int n = 0; n < info.OpCount; n++)
        {
            if (!SetOperand(ref x, n, info.GetOpKind(n), form, operands))
            {
                return default;
            }
        }

        if (form.Is(FormTraits.Lockable) && x.Op0Kind == OpKind.Memory && operands.WantsPrefix())
        {
            x.HasLockPrefix = true;
        }
        else if (form.Is(FormTraits.String) && operands.WantsPrefix())
        {
            x.HasRepPrefix = true;
            if (x.Mnemonic is Mnemonic.Cmpsb or Mnemonic.Cmpsw or Mnemonic.Cmpsd or Mnemonic.Scasb or Mnemonic.Scasw or Mnemonic.Scasd && operands.WantsMemory())
            {
                (x.HasRepPrefix, x.HasRepnePrefix) = (false, true);
            }
        }

        _bytes.Clear();
        return _encoder.TryEncode(x, address, out _, out _) ? System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_bytes) : default;
    }

    private bool SetOperand(ref Instruction x, int n, OpCodeOperandKind kind, InstructionForm form, IOperandSource operands)
    {
        switch (kind)
        {
            case OpCodeOperandKind.al:
                x.SetOpRegister(n, Register.AL);
                return true;
            case OpCodeOperandKind.ax:
                x.SetOpRegister(n, Register.AX);
                return true;
            case OpCodeOperandKind.eax:
                x.SetOpRegister(n, Register.EAX);
                return true;
            case OpCodeOperandKind.cl:
                x.SetOpRegister(n, Register.CL);
                return true;
            case OpCodeOperandKind.dx:
                x.SetOpRegister(n, Register.DX);
                return true;
            case OpCodeOperandKind.es or OpCodeOperandKind.cs or OpCodeOperandKind.ss or OpCodeOperandKind.ds or OpCodeOperandKind.fs or OpCodeOperandKind.gs:
                x.SetOpRegister(n, Register.ES + (kind - OpCodeOperandKind.es));
                return true;
            case OpCodeOperandKind.st0:
                x.SetOpRegister(n, Register.ST0);
                return true;
            case OpCodeOperandKind.sti_opcode:
                x.SetOpRegister(n, Register.ST0 + operands.Register(OperandRegister.X87));
                return true;
            case OpCodeOperandKind.seg_reg:
                x.SetOpRegister(n, Register.ES + operands.Register(OperandRegister.Segment));
                return true;
            case OpCodeOperandKind.cr_reg:
                x.SetOpRegister(n, Register.CR0 + operands.Register(OperandRegister.Control));
                return true;
            case OpCodeOperandKind.dr_reg:
                x.SetOpRegister(n, Register.DR0 + operands.Register(OperandRegister.Debug));
                return true;
            case OpCodeOperandKind.imm8_const_1:
                x.SetOpKind(n, OpKind.Immediate8);
                x.Immediate8 = 1;
                return true;
            case OpCodeOperandKind.imm8:
                x.SetOpKind(n, n > 0 && x.GetOpKind(n - 1) is OpKind.Immediate16 or OpKind.Immediate8 ? OpKind.Immediate8_2nd : OpKind.Immediate8);
                if (x.GetOpKind(n) == OpKind.Immediate8)
                {
                    x.Immediate8 = (byte)operands.Immediate(8, form.Mnemonic);
                }
                else
                {
                    x.Immediate8_2nd = (byte)operands.Immediate(8, form.Mnemonic);
                }

                return true;
            case OpCodeOperandKind.imm8sex16:
                x.SetOpKind(n, OpKind.Immediate8to16);
                x.Immediate8to16 = (short)(sbyte)operands.Immediate(8, form.Mnemonic);
                return true;
            case OpCodeOperandKind.imm8sex32:
                x.SetOpKind(n, OpKind.Immediate8to32);
                x.Immediate8to32 = (sbyte)operands.Immediate(8, form.Mnemonic);
                return true;
            case OpCodeOperandKind.imm16:
                x.SetOpKind(n, OpKind.Immediate16);
                x.Immediate16 = (ushort)operands.Immediate(16, form.Mnemonic);
                return true;
            case OpCodeOperandKind.imm32:
                x.SetOpKind(n, OpKind.Immediate32);
                x.Immediate32 = operands.Immediate(32, form.Mnemonic);
                return true;
            case OpCodeOperandKind.br16_1 or OpCodeOperandKind.br16_2:
                x.SetOpKind(n, OpKind.NearBranch16);
                x.NearBranch16 = (ushort)operands.Target();
                return true;
            case OpCodeOperandKind.br32_1 or OpCodeOperandKind.br32_4:
                x.SetOpKind(n, OpKind.NearBranch32);
                x.NearBranch32 = operands.Target();
                return true;
            case OpCodeOperandKind.farbr2_2:
                x.SetOpKind(n, OpKind.FarBranch16);
                (x.FarBranchSelector, uint low) = operands.FarTarget();
                x.FarBranch16 = (ushort)low;
                return true;
            case OpCodeOperandKind.farbr4_2:
                x.SetOpKind(n, OpKind.FarBranch32);
                (x.FarBranchSelector, x.FarBranch32) = operands.FarTarget();
                return true;
            case OpCodeOperandKind.seg_rSI:
                x.SetOpKind(n, _code32 ? OpKind.MemorySegESI : OpKind.MemorySegSI);
                return true;
            case OpCodeOperandKind.seg_rDI:
                x.SetOpKind(n, _code32 ? OpKind.MemorySegEDI : OpKind.MemorySegDI);
                return true;
            case OpCodeOperandKind.es_rDI:
                x.SetOpKind(n, _code32 ? OpKind.MemoryESEDI : OpKind.MemoryESDI);
                return true;
            case OpCodeOperandKind.seg_rBX_al:
                x.SetOpKind(n, OpKind.Memory);
                (x.MemoryBase, x.MemoryIndex, x.MemoryIndexScale) = (_code32 ? Register.EBX : Register.BX, Register.AL, 1);
                return true;
            case OpCodeOperandKind.mem_offs:
                SetMemory(ref x, n, operands.Memory(MemorySizeOf(x)) with { Base = -1, Index = -1, Scale = 1, Wide = _code32 });
                return true;
            case OpCodeOperandKind.mem:
                SetMemory(ref x, n, operands.Memory(MemorySizeOf(x)));
                return true;
        }

        string name = kind.ToString();
        OperandRegister? file = name switch
        {
            _ when name.StartsWith("r8_", StringComparison.Ordinal) => OperandRegister.Byte,
            _ when name.StartsWith("r16_", StringComparison.Ordinal) => OperandRegister.Word,
            _ when name.StartsWith("r32_", StringComparison.Ordinal) => OperandRegister.Doubleword,
            _ when name.StartsWith("mm_", StringComparison.Ordinal) => OperandRegister.Mmx,
            _ when name.StartsWith("xmm_", StringComparison.Ordinal) => OperandRegister.Xmm,
            _ => null,
        };
        if (file is not { } registers || name.EndsWith("_mpx", StringComparison.Ordinal))
        {
            return false;
        }

        if (name.EndsWith("_or_mem", StringComparison.Ordinal) && operands.WantsMemory())
        {
            SetMemory(ref x, n, operands.Memory(MemorySizeOf(x)));
        }
        else
        {
            Register first = registers switch
            {
                OperandRegister.Byte => Register.AL,
                OperandRegister.Word => Register.AX,
                OperandRegister.Doubleword => Register.EAX,
                OperandRegister.Mmx => Register.MM0,
                _ => Register.XMM0,
            };
            x.SetOpRegister(n, first + operands.Register(registers));
        }

        return true;
    }

    private static int MemorySizeOf(in Instruction x) => x.Code.ToOpCode().MemorySize.GetSize();

    private static void SetMemory(ref Instruction x, int n, in MemoryPlace place)
    {
        x.SetOpKind(n, OpKind.Memory);
        Register first = place.Wide ? Register.EAX : Register.AX;
        x.MemoryBase = place.Base < 0 ? Register.None : first + place.Base;
        x.MemoryIndex = place.Index < 0 ? Register.None : first + place.Index;
        x.MemoryIndexScale = place.Wide ? place.Scale : 1;
        x.MemoryDisplacement64 = place.Wide ? place.Displacement : (ushort)place.Displacement;
        bool alone = place.Base < 0 && place.Index < 0;
        x.MemoryDisplSize = alone ? place.Wide ? 4 : 2 : place.Displacement == 0 ? 0 : 1;
        x.SegmentPrefix = place.Segment < 0 ? Register.None : Register.ES + place.Segment;
    }

    private sealed class ListWriter(List<byte> bytes) : CodeWriter
    {
        public override void WriteByte(byte value) => bytes.Add(value);
    }
}
