using System.Buffers.Binary;
using System.Collections.Immutable;
using ToyVmm.Engines;
using ToyVmm.Engines.Generation;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.VirtualMachines.Verification.Programs;

/// <summary>
/// Makes random guests: a mode, a machine state, and steps of the kinds that a VMM must get right. A program follows from its seed alone,
/// on every machine.
/// </summary>
public sealed partial class ProgramGenerator
{
    // Forms that programs of every mode may contain; those of the system come in steps of their own.
    private static readonly ImmutableArray<InstructionForm> s_forms = Forms(form => !form.Is(Unusual | FormTraits.System));

    // Hundreds of forms of x87 and SSE would leave little room for the others if each form were as likely.
    private static readonly ImmutableArray<InstructionForm> s_integer = [.. s_forms.Where(form => !form.Is(FormTraits.X87 | FormTraits.Vector))];
    private static readonly ImmutableArray<InstructionForm> s_x87 = [.. s_forms.Where(form => form.Is(FormTraits.X87))];
    private static readonly ImmutableArray<InstructionForm> s_vector = [.. s_forms.Where(form => form.Is(FormTraits.Vector))];
    private static readonly ImmutableArray<InstructionForm> s_stack = Forms(form => form.Is(FormTraits.Stack) && !form.Is((Unusual & ~FormTraits.Stack) | FormTraits.System));

    // Those that tell about the system and change nothing of it.
    private static readonly ImmutableArray<InstructionForm> s_questions = Forms(form =>
        form.Mnemonic is "SGDT" or "SIDT" or "SLDT" or "STR" or "SMSW" or "LAR" or "LSL" or "VERR" or "VERW" or "PUSHF" or "PUSHFD" or "CPUID" or "RDTSC" or "ARPL"
        || (form.Mnemonic == "MOV" && (form.Name.EndsWith("_Sreg", StringComparison.Ordinal) || form.Name is "Mov_r32_cr" or "Mov_r32_dr"))
        || (form.Mnemonic == "PUSH" && form.Is(FormTraits.System)));

    // In ring 3 these trap, whatever their operands.
    private static readonly ImmutableArray<InstructionForm> s_privileged = Forms(form =>
        form.Is(FormTraits.System) && !form.Is(FormTraits.Transfers) && form.Mnemonic is not ("VMCALL" or "SYSENTER" or "SYSEXIT" or "SYSCALL" or "POPF" or "POPFD"));

    private const FormTraits Unusual =
        FormTraits.Transfers | FormTraits.Stack | FormTraits.String | FormTraits.Port | FormTraits.Identifies | FormTraits.LoadsSegment | FormTraits.LoadsFlags;

    private readonly EdgeRandom _random;
    private readonly ulong _seed;
    private readonly ProgramMode _mode;
    private readonly bool _portable;
    private readonly StepTraits _unwanted;
    private readonly StepWriter _step;
    private readonly ProgramOperands _operands;
    private readonly ProgramAddresses _addresses;
    private readonly bool _code32;
    private readonly bool _innocuous;
    private int _number;
    private int _lastNumber;

    private ProgramGenerator(ulong seed, bool innocuous)
    {
        _seed = seed;
        _innocuous = innocuous;
        _random = new EdgeRandom(seed);
        _mode = innocuous ? ProgramMode.User : Pick(ProgramMode.Flat, ProgramMode.Paged, ProgramMode.Paged, ProgramMode.Pae, ProgramMode.User, ProgramMode.User, ProgramMode.User, ProgramMode.UserPae,
            ProgramMode.User16, ProgramMode.Virtual8086, ProgramMode.Real);
        _portable = _mode == ProgramMode.User && !_random.OneIn(3);
        _unwanted = _portable || innocuous ? StepTraits.NotOnHost : !Supervisor && _random.OneIn(3) ? StepTraits.NotOnQemu : StepTraits.None;
        _code32 = _mode.IsCode32();
        _step = new StepWriter(new InstructionWriter(_code32), _code32);
        _addresses = new ProgramAddresses(_mode, _unwanted, dataOnly: innocuous);
        _operands = new ProgramOperands(_random, _step, _addresses);
    }

