using System.Diagnostics;
using System.Runtime.InteropServices;
using ToyVmm.Engines.Decoding;
using ToyVmm.Engines.Translation;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Metering;

/// <summary>
/// Attributes what a <see cref="CostMeter"/> measures to instructions of the guest: each time that its code is left, the reason, the address and the host
/// time until it goes on. Counts of exits are exact, and the same on every engine; what emitted code leaves for is the translator's alone.
/// </summary>
/// <remarks>
/// One intervention can begin as something and turn out to be another: emitted code is left for OUT, which then is an exit; a fault of the host turns out to
/// be hidden. It counts once, as what it was in the end. A guest cannot make the table grow without bounds: see <see cref="MostSites"/>.
/// </remarks>
public sealed unsafe class InterventionProfile
{
    /// <summary>So many sites are told apart; what comes behind them is counted by kind and detail alone, at address 0.</summary>
    public const int MostSites = 1 << 16;

    /// <summary>A tag with this bit ends no run of others, and makes none.</summary>
    public const int NeutralTag = 0x100;

    /// <summary>Interventions further apart than this are no run: the guest has done something else between them.</summary>
    public const ulong RunInstructions = 1000;

    private const int Kinds = (int)InterventionKind.Lookup + 1;

    private readonly Vcpu _vcpu;
    private readonly Disassembler _disassembler = new();
    private readonly Dictionary<InterventionKey, InterventionSite> _sites = [];

    // What is known of an instruction that emitted code leaves to the interpreter, by its physical address and handler.
    private readonly Dictionary<(ulong Physical, nint Handler), (InterventionKind Kind, string Text)> _callOuts = [];
    private readonly ulong[] _runs = new ulong[Kinds];
    private readonly Dictionary<int, ulong> _tagRuns = [];
    private Open _outer;
    private Open _inner;
    private InterventionKey _last;
    private uint _pageTable;
    private int _suspended;
    private int _lastRun = int.MaxValue;
    private ulong _lastRunAt;

    /// <summary>Makes a profile, for the meter of the CPU (<see cref="Vcpu.Costs"/>).</summary>
    /// <param name="vcpu">The CPU.</param>
    public InterventionProfile(Vcpu vcpu)
    {
        ArgumentNullException.ThrowIfNull(vcpu);
        _vcpu = vcpu;
    }

    /// <summary>Every site, in no order. Not while the machine runs.</summary>
    public IReadOnlyCollection<InterventionSite> Sites
    {
        get
        {
            double reading = _vcpu.Costs?.ReadingTicks ?? 0;
            foreach (InterventionSite site in _sites.Values)
            {
                site.Time = Stopwatch.GetElapsedTime(0, (long)Math.Max(site.Ticks - (site.Stretches * reading), 0));
            }

            return _sites.Values;
        }
    }

    /// <summary>
    /// How often interventions with a tag came one behind the other: with none between that has another tag or is of another kind, and fewer than
    /// <see cref="RunInstructions"/> instructions from each to the next.
    /// </summary>
    /// <param name="tag">The tag, not 0.</param>
    /// <returns>The number of such runs: one hypercall for each would have done what they did.</returns>
    public ulong RunsOf(int tag) => _tagRuns.GetValueOrDefault(tag);

    /// <summary>As <see cref="RunsOf(int)"/>, for interventions without a tag.</summary>
    /// <param name="kind">Their kind; <see cref="InterventionKind.TlbFlush"/> and <see cref="InterventionKind.PageInvalidation"/> are one.</param>
    public ulong RunsOf(InterventionKind kind) => _runs[(int)OneOf(kind)];

    /// <summary>Linear address of the instruction that left the engine last, or accesses a port now.</summary>
    public uint ExitAddress => _vcpu.State->Cs.Base + _vcpu.ExitInstruction;

