using System.Collections.Immutable;
using ToyVmm.Engines.Generation;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.VirtualMachines.Verification.Programs;

/// <summary>The steps that every mode has.</summary>
public sealed partial class ProgramGenerator
{
    private const int Ecx = 1;
    private const int Ebx = 3;
    private const int Ebp = 5;
    private const int Esi = 6;
    private const int Edi = 7;

    // Results, or pointers, that differ between processors are not for the host to judge.
    private const FormTraits NotOnHost = FormTraits.Approximates | FormTraits.FloatingPointState | FormTraits.Identifies;
    private const FormTraits NotOnQemu = NotOnHost | FormTraits.X87 | FormTraits.Vector | FormTraits.LeavesUndefined;

    private void Single(ImmutableArray<InstructionForm> forms) => _ = TryForm(PickForm(forms));

    // True when something was written.
    private bool TryForm(InstructionForm form)
    {
        // Processors differ in which reserved NOPs they have (SDM 2B, NOP; a Pentium Pro has all of them).
        bool reserved = form.Name.StartsWith("Reservednop", StringComparison.Ordinal);

        // AMD's processors enter MMX state (TOP 0) before these raise #XM or #PF; QEMU's CLFLUSH never faults.
        bool entersMmx = form.Mnemonic is "CVTPD2PI" or "CVTTPD2PI" or "CVTPS2PI" or "CVTTPS2PI" or "CVTPI2PS" or "CVTPI2PD" or "MASKMOVQ";

        // Where no byte is to be stored, MASKMOVDQU may fault or not (SDM 2B); which bits of MXCSR are reserved differs.
        bool mayFault = form.Mnemonic is "MASKMOVDQU" or "LDMXCSR";
        _step.Traits |= (form.Is(NotOnHost) || reserved || entersMmx || mayFault ? StepTraits.NotOnHost : 0)
            | (form.Is(NotOnQemu) || reserved || form.Mnemonic is "CLFLUSH" or "ARPL" or "CRC32" ? StepTraits.NotOnQemu : 0);

        if (_innocuous && form.Mnemonic == "FLDCW")
        {
            // A control word from random data unmasks exceptions.
            return false;
        }

        int before = _step.Count;
        _operands.AbsoluteOnly = form.Mnemonic is "XLATB" or "MASKMOVQ" or "MASKMOVDQU" or "CMPXCHG8B";
        Prepare(form);

        // A bit number in a register reaches 256 MiB from its operand.
        if (form.Mnemonic is "BT" or "BTS" or "BTR" or "BTC" && !form.Name.EndsWith("imm8", StringComparison.Ordinal))
        {
            BitString(form);
            return true;
        }

        if (_step.Form(form, _operands))
        {
            return true;
        }

        _step.DropFrom(before);
        return false;
    }

    // Registers that the form uses without naming them.
    private void Prepare(InstructionForm form)
    {
        switch (form.Mnemonic)
        {
            case "XLATB":
                _ = _step.Load(Ebx, _addresses.Pick(_random, 256));
                break;
            case "MASKMOVQ" or "MASKMOVDQU":
                _ = _step.Load(Edi, _addresses.Pick(_random, 16));
                break;
        }
    }

    private void BitString(InstructionForm form)
    {
        _step.Traits |= StepTraits.NotOnQemu;
        int register = _operands.Register(OperandRegister.Doubleword);
        _ = _step.Load(register, (uint)(_random.Below(0x400) - 0x200));
        byte opcode = form.Mnemonic switch
        {
            "BT" => 0xA3,
            "BTS" => 0xAB,
            "BTR" => 0xB3,
            _ => 0xBB,
        };
        _ = _step.Wide([0x0F, opcode, _step.Absolute(register), .. _step.Offset(_addresses.Of(ProgramLayout.Data + 0x800 + (uint)_random.Below(0x1000)))]);
    }

    private void StackForm()
    {
        InstructionForm form = PickForm(s_stack);
        if (form.Mnemonic is "LEAVE" or "ENTER")
        {
            _step.Traits |= StepTraits.Whole;
            _ = _step.Load(Ebp, _addresses.Of(ProgramLayout.Stack + 0x1000 + ((uint)_random.Below(128) * 4)));
        }

        _ = TryForm(form);
    }

