using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ToyVmm.Engines.Interpretation;
using ToyVmm.Engines.Metering;
using ToyVmm.Engines.Probing;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;

namespace ToyVmm.Engines.Decoding;

/// <summary>
/// Decoded code, found by address: a direct-mapped array keyed by linear address in front of a hash table keyed by physical
/// address. The array is forgotten at every architectural flush; the table lives until the code is overwritten. Blocks lie in
/// one arena; when it is full, everything is dropped and decoding starts again.
/// </summary>
/// <remarks>
/// Overwritten code is exact without a check on any fast path: a store to a page that holds blocks takes the slow path, which
/// replaces the handlers of every block it hits by one that stops - also those of the block that is running.
/// </remarks>
internal sealed unsafe class BlockCache : ICodeWatcher, IDisposable
{
    /// <summary>How many bits a <see cref="DecodeMode"/> has.</summary>
    public const int ModeBits = 14;

    private const int ArenaBytes = 16 << 20;
    private const int LookasideCount = 4096;
    private const int BucketCount = 1 << 15;
    private const uint LastGeneration = (1u << (32 - ModeBits)) - 1;

    // Blocks and their instructions: header, up to 64 instructions, the closing pseudo instruction or branch links.
    private static readonly int s_largestBlock = sizeof(Block) + ((InstructionDecoder.LongestBlock + 2) * sizeof(DecodedInstruction));

    private readonly Interpreter _cpu;
    private readonly InstructionDecoder _decoder;
    private readonly Dictionary<uint, CodePage> _pages = [];
    private byte* _arena = SparseMemory.Allocate(TableBytes);
    private Lookaside* _lookaside;
    private Block** _buckets;
    private readonly Dictionary<nint, nint> _behindStops = [];

    // Offsets in a page at which an instruction is waited for, 4,096; null where there are none. The linear pages in which, and the physical ones that may be meant.
    private readonly HashSet<ulong> _armed = [];
    private bool[]? _stopOffsets;
    private HashSet<uint> _stopPages = [];
    private int _used;
    private uint _generation = 1;

    /// <summary>Makes an empty cache for one interpreter.</summary>
    public BlockCache(Interpreter cpu)
    {
        _lookaside = (Lookaside*)(_arena + ArenaBytes);
        _buckets = (Block**)(_lookaside + LookasideCount);
        _cpu = cpu;
        _decoder = new InstructionDecoder(cpu, MayStopAt);
        cpu.Vcpu.Memory.CodeWatcher = this;
    }

    private static nuint TableBytes => ArenaBytes + ((nuint)LookasideCount * (nuint)sizeof(Lookaside)) + ((nuint)BucketCount * (nuint)sizeof(Block*));

    private GuestMemory Memory => _cpu.Vcpu.Memory;

    /// <summary>The block at an offset in CS, decoded if it is not there yet. Null with a fault pending when it cannot be fetched.</summary>
    /// <param name="eip">The offset in CS.</param>
    /// <param name="single">True for a block of one instruction.</param>
    public Block* Find(uint eip, bool single)
    {
        CpuState* s = _cpu.State;
        DecodeMode mode = single ? s->Mode | DecodeMode.SingleStep : s->Mode;
        uint linear = s->Cs.Base + eip;
        Lookaside* line = _lookaside + (Hash(linear) & (LookasideCount - 1));
        if (line->Key == Key(linear, mode) && line->Block->Eip == eip && line->Block->Dead == 0)
        {
            return line->Block;
        }

        if (eip > s->Cs.Highest || eip < s->Cs.Lowest)
        {
            _ = _cpu.Raise(Vector.GeneralProtection, 0, "instruction fetch beyond the limit of CS");
            return null;
        }

        if (!_cpu.TryTranslateFetch(linear, out ulong physical))
        {
            return null;
        }

        if (_stopPages.Count != 0 && _stopPages.Contains(linear >> 12))
        {
            Arm(physical >> 12);
        }

        Block* block = Lookup(physical, eip, mode);
        if (block == null || !StillFits(block, linear))
        {
            if (_cpu.FaultVector >= 0)
            {
                return null;
            }

            _cpu.Vcpu.Costs?.Enter(CostKind.Decoding);
            _cpu.Vcpu.BlocksDecoded++;
            block = Decode(linear, physical, eip, mode);
            _cpu.Vcpu.Costs?.Leave();
            if (block == null)
            {
                return null;
            }
        }

        if ((mode & DecodeMode.OddCodeLimit) == 0)
        {
            // The generation may have changed while decoding (an arena flush).
            line->Key = Key(linear, mode);
            line->Block = block;
        }

        return block;
    }

