using System.Runtime.CompilerServices;
using ToyVmm.Engines.Decoding;
using ToyVmm.Engines.Interpretation.FloatingPoint;
using ToyVmm.Engines.Translation;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation;

/// <summary>
/// The reference engine: exact first. Guest code is decoded once into blocks (<see cref="BlockCache"/>), a block's handlers
/// call each other, and this loop takes over between blocks: it counts instructions, delivers events, and leaves.
/// </summary>
/// <remarks>
/// The files beside this one: <c>Interpreter.Memory</c> (how handlers reach memory), <c>Interpreter.Events</c> (what happens
/// between instructions), <c>Instructions/</c> (a file for each family, as in SDM 2), <c>Events/</c> (IDT, gates, tasks).
/// </remarks>
public sealed unsafe partial class Interpreter : IExecutionEngine
{
    // A REP string instruction counts nothing of the budget until it is done: after so many elements, give or take a piece, the monitor may look at its limits.
    private const int MostStringElements = 1 << 22;

    private readonly BlockCache _blocks;
    private readonly bool _portable;
    private HostX87? _hostX87;
    private bool _hostX87Tried;
    private long _left;
    private ulong _retiredAtEnd;

    /// <summary>Makes an engine for a CPU.</summary>
    /// <param name="vcpu">The CPU; it must outlive the engine.</param>
    /// <param name="portable">
    /// True to take nothing from the host's floating-point units that processor families do differently: x87's transcendental instructions and
    /// RCPPS, RSQRTPS then have the same bits on every host. False to have those of this host, where it is an x86.
    /// </param>
    public Interpreter(Vcpu vcpu, bool portable = false)
    {
        _portable = portable;
        Vcpu = vcpu;
        State = vcpu.State;
        EflagsBits = vcpu.Model.EflagsBits;
        _blocks = new BlockCache(this);
        vcpu.WasReset += ForgetInstructionInFlight;
        vcpu.StateReplaced += OnStateReplaced;
        vcpu.LeaveRequested += EndBudget;
        vcpu.ProbeChanged += OnProbeChanged;
        OnProbeChanged();
        vcpu.StopsReplaced += OnStopsReplaced;
        vcpu.InsideString = () => _insideString == State->Retired;
        OnStateReplaced();
    }

    /// <summary>The CPU.</summary>
    internal Vcpu Vcpu { get; }

    /// <summary>The CPU's state.</summary>
    internal CpuState* State { get; }

    /// <summary>The bits of EFLAGS that the CPU model has: for POPF and IRET, which are too frequent to ask it.</summary>
    internal uint EflagsBits { get; }

    /// <summary>True where the host's instruction gives the bits of an approximation (RCPPS, RSQRTPS).</summary>
    internal bool UsesHostApproximations => !_portable && System.Runtime.Intrinsics.X86.Sse.IsSupported;

    /// <summary>The host's x87 unit, made when it is first asked for; null where the host has none, or the engine is portable.</summary>
    internal HostX87? HostX87
    {
        get
        {
            if (!_hostX87Tried)
            {
                _hostX87Tried = true;
                _hostX87 = _portable ? null : FloatingPoint.HostX87.TryCreate();
            }

            return _hostX87;
        }
    }

    /// <summary>Executes some instructions in another way; null, as a rule. Set before the first run.</summary>
    internal IInstructionSubstitute? Substitute { get; set; }

    /// <summary>Set by a handler that returns <see cref="Flow.Stop"/> or <see cref="Flow.Leave"/>: the instruction it is about.</summary>
    internal DecodedInstruction* StopAt { get; set; }

    /// <summary>Set by a handler that returns <see cref="Flow.Link"/>: where to remember the next block.</summary>
    internal nint* LinkSlot { get; set; }

    /// <summary>Elements of REP string instructions until the monitor may look.</summary>
    internal int StringElementsLeft { get; set; }

    /// <summary>Instructions retired before the last one of the running block: what RDTSC reads, exact where it ends its block.</summary>
    internal ulong RetiredAtBlockEnd => _retiredAtEnd - (ulong)_left - 1;

    /// <summary>Instructions retired when the run loop is between two blocks.</summary>
    internal ulong RetiredNow => _retiredAtEnd - (ulong)_left;

    /// <summary>Ends a block with an indirect near branch: straight to a block that one look finds, or by way of the run loop.</summary>
    /// <param name="target">The offset in CS, checked.</param>
    /// <returns>What the handler returns.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal nint GoTo(uint target)
    {
        State->Eip = target;
        return IsSingleStepping ? Flow.Lookup : (nint)_blocks.FindFast(State, target);
    }

