using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ToyVmm.Engines.Decoding;
using ToyVmm.Engines.Interpretation;
using ToyVmm.Engines.ShadowPaging;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;
using ToyVmm.Hardware.Paging;

namespace ToyVmm.Engines.Translation;

/// <summary>
/// What runs on the host CPU for one virtual CPU: the emitted code, the views its memory operands go through, and the jump tables
/// that lead from guest addresses to emitted code. The run loop enters it where a block has been translated and gets control back
/// for whatever the block leaves to it.
/// </summary>
internal sealed unsafe class TranslatedCode : IDisposable
{
    private const DecodeMode Supervisor =
        DecodeMode.Code32 | DecodeMode.Stack32 | DecodeMode.FlatEs | DecodeMode.FlatCs | DecodeMode.FlatSs | DecodeMode.FlatDs;

    private const DecodeMode User = Supervisor | DecodeMode.User;

    private readonly Interpreter _cpu;
    private readonly TranslationStatistics _statistics = new();
    private readonly ExecutableArena _arena;
    private readonly CodeCache _code;
    private readonly BlockTranslator _translator;
    private readonly AddressSpace[] _spaces;
    private readonly List<TranslatedBlock> _blocks = [];
    private readonly FloatingPointState _floatingPoint;
    private readonly CodeVerifier? _verifier;
    private readonly int _hotness;
    private (uint Linear, bool User)? _fill;
    private int _linkSlot;

    private TranslatedCode(Interpreter cpu, TranslatorOptions options, ExecutableArena arena, CodeCache code, AddressSpace[] spaces)
    {
        _hotness = options.Hotness;
        _verifier = options.Verify ? new CodeVerifier(sizeof(HostFrame), sizeof(CpuState)) : null;
        _cpu = cpu;
        _arena = arena;
        _code = code;
        _spaces = spaces;
        _translator = new BlockTranslator(cpu.Vcpu.Memory, code);
        cpu.Vcpu.Translation = _statistics;
        _floatingPoint = new FloatingPointState(cpu.Vcpu);
    }

    /// <summary>Makes it for a virtual CPU.</summary>
    /// <param name="cpu">The interpreter, whose memory must be shared (<see cref="GuestMemory.RamDescriptor"/>).</param>
    /// <param name="options">How it goes about it.</param>
    /// <param name="unavailable">When there is none: why.</param>
    public static TranslatedCode? TryCreate(Interpreter cpu, TranslatorOptions options, out string? unavailable)
    {
        ExecutableArena arena = ExecutableArena.Process;
        unavailable = arena.Unavailable ?? (cpu.Vcpu.Memory.RamDescriptor < 0 ? "guest RAM cannot be mapped a second time" : null);
        if (unavailable is not null)
        {
            return null;
        }

        CodeCache? code = CodeCache.TryCreate(arena, options.CodeCacheBytes);
        AddressSpace? supervisor = AddressSpace.TryCreate(cpu.Vcpu.Memory);
        AddressSpace? user = AddressSpace.TryCreate(cpu.Vcpu.Memory);
        if (code is null || supervisor is null || user is null)
        {
            code?.Dispose();
            supervisor?.Dispose();
            user?.Dispose();
            unavailable = "the host does not give the address space";
            return null;
        }

        cpu.Vcpu.Frame->CodeCache = code.Base;
        return new TranslatedCode(cpu, options, arena, code, [supervisor, user]);
    }

    /// <summary>What is in the code cache now, ascending by address.</summary>
    public IReadOnlyList<TranslatedBlock> Blocks => _blocks;

    /// <summary>The code cache.</summary>
    public CodeCache Code => _code;

    /// <summary>Told where emitted code has faulted: an offset in the code cache. For tests.</summary>
    public Action<int>? Faulted { get; set; }

    /// <summary>True when a block runs on the host now; counts its uses, and translates it once it is hot.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool IsReady(Block* block)
    {
        if (block->Host == 0)
        {
            if (block->Heat++ != _hotness)
            {
                return false;
            }

            Translate(block);
        }

        return block->Host != 0 && _cpu.MayRunTranslated;
    }

    /// <summary>Runs emitted code from a block on, until it leaves.</summary>
    /// <param name="block">The block; <see cref="IsReady"/> has said so.</param>
    /// <param name="left">The budget, at least the block's count.</param>
    /// <returns>True when the instruction at EIP must be interpreted next.</returns>
    public bool Run(Block* block, ref long left)
    {
        CpuState* s = _cpu.State;
        HostFrame* frame = _cpu.Vcpu.Frame;
        bool user = (s->Mode & DecodeMode.User) != 0;
        AddressSpace space = _spaces[user ? 1 : 0];
        if (_linkSlot != 0)
        {
            Link(block);
        }

        if (!space.LeadsTo(block))
        {
            space.SetTarget(block, IsGlobal(block));
        }

        frame->View = space.View.Base;
        frame->JumpTable = space.JumpTable;
        int entry = block->Host;
        while (Enter(entry, ref left) is ExitKind.LoadFpu or ExitKind.LoadSse)
        {
            _statistics.FloatingPointLoads++;
            if (!_floatingPoint.TryHandOver(sse: frame->Exit == ExitKind.LoadSse))
            {
                return true;
            }

            entry = frame->ExitSlot;
        }

        switch (frame->Exit)
        {
            case ExitKind.Link:
                _linkSlot = frame->ExitSlot;
                _statistics.Links++;
                return false;
            case ExitKind.Lookup:
                _statistics.Lookups++;
                return false;
            case ExitKind.CallOut:
                _statistics.CallOuts++;
                return true;
            default:
                return Recover(space, user, ref left);
        }
    }

