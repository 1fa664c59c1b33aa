using ToyVmm.Engines;
using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;
using ToyVmm.Hardware.Paging;
using ToyVmm.VirtualMachines;

namespace ToyVmm.Debugging.Strict;

/// <summary>
/// Watches a guest for what works here and does not, or not always, on hardware. It looks at every instruction before it runs, and changes nothing: the
/// run is the one that it would have been, some hundred times slower. Code in ROM (the BIOS) is not judged.
/// </summary>
/// <example>
/// <code>
/// StrictChecker strict = new();
/// using VirtualMachine vm = VirtualMachine.Create(image, new VirtualMachineOptions { Engine = EngineKind.Interpreter, Observer = strict });
/// strict.Attach(vm);
/// _ = vm.Run();
/// foreach (StrictFinding finding in strict.Findings) { ... }
/// </code>
/// </example>
/// <param name="checks">What to look for.</param>
/// <param name="next">Whoever else observes.</param>
public sealed unsafe class StrictChecker(StrictChecks checks = StrictChecks.All, IEngineObserver? next = null) : IEngineObserver
{
    /// <summary>So many findings are kept; of more only the number.</summary>
    public const int MostFindings = 1000;

    private const int MostCached = 1 << 16;

    private readonly Dictionary<(StrictChecks, uint), StrictFinding?> _byPlace = [];
    private readonly List<StrictFinding> _findings = [];
    private readonly List<Suspicion> _suspicions = [];
    private readonly Dictionary<ulong, (byte[] Bytes, InstructionFacts? Facts)> _cache = [];
    private readonly Disassembler _disassembler = new();
    private readonly byte[] _code = new byte[Disassembler.MaxInstructionLength];
    private VirtualMachine? _machine;
    private FlagCheck? _flags;
    private TlbCheck? _tlb;
    private MemoryCheck? _memory;
    private InterruptCheck? _interrupts;
    private ModeCheck? _modes;
    private Place _here;
    private Place _previous;
    private bool _inFlight;

    /// <inheritdoc/>
    public bool WantsInstructions => true;

    /// <summary>The findings, in the order in which they were made.</summary>
    public IReadOnlyList<StrictFinding> Findings
    {
        get
        {
            Confirm();
            return _findings;
        }
    }

    /// <summary>Places beyond <see cref="MostFindings"/>.</summary>
    public int Dropped { get; private set; }

    /// <summary>What is looked for.</summary>
    public StrictChecks Checks => checks;

    /// <summary>Begins to watch a machine; its option <see cref="VirtualMachineOptions.Observer"/> is this object (or calls it).</summary>
    /// <param name="machine">The machine, before it runs. In one that goes on from a snapshot all memory counts as written.</param>
    public void Attach(VirtualMachine machine)
    {
        ArgumentNullException.ThrowIfNull(machine);
        _machine = machine;
        _flags = Has(StrictChecks.Flags) ? new FlagCheck(this) : null;
        _tlb = Has(StrictChecks.Tlb) ? new TlbCheck(this, machine.Vcpu.Mmu, machine.Machine.Memory) : null;
        _memory = Has(StrictChecks.Memory) ? new MemoryCheck(this, machine) : null;
        _interrupts = Has(StrictChecks.Eoi | StrictChecks.Vectors) ? new InterruptCheck(this, machine.Machine) : null;
        _modes = Has(StrictChecks.Mode | StrictChecks.Reserved | StrictChecks.A20) ? new ModeCheck(this) : null;
    }

    /// <inheritdoc/>
    public void BeforeInstruction(Vcpu vcpu)
    {
        ArgumentNullException.ThrowIfNull(vcpu);
        if (next is { WantsInstructions: true })
        {
            next.BeforeInstruction(vcpu);
        }

        if (_machine is null)
        {
            return;
        }

        if (_inFlight)
        {
            _flags?.Complete();
            _memory?.Complete();
            Confirm();
        }

        CpuState* s = vcpu.State;
        _previous = _here;
        uint linear = s->Cs.Base + s->Eip;
        _here = new Place(s->Cs.Selector, s->Eip, linear, s->Retired, s->Cs.Big);
        InstructionFacts? facts = Look(vcpu, linear);
        _inFlight = facts is not null;
        _modes?.Before(facts, s);
        _interrupts?.Before(facts, s);
        if (facts is not null)
        {
            _flags?.Before(facts, s);
            CheckAccesses(facts, s, linear);
        }

        _memory?.Before(facts, s);
    }

    /// <inheritdoc/>
    public void BeforeTrap(Vcpu vcpu, in TrapInfo trap)
    {
        ArgumentNullException.ThrowIfNull(vcpu);
        next?.BeforeTrap(vcpu, trap);
        if (trap.Source == TrapSource.Exception && _inFlight)
        {
            _flags?.Abandon();
            _memory?.Abandon();
            _suspicions.Clear();
            _inFlight = false;
        }

        _memory?.BeforeTrap();
        _interrupts?.BeforeTrap(vcpu.State, trap);
    }

