using Iced.Intel;
using ToyVmm.Engines.Classification;
using ToyVmm.Engines.Decoding;
using ToyVmm.Engines.Interpretation;
using ToyVmm.Engines.Translation;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;

namespace ToyVmm.Engines.Probing;

/// <summary>What the instruction is that a CPU is about to execute: its text, what the classification says of it, what the translator does with it.</summary>
/// <param name="Bytes">Its bytes; one for a byte that begins no instruction, none where there is no memory.</param>
/// <param name="Text">In NASM's syntax.</param>
/// <param name="Mode">The mode that it is executed in; ring 1 and 2 count as ring 3, as for <see cref="InstructionUsage"/>.</param>
/// <param name="Row">Its row of the classification; null where the processor has no such instruction.</param>
/// <param name="IsSensitive">See <see cref="InstructionInspector.Look"/>.</param>
/// <param name="Translation">In words, what the translator does with it.</param>
public sealed record InstructionInspection(
    ReadOnlyMemory<byte> Bytes, string Text, ExecutionMode Mode, InstructionClassification? Row, bool IsSensitive, string Translation);

/// <summary>
/// Looks at the instruction at CS:EIP as the CPU would fetch it - through the TLB, stale entries too, then through the tables - and changes nothing.
/// Not thread-safe.
/// </summary>
public sealed unsafe class InstructionInspector
{
    private const int Longest = Disassembler.MaxInstructionLength;

    // The first bytes of the forms that can be sensitive, and whether a byte is a prefix: most instructions need no more than one look.
    private static readonly byte[] s_first = MakeFirst();
    private static readonly bool[] s_second = MakeOpcodes(OpCodeTableKind.T0F);
    private static readonly bool[] s_sensitive = MakeSensitive();

    private readonly ByteReader _bytes = new();
    private readonly Decoder _decoder16;
    private readonly Decoder _decoder32;
    private readonly NasmFormatter _formatter = Disassembler.CreateFormatter();
    private readonly StringOutput _text = new();
    private uint _eip;
    private bool _code32;
    private ExecutionMode _mode;
    private DecodeMode _decodeMode;

    /// <summary>Makes an inspector.</summary>
    public InstructionInspector()
    {
        _decoder16 = Decoder.Create(16, _bytes, InstructionDecoder.P6Options);
        _decoder32 = Decoder.Create(32, _bytes, InstructionDecoder.P6Options);
    }

    private enum FirstByte : byte
    {
        Innocuous,
        Sensitive,
        Prefix,
        Escape,
    }

    /// <summary>The mode of a CPU, as the classification knows it.</summary>
    /// <param name="state">The CPU.</param>
    public static ExecutionMode ModeOf(in CpuState state) =>
        (state.Cr0 & Cr0.PE) == 0 ? ExecutionMode.Real
        : (state.OtherFlags & Eflags.VM) != 0 ? ExecutionMode.Virtual8086
        : state.Cpl == 0 ? ExecutionMode.Ring0
        : ExecutionMode.Ring3;

    /// <summary>Looks at the instruction at CS:EIP.</summary>
    /// <param name="vcpu">The CPU, at an instruction boundary.</param>
    public InstructionInspection Inspect(Vcpu vcpu)
    {
        _ = Look(vcpu);
        return Describe();
    }

