using Iced.Intel;
using ToyVmm.Engines.Decoding;
using ToyVmm.Engines.Interpretation;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;

namespace ToyVmm.Engines.Translation;

/// <summary>
/// Emits host code for one decoded block. Most instructions are emitted as the guest wrote them, with their memory operand moved
/// into the view (GS, 32-bit address size); EAX..EDI are themselves, ESP is R12D.
/// </summary>
/// <remarks>
/// R15: the state. R14: the budget. R13, R8, R9: scratch. R12D: ESP. R11: the jump table. R10: the code cache. The guest's
/// arithmetic flags and DF are the host's, so what is added around the guest's instructions never touches a flag. Nothing
/// that the guest can see changes before an instruction's last access that can fault: its state is exact at every host
/// instruction, and the interpreter can take over at its start.
/// </remarks>
internal sealed unsafe class BlockTranslator(GuestMemory memory, CodeCache code, IReadOnlySet<Mnemonic>? differing, bool trapOnly)
{
    private readonly BlockBytes _bytes = new(memory);
    private readonly Instruction[] _instructions = new Instruction[InstructionDecoder.LongestBlock];

    // Trying the host takes 20 ms: guests that never become hot do not wait for it.
    private IReadOnlySet<Mnemonic>? _differing = differing;

    /// <summary>True for blocks that can say why their code is not the guest's.</summary>
    public bool KeepsReasons { get; init; }

    // An instruction becomes at most so many bytes, its way out included.
    public const int MostBytesPerInstruction = 256;

    /// <summary>Emits a block.</summary>
    /// <param name="block">32-bit code in segments of 4 GiB, on one page.</param>
    /// <param name="faults">Tells which instructions faulted too often and go to the interpreter.</param>
    /// <param name="callOuts">Receives the instructions that are left to the interpreter.</param>
    /// <returns>Where it is; null when the cache is full.</returns>
    public TranslatedBlock? Translate(Block* block, FaultHistory faults, CallOutTable callOuts)
    {
        if (!code.HasRoom((block->Count + 2) * MostBytesPerInstruction))
        {
            return null;
        }

        IReadOnlySet<Mnemonic> differing = _differing ??= HostFlags.Differing;
        TranslatedBlock result = new(block, code.Used) { KeepsReasons = KeepsReasons };
        Emitter e = new(code, result, callOuts, differing, trapOnly);
        RegisterFile files = Decode(block);
        bool open = true;
        for (int n = 0; n < block->Count && open; n++)
        {
            ref Instruction x = ref _instructions[n];
            int before = code.Used;
            if (n == 0)
            {
                e.Budget(block->Count);
                e.Require(files, block->Count);
            }

            result.Begin(code.Used);

            // What the decoder refused is #UD, or of a feature that this CPU does not have.
            bool left = faults.IsLeft(result.PhysicalOf(n));
            result.Left |= left ? 1UL << n : 0;
            bool refused = IsRefused(Block.Instructions(block)[n].Handler);
            bool callOut = refused || left || !e.TryEmit(x, block->Count - n, out open);
            if (callOut && KeepsReasons)
            {
                result.NoteCallOut(
                    n, refused ? CallOutReason.Undefined : left ? CallOutReason.FaultedOften : CallOutList.WhyInterpreted(x, block->Mode, differing));
            }

            if (callOut && trapOnly)
            {
                e.Trap(block->Count - n);
            }
            else if (callOut && n == 0)
            {
                // Nothing to count, then.
                code.Rewind(before);
                e.CallOut();
            }
            else if (callOut)
            {
                e.CallOut(block->Count - n);
            }

            result.RunsOnHost |= !callOut || trapOnly;
            open &= !callOut;
        }

        if (open)
        {
            e.GoTo(block->Eip + (uint)block->Length);
        }

        result.WaysOut = code.Used;
        e.EmitWaysOut();
        result.End(code.Used);
        return result;
    }

    private static bool IsRefused(Handler handler) =>
        (nint)handler == (nint)(Handler)(&HandlerTable.InvalidOpcode)
        || (nint)handler == (nint)(Handler)(&HandlerTable.AbsentFeature)
        || (nint)handler == (nint)(Handler)(&HandlerTable.TooLong);

    // Decodes the block, and tells which register files beside the general one it uses on the host.
    private RegisterFile Decode(Block* block)
    {
        _bytes.Start(block);
        Decoder decoder = Decoder.Create(32, _bytes, InstructionDecoder.P6Options);
        decoder.IP = block->Eip;
        RegisterFile files = RegisterFile.General;
        for (int n = 0; n < block->Count; n++)
        {
            decoder.Decode(out _instructions[n]);
            files |= IsRefused(Block.Instructions(block)[n].Handler) ? RegisterFile.General : IdentityList.FilesOf(_instructions[n]);
        }

        return files;
    }

    /// <summary>Emits a jump by way of the jump table.</summary>
    /// <param name="target">The guest address.</param>
    /// <returns>Where the jump is.</returns>
    public int EmitJump(uint target)
    {
        int start = code.Used;
        Emitter.GoToFar(code, target);
        return start;
    }

    // The bytes that a block was decoded from, on one page or at the edge of two.
    private sealed class BlockBytes(GuestMemory memory) : CodeReader
    {
        private Block* _block;
        private uint _at;

        public void Start(Block* block)
        {
            _block = block;
            _at = 0;
        }

        public override int ReadByte()
        {
            if (_at >= (uint)_block->Length)
            {
                return -1;
            }

            uint offset = (uint)(_block->Physical & 0xFFF) + _at++;
            ulong page = offset < GuestPhysicalAddress.PageSize ? _block->Physical : _block->SecondPage;
            return memory.ReadByte(new GuestPhysicalAddress((page & ~0xFFFul) | (offset & 0xFFF)));
        }
    }
}