    /// <summary>The run loop did something else in between: the branch that left last must not be patched.</summary>
    public void ForgetLink() => _linkSlot = 0;

    /// <summary>After the instruction that faulted was interpreted: maps what it needed, if the TLB has it now.</summary>
    public void Fill()
    {
        if (_fill is not { } fill)
        {
            return;
        }

        _fill = null;
        ShadowView view = _spaces[fill.User ? 1 : 0].View;
        if (TryProject(fill.Linear, fill.User, out GuestPhysicalAddress page, out bool writable, out bool global))
        {
            view.Map(fill.Linear, page, writable, global);
            _statistics.HiddenFaults++;
        }
    }

    /// <summary>A block's code was overwritten, or the block is dropped: it must not run any more.</summary>
    public void Invalidate(Block* block)
    {
        if (block->Host == 0)
        {
            return;
        }

        TranslatedBlock translated = _blocks[block->HostIndex];
        foreach ((int branchEnd, int wayOut) in translated.Incoming)
        {
            _code.Patch(branchEnd, wayOut);
        }

        translated.Incoming.Clear();
        foreach (AddressSpace space in _spaces)
        {
            space.Forget(block->Eip);
        }

        block->Host = 0;
    }

    /// <summary>Drops all emitted code.</summary>
    public void Clear()
    {
        foreach (TranslatedBlock translated in _blocks)
        {
            // It must become hot again to be translated again.
            translated.Block->Host = 0;
            translated.Block->Heat = 0;
        }

        _blocks.Clear();
        _code.Clear();
        _linkSlot = 0;
        foreach (AddressSpace space in _spaces)
        {
            space.ForgetAll(keepGlobal: false);
        }
    }

    /// <summary>The TLB was flushed.</summary>
    public void Flush(bool keepGlobal)
    {
        _linkSlot = 0;
        foreach (AddressSpace space in _spaces)
        {
            space.View.Clear(keepGlobal);
            space.ForgetAll(keepGlobal);
        }
    }

    /// <summary>The TLB lost a page.</summary>
    public void Drop(uint linear)
    {
        _linkSlot = 0;
        foreach (AddressSpace space in _spaces)
        {
            space.View.Drop(linear);
            space.ForgetPage(linear);
        }
    }