    /// <summary>Decodes the block at an offset in CS without running it; null where no code can be fetched, and the fault is forgotten.</summary>
    internal Block* DecodeBlock(uint eip)
    {
        Block* block = _blocks.Find(eip, single: false);
        FaultVector = -1;
        return block;
    }

    /// <summary>The engine's emitted code; null where everything is interpreted.</summary>
    internal TranslatedCode? Translated { get; private set; }

    /// <summary>The host addresses that emitted code was given, at this moment; empty where everything is interpreted.</summary>
    public IReadOnlyList<HostRange> HostRanges => Translated?.HostRanges ?? [];

    /// <summary>Has the verifier look at all emitted code as it stands now, with the branches between blocks.</summary>
    /// <returns>Null, or what is wrong.</returns>
    public string? VerifyEmittedCode() => Translated?.VerifyAll();

    /// <summary>True while nobody has stored beside emitted code.</summary>
    public bool IsIntact => Translated?.Code.IsIntact ?? true;

    /// <summary>Why emitted code cannot run on this host; null where it can.</summary>
    public static string? TranslationUnavailable => ExecutableArena.Process.Unavailable;

    /// <summary>Lets hot blocks run as emitted code from now on.</summary>
    /// <param name="options">How.</param>
    /// <returns>Null, or why this host cannot.</returns>
    public string? TryTranslate(TranslatorOptions options)
    {
        Translated = TranslatedCode.TryCreate(this, options, out string? unavailable);
        return unavailable;
    }

    /// <summary>
    /// The most instructions in a block that is decoded from now on. A block longer than the budget is interpreted one by one: blocks of one
    /// instruction have each of them run on the host, whatever the budget.
    /// </summary>
    internal int LongestBlock { get; set; } = InstructionDecoder.LongestBlock;

    /// <summary>The exit that a handler has asked for with <see cref="Flow.Stop"/> or <see cref="Flow.Leave"/>.</summary>
    internal VmExit? RequestedExit { get; set; }