    /// <summary>Notes a finding about the instruction that is looked at. It counts when the instruction completes: one that faults has done nothing.</summary>
    internal void Report(StrictChecks check, string what, string mend, string manual)
    {
        if (Has(check))
        {
            _suspicions.Add(new Suspicion(_here, check, what, mend, manual));
        }
    }

    /// <summary>Notes a finding about an event: once for each key.</summary>
    internal void ReportEvent(uint key, StrictChecks check, string what, string mend, string manual) => Report(_here, check, what, mend, manual, key);

    /// <summary>Notes a finding about the instruction before it.</summary>
    internal void ReportPrevious(StrictChecks check, string what, string mend, string manual) => Report(_previous, check, what, mend, manual, null);

    private void Confirm()
    {
        foreach (Suspicion suspicion in _suspicions)
        {
            Report(suspicion.Where, suspicion.Check, suspicion.What, suspicion.Mend, suspicion.Manual, null);
        }

        _suspicions.Clear();
    }

    private bool Has(StrictChecks wanted) => (checks & wanted) != 0;

    private void Report(Place place, StrictChecks check, string what, string mend, string manual, uint? key)
    {
        if (!Has(check))
        {
            return;
        }

        (StrictChecks, uint) id = (check, key ?? place.Linear);
        if (_byPlace.TryGetValue(id, out StrictFinding? known))
        {
            if (known is not null)
            {
                known.Count++;
            }

            return;
        }

        if (key is null && IsFirmware(place.Linear))
        {
            _byPlace[id] = null;
            return;
        }

        if (_findings.Count == MostFindings)
        {
            Dropped++;
            _byPlace[id] = null;
            return;
        }

        int count = Disassembler.ReadCode(_machine!.Vcpu, place.Linear, _code);
        string text = count == 0 ? "" : _disassembler.Disassemble(_code.AsSpan(0, count), place.Code32 ? 32 : 16, place.Eip).Text;
        StrictFinding finding = new(check, place.Selector, place.Eip, place.Linear, text, place.Instructions, what, mend, manual);
        _byPlace[id] = finding;
        _findings.Add(finding);
    }

    private bool IsFirmware(uint linear) =>
        _machine!.Vcpu.Mmu.Peek(linear) is { } physical && _machine.Machine.Memory.KindAt(physical) == PageKind.Rom;

    private void CheckAccesses(InstructionFacts facts, CpuState* s, uint linear)
    {
        bool paging = (s->Cr0 & Cr0.PG) != 0;
        bool narrow = Has(StrictChecks.A20) && !_machine!.Machine.A20Enabled;
        if (!paging && !narrow)
        {
            return;
        }

        if (paging)
        {
            PageAccess user = s->Cpl == 3 ? PageAccess.User : 0;
            _tlb?.Before(s, linear, PageAccess.Fetch | user);
            foreach (MemoryFacts access in facts.Memory)
            {
                if (access.Segment >= 0 && (!facts.IsRepeated || s->Ecx != 0) && (access.Segment != 2 || s->Cs.Big == s->Ss.Big))
                {
                    _tlb?.Before(s, access.Linear(s), (access.Writes ? PageAccess.Write : 0) | user);
                }
            }

            return;
        }

        _modes!.BeforeAccess(s, linear);
        foreach (MemoryFacts access in facts.Memory)
        {
            if (access.Segment >= 0 && (!facts.IsRepeated || s->Ecx != 0))
            {
                _modes!.BeforeAccess(s, access.Linear(s));
            }
        }
    }

    // The same bytes at the same place have the same facts.
    private InstructionFacts? Look(Vcpu vcpu, uint linear)
    {
        GuestMemory memory = vcpu.Memory;
        GuestPhysicalAddress? physical = vcpu.Mmu.Tlb.TryGet(linear, out ulong page, out _)
            ? new GuestPhysicalAddress((page | (linear & 0xFFF)) & vcpu.Mmu.PhysicalMask)
            : vcpu.Mmu.Peek(linear);
        if (physical is not { } address)
        {
            return null;
        }

        bool code32 = vcpu.State->Cs.Big;
        ulong key = (address.Value << 1) | (code32 ? 1u : 0);
        byte* host = memory.HostPage(address);
        uint offset = (uint)(address.Value % GuestPhysicalAddress.PageSize);
        if (_cache.TryGetValue(key, out (byte[] Bytes, InstructionFacts? Facts) cached) && host != null
            && offset + (uint)cached.Bytes.Length <= GuestPhysicalAddress.PageSize
            && new ReadOnlySpan<byte>(host + offset, cached.Bytes.Length).SequenceEqual(cached.Bytes))
        {
            return cached.Facts;
        }

        int count = Disassembler.ReadCode(vcpu, linear, _code);
        InstructionFacts? facts = count == 0 ? null : InstructionFacts.Of(_code.AsSpan(0, count), code32 ? 32 : 16);
        if (_cache.Count >= MostCached)
        {
            _cache.Clear();
        }

        _cache[key] = (_code[..(facts?.Length ?? count)], facts);
        return facts;
    }

    private readonly record struct Suspicion(Place Where, StrictChecks Check, string What, string Mend, string Manual);

    private readonly record struct Place(ushort Selector, uint Eip, uint Linear, ulong Instructions, bool Code32);
}