    /// <summary>The block at an offset in CS where one look finds it; null otherwise. For indirect branches, which have no slot to remember it in.</summary>
    /// <param name="s">The CPU.</param>
    /// <param name="eip">The offset in CS.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Block* FindFast(CpuState* s, uint eip)
    {
        uint linear = s->Cs.Base + eip;
        Lookaside* line = _lookaside + (Hash(linear) & (LookasideCount - 1));
        return line->Key == Key(linear, s->Mode) && line->Block->Eip == eip && line->Block->Dead == 0 ? line->Block : null;
    }

    /// <summary>The decoded block of the current mode that an instruction is in, one that begins there before others; null where there is none. Decodes nothing.</summary>
    /// <param name="eip">The offset in CS.</param>
    /// <param name="physical">Its GPA.</param>
    public Block* Peek(uint eip, ulong physical)
    {
        Block* found = Lookup(physical, eip, _cpu.State->Mode);
        if (found != null && found->Dead == 0)
        {
            return found;
        }

        found = null;
        foreach (nint known in _pages.GetValueOrDefault((uint)(physical >> 12))?.Blocks ?? [])
        {
            Block* block = (Block*)known;
            bool holds = block->Dead == 0 && block->Mode == _cpu.State->Mode && eip - block->Eip < (uint)block->Length && physical - block->Physical == eip - block->Eip;
            if (holds && (found == null || block->Host != 0))
            {
                found = block;
            }
        }

        return found;
    }

    /// <summary>True where instructions are waited for.</summary>
    public bool HasStops => _stopOffsets is not null;

    /// <summary>True where the instruction at a linear or physical address may be waited for: a block must begin there.</summary>
    /// <param name="physical">Its guest-physical address.</param>
    public bool MayStopAt(ulong physical) =>
        _stopOffsets is { } offsets && offsets[(int)(physical & 0xFFF)] && _armed.Contains(physical >> 12);

    /// <summary>Other instructions are waited for from now on: blocks around them are decoded anew.</summary>
    /// <param name="linear">Linear addresses.</param>
    /// <param name="physical">Guest-physical addresses.</param>
    public void SetStops(IReadOnlyCollection<uint> linear, IReadOnlyCollection<ulong> physical)
    {
        bool[]? old = _stopOffsets;
        bool[] wanted = new bool[GuestPhysicalAddress.PageSize];
        foreach (uint offset in linear.Concat(physical.Select(address => (uint)address)))
        {
            wanted[offset & 0xFFF] = true;
        }

        HashSet<uint> pages = [.. linear.Select(address => address >> 12)];
        bool changesPages = !pages.SetEquals(_stopPages);
        _stopPages = pages;
        _stopOffsets = wanted.Contains(true) ? wanted : null;
        uint[] changed = [.. Enumerable.Range(0, wanted.Length).Where(offset => wanted[offset] != (old is not null && old[offset])).Select(offset => (uint)offset)];
        foreach (ulong page in _armed)
        {
            ForgetCode(page, changed);
        }

        if (_stopOffsets is null)
        {
            _armed.Clear();
        }

        foreach (ulong page in physical.Select(address => address >> 12))
        {
            Arm(page);
        }

        if (changesPages)
        {
            // Which physical page a linear one is, is seen where it is entered: so every way in leads past Find again.
            ForgetTranslations();
            _cpu.Translated?.ForgetTargets();
        }
    }

    // An instruction in this physical page may be waited for, at any of the offsets: by linear address, one and the same page may have several.
    private void Arm(ulong page)
    {
        if (_armed.Add(page) && _stopOffsets is { } offsets)
        {
            ForgetCode(page, Enumerable.Range(0, offsets.Length).Where(offset => offsets[offset]).Select(offset => (uint)offset));
        }
    }

    private void ForgetCode(ulong page, IEnumerable<uint> offsets)
    {
        foreach (uint offset in offsets)
        {
            CodeWritten(new GuestPhysicalAddress((page << 12) | offset), 1);
        }
    }

    /// <summary>What the first instruction of a block does that begins where one may be waited for.</summary>
    public Handler HandlerBehindStop(Block* block) => (Handler)_behindStops[(nint)block];