    private void StringForm()
    {
        uint count = _random.OneIn(8) ? 0 : (uint)_random.Below(_random.OneIn(4) ? 1200 : 40);
        _ = _step.Load(Ecx, count)
            .Load(Esi, StringAddress(count))
            .Load(Edi, StringAddress(count));
        bool down = _random.OneIn(3);
        if (down)
        {
            _ = _step.Code(0xFD);
        }

        byte opcode = Pick<byte>(0xA4, 0xA5, 0xA6, 0xA7, 0xAA, 0xAB, 0xAC, 0xAD, 0xAE, 0xAF);
        byte prefix = Pick<byte>(0xF2, 0xF3, 0xF3);
        bool narrow = _random.OneIn(4);
        if (_random.OneIn(4))
        {
            _ = narrow ? _step.Code(0x66, opcode) : _step.Code(opcode);
        }
        else
        {
            _ = narrow ? _step.Code(prefix, 0x66, opcode) : _step.Code(prefix, opcode);
        }

        if (down)
        {
            _ = _step.Code(0xFC);
        }

        if (opcode is 0xA6 or 0xA7)
        {
            // Which of its two operands is read first is the processor's affair.
            _step.Traits |= StepTraits.NotOnHost | StepTraits.NotOnQemu;
        }
    }

    private uint StringAddress(uint count)
    {
        uint address = _random.OneIn(3)
            ? _addresses.Pick(_random, 4)
            : _addresses.Of(ProgramLayout.Data + 0x400 + (uint)_random.Below((int)(0x1400 - Math.Min(count, 0x1000))));

        // How many elements a string instruction that overwrites itself still moves is the processor's affair.
        return _unwanted != StepTraits.None && address < _addresses.Of(ProgramLayout.CodeSize) ? _addresses.Of(ProgramLayout.Data) : address;
    }

    private void Branch()
    {
        // The most that an early step skips: programs should not end before they have begun.
        int target = Math.Min(_number + 1 + _random.Below(4), _lastNumber);
        switch (_random.Below(5))
        {
            case 0:
                _ = _step.Branch(target, 0xE9);
                break;
            case 1:
                // JECXZ or JCXZ over a JMP.
                _step.Traits |= StepTraits.Whole;
                _ = _step.Code(0xE3, _code32 ? (byte)5 : (byte)3).Branch(target, 0xE9);
                break;
            default:
                Compare();
                _ = _step.Branch(target, 0x0F, (byte)(0x80 | _random.Below(16)));
                break;
        }
    }

    private void Compare()
    {
        int a = _random.Below(8);
        int b = _random.Below(8);
        _ = _random.OneIn(3) ? _step.Code(0x39, (byte)(0xC0 | (a << 3) | b)) : _step.Code(0x85, (byte)(0xC0 | (a << 3) | b));
    }

    // A counter in memory: what the body does to registers does not matter.
    private void Loop()
    {
        _step.Traits |= StepTraits.Whole;
        uint counter = _addresses.Of(ProgramLayout.LoopCounter);
        byte[] word = _code32 ? [0x36, 0x66] : [0x36];
        _ = _step.Code([.. word, 0xC7, _step.Absolute(0), .. _step.Offset(counter), (byte)(2 + _random.Below(_random.OneIn(6) ? 200 : 20)), 0]);
        int start = _step.Length;
        for (int forms = 1 + _random.Below(4); forms > 0; forms--)
        {
            _ = TryForm(PickForm(_random.OneIn(4) ? s_vector : s_integer));
        }

        _ = _step.Code([.. word, 0xFF, _step.Absolute(1), .. _step.Offset(counter)]);
        int distance = _step.Length - start + 2;
        _ = distance <= 128 ? _step.Code(0x75, (byte)-distance) : _step.Code(0x90);
    }

    // A procedure, jumped over and then called; or a call to the next instruction.
    private void Call()
    {
        _step.Traits |= StepTraits.Whole;
        int kind = _random.Below(4);
        if (kind == 3)
        {
            // CALL to the next instruction, POP: position-independent code's way to ask where it is.
            _ = _step.Code([0xE8, .. _step.Offset(0)]).Code((byte)(0x58 + Pick(0, 1, 2, 3, 5, 6, 7)));
            return;
        }

        int jump = _step.Count;
        _ = _step.Code(0xEB, 0);
        int start = _step.Length;
        for (int forms = 1 + _random.Below(3); forms > 0; forms--)
        {
            _ = TryForm(PickForm(s_integer));
        }

        bool pops = _random.OneIn(4);
        _ = pops ? _step.Code(0xC2, 4, 0) : _step.Code(0xC3);
        int length = _step.Length - start;
        if (length > 100)
        {
            _step.DropFrom(jump);
            return;
        }

        _step.Replace(jump, 0xEB, (byte)length);
        if (pops)
        {
            _ = _step.Push(_random.UInt32());
            if (!_code32)
            {
                _ = _step.Push(_random.UInt32());
            }
        }

        int back = -(_step.Length - 2 + (_code32 ? 5 : 3));
        _ = _step.Code([0xE8, .. _step.Offset((uint)back)]);
    }