    /// <inheritdoc/>
    public VmExit Run(ulong maxInstructions)
    {
        if (Vcpu.Io.TryTakePosted(out VmExit posted))
        {
            return posted;
        }

        long budget = (long)Math.Min(maxInstructions, long.MaxValue / 2);
        _left = budget;
        StringElementsLeft = MostStringElements;
        _retiredAtEnd = State->Retired + (ulong)budget;

        // A branch at the end of the last run may have left a link to make; EIP need not be where it went any more.
        LinkSlot = null;
        Translated?.ForgetLink();
        BeginObservation();
        VmExit exit = Vcpu.Costs is null ? RunLoop<Unmetered>() : RunLoop<Metered>();
        if (Vcpu.Frame->LatchAccesses != 0)
        {
            Vcpu.Ports?.CountLatchAccesses(Vcpu.Frame->LatchAccesses);
            Vcpu.Frame->LatchAccesses = 0;
        }

        State->Retired = RetiredNow;
        return exit;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Vcpu.WasReset -= ForgetInstructionInFlight;
        Vcpu.StateReplaced -= OnStateReplaced;
        Vcpu.LeaveRequested -= EndBudget;
        Vcpu.ProbeChanged -= OnProbeChanged;
        Vcpu.StopsReplaced -= OnStopsReplaced;
        Vcpu.InsideString = null;
        _blocks.Dispose();
        Translated?.Dispose();
        _hostX87?.Dispose();
        DisposeTlb();
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private VmExit RunLoop<TMetering>()
        where TMetering : struct, IMetering
    {
        CpuState* s = State;
        TranslatedCode? translated = Translated;
        for (; ; )
        {
            if (_left <= 0)
            {
                LinkSlot = null;
                return new VmExit(ExitReason.BudgetSpent);
            }

            bool single = false;
            if (s->Attention != Attention.None)
            {
                // What comes next may be a handler, not the branch's target.
                LinkSlot = null;
                translated?.ForgetLink();
                switch (Attend(out VmExit exit))
                {
                    case Attended.Leave:
                        return exit;
                    case Attended.Again:
                        continue;
                    case Attended.Single:
                        single = true;
                        break;
                }
            }

            Block* block = _blocks.Find(s->Eip, single);
            if (block != null && block->Count > _left)
            {
                single = true;
                block = _blocks.Find(s->Eip, single);
            }

            if (block == null)
            {
                LinkSlot = null;
                translated?.ForgetLink();
                EndSingle(completed: false);
                if (!DeliverFault())
                {
                    return new VmExit(ExitReason.Shutdown);
                }

                continue;
            }

            if (LinkSlot != null)
            {
                BlockCache.Link(LinkSlot, block);
                LinkSlot = null;
            }

            nint flow;
            for (; ; )
            {
                DecodedInstruction* first = Block.Instructions(block);
                if (translated != null)
                {
                    if (!single && translated.IsReady(block))
                    {
                        // What emitted code leaves to the interpreter, and with it the rest of its block.
                        first = translated.Run(ref block, ref _left);
                        if (first == null)
                        {
                            flow = Flow.Lookup;
                            break;
                        }
                    }
                    else if (TMetering.IsOn)
                    {
                        Vcpu.Costs!.Interpret();
                    }

                    translated.BeforeInterpreting(first);
                }
                else if (TMetering.IsOn)
                {
                    Vcpu.Costs!.Interpret();
                }

                _left -= block->Count - first->Position;
                flow = first->Handler(s, first, this);
                translated?.AfterInterpreting();
                if (flow <= Flow.Last)
                {
                    break;
                }

                block = (Block*)flow;
                if (block->Count > _left)
                {
                    s->Eip = block->Eip;
                    flow = Flow.Lookup;
                    break;
                }
            }

            switch (flow)
            {
                case Flow.Lookup:
                    LinkSlot = null;
                    if (single)
                    {
                        EndSingle(completed: true);
                    }

                    break;

                case Flow.Link:
                    if (single)
                    {
                        LinkSlot = null;
                        EndSingle(completed: true);
                    }

                    break;

                case Flow.Leave:
                    Vcpu.ExitInstruction = StopAt->Eip;
                    _left += block->Count - StopAt->Position - 1;
                    if (single)
                    {
                        EndSingle(completed: true);
                    }

                    return TakeRequestedExit();

                default:
                    _left += block->Count - StopAt->Position;
                    s->Eip = StopAt->Eip;
                    if (FaultVector == RunAlone)
                    {
                        ClearFault();
                    }
                    else if (FaultVector >= 0)
                    {
                        EndSingle(completed: false);
                        if (!DeliverFault())
                        {
                            return new VmExit(ExitReason.Shutdown);
                        }
                    }
                    else if (RequestedExit is not null)
                    {
                        SuspendSingle();
                        Vcpu.ExitInstruction = StopAt->Eip;
                        return TakeRequestedExit();
                    }
                    else if (InterruptedString)
                    {
                        InterruptedString = false;
                        Vcpu.ExitInstruction = StopAt->Eip;
                        if (single)
                        {
                            EndSingle(completed: true);
                        }

                        // An element was written to a device: the monitor performs it before the next one.
                        if (Vcpu.Io.TryTakePosted(out VmExit posted))
                        {
                            return posted;
                        }

                        if (Vcpu.CancelRequested || StringElementsLeft < 0)
                        {
                            return new VmExit(ExitReason.Cancelled);
                        }
                    }
                    else
                    {
                        // The code was overwritten: decode it again. An instruction that ran alone and overwrote itself has completed.
                        _blocks.Forget(StopAt->Eip);
                        if (single && StopAt->Position == block->Count)
                        {
                            EndSingle(completed: true);
                        }
                    }

                    break;
            }
        }
    }

    private VmExit TakeRequestedExit()
    {
        VmExit? exit = RequestedExit;
        RequestedExit = null;
        return exit ?? (Vcpu.Io.TryTakePosted(out VmExit posted)
            ? posted
            : throw new InvalidOperationException("the interpreter left without a reason: a bug in ToyVmm"));
    }

    private void OnStateReplaced()
    {
        FaultVector = -1;
        RequestedExit = null;
        LinkSlot = null;
        _runAlone = false;
        UpdateMode();
        UpdateAttention();
        FlushTlbProjection();
    }

    // Whether the run loop tells a meter of each block: compiled once for each answer, since even asking for it would cost something.
    private interface IMetering
    {
        static abstract bool IsOn { get; }
    }

    private readonly struct Metered : IMetering
    {
        public static bool IsOn => true;
    }

    private readonly struct Unmetered : IMetering
    {
        public static bool IsOn => false;
    }
}
