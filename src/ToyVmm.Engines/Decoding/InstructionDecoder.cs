using Iced.Intel;
using ToyVmm.Engines.Interpretation;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Decoding;

/// <summary>Turns guest code into blocks: Iced decodes, this class translates into the engines' own form and picks handlers.</summary>
internal sealed unsafe class InstructionDecoder
{
    /// <summary>The most instructions in a block.</summary>
    public const int LongestBlock = 64;

    /// <summary>
    /// What a P6 does with encodings that later processors gave a meaning: F3 0F BC is BSF (not TZCNT), F3 0F 09 is WBINVD, and
    /// 0F 18-0F 1F are NOPs (not MPX, not CET).
    /// </summary>
    public const DecoderOptions P6Options =
        DecoderOptions.NoMPFX_0FBC | DecoderOptions.NoMPFX_0FBD | DecoderOptions.NoWbnoinvd | DecoderOptions.ForceReservedNop;

    private readonly Interpreter _cpu;
    private readonly Func<ulong, bool> _mayStopAt;
    private readonly CodeFetcher _fetcher;
    private readonly Decoder _decoder16;
    private readonly Decoder _decoder32;

    /// <summary>Makes a decoder for one interpreter.</summary>
    /// <param name="cpu">The interpreter.</param>
    /// <param name="mayStopAt">True where the instruction at a guest-physical address may be waited for.</param>
    public InstructionDecoder(Interpreter cpu, Func<ulong, bool> mayStopAt)
    {
        _cpu = cpu;
        _mayStopAt = mayStopAt;
        _fetcher = new CodeFetcher(cpu);
        _decoder16 = Decoder.Create(16, _fetcher, P6Options);
        _decoder32 = Decoder.Create(32, _fetcher, P6Options);
    }

    /// <summary>Decodes a block. The header's address, EIP and mode are set; this fills the rest.</summary>
    /// <param name="block">The block, with room for <see cref="LongestBlock"/> instructions and two more slots behind it.</param>
    /// <param name="linear">The linear address of its first byte.</param>
    /// <returns>The end of what was written, or null with a fault pending.</returns>
    public byte* Decode(Block* block, uint linear)
    {
        CpuState* s = _cpu.State;
        Decoder decoder = (block->Mode & DecodeMode.Code32) != 0 ? _decoder32 : _decoder16;
        int longest = (block->Mode & DecodeMode.SingleStep) != 0 ? 1 : _cpu.LongestBlock;
        uint page = linear & 0xFFFF_F000;
        DecodedInstruction* i = Block.Instructions(block);
        uint token = 0;
        bool isSti = false;
        block->Stops = _mayStopAt(block->Physical) ? BlockStops.AtItsStart : BlockStops.None;
        _fetcher.StartBlock(linear, block->Physical, (ulong)s->Cs.Highest - block->Eip + 1);
        while (block->Count < longest)
        {
            uint eip = block->Eip + (uint)block->Length;
            if (block->Count > 0 && _mayStopAt(block->Physical + (uint)block->Length))
            {
                block->Stops = isSti && block->Stops == BlockStops.None ? BlockStops.InShadow : block->Stops;
                break;
            }

            _fetcher.StartInstruction((uint)block->Length);
            decoder.IP = eip;
            decoder.Decode(out Instruction x);
            if (x.IsInvalid && _fetcher.Ended != CodeFetcher.Ending.None && block->Count > 0)
            {
                break;
            }

            if (x.IsInvalid && !CanReportInvalid())
            {
                return null;
            }

            *i = default;
            i->Eip = eip;
            i->Position = (byte)block->Count;
            i->Length = (byte)Math.Min(_fetcher.Bytes.Length, 15);
            bool ends = true;
            if (x.IsInvalid)
            {
                i->Handler = IsTooLong(decoder.Bitness) ? &HandlerTable.TooLong : &HandlerTable.InvalidOpcode;
            }
            else
            {
                OperandEncoder.Encode(x, i, block->Mode);
                NoteX87Opcode(i, _fetcher.Bytes);
                bool exists = InstructionAvailability.Has(_cpu.Vcpu.Model, x);
                i->Handler = exists ? HandlerTable.Select(x, OperandEncoder.FormOf(x, block->Mode)) : &HandlerTable.AbsentFeature;
                ends = HandlerTable.EndsBlock(x);
                if (exists && _cpu.Substitute is { } substitute && substitute.TryTake(x, i->Handler, out token))
                {
                    i->Handler = &Substituted;
                    ends = true;
                }
            }

            isSti = x.Mnemonic == Mnemonic.Sti;
            uint end = (linear & 0xFFF) + (uint)block->Length + i->Length;
            block->Count++;
            block->Length += i->Length;
            _fetcher.Accept(i->Length);
            i++;
            if (end > 0x1000)
            {
                block->CrossesPage = 1;
                block->SecondPage = _fetcher.SecondPage;
            }

            if (ends && !x.IsInvalid && HandlerTable.HasLinks(x))
            {
                BranchLinks* links = (BranchLinks*)i;
                *(DecodedInstruction*)links = default;
                bool stays = block->CrossesPage == 0 && (block->Mode & (DecodeMode.SingleStep | DecodeMode.OddCodeLimit)) == 0;
                links->Taken = stays && OnPage(s->Cs.Base + i[-1].Immediate, page) ? Flow.Link : Flow.Lookup;
                links->Fallthrough = stays && OnPage(s->Cs.Base + i[-1].NextEip, page) ? Flow.Link : Flow.Lookup;
                block->Links = links;
                return (byte*)(i + 1);
            }

            if (ends || end >= 0x1000)
            {
                break;
            }
        }

        byte* behind = Close(block, i, page);
        i->Immediate = token;
        return behind;
    }