    /// <summary>
    /// True when the instruction at CS:EIP is one that a VMM cannot leave alone in this mode: privileged, or sensitive where the monitor would run it -
    /// ring 0 code and user code in ring 3, real-mode code in virtual-8086 mode - or a call of a handler.
    /// </summary>
    /// <param name="vcpu">The CPU, at an instruction boundary.</param>
    /// <remarks><see cref="Describe"/> may be asked for it later, when it has run and overwritten itself.</remarks>
    public bool Look(Vcpu vcpu)
    {
        ArgumentNullException.ThrowIfNull(vcpu);
        CpuState* s = vcpu.State;
        (_eip, _code32, _mode, _decodeMode) = (s->Eip, s->Cs.Big, ModeOf(*s), s->Mode);
        byte* code = Direct.Read(s, s->Cs.Base + s->Eip, Longest);
        if (code == null)
        {
            _bytes.Start(ReadCode(vcpu, s->Cs.Base + s->Eip, _bytes.Buffer));
            return IsSensitive(Decode(), _mode);
        }

        new ReadOnlySpan<byte>(code, Longest).CopyTo(_bytes.Buffer);
        _bytes.Start(Longest);
        return MayBeSensitive(code) && IsSensitive(Decode(), _mode);
    }

    /// <summary>Describes the instruction that <see cref="Look"/> has looked at.</summary>
    public InstructionInspection Describe()
    {
        Instruction x = Decode();
        ExecutionMode mode = _mode;
        if (_bytes.Count == 0)
        {
            return new InstructionInspection(default, "(no memory)", mode, null, IsSensitive: false, "cannot be fetched");
        }

        if (x.IsInvalid)
        {
            return new InstructionInspection(new[] { _bytes.Buffer[0] }, $"db 0x{_bytes.Buffer[0]:x2}", mode, null, IsSensitive: false, "always #UD: left to the interpreter");
        }

        _formatter.Format(x, _text);
        byte[] bytes = _bytes.Buffer[..x.Length];
        return new InstructionInspection(bytes, _text.ToStringAndReset(), mode, ClassificationTable.Find(x.Code), IsSensitive(x, mode), Translation(x, _decodeMode));
    }

    /// <summary>True when a form counts as sensitive in a mode: see <see cref="Look"/>.</summary>
    /// <param name="row">The form.</param>
    /// <param name="mode">The mode.</param>
    public static bool IsSensitive(InstructionClassification row, ExecutionMode mode)
    {
        ArgumentNullException.ThrowIfNull(row);
        Sensitivity sensitivity = mode switch
        {
            ExecutionMode.Ring0 => row.Sensitivity,
            ExecutionMode.Real => row.In(ExecutionMode.Real) | row.In(ExecutionMode.Virtual8086),
            _ => row.In(mode),
        };
        return row.IsPrivileged || row.EntersHandler || sensitivity != Sensitivity.None;
    }

    private static bool MayBeSensitive(byte* code)
    {
        for (int n = 0; n < Longest - 1; n++)
        {
            switch ((FirstByte)s_first[code[n]])
            {
                case FirstByte.Innocuous:
                    return false;
                case FirstByte.Sensitive:
                    return true;
                case FirstByte.Escape:
                    return s_second[code[n + 1]];
            }
        }

        return true;
    }

    private static bool IsSensitive(in Instruction x, ExecutionMode mode) => s_sensitive[((int)x.Code * 4) + (int)mode];

    // What CallOutList and the emitter decide, where the code is of the kind that the translator takes.
    private static string Translation(in Instruction x, DecodeMode mode)
    {
        const DecodeMode Wide = DecodeMode.Code32 | DecodeMode.Stack32;
        const DecodeMode Flat = DecodeMode.FlatEs | DecodeMode.FlatCs | DecodeMode.FlatSs | DecodeMode.FlatDs;
        const DecodeMode Based = DecodeMode.BasedEs | DecodeMode.BasedCs | DecodeMode.BasedSs | DecodeMode.BasedDs;
        DecodeMode reach = (mode & Flat) | (DecodeMode)((uint)(mode & Based) >> 7);
        if ((mode & Wide) != Wide || reach != Flat)
        {
            return "interpreted: the translator takes 32-bit code in segments of 4 GiB only";
        }

        CallOutReason reason = CallOutList.ReasonFor(x);
        bool userOnly = (mode & DecodeMode.User) != 0
            && (x.Mnemonic is Mnemonic.Cli or Mnemonic.Sti or Mnemonic.Rdtsc || (x.Mnemonic == Mnemonic.Mov && x.Op1Kind == OpKind.Register && x.Op1Register.IsCR()));
        reason = reason == CallOutReason.None && userOnly ? CallOutReason.RingZero : reason;
        return reason != CallOutReason.None ? $"call-out to the interpreter: {CallOutList.Describe(reason)}"
            : x.Mnemonic is Mnemonic.In or Mnemonic.Out ? "inline template for a port that is a latch, call-out to the interpreter for others: a device answers"
            : IdentityList.Contains(x) ? "runs on the host as it is"
            : "inline template";
    }

