using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ToyVmm.Engines.Decoding;
using ToyVmm.Engines.Interpretation;
using ToyVmm.Engines.Metering;
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
internal sealed unsafe partial class TranslatedCode : IDisposable
{
    private const DecodeMode Based = DecodeMode.BasedEs | DecodeMode.BasedCs | DecodeMode.BasedSs | DecodeMode.BasedDs;

    private readonly Interpreter _cpu;
    private readonly TranslationStatistics _statistics;
    private readonly ExecutableArena _arena;
    private readonly CodeCache _code;
    private readonly BlockTranslator _translator;
    private readonly AddressSpacePool _spaces;
    private readonly ShadowPager _pager;
    private readonly List<TranslatedBlock> _blocks = [];

    // Jumps to blocks on two pages, by way of the jump table.
    private readonly List<(int Start, int Length)> _jumps = [];
    private readonly FloatingPointState _floatingPoint;
    private readonly CodeVerifier? _verifier;
    private readonly int _hotness;
    private readonly bool _trapOnly;
    private readonly CallOutTable _callOuts = new();
    private int _linkSlot;

    private TranslatedCode(Interpreter cpu, TranslatorOptions options, ExecutableArena arena, CodeCache code, AddressSpacePool spaces, TranslationStatistics statistics)
    {
        _hotness = options.Hotness;
        _trapOnly = options.TrapOnly;
        _verifier = options.Verify ? new CodeVerifier(sizeof(HostFrame), sizeof(CpuState)) : null;
        _cpu = cpu;
        _statistics = statistics;
        _arena = arena;
        _code = code;
        _spaces = spaces;
        _pager = new ShadowPager(cpu.Vcpu, cpu.IsWatched);
        _translator = new BlockTranslator(cpu.Vcpu.Memory, code, options.Differing, options.TrapOnly);
        cpu.Vcpu.Translation = _statistics;
        _floatingPoint = new FloatingPointState(cpu.Vcpu);
    }

    /// <summary>Makes it for a virtual CPU.</summary>
    /// <param name="cpu">The interpreter, whose memory must be shared (<see cref="GuestMemory.IsShared"/>).</param>
    /// <param name="options">How it goes about it.</param>
    /// <param name="unavailable">When there is none: why.</param>
    public static TranslatedCode? TryCreate(Interpreter cpu, TranslatorOptions options, out string? unavailable)
    {
        if (options is { TrapOnly: true, Verify: true })
        {
            throw new ArgumentException("the verifier refuses code that traps: choose one of TrapOnly and Verify", nameof(options));
        }

        ExecutableArena arena = ExecutableArena.Process;
        unavailable = arena.Unavailable ?? (!cpu.Vcpu.Memory.IsShared ? "guest RAM cannot be mapped a second time" : null);
        if (unavailable is not null)
        {
            return null;
        }

        CodeCache? code = CodeCache.TryCreate(arena, options.CodeCacheBytes);
        TranslationStatistics statistics = new();
        MappingBudget mappings = options.Mappings is { } most ? new MappingBudget(most) : arena.Mappings;
        AddressSpacePool? spaces = AddressSpacePool.TryCreate(mappings, statistics, options.Views);
        if (code is null || spaces is null)
        {
            code?.Dispose();
            spaces?.Dispose();
            unavailable = "the host does not give the address space";
            return null;
        }

        cpu.Vcpu.Frame->CodeCache = code.Base;
        return new TranslatedCode(cpu, options, arena, code, spaces, statistics);
    }

    /// <summary>What is in the code cache now, ascending by address.</summary>
    public IReadOnlyList<TranslatedBlock> Blocks => _blocks;

    /// <summary>Every range of host addresses that emitted code was given.</summary>
    public IReadOnlyList<HostRange> HostRanges =>
        [new(HostRangeKind.Code, _code.Base, ExecutableArena.ChunkSize), .. _spaces.All.SelectMany(space => space.View.Ranges)];

    /// <summary>The code cache.</summary>
    public CodeCache Code => _code;

    /// <summary>Which instructions faulted too often.</summary>
    public FaultHistory Faults => _faults;

    /// <summary>What the views hold of a page; nothing is made for the asking.</summary>
    /// <param name="linear">An address in the page.</param>
    /// <param name="user">True for CPL 3.</param>
    public ShadowPage PeekView(uint linear, bool user) =>
        _spaces.Peek(_cpu.Vcpu.Mmu.Tlb.CurrentSpace, user) is { } space ? space.View.Peek(linear) : default;