    /// <summary>The handler of every instruction of a block that was overwritten.</summary>
    internal static nint Overwritten(CpuState* s, DecodedInstruction* i, Interpreter cpu) => Flow.StopHere(i, cpu);

    private static nint Substituted(CpuState* s, DecodedInstruction* i, Interpreter cpu) => cpu.Substitute!.Execute(i, cpu);

    // A block that was cut short goes on at the next instruction, as if a branch stood there.
    private byte* Close(Block* block, DecodedInstruction* i, uint page)
    {
        CpuState* s = _cpu.State;
        *i = default;
        i->Eip = block->Eip + (uint)block->Length;
        i->Position = (byte)block->Count;
        i->Flags = InstructionFlags.Closing;
        i->Handler = &CloseBlock;
        BranchLinks* links = (BranchLinks*)(i + 1);
        *(DecodedInstruction*)links = default;
        bool stays = block->CrossesPage == 0 && (block->Mode & (DecodeMode.SingleStep | DecodeMode.OddCodeLimit)) == 0;
        links->Taken = stays && OnPage(s->Cs.Base + i->Eip, page) ? Flow.Link : Flow.Lookup;
        links->Fallthrough = Flow.Lookup;
        block->Links = links;
        return (byte*)(i + 2);
    }

    private static nint CloseBlock(CpuState* s, DecodedInstruction* i, Interpreter cpu) =>
        Flow.Branch(s, i, cpu, &((BranchLinks*)(i + 1))->Taken, i->Eip);

    private static bool OnPage(uint linear, uint page) => (linear & 0xFFFF_F000) == page;

    // The decoder wants more than there is: the fetch itself faults. Otherwise the instruction reports itself.
    private bool CanReportInvalid() => _fetcher.Ended switch
    {
        CodeFetcher.Ending.Limit when _fetcher.Bytes.Length < 15 =>
            _cpu.Raise(Vector.GeneralProtection, 0, "instruction fetch beyond the limit of CS"),
        CodeFetcher.Ending.Fault => false,
        _ => true,
    };

    // More than 15 bytes are #GP, not #UD (SDM 3A 6.15, interrupt 13): without one prefix, the rest would still want more.
    private bool IsTooLong(int bitness)
    {
        ReadOnlySpan<byte> bytes = _fetcher.Bytes;
        if (bytes.Length < 15 || !IsPrefix(bytes[0]))
        {
            return false;
        }

        Decoder rest = Decoder.Create(bitness, new ByteArrayCodeReader(bytes[1..15].ToArray()), P6Options);
        rest.Decode(out _);
        return rest.LastError == DecoderError.NoMoreBytes;
    }

    // The opcode that an x87 exception handler finds in FOP: three bits of the escape byte (D8-DF), and the byte behind it (SDM 1 8.1.9).
    // These instructions have no immediate, so its field is free.
    private static void NoteX87Opcode(DecodedInstruction* i, ReadOnlySpan<byte> bytes)
    {
        int n = 0;
        while (n < bytes.Length && IsPrefix(bytes[n]))
        {
            n++;
        }

        if (n + 1 < bytes.Length && (bytes[n] & 0xF8) == 0xD8)
        {
            i->Immediate = ((bytes[n] & 7u) << 8) | bytes[n + 1];
        }
    }

    private static bool IsPrefix(byte value) =>
        value is 0x26 or 0x2E or 0x36 or 0x3E or 0x64 or 0x65 or 0x66 or 0x67 or 0xF0 or 0xF2 or 0xF3;
}
