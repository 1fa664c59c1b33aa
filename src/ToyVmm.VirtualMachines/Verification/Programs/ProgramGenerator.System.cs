using ToyVmm.Engines.Generation;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.VirtualMachines.Verification.Programs;

/// <summary>The steps about the system: what tells of it, what only ring 0 may, and what a program in ring 0 does to its own machine.</summary>
public sealed partial class ProgramGenerator
{
    private const int Eax = 0;

    // QEMU's answers that depend on its own machine: time, identity, its tables' and control registers' reserved parts.
    private void Question()
    {
        InstructionForm form = PickForm(s_questions);
        _step.Traits |= StepTraits.NotOnHost;
        if (form.Mnemonic is "SGDT" or "SIDT" or "ARPL")
        {
            // QEMU stores the limit before it finds that the base has no place; and its ARPL always writes.
            _step.Traits |= StepTraits.NotOnQemu;
        }

        if (form.Mnemonic is "CPUID" or "RDTSC")
        {
            _step.Traits |= StepTraits.NotOnQemu;
            _ = form.Mnemonic == "CPUID" ? _step.Load(Eax, Pick<uint>(0, 1, 2, 0x8000_0000)) : _step;
        }

        if (form.Mnemonic is "LAR" or "LSL" or "VERR" or "VERW")
        {
            // One of the table's selectors, in the register or the memory that the form asks about.
            _ = _step.Load(_operands.Register(OperandRegister.Doubleword), Selector());
        }

        _ = _step.Form(form, _operands);
    }

    private ushort Selector() => _random.OneIn(5)
        ? _random.UInt16()
        : (ushort)((_random.Below(17) << 3) | _random.Below(4));

    private void Port()
    {
        _step.Traits |= StepTraits.NotOnHost | StepTraits.NotOnQemu;

        // POST, interrupt masks (read only: a timer may run), timer, system control, and where nothing is.
        uint port = Pick<uint>(0x80, 0x80, 0x21, 0xA1, 0x40, 0x42, 0x61, 0x300, 0x3F, 0xEA, 0x1F0);
        bool write = _random.OneIn(2);
        if (write)
        {
            port = Pick<uint>(0x80, 0x300, 0x3F, 0xEA, 0x84);
        }

        byte opcode = (byte)((write ? 0xE6 : 0xE4) | _random.Below(2));
        if (port < 0x100 && _random.OneIn(2))
        {
            _ = _step.Code(opcode, (byte)port);
            return;
        }

        _ = _step.Load(2, port);
        if (_random.OneIn(3))
        {
            _ = _step.Load(Ecx, (uint)_random.Below(24)).Load(write ? Esi : Edi, StringAddress(32)).Code(0xFC)
                .Code(0xF3, (byte)((write ? 0x6E : 0x6C) | _random.Below(2)));
            return;
        }

        _ = _step.Code((byte)(opcode | 8));
    }

    private void SegmentLoad()
    {
        // The segments that code and handlers rely on stay.
        int register = Supervisor ? Pick(4, 5) : Pick(0, 0, 4, 5, 5);
        uint selector = _portable ? Pick<uint>(0, 0x2B, 0x2B, 3, 0x0FF8, 0x0FFB) : Selector();
        if (!_code32 && _mode != ProgramMode.User16)
        {
            selector = Pick<uint>(ProgramLayout.LowBody >> 4, (ProgramLayout.LowBody >> 4) + 0x400, _random.UInt16());
        }

        // QEMU does not check limits.
        _step.Traits |= StepTraits.Whole | StepTraits.NotOnQemu | (_portable ? StepTraits.None : StepTraits.NotOnHost);
        _ = _step.Load(Eax, selector).Code(0x8E, (byte)(0xC0 | (register << 3)));
        if (_random.OneIn(2))
        {
            // And an access through it.
            byte prefix = register switch
            {
                0 => 0x26,
                4 => 0x64,
                _ => 0x65,
            };
            uint offset = _portable || _random.OneIn(2) ? _addresses.Of(ProgramLayout.Data + (uint)_random.Below(0x1FF0)) : (uint)_random.Below(0x1010);
            _ = _step.Code([prefix, Pick<byte>(0x8B, 0x8B, 0x89, 0x03), _step.Absolute(_operands.Register(OperandRegister.Doubleword)), .. _step.Offset(offset)]);
        }

        if (register == 0)
        {
            // ES back: string instructions and the data that they reach are other steps' subject.
            byte data = (byte)(_code32 ? 0x2B : 0x3B);
            _ = _mode == ProgramMode.Virtual8086 ? _step.Load(Eax, ProgramLayout.LowBody >> 4) : _step.Load(Eax, data);
            _ = _step.Code(0x8E, 0xC0);
        }
    }