    /// <summary>The translation that begins at an offset in the code cache; null where none does.</summary>
    public TranslatedBlock? BlockStartingAt(int offset) => _blocks.Count > 0 && FindBlock(offset) is { } found && found.Start == offset ? found : null;

    /// <summary>Pages of the host's memory that all jump tables take.</summary>
    public int JumpTablePages => _spaces.All.Sum(space => space.JumpTablePages);

    /// <summary>Told where emitted code has faulted: an offset in the code cache. For tests.</summary>
    public Action<int>? Faulted { get; set; }

    /// <summary>True for code that the translator takes: of 32 bits, and CS, SS, DS and ES have 4 GiB each, from address 0 or another.</summary>
    public static bool Takes(Block* block)
    {
        const DecodeMode Wide = DecodeMode.Code32 | DecodeMode.Stack32;
        const DecodeMode Flat = DecodeMode.FlatEs | DecodeMode.FlatCs | DecodeMode.FlatSs | DecodeMode.FlatDs;
        const int FromBasedToFlat = 7;
        DecodeMode mode = block->Mode;
        DecodeMode reaching = mode | (DecodeMode)((uint)mode >> FromBasedToFlat);
        return (mode & (Wide | DecodeMode.SingleStep)) == Wide && (reaching & Flat) == Flat;
    }

    /// <summary>
    /// True when a block runs on the host now; counts its uses, and translates it once it is hot. A block whose first instruction is the interpreter's
    /// has emitted code too, for branches to it; coming from the run loop there is nothing to enter it for.
    /// </summary>
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