    /// <summary>The engine has left for an exit. The meter has been told.</summary>
    /// <param name="kind">What for; null where no instruction did it: the budget's end.</param>
    /// <param name="detail">See <see cref="InterventionKey.Detail"/>.</param>
    /// <param name="tag">See <see cref="InterventionKey.Tag"/>.</param>
    public void BeginExit(InterventionKind? kind, uint detail, int tag)
    {
        if (kind is { } known)
        {
            InterventionKey key = new(ExitAddress, known, detail, tag);
            if (!TryRefine(key))
            {
                Commit(ref _outer);
                _outer = new Open(key, _vcpu.State->Retired);
            }
        }
        else
        {
            Commit(ref _outer);
        }
    }

    /// <summary>The engine has left behind an access that was performed in place: what is done now is still part of it.</summary>
    public void ContinueAccess()
    {
        Commit(ref _outer);
        _outer = new Open(_last, 0) { IsCounted = true };
    }

    /// <summary>An access is performed in place. The meter has been told, and <see cref="CostMeter.Leave"/> ends it.</summary>
    /// <param name="kind">What it is.</param>
    /// <param name="detail">See <see cref="InterventionKey.Detail"/>.</param>
    /// <param name="tag">See <see cref="InterventionKey.Tag"/>.</param>
    public void EnterExit(InterventionKind kind, uint detail, int tag)
    {
        InterventionKey key = new(ExitAddress, kind, detail, tag);
        if (!TryRefine(key))
        {
            _inner = new Open(key, _vcpu.State->Retired);
        }
    }

    internal void Add(long ticks)
    {
        if (_suspended > 0)
        {
            return;
        }

        ref Open open = ref _inner.IsActive ? ref _inner : ref _outer;
        open.Ticks += ticks;
        open.Stretches++;
    }

    /// <summary>The guest's code goes on.</summary>
    internal void Close()
    {
        Commit(ref _outer);
        _suspended = 0;
    }

    /// <summary>A part begins that is not the open intervention's.</summary>
    internal void Suspend() => _suspended++;

    /// <summary>That part ends.</summary>
    internal void Resume() => _suspended--;

    /// <summary>An access in place ends.</summary>
    internal void LeaveExit() => Commit(ref _inner);

    /// <summary>What is open is no intervention.</summary>
    internal void Drop() => _outer = default;

    /// <summary>What is open turns out to be a fault of a certain kind.</summary>
    internal void Refine(InterventionKind kind)
    {
        if (_outer.IsActive && _outer.Key.Kind == InterventionKind.OtherFault)
        {
            _outer.Key = _outer.Key with { Kind = kind };
        }
    }

    /// <summary>Emitted code was left for a look-up, or because of a fault.</summary>
    /// <remarks>Where paging is on the detail is 1: faults then can have to do with page tables.</remarks>
    internal void Begin(InterventionKind kind, uint address) => _outer = new Open(new InterventionKey(address, kind, _vcpu.State->Cr0 >> 31, 0), 0);

    /// <summary>Emitted code was left for an instruction that the interpreter performs.</summary>
    /// <param name="instruction">Which.</param>
    /// <param name="block">Its block.</param>
    /// <param name="onTrial">True where it is the interpreter's only because it has faulted often.</param>
    /// <param name="retired">Instructions retired so far.</param>
    internal void BeginCallOut(DecodedInstruction* instruction, Block* block, bool onTrial, ulong retired)
    {
        uint linear = _vcpu.State->Cs.Base + instruction->Eip;
        ulong physical = block->Physical + (instruction->Eip - block->Eip);
        InterventionKind kind = onTrial ? InterventionKind.FaultedOften : Look(linear, physical, (nint)instruction->Handler).Kind;
        _pageTable = _vcpu.State->Cr3;
        _outer = new Open(new InterventionKey(linear, kind, 0, 0), retired) { Physical = physical, Handler = (nint)instruction->Handler };
    }