    private bool Supervisor => _mode.IsSupervisor();

    private bool Paged => Supervisor && _mode.IsPaged();

    /// <summary>Makes the program of a seed.</summary>
    public static RandomProgram Generate(ulong seed) => new ProgramGenerator(seed, innocuous: false).Generate();

    /// <summary>Makes a program of a seed in ring 3 that asks nothing of the system, and whose stack is after a pass what it was before.</summary>
    public static RandomProgram GenerateInnocuous(ulong seed) => new ProgramGenerator(seed, innocuous: true).Generate();

    private static ImmutableArray<InstructionForm> Forms(Func<InstructionForm, bool> wanted) =>
        [.. InstructionForm.All.Where(form => form.IsIn(CpuModels.Default) && form.Mnemonic is not ("HLT" or "RSM" or "VMCALL") && wanted(form))];

    private RandomProgram Generate()
    {
        List<(string Name, int Weight, Action Write)> kinds = Kinds();
        int total = kinds.Sum(kind => kind.Weight);
        int steps = 4 + _random.Below(_random.OneIn(4) ? 60 : 24);
        _lastNumber = steps;
        ImmutableArray<ProgramStep>.Builder body = ImmutableArray.CreateBuilder<ProgramStep>(steps);
        uint start = _random.OneIn(3) ? 0x1000u - (uint)_random.Below(200) : (uint)_random.Below(64);
        int room = (int)(ProgramLayout.CodeSize - start) - 256;
        for (_number = 0; _number < steps && room > 0; _number++)
        {
            int left = _random.Below(total);
            int index = 0;
            while (left >= kinds[index].Weight)
            {
                left -= kinds[index++].Weight;
            }

            kinds[index].Write();
            ProgramStep step = _step.Finish(_number, kinds[index].Name);
            if (step.Instructions.Length > 0 && (step.Traits & _unwanted) == 0
                && !(_innocuous && step.Instructions.Any(instruction => !HostExecution.IsPossible(instruction.Bytes.AsSpan(), _code32))))
            {
                room -= step.Instructions.Sum(instruction => instruction.Bytes.Length);
                body.Add(step);
            }
        }

        bool timed = _unwanted == StepTraits.None && _random.OneIn(10);
        return new RandomProgram
        {
            Seed = _seed,
            Mode = _mode,
            Steps = body.ToImmutable(),
            Registers = [.. Registers()],
            Eflags = StartFlags(),
            Cr0 = _portable ? Cr0.WP | Cr0.AM | Cr0.NE | Cr0.MP : (_random.Bits32() & (Cr0.WP | Cr0.AM | Cr0.MP)) | Cr0.NE,
            Cr4 = 0x600u | (_portable ? 0 : _random.Bits32() & (Cr4.PSE | Cr4.PGE | Cr4.TSD | Cr4.DE)),
            ExtraSegments = _unwanted != StepTraits.None || !_code32 ? default : (Pick<ushort>(0, 0x4B, 0x43), Pick<ushort>(0, 0x2B, 0x5B)),
            FloatingPoint = [.. FloatingPoint()],
            Data = [.. Data()],
            StartOffset = start,
            Repeats = _random.OneIn(4) ? 2u + (uint)_random.Below(_random.OneIn(3) ? 40 : 5) : 1,
            Timer = timed ? 1u + (uint)_random.Below(4) : 0,
        };
    }