    // In ring 3: #GP(0), #UD, or allowed by IOPL.
    private void Privileged()
    {
        InstructionForm form = PickForm(s_privileged);
        if (form.Is(FormTraits.LoadsSegment | FormTraits.LoadsFlags))
        {
            return;
        }

        // Sensitive and not privileged: it completes, and tells the host's own tables; or it is the host's system that reacts.
        _step.Traits |= StepTraits.NotOnHost | StepTraits.NotOnQemu;
        if (_portable)
        {
            // Those that the host's CPU refuses whatever the system is.
            _step.Traits = StepTraits.None;
            _ = _random.Below(8) switch
            {
                0 => _step.Code(0x0F, 0x06),
                1 => _step.Code(0x0F, 0x09),
                2 => _step.Code(0x0F, 0x20, Pick<byte>(0xC0, 0xD0, 0xD8, 0xE0)),
                3 => _step.Code(0x0F, 0x22, Pick<byte>(0xC0, 0xD8, 0xE0)),
                4 => _step.Code(0x0F, 0x30),
                5 => _step.Code(0x0F, 0x32),
                6 => _step.Code(0xF4),
                _ => _step.Code(0x0F, 0x21, Pick<byte>(0xC0, 0xF8)),
            };
            return;
        }

        _ = _step.Form(form, _operands);
    }

    private void SystemState()
    {
        _step.Traits |= StepTraits.NotOnHost;
        switch (_random.Below(12))
        {
            case 0 or 1:
                ToggleControlRegister(0, Pick(Cr0.TS, Cr0.TS, Cr0.WP, Cr0.AM, Cr0.MP, Cr0.NE));
                break;
            case 2:
                ToggleControlRegister(4, Pick(Cr4.TSD, Cr4.PGE, Cr4.DE, Cr4.PSE, Cr4.OSFXSR));
                _step.Traits |= StepTraits.NotOnQemu;
                break;
            case 3:
                _ = _step.Code(0x0F, 0x20, 0xD8).Code(0x0F, 0x22, 0xD8); // CR3, unchanged
                break;
            case 4:
                _ = _step.Code(0x0F, 0x06); // CLTS
                break;
            case 5:
                // LMSW: TS, MP, EM may change, PE not be cleared.
                _ = _step.Load(Eax, (_random.Bits32() & 0xA) | (_mode == ProgramMode.Real ? 0u : 1)).Code(0x0F, 0x01, 0xF0);
                break;
            case 6:
                _ = _step.Code(Pick<byte>(0xFA, 0xFB)).Code(0x90);
                break;
            case 7 when _mode != ProgramMode.Real:
                _ = _step.Load(Ecx, Pick<uint>(0x174, 0x175, 0x176)).Load(Eax, _random.UInt32() & 0xFFF8).Load(2, 0).Code(0x0F, 0x30).Code(0x0F, 0x32);
                break;
            case 8 when _mode != ProgramMode.Real:
                _ = _step.Load(Eax, Pick<uint>(0, 0, 0x40, Selector())).Code(0x0F, 0x00, Pick<byte>(0xD0, 0xD0, 0xC0, 0xC8));
                _step.Traits |= StepTraits.NotOnQemu;
                break;
            case 9:
                // Both tables stored and loaded again.
                byte load = Pick<byte>(2, 3);
                byte[] place = _step.Offset(_addresses.Of(ProgramLayout.Data + 0x300));
                _step.Traits |= StepTraits.Whole;
                _ = _step.Wide([0x0F, 0x01, _step.Absolute(load - 2), .. place]).Wide([0x0F, 0x01, _step.Absolute(load), .. place]);
                break;
            case 10:
                _ = _step.Code([0x0F, 0x01, _step.Absolute(7), .. _step.Offset(_addresses.Pick(_random, 1))]); // INVLPG
                break;
            default:
                // A far call within the segment, and the way back.
                FarCall();
                break;
        }

        // Something that the change is about.
        if (_random.OneIn(2))
        {
            _ = TryForm(PickForm(_random.OneIn(2) ? s_x87 : s_integer));
        }
    }