        return block->Host != 0 && block->Eip != _awaited && _cpu.MayRunTranslated && Connect(block);
    }

    /// <summary>Runs emitted code from a block on, until it leaves.</summary>
    /// <param name="block">The block; <see cref="IsReady"/> has said so. Receives the one in which it left.</param>
    /// <param name="left">The budget, at least the block's count.</param>
    /// <returns>The instruction of the block that must be interpreted next, before EIP counts again; null to go on at EIP.</returns>
    public DecodedInstruction* Run(ref Block* block, ref long left)
    {
        HostFrame* frame = _cpu.Vcpu.Frame;
        int entry = block->Host;
        for (; ; )
        {
            switch (Enter(entry, ref left))
            {
                case ExitKind.Link:
                    _linkSlot = frame->ExitSlot;
                    _statistics.Links++;
                    return null;
                case ExitKind.Lookup:
                    _statistics.Lookups++;
                    return null;
                case ExitKind.CallOut:
                    return LeaveToInterpreter(ref block, ref left);
                case ExitKind.LoadFpu or ExitKind.LoadSse:
                    _statistics.FloatingPointLoads++;
                    entry = frame->ExitSlot;
                    if (!_floatingPoint.TryHandOver(sse: frame->Exit == ExitKind.LoadSse))
                    {
                        block = FindBlock(entry).Block;
                        return Block.Instructions(block);
                    }

                    break;
                default:
                    return Recover(ref block, ref left);
            }
        }
    }

    /// <summary>The branch that left last must not be patched.</summary>
    public void ForgetLink() => _linkSlot = 0;

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
        foreach (AddressSpace space in _spaces.All)
        {
            space.Forget(block->Eip);
        }

        block->Host = 0;
    }

    /// <summary>
    /// Has the verifier look at all emitted code as it stands, with its branches patched: each must go to where a block or a jump begins, or out.
    /// </summary>
    /// <returns>Null, or what is wrong.</returns>
    public string? VerifyAll()
    {
        CodeVerifier verifier = new(sizeof(HostFrame), sizeof(CpuState));
        HashSet<int> entries = [_code.Exit, .. _blocks.Select(block => block.Start), .. _jumps.Select(jump => jump.Start)];
        foreach ((int start, int length) in _blocks.Select(block => (block.Start, block.Length)).Concat(_jumps))
        {
            if (verifier.Check(_code.Bytes(start, length), start, entries.Contains) is { } wrong)
            {
                return wrong;
            }
        }

        return null;
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
        _jumps.Clear();
        _code.Clear();
        _callOuts.Clear();
        _linkSlot = 0;
        _watched = null;
        _faulted = null;
        ForgetTargets();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _code.Dispose();
        _floatingPoint.Dispose();
        _spaces.Dispose();
    }

    private ExitKind Enter(int entry, ref long left)
    {
        CpuState* s = _cpu.State;
        HostFrame* frame = _cpu.Vcpu.Frame;
        long budget = Math.Min(left, ExecutableArena.LongestBudget);
        frame->Budget = _arena.Ramp + (nint)budget;
        frame->TimeBase = s->TscOffset + _cpu.RetiredNow + (ulong)frame->Budget;
        frame->Flags = LazyFlags.Get(s) | (s->OtherFlags & Eflags.DF) | frame->ExtraFlags;
        frame->SystemFlags = s->OtherFlags & ~(Eflags.DF | Eflags.IF | Eflags.RF | Eflags.VM);
        frame->InterruptFlag = s->OtherFlags & Eflags.IF;
        if (_cpu.Vcpu.Costs is { } costs)
        {
            EnterMetered(entry, costs);
        }
        else
        {
            _arena.Enter(s, _code.Base + entry);
        }

        long used = budget - (frame->Budget - _arena.Ramp);
        left -= used;
        _statistics.Entries++;
        _statistics.HostInstructions += (ulong)used;
        LazyFlags.Set(s, (uint)frame->Flags);
        s->OtherFlags = (s->OtherFlags & ~(Eflags.DF | Eflags.IF)) | ((uint)frame->Flags & Eflags.DF) | (frame->InterruptFlag & Eflags.IF);
        if (_floatingPoint.IsOnHost)
        {
            _floatingPoint.TakeBack();
        }

        return frame->Exit;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void EnterMetered(int entry, CostMeter costs)
    {
        costs.Begin(CostKind.GuestCode);
        _arena.Enter(_cpu.State, _code.Base + entry);
        costs.Begin(CostOf(_cpu.Vcpu.Frame->Exit));
        if (costs.Profile is { } profile)
        {
            Attribute(profile);
        }
    }

    // Which instruction of the guest emitted code was left for. What a fault was is found out later (CostMeter.Become).
    private void Attribute(InterventionProfile profile)
    {
        CpuState* s = _cpu.State;
        HostFrame* frame = _cpu.Vcpu.Frame;
        switch (frame->Exit)
        {
            case ExitKind.CallOut:
                DecodedInstruction* instruction = _callOuts.Get(frame->ExitSlot, out bool onTrial);
                ulong retired = frame->TimeBase - s->TscOffset - (ulong)frame->Budget;
                profile.BeginCallOut(instruction, (Block*)(instruction - instruction->Position) - 1, onTrial, retired);
                break;
            case ExitKind.Lookup:
                profile.Begin(InterventionKind.Lookup, s->Cs.Base + s->Eip);
                break;
            case ExitKind.Link or ExitKind.LoadFpu or ExitKind.LoadSse:
                break;
            default:
                int offset = (int)(frame->FaultInstruction - _code.Base);
                TranslatedBlock translated = FindBlock(offset);
                int index = translated.IndexOf(offset);
                if (index >= 0)
                {
                    profile.Begin(InterventionKind.OtherFault, s->Cs.Base + Block.Instructions(translated.Block)[index].Eip);
                }

                break;
        }
    }

    // What a way out of emitted code costs; a fault is looked into later.
    private static CostKind CostOf(ExitKind exit) => exit switch
    {
        ExitKind.Link => CostKind.Link,
        ExitKind.Lookup => CostKind.Lookup,
        ExitKind.CallOut => CostKind.CallOut,
        ExitKind.LoadFpu or ExitKind.LoadSse => CostKind.FloatingPointLoad,
        _ => CostKind.OtherFault,
    };

    private void Translate(Block* block)
    {
        if (!Takes(block))
        {
            const DecodeMode Wide = DecodeMode.Code32 | DecodeMode.Stack32;
            _ = (block->Mode & Wide) != Wide ? _statistics.NarrowBlocks++ : _statistics.SegmentedBlocks++;
            return;
        }

        if (block->Stops != BlockStops.None || block->Dead != 0 || _cpu.Vcpu.Memory.HostPage(new GuestPhysicalAddress(block->Physical)) == null)
        {
            return;
        }

        EmitBlock(block);
    }

    private void EmitBlock(Block* block)
    {
        _cpu.Vcpu.Costs?.Enter(CostKind.Translation);
        long started = Stopwatch.GetTimestamp();
        TranslatedBlock? translated = _translator.Translate(block, _faults, _callOuts);
        if (translated is null)
        {
            _statistics.CacheFlushes++;
            Clear();
            translated = _translator.Translate(block, _faults, _callOuts);
        }

        _statistics.TranslationTime += Stopwatch.GetElapsedTime(started);
        if (translated is not null)
        {
            Verify(translated.Start, translated.Length, block->Eip);
            _statistics.BlocksVerified += _verifier is null ? 0u : 1;
            block->Host = translated.Start;
            block->HostIndex = _blocks.Count;
            block->RunsOnHost = translated.RunsOnHost ? (byte)1 : (byte)0;
            _blocks.Add(translated);
            _statistics.BlocksTranslated++;
            _statistics.InstructionsTranslated += (ulong)block->Count;
            _statistics.BasedBlocks += (block->Mode & Based) != 0 ? 1u : 0;
            _statistics.SensitiveBlocks += translated.RunsOnHost ? 0u : 1;
        }

        _cpu.Vcpu.Costs?.Leave();
    }

    private void Verify(int start, int length, uint eip)
    {
        if (_verifier?.Check(_code.Bytes(start, length), start, offset => offset == _code.Exit) is { } wrong)
        {
            throw new InvalidOperationException($"the verifier refuses the translation of the code at 0x{eip:X8}: {wrong}");
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
                int jump = _translator.EmitJump(block->Eip);
                Verify(jump, _code.Used - jump, block->Eip);
                _jumps.Add((jump, _code.Used - jump));
                _code.Patch(_linkSlot, jump);
            }

            _linkSlot = 0;
            return;
        }

        target.Incoming.Add((_linkSlot, _code.Target(_linkSlot)));
        _code.Patch(_linkSlot, block->Host);
        _linkSlot = 0;
    }

    // The host faulted in emitted code. Everything is as it was before the guest's instruction: the interpreter performs it.
    private DecodedInstruction* Recover(ref Block* block, ref long left)
    {
        const uint PageFault = 14;
        HostFrame* frame = _cpu.Vcpu.Frame;
        int offset = (int)(frame->FaultInstruction - _code.Base);
        Faulted?.Invoke(offset);
        TranslatedBlock translated = FindBlock(offset);
        block = translated.Block;
        int index = translated.IndexOf(offset);
        if (index < 0)
        {
            // The budget did not suffice for the block; it was taken off already.
            left += block->Count;
            _statistics.HostInstructions -= (ulong)block->Count;
            _statistics.BudgetEnds++;
            _cpu.Vcpu.Costs?.Become(CostKind.BudgetEnd);
            _cpu.State->Eip = block->Eip;
            return null;
        }

        translated.FixString(offset, _cpu.State, frame);
        left += block->Count - index;
        _statistics.HostInstructions -= (ulong)(block->Count - index);
        _statistics.HostFaults++;
        bool isMapping = _active!.View.Contains(frame->FaultAddress, out uint linear) && (uint)frame->FaultReason == PageFault;
        if (isMapping)
        {
            _fill = (linear, _active.User);
        }

        _faulted = translated;
        _faultedIndex = index;
        _keptBefore = _cpu.Vcpu.Memory.PagesKept;
        return Block.Instructions(block) + index;
    }

    private DecodedInstruction* LeaveToInterpreter(ref Block* block, ref long left)
    {
        _statistics.CallOuts++;
        DecodedInstruction* instruction = _callOuts.Get(_cpu.Vcpu.Frame->ExitSlot, out bool onTrial);
        block = (Block*)(instruction - instruction->Position) - 1;
        if (left < block->Count - instruction->Position)
        {
            // A block that begins with such an instruction has not counted.
            _statistics.BudgetEnds++;
            _cpu.Vcpu.Costs?.Become(CostKind.BudgetEnd);
            _cpu.State->Eip = instruction->Eip;
            return null;
        }

        if (onTrial)
        {
            Watch(_blocks[block->HostIndex], instruction->Position);
        }

        return instruction;
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
        IsGlobalAt(block->Eip) && (block->CrossesPage == 0 || IsGlobalAt(block->Eip + (uint)block->Length - 1));

    private bool IsGlobalAt(uint eip) =>
        _cpu.Vcpu.Mmu.Tlb.TryGet(_cpu.State->Cs.Base + eip, out _, out TlbRights rights) && (rights & TlbRights.Global) != 0 && (_cpu.State->Cr0 & Cr0.PG) != 0;
}