    /// <summary>A physical page holds decoded code now: stores to it must be noticed.</summary>
    /// <param name="page">Any address in it.</param>
    public void Protect(GuestPhysicalAddress page)
    {
        foreach (AddressSpace space in _spaces)
        {
            space.View.Protect(page);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _code.Dispose();
        _floatingPoint.Dispose();
        foreach (AddressSpace space in _spaces)
        {
            space.Dispose();
        }
    }

    private ExitKind Enter(int entry, ref long left)
    {
        const uint InterruptFlagAndFixed = Eflags.IF | Eflags.Fixed;
        CpuState* s = _cpu.State;
        HostFrame* frame = _cpu.Vcpu.Frame;
        long budget = Math.Min(left, ExecutableArena.LongestBudget);
        frame->Budget = _arena.Ramp + (nint)budget;
        frame->TimeBase = s->TscOffset + _cpu.RetiredNow + (ulong)frame->Budget;
        frame->Flags = LazyFlags.Get(s) | (s->OtherFlags & Eflags.DF) | InterruptFlagAndFixed | frame->ExtraFlags;
        _arena.Enter(s, _code.Base + entry);
        long used = budget - (frame->Budget - _arena.Ramp);
        left -= used;
        _statistics.Entries++;
        _statistics.HostInstructions += (ulong)used;
        LazyFlags.Set(s, (uint)frame->Flags);
        s->OtherFlags = (s->OtherFlags & ~Eflags.DF) | ((uint)frame->Flags & Eflags.DF);
        if (_floatingPoint.IsOnHost)
        {
            _floatingPoint.TakeBack();
        }

        return frame->Exit;
    }

    /// <summary>True for code that the translator takes: of 32 bits, in flat segments.</summary>
    public static bool Takes(Block* block) => block->Mode is Supervisor or User;

    private void Translate(Block* block)
    {
        if (!Takes(block) || block->Dead != 0
            || _cpu.Vcpu.Memory.HostPage(new GuestPhysicalAddress(block->Physical)) == null)
        {
            return;
        }

        Translate(block, callOuts: 0);
    }

    private void Translate(Block* block, ulong callOuts)
    {
        TranslatedBlock? translated = _translator.Translate(block, callOuts);
        if (translated is null)
        {
            _statistics.CacheFlushes++;
            Clear();
            translated = _translator.Translate(block, callOuts);
        }

        if (translated is { IsWorthwhile: true })
        {
            if (_verifier?.Check(_code.Bytes(translated.Start, translated.Length), translated.Start, offset => offset == _code.Exit) is { } wrong)
            {
                throw new InvalidOperationException($"the verifier refuses the translation of the code at 0x{block->Eip:X8}: {wrong}");
            }

            block->Host = translated.Start;
            block->HostIndex = _blocks.Count;
            _blocks.Add(translated);
            _statistics.BlocksTranslated++;
        }
    }

    private void Link(Block* block)
    {
        TranslatedBlock target = _blocks[block->HostIndex];
        if (block->CrossesPage != 0)
        {
            // Whether it may run depends on two pages: the branch asks the jump table each time.
            if (_code.HasRoom(BlockTranslator.MostBytesPerInstruction))
            {
                _code.Patch(_linkSlot, _translator.EmitJump(block->Eip));
            }

            _linkSlot = 0;
            return;
        }

        target.Incoming.Add((_linkSlot, _code.Target(_linkSlot)));
        _code.Patch(_linkSlot, block->Host);
        _linkSlot = 0;
    }

    // The host faulted in emitted code. Everything is as it was before the guest's instruction: the interpreter performs it.
    private bool Recover(AddressSpace space, bool user, ref long left)
    {
        const uint PageFault = 14;
        CpuState* s = _cpu.State;
        HostFrame* frame = _cpu.Vcpu.Frame;
        int offset = (int)(frame->FaultInstruction - _code.Base);
        Faulted?.Invoke(offset);
        TranslatedBlock translated = FindBlock(offset);
        Block* block = translated.Block;
        int index = translated.IndexOf(offset);
        if (index < 0)
        {
            // The budget did not suffice for the block; it was taken off already.
            left += block->Count;
            _statistics.HostInstructions -= (ulong)block->Count;
            _statistics.BudgetEnds++;
            s->Eip = block->Eip;
            return true;
        }

        left += block->Count - index;
        _statistics.HostInstructions -= (ulong)(block->Count - index);
        _statistics.HostFaults++;
        s->Eip = Block.Instructions(block)[index].Eip;
        bool isMapping = space.View.Contains(frame->FaultAddress, out uint linear) && (uint)frame->FaultReason == PageFault;
        if (isMapping)
        {
            _fill = (linear, user);
        }

        if (translated.NoteFault(index, _statistics.HostInstructions))
        {
            ulong callOuts = translated.CallOuts;
            Invalidate(block);
            Translate(block, callOuts);
        }

        return true;
    }

    private TranslatedBlock FindBlock(int offset)
    {
        int low = 0;
        int high = _blocks.Count - 1;
        while (low < high)
        {
            int middle = (low + high + 1) / 2;
            if (_blocks[middle].Start <= offset)
            {
                low = middle;
            }
            else
            {
                high = middle - 1;
            }
        }

        return _blocks[low];
    }

    private bool IsGlobal(Block* block) =>
        IsGlobal(block->Eip) && (block->CrossesPage == 0 || IsGlobal(block->Eip + (uint)block->Length - 1));

    private bool IsGlobal(uint linear) =>
        _cpu.Vcpu.Mmu.Tlb.TryGet(linear, out _, out TlbRights rights) && (rights & TlbRights.Global) != 0 && (_cpu.State->Cr0 & Cr0.PG) != 0;

    // What a view may hold of a page: what the TLB says now.
    private bool TryProject(uint linear, bool user, out GuestPhysicalAddress page, out bool writable, out bool global)
    {
        Mmu mmu = _cpu.Vcpu.Mmu;
        GuestMemory memory = _cpu.Vcpu.Memory;
        TlbRights rights = TlbRights.Writable | TlbRights.User | TlbRights.Dirty;
        ulong physical = linear;
        writable = false;
        page = default;
        if ((_cpu.State->Cr0 & Cr0.PG) != 0 && !mmu.Tlb.TryGet(linear, out physical, out rights))
        {
            global = false;
            return false;
        }

        page = new GuestPhysicalAddress(physical & mmu.PhysicalMask & ~0xFFFul);
        global = (rights & TlbRights.Global) != 0;
        PageAccess access = user ? PageAccess.User : 0;
        if (!mmu.Allows(rights, access) || memory.KindAt(page) != PageKind.Ram)
        {
            return false;
        }

        writable = (rights & TlbRights.Dirty) != 0 && mmu.Allows(rights, access | PageAccess.Write) && memory.CodePages[page.Value >> 12] == 0;
        return true;
    }
}