    private void ToggleControlRegister(int register, uint bit)
    {
        byte modRm = (byte)(0xC0 | (register << 3));
        _ = _step.Code(0x0F, 0x20, modRm).Wide([0x35, .. StepWriter.Word(bit)]).Code(0x0F, 0x22, modRm);
    }

    // PUSH CS; CALL +: a far return comes back; IRET too.
    private void FarCall()
    {
        _step.Traits |= StepTraits.Whole;
        if (_random.OneIn(2))
        {
            _ = _step.Code(0x9C).Code(0x0E).Code([0xE8, .. _step.Offset(2)]).Code(0xEB, 1).Code(0xCF);
            return;
        }

        _ = _step.Code(0x0E).Code([0xE8, .. _step.Offset(2)]).Code(0xEB, 1).Code(0xCB);
    }

    // An entry of the window: another page, other rights; with INVLPG, with a load of CR3, or with neither; and an access.
    private void PageTableEdit()
    {
        _step.Traits |= StepTraits.NotOnHost | StepTraits.Whole;
        uint page = (uint)_random.Below(4);
        uint linear = ProgramLayout.Window + (page << 12);
        bool pae = _mode == ProgramMode.Pae;
        uint entry = pae ? ProgramLayout.PaeTable + ((linear >> 12) * 8) : ProgramLayout.PageTable + ((linear >> 12) * 4);
        uint frame = ProgramLayout.Body + Pick<uint>(0, 0x1000, ProgramLayout.Data, ProgramLayout.Data + 0x1000, ProgramLayout.ReadOnly, ProgramLayout.Stack);
        uint rights = (_random.Bits32() & 0x67) | (_random.OneIn(6) ? 0 : 1u) | (_random.OneIn(2) ? 2u : 0);
        if (_random.OneIn(3))
        {
            Access(linear);
        }

        _ = _random.Below(8) == 0
            ? _step.Code([0x0F, Pick<byte>(0xBA), (byte)_step.Absolute(Pick(5, 6, 7)), .. _step.Offset(entry), (byte)_random.Below(7)]) // BTS BTR BTC of a bit
            : _step.Store(entry, frame | rights);
        switch (_random.Below(4))
        {
            case 0 or 1:
                _ = _step.Code([0x0F, 0x01, _step.Absolute(7), .. _step.Offset(linear)]);
                break;
            case 2:
                _ = _step.Code(0x0F, 0x20, 0xD8).Code(0x0F, 0x22, 0xD8);
                break;
            default:
                // What a stale entry allows is the TLB's affair; ours, like the hardware's, keeps it.
                _step.Traits |= StepTraits.NotOnQemu;
                break;
        }

        Access(linear);

        // Accessed and dirty bits.
        _ = _step.Code([0x8B, _step.Absolute(_operands.Register(OperandRegister.Doubleword)), .. _step.Offset(entry)]);
    }

    private void Access(uint linear)
    {
        uint address = linear + (_random.OneIn(4) ? 0xFFCu + (uint)_random.Below(4) : (uint)_random.Below(0xFF0));
        byte opcode = Pick<byte>(0x8B, 0x8B, 0x89, 0x89, 0x03, 0x01, 0x88, 0x8A);
        _ = _step.Code([opcode, _step.Absolute(_operands.Register(OperandRegister.Doubleword)), .. _step.Offset(address)]);
        if (opcode == 0x01)
        {
            // QEMU reads first, and its fault speaks of a read.
            _step.Traits |= StepTraits.NotOnQemu;
        }
    }

    // A data breakpoint, over something that meets it.
    private void DebugRegisters()
    {
        _step.Traits |= StepTraits.NotOnHost | StepTraits.NotOnQemu | StepTraits.Whole;
        uint length = Pick(0u, 1u, 3u);
        uint place = _addresses.Of(ProgramLayout.Data + 0x500 + (uint)_random.Below(16)) & ~length;
        _ = _step.Load(Eax, place).Code(0x0F, 0x23, 0xC0)
            .Load(Eax, 0x402u | (Pick(1u, 3u) << 16) | (length << 18)).Code(0x0F, 0x23, 0xF8)
            .Code([Pick<byte>(0x8B, 0x89, 0xFF), _step.Absolute(0), .. _step.Offset(place - 2 + (uint)_random.Below(6))])
            .Code(0x90)
            .Code(0x0F, 0x21, 0xF3)
            .Load(Eax, 0x400).Code(0x0F, 0x23, 0xF8);
    }
}