    /// <summary>Lets a branch go straight to a block on its own page, where nothing about the target needs a look each time.</summary>
    /// <param name="slot">The slot behind the branch.</param>
    /// <param name="block">The target.</param>
    public static void Link(nint* slot, Block* block)
    {
        const DecodeMode LookEachTime = DecodeMode.OddCodeLimit | DecodeMode.SingleStep;
        if (block->CrossesPage == 0 && (block->Mode & LookEachTime) == 0)
        {
            *slot = (nint)block;
        }
    }

    /// <summary>Forgets linear addresses: after any flush of the TLB.</summary>
    public void ForgetTranslations()
    {
        _cpu.LinkSlot = null;
        if (++_generation > LastGeneration)
        {
            new Span<Lookaside>(_lookaside, LookasideCount).Clear();
            _generation = 1;
        }
    }

    /// <summary>Forgets one address, whose block was found dead.</summary>
    public void Forget(uint eip) => _lookaside[Hash(_cpu.State->Cs.Base + eip) & (LookasideCount - 1)].Key = 0;

    /// <inheritdoc/>
    public void PageReplaced(GuestPhysicalAddress page) => _cpu.Translated?.DropFrame(page);

    /// <inheritdoc/>
    public void PagesReplaced() => _cpu.FlushTlbProjection();

    /// <inheritdoc/>
    public void StoresWatched() => _cpu.ProtectAllPages();