    private static InterventionKind OneOf(InterventionKind kind) => kind == InterventionKind.TlbFlush ? InterventionKind.PageInvalidation : kind;

    // An instruction that emitted code was left for leaves the engine, or accesses a port: one intervention, not two. But each access
    // of a string instruction is one.
    private bool TryRefine(in InterventionKey key)
    {
        if (!_outer.IsActive || _outer.Key.Address != key.Address)
        {
            return false;
        }

        if (_outer.IsExit)
        {
            Commit(ref _outer);
            _outer = new Open(key, _vcpu.State->Retired);
        }

        _outer.Key = key;
        _outer.IsExit = true;
        return true;
    }

    private (InterventionKind Kind, string Text) Look(uint linear, ulong physical, nint handler)
    {
        if (!_callOuts.TryGetValue((physical, handler), out (InterventionKind Kind, string Text) known))
        {
            Span<byte> bytes = stackalloc byte[Disassembler.MaxInstructionLength];
            int count = Disassembler.ReadCode(_vcpu, linear, bytes);
            known = InterventionClass.Of(bytes[..count], _vcpu.State->Cs.Big, linear - _vcpu.State->Cs.Base, _disassembler);
            if (_callOuts.Count < MostSites)
            {
                _callOuts.Add((physical, handler), known);
            }
        }

        return known;
    }

    private void Commit(ref Open open)
    {
        if (!open.IsActive)
        {
            open = default;
            return;
        }

        InterventionKey key = open.Key;
        if (key.Kind == InterventionKind.PageTableLoad && _vcpu.State->Cr3 == _pageTable)
        {
            key = key with { Kind = InterventionKind.TlbFlush };
        }

        ref InterventionSite? site = ref CollectionsMarshal.GetValueRefOrAddDefault(_sites, key, out bool isKnown);
        if (!isKnown && _sites.Count > MostSites)
        {
            // One for each kind and detail is no longer many: details are ports, pages of devices and small numbers.
            _ = _sites.Remove(key);
            key = key with { Address = 0, Detail = _sites.Count > 2 * MostSites ? 0 : key.Detail };
            site = ref CollectionsMarshal.GetValueRefOrAddDefault(_sites, key, out isKnown);
        }

        site ??= new InterventionSite(key, open.Handler != 0 && key.Address != 0 ? Look(key.Address, open.Physical, open.Handler).Text : null);
        site.Count += open.IsCounted ? 0u : 1;
        site.Ticks += open.Ticks;
        site.Stretches += open.Stretches;
        _last = key;
        if (!open.IsCounted)
        {
            CountRun(key, open.Retired);
        }

        open = default;
    }

    // Faults and look-ups come between whatever the guest does: they end no run.
    private void CountRun(in InterventionKey key, ulong retired)
    {
        bool isNeutral = (key.Tag & NeutralTag) != 0
            || (key.Tag == 0 && key.Kind is InterventionKind.HiddenFault or InterventionKind.OtherFault or InterventionKind.Lookup or InterventionKind.FaultedOften);
        if (isNeutral)
        {
            return;
        }

        int run = key.Tag != 0 ? -key.Tag : (int)OneOf(key.Kind);
        bool goesOn = run == _lastRun && retired - _lastRunAt < RunInstructions;
        _lastRunAt = retired;
        if (goesOn)
        {
            return;
        }

        _lastRun = run;
        if (run < 0)
        {
            CollectionsMarshal.GetValueRefOrAddDefault(_tagRuns, -run, out _)++;
        }
        else
        {
            _runs[run]++;
        }
    }

    // An intervention that has begun.
    private struct Open(InterventionKey key, ulong retired)
    {
        public InterventionKey Key = key;
        public ulong Retired = retired;
        public bool IsActive = true;
        public bool IsExit;
        public bool IsCounted;
        public long Ticks;
        public ulong Stretches;
        public ulong Physical;
        public nint Handler;
    }
}