    private List<(string Name, int Weight, Action Write)> Kinds()
    {
        List<(string, int, Action)> kinds =
        [
            ("integer", 30, () => Single(s_integer)),
            ("x87", 8, () => Single(s_x87)),
            ("vector", 10, () => Single(s_vector)),
            ("stack", 8, StackForm),
            ("string", 6, StringForm),
            ("branch", 8, Branch),
            ("loop", 5, Loop),
            ("call", 5, Call),
            ("exception", 6, ProgrammedException),
            ("interrupt", 3, SoftwareInterrupt),
            ("flags", 5, Flags),
            ("self-modifying", 4, SelfModifying),
            ("floating-point control", 3, FloatingPointControl),
            ("question", _portable ? 0 : 8, Question),
            ("port", _portable ? 0 : 5, Port),
            ("segment load", 4, SegmentLoad),
            ("privileged", Supervisor ? 0 : 5, Privileged),
            ("system", Supervisor ? 10 : 0, SystemState),
            ("page-table edit", Paged ? 12 : 0, PageTableEdit),
            ("debug register", Supervisor && _mode != ProgramMode.Real ? 2 : 0, DebugRegisters),
        ];
        return _innocuous ? kinds.FindAll(kind => kind.Item1 is "integer" or "x87" or "vector" or "string" or "branch" or "loop" or "call") : kinds;
    }

    private T Pick<T>(params ReadOnlySpan<T> values) => _random.Pick(values);

    private InstructionForm PickForm(ImmutableArray<InstructionForm> forms) => forms[_random.Below(forms.Length)];

    private IEnumerable<uint> Registers()
    {
        for (int n = 0; n < 8; n++)
        {
            uint value = n == 4 ? _addresses.Of(ProgramLayout.Stack + 0x1000) + ((uint)_random.Below(64) * 4)
                : _random.OneIn(2) ? _addresses.Of(ProgramLayout.Data + (uint)_random.Below(0x2000))
                : _random.UInt32();
            yield return value;
        }
    }

    private uint StartFlags()
    {
        uint flags = _random.ArithmeticFlags();
        return Supervisor && _random.OneIn(2) ? flags & ~Eflags.IF
            : _mode == ProgramMode.Virtual8086 && _random.OneIn(2) ? flags | Eflags.IoplMask
            : flags;
    }

    // Any bits, doubles with every magnitude, small numbers, zeros.
    private byte[] Data()
    {
        byte[] data = new byte[0x4000];
        for (int n = 0; n < data.Length; n += 8)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(data.AsSpan(n), (n & 0x3F) switch
            {
                0 => BitConverter.DoubleToUInt64Bits((_random.Below(2000) - 1000) / 8.0),
                8 => 0,
                16 => _random.UInt32(),
                _ => _random.Bits64(),
            });
        }

        return data;
    }

    // SDM 1 10.5.1 (FXSAVE area).
    private byte[] FloatingPoint()
    {
        byte[] area = new byte[512];
        ushort control = !_innocuous && _random.OneIn(6) ? (ushort)(0x340 | (_random.Below(64) & _random.Below(64)) | (_random.Below(16) << 8)) : (ushort)0x37F;
        BinaryPrimitives.WriteUInt16LittleEndian(area, control);
        BinaryPrimitives.WriteUInt16LittleEndian(area.AsSpan(2), (ushort)((_random.Below(8) << 11) | (_random.Below(16) << 8 & 0x4700)));
        area[4] = _random.OneIn(3) ? (byte)0 : _random.OneIn(2) ? (byte)0xFF : (byte)_random.Bits32();
        uint mxcsr = !_innocuous && _random.OneIn(6) ? (_random.Bits32() & 0xFFBF) | 0x1000 : 0x1F80;
        BinaryPrimitives.WriteUInt32LittleEndian(area.AsSpan(24), mxcsr & ~0x3Fu);
        for (int n = 0; n < 8; n++)
        {
            Span<byte> register = area.AsSpan(32 + (n * 16));
            BinaryPrimitives.WriteUInt64LittleEndian(register, _random.Bits64() | (1ul << 63));
            BinaryPrimitives.WriteUInt16LittleEndian(register[8..], _random.OneIn(4) ? _random.UInt16() : (ushort)(0x3FF0 + _random.Below(32) + (_random.Below(2) << 15)));
            Span<byte> vector = area.AsSpan(160 + (n * 16));
            for (int part = 0; part < 4; part++)
            {
                uint value = _random.OneIn(3) ? BitConverter.SingleToUInt32Bits((_random.Below(2000) - 1000) / 8f) : _random.UInt32();
                BinaryPrimitives.WriteUInt32LittleEndian(vector[(part * 4)..], value);
            }
        }

        return area;
    }
}