    private static byte[] MakeFirst()
    {
        bool[] opcodes = MakeOpcodes(OpCodeTableKind.Normal);
        byte[] kinds = [.. opcodes.Select(sensitive => (byte)(sensitive ? FirstByte.Sensitive : FirstByte.Innocuous))];
        foreach (byte prefix in (ReadOnlySpan<byte>)[0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65, 0x66, 0x67, 0xF0, 0xF2, 0xF3])
        {
            kinds[prefix] = (byte)FirstByte.Prefix;
        }

        kinds[0x0F] = (byte)FirstByte.Escape;
        return kinds;
    }

    private static bool[] MakeOpcodes(OpCodeTableKind table)
    {
        bool[] opcodes = new bool[256];
        foreach (InstructionClassification row in ClassificationTable.Rows)
        {
            OpCodeInfo info = Enum.Parse<Code>(row.Name).ToOpCode();
            if (info.Table == table && Enum.GetValues<ExecutionMode>().Any(mode => IsSensitive(row, mode)))
            {
                // The second byte of a form that has two behind the escape (VMCALL: 0F 01 C1) is its ModRM.
                opcodes[info.OpCodeLength == 2 ? (byte)(info.OpCode >> 8) : (byte)info.OpCode] = true;
            }
        }

        return opcodes;
    }

    private static bool[] MakeSensitive()
    {
        bool[] sensitive = new bool[((int)Enum.GetValues<Code>().Max() + 1) * 4];
        foreach (InstructionClassification row in ClassificationTable.Rows)
        {
            foreach (ExecutionMode mode in Enum.GetValues<ExecutionMode>())
            {
                sensitive[((int)Enum.Parse<Code>(row.Name) * 4) + (int)mode] = IsSensitive(row, mode);
            }
        }

        return sensitive;
    }

    private Instruction Decode()
    {
        _bytes.Start(_bytes.Count);
        Decoder decoder = _code32 ? _decoder32 : _decoder16;
        decoder.IP = _eip;
        decoder.Decode(out Instruction x);
        return x;
    }

    // A stale TLB entry is what the CPU fetches through, too.
    private static int ReadCode(Vcpu vcpu, uint linear, Span<byte> bytes)
    {
        int count = 0;
        bool paging = (vcpu.State->Cr0 & Cr0.PG) != 0;
        while (count < bytes.Length)
        {
            uint at = linear + (uint)count;
            int length = (int)Math.Min(GuestPhysicalAddress.PageSize - (at & 0xFFF), (uint)(bytes.Length - count));
            GuestPhysicalAddress? page = paging && vcpu.Mmu.Tlb.TryGet(at, out ulong cached, out _)
                ? new GuestPhysicalAddress((cached | (at & 0xFFF)) & vcpu.Mmu.PhysicalMask)
                : vcpu.Mmu.Peek(at);
            if (page is not { } physical || !vcpu.Memory.TryRead(physical, bytes.Slice(count, length)))
            {
                break;
            }

            count += length;
        }

        return count;
    }

    private sealed class ByteReader : CodeReader
    {
        private int _next;

        public byte[] Buffer { get; } = new byte[Longest];

        public int Count { get; private set; }

        public void Start(int count)
        {
            _next = 0;
            Count = count;
        }

        public override int ReadByte() => _next < Count ? Buffer[_next++] : -1;
    }
}