    private void ProgrammedException()
    {
        switch (_random.Below(8))
        {
            case 0:
                _ = _step.Code(0x0F, 0x0B);
                break;
            case 1:
                _ = _step.Load(Ebx, 0).Code(0xF7, Pick<byte>(0xF3, 0xFB));
                break;
            case 2:
                _ = _step.Code(0xD4, 0); // AAM 0
                break;
            case 3:
                _ = _step.Store(_addresses.Of(ProgramLayout.Data + 0x100), _random.UInt32()).Store(_addresses.Of(ProgramLayout.Data + 0x104), _random.UInt32())
                    .Code([0x62, _step.Absolute(_operands.Register(OperandRegister.Doubleword)), .. _step.Offset(_addresses.Of(ProgramLayout.Data + 0x100))]);
                break;
            case 4:
                // 7F + 1 overflows.
                _ = _step.Code(0xB0, 0x7F).Code(0x04, 1).Code(0xCE);
                break;
            case 5:
                _ = _step.Code(0xF0, 0x90);
                break;
            case 6:
                _ = _step.Code(0xCC);
                break;
            default:
                _ = _step.Code(0x8E, 0xC8); // MOV CS
                break;
        }
    }

    private void SoftwareInterrupt()
    {
        byte vector = Pick<byte>(0x40, 0x41, 0x47, 0x48, 0x4F, 0x50, 0x60, 13, 14, 0, 255);
        if (vector is >= 0x40 and < 0x48)
        {
            _step.Traits |= StepTraits.NotOnHost;
        }

        _ = _step.Code(0xCD, vector);
    }

    // POPF: which bits it changes is a table of CPL, IOPL and mode. Trap flag, alignment checks, nested task, identification.
    private void Flags()
    {
        switch (_random.Below(6))
        {
            case 0:
                _ = _step.Code(Pick<byte>(0xF5, 0xF8, 0xF9, 0xFC));
                break;
            case 1:
                _ = _step.Code(0x9C).Code((byte)(0x58 + Pick(0, 1, 2, 3, 5, 6, 7)));
                break;
            case 2:
                // Single-stepped: what follows runs with TF set.
                _step.Traits |= StepTraits.Whole;
                _ = _step.Push((_random.ArithmeticFlags() & ~Eflags.DF) | Eflags.TF).Code(0x9D);
                _ = TryForm(PickForm(s_integer));
                break;
            case 3 when !_portable:
                _step.Traits |= StepTraits.NotOnHost;
                _ = _step.Push(0x2u | (_random.Bits32() & (0x27_7DD5 ^ Eflags.TF))).Code(0x9D);
                break;
            default:
                _ = _step.Push(_random.ArithmeticFlags() & ~Eflags.DF).Code(0x9D);
                break;
        }
    }

    // A store into code that follows at once, or a little later.
    private void SelfModifying()
    {
        // QEMU loses flags where an instruction changes the block that it stands in.
        _step.Traits |= StepTraits.Whole | StepTraits.NotOnQemu;
        int distance = _random.Below(16);

        // CALL $+n; POP EBX; MOV byte [EBX + d], imm: EBX is the address of the POP.
        byte[] store = _code32 ? [0xC6, 0x43, 0, _random.Byte()] : [0xC6, 0x47, 0, _random.Byte()];
        store[2] = (byte)(1 + store.Length + distance + 1);
        if (_unwanted != StepTraits.None)
        {
            // As a ModR/M byte, it names registers only: what a random address meets is our runtime's or the judge's.
            store[3] |= 0xC0;
        }

        _ = _step.Code([0xE8, .. _step.Offset(0)]).Code(0x5B).Code(store);
        for (int pad = distance; pad > 0; pad--)
        {
            _ = _step.Code(Pick<byte>(0x90, 0x40, 0x41, 0x4A, 0xF8));
        }

        // MOV AL, imm: its immediate is what was written; or an ADD of a register, whose ModR/M is.
        _ = _random.OneIn(2) ? _step.Code(0xB0, 0x55) : _step.Code(0x00, 0xC0).Code(0x90).Code(0x90).Code(0x90).Code(0x90).Code(0x90);
    }

    private void FloatingPointControl()
    {
        _step.Traits |= StepTraits.NotOnQemu;
        uint place = _addresses.Of(ProgramLayout.Data + 0x200);
        switch (_random.Below(5))
        {
            case 0:
                _ = _step.Store(place, (uint)(0x340 | (_random.Below(64) & _random.Below(64)) | (_random.Below(16) << 8))).Code([0xD9, _step.Absolute(5), .. _step.Offset(place)]);
                break;
            case 1:
                // Bit 17 is AMD's (misaligned exception mask).
                _ = _step.Store(place, _random.OneIn(8) ? _random.UInt32() & ~0x2_0000u : (_random.Bits32() & 0xFFBF) | 0x1000).Code([0x0F, 0xAE, _step.Absolute(2), .. _step.Offset(place)]);
                break;
            case 2:
                _ = _step.Code(0xDB, Pick<byte>(0xE2, 0xE3));
                break;
            case 3:
                _ = _step.Code(0x9B);
                break;
            default:
                _ = _step.Code(0x0F, 0x77);
                break;
        }
    }
}