    /// <inheritdoc/>
    public void CodeWritten(GuestPhysicalAddress address, int length)
    {
        uint page = (uint)(address.Value >> 12);
        if (!_pages.TryGetValue(page, out CodePage? code))
        {
            return;
        }

        uint first = (uint)address.Value & 0xFFF;
        uint last = first + (uint)length - 1;
        ulong touched = CodePage.Granules(first, last);
        if ((code.Occupied & touched) == 0)
        {
            return;
        }

        ulong occupied = 0;
        bool killed = false;
        for (int n = code.Blocks.Count - 1; n >= 0; n--)
        {
            Block* block = (Block*)code.Blocks[n];
            (uint blockFirst, uint blockLast) = Extent(block, page);
            if (block->Dead == 0 && blockFirst <= last && blockLast >= first)
            {
                Kill(block);
                killed = true;
            }

            if (block->Dead != 0)
            {
                code.Blocks.RemoveAt(n);
            }
            else
            {
                occupied |= CodePage.Granules(blockFirst, blockLast);
            }
        }

        code.Occupied = occupied;
        if (code.Blocks.Count == 0)
        {
            _ = _pages.Remove(page);
            Mark(page, false);
        }

        if (killed)
        {
            _cpu.Tell(new MicroStep(MicroStepKind.CodeForgotten, address.Value, Size: length));
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Memory.CodeWatcher = null;
        SparseMemory.Free(_arena, TableBytes);
        _arena = null;
        _lookaside = null;
        _buckets = null;
    }

    private static uint Hash(uint address) => address ^ (address >> 12);

    private static uint Bucket(ulong physical) => (uint)(physical ^ (physical >> 13)) & (BucketCount - 1);

    // The bytes of a page that a block was decoded from.
    private static (uint First, uint Last) Extent(Block* block, uint page)
    {
        uint offset = (uint)block->Physical & 0xFFF;
        return block->Physical >> 12 == page
            ? (offset, Math.Min(offset + (uint)block->Length - 1, 0xFFF))
            : (0, offset + (uint)block->Length - 1 - GuestPhysicalAddress.PageSize);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private ulong Key(uint linear, DecodeMode mode) => linear | ((ulong)((_generation << ModeBits) | (uint)mode) << 32);

    private Block* Lookup(ulong physical, uint eip, DecodeMode mode)
    {
        Block* block = _buckets[Bucket(physical)];
        while (block != null && (block->Physical != physical || block->Eip != eip || block->Mode != mode))
        {
            block = block->HashNext;
        }

        return block;
    }

    // A block found by physical address may have been decoded under another CS limit or in front of another second page.
    private bool StillFits(Block* block, uint linear)
    {
        CpuState* s = _cpu.State;
        if (block->Eip + (uint)block->Length - 1 > s->Cs.Highest)
        {
            Kill(block);
            return false;
        }

        if (block->CrossesPage == 0)
        {
            return true;
        }

        uint second = (linear & 0xFFFF_F000) + GuestPhysicalAddress.PageSize;
        if (!_cpu.TryTranslateFetch(second, out ulong physical))
        {
            return false;
        }

        if (physical != block->SecondPage)
        {
            Kill(block);
            return false;
        }

        return true;
    }

    private Block* Decode(uint linear, ulong physical, uint eip, DecodeMode mode)
    {
        if (_used + s_largestBlock > ArenaBytes)
        {
            DropEverything();
        }

        Block* block = (Block*)(_arena + _used);
        *block = new Block { Physical = physical, Eip = eip, Mode = mode };
        byte* end = _decoder.Decode(block, linear);
        if (end == null)
        {
            return null;
        }

        if (block->Stops == BlockStops.AtItsStart)
        {
            DecodedInstruction* first = Block.Instructions(block);
            _behindStops[(nint)block] = (nint)first->Handler;
            first->Handler = &Interpreter.LookBefore;
        }

        _used = (int)(((end - _arena) + 63) & ~63);
        uint bucket = Bucket(physical);
        block->HashNext = _buckets[bucket];
        _buckets[bucket] = block;
        Register(block, (uint)(physical >> 12));
        if (block->CrossesPage != 0)
        {
            Register(block, (uint)(block->SecondPage >> 12));
        }

        return block;
    }

    private void Register(Block* block, uint page)
    {
        if (!_pages.TryGetValue(page, out CodePage? code))
        {
            code = new CodePage();
            _pages.Add(page, code);
            GuestPhysicalAddress address = new((ulong)page << 12);
            if (Memory.KindAt(address) == PageKind.Ram)
            {
                Mark(page, true);
                _cpu.ProtectCodePage(address);
            }
        }

        code.Blocks.Add((nint)block);
        (uint first, uint last) = Extent(block, page);
        code.Occupied |= CodePage.Granules(first, last);
    }

    // All-ones "code" of a hole may lie beyond the marks, which end at 4 GiB: nothing can be stored there.
    private void Mark(uint page, bool holdsCode)
    {
        if (page < GuestMemory.MarkedPages)
        {
            Memory.Marks[page] = holdsCode ? Memory.Marks[page] | PageMarks.Code : Memory.Marks[page] & ~PageMarks.Code;
        }
    }

    private void Kill(Block* block)
    {
        block->Dead = 1;
        _cpu.Translated?.Invalidate(block);
        DecodedInstruction* instruction = Block.Instructions(block);
        for (int n = 0; n <= block->Count; n++)
        {
            // The slot behind the last instruction holds branch links or the closing pseudo instruction: both are safe to stop at.
            if (n < block->Count || (instruction[n].Flags & InstructionFlags.Closing) != 0)
            {
                instruction[n].Handler = &InstructionDecoder.Overwritten;
            }
        }

        Block** slot = &_buckets[Bucket(block->Physical)];
        while (*slot != null && *slot != block)
        {
            slot = &(*slot)->HashNext;
        }

        if (*slot == block)
        {
            *slot = block->HashNext;
        }

        // Links never leave a page, so whoever goes straight to this block is listed with it.
        foreach (nint other in _pages[(uint)(block->Physical >> 12)].Blocks)
        {
            BranchLinks* links = ((Block*)other)->Links;
            if (links != null)
            {
                links->Taken = links->Taken == (nint)block ? Flow.Link : links->Taken;
                links->Fallthrough = links->Fallthrough == (nint)block ? Flow.Link : links->Fallthrough;
            }
        }
    }

    private void DropEverything()
    {
        foreach (uint page in _pages.Keys)
        {
            Mark(page, false);
        }

        _cpu.Translated?.Clear();
        _pages.Clear();
        _behindStops.Clear();
        new Span<nint>(_buckets, BucketCount).Clear();
        new Span<Lookaside>(_lookaside, LookasideCount).Clear();
        _cpu.LinkSlot = null;
        _used = 0;
    }

    private struct Lookaside
    {
        public ulong Key;
        public Block* Block;
    }

    /// <summary>The blocks of one physical page, and which 64-byte granules of it they cover.</summary>
    private sealed class CodePage
    {
        public List<nint> Blocks { get; } = [];

        public ulong Occupied { get; set; }

        public static ulong Granules(uint first, uint last)
        {
            int low = (int)(first >> 6);
            int high = (int)(last >> 6);
            return (ulong.MaxValue << low) & (ulong.MaxValue >> (63 - high));
        }
    }
}
