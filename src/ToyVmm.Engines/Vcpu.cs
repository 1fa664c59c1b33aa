using System.Runtime.InteropServices;
using ToyVmm.Engines.Metering;
using ToyVmm.Engines.Probing;
using ToyVmm.Engines.Translation;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;
using ToyVmm.Hardware.Paging;

namespace ToyVmm.Engines;

/// <summary>
/// One virtual CPU: its state, its MMU, the interrupts that the monitor has handed over, and the accesses that an instruction
/// in flight has waiting outside. Engines run it; the monitor looks at it between runs. Not thread-safe.
/// </summary>
public sealed unsafe partial class Vcpu : IDisposable
{
    // No port is a latch. Never freed: there is one.
    private static readonly byte* s_noLatches = MakeNoLatches();

    // A multiple of 8, so that the canary behind it is aligned.
    private static readonly int StateBytes = (sizeof(HostFrame) + sizeof(CpuState) + 7) & ~7;

    private readonly CpuState* _state;
    private bool _cancelRequested;

    /// <summary>Makes a CPU in its reset state.</summary>
    /// <param name="memory">The guest's physical memory.</param>
    /// <param name="model">What kind of CPU; null for the default.</param>
    public Vcpu(GuestMemory memory, CpuModel? model = null)
    {
        Memory = memory;
        Model = model ?? CpuModels.Default;
        byte* allocation = (byte*)NativeMemory.AlignedAlloc((nuint)StateBytes + (2 * Canary.Size), 64);
        Frame = (HostFrame*)(allocation + Canary.Size);
        new Span<byte>(Frame, StateBytes).Clear();
        Canary.Fill(allocation);
        Canary.Fill((byte*)Frame + StateBytes);
        _state = (CpuState*)(Frame + 1);
        Ports = null;
        Mmu = new Mmu(memory, _state);
        Reset();
    }

    /// <summary>The architectural state, in native memory; valid until <see cref="Dispose"/>.</summary>
    public CpuState* State => _state;

    /// <summary>True while nobody has stored beside the state and what the engine keeps with it: the <see cref="Canary"/> on either side is as it was.</summary>
    public bool IsIntact => Canary.IsIntact((byte*)Frame - Canary.Size) && Canary.IsIntact((byte*)Frame + StateBytes);

    /// <summary>What emitted code needs beside the state.</summary>
    internal HostFrame* Frame { get; }

    /// <summary>The guest's physical memory.</summary>
    public GuestMemory Memory { get; }

    /// <summary>Paging and the TLB.</summary>
    public Mmu Mmu { get; }

    /// <summary>After <see cref="ExitReason.Shutdown"/>: what led to the triple fault.</summary>
    public Autopsy? Autopsy { get; internal set; }

    /// <summary>Told of events and instructions while it is set; costs nothing when null.</summary>
    public IEngineObserver? Observer { get; set; }

    /// <summary>Told what is done for each instruction and event while it is set; costs nothing when null.</summary>
    public ITrapProbe? Probe
    {
        get;
        set
        {
            field = value;
            Mmu.Probe = value;
            ProbeChanged?.Invoke();
        }
    }

    /// <summary>Performs port accesses in place; null makes each of them an exit (<see cref="ExitReason.PortIo"/>).</summary>
    public IPortAccess? Ports
    {
        get;
        set
        {
            field = value;
            SetLatches(hidden: false);
        }
    }

    /// <summary>Sends accesses to latches (<see cref="IPortAccess.Latches"/>) through <see cref="Ports"/> like all others: where each exit has to be seen at once.</summary>
    public bool LatchesHidden
    {
        set => SetLatches(value);
    }

    /// <summary>Set by another thread to get the engine out of a REP string instruction, which can take seconds; budgets bound everything else.</summary>
    public bool CancelRequested
    {
        get => Volatile.Read(ref _cancelRequested);
        set => Volatile.Write(ref _cancelRequested, value);
    }

    /// <summary>Blocks of guest code decoded so far, by either engine, again ones included.</summary>
    public ulong BlocksDecoded { get; internal set; }

    /// <summary>What the translator did; null where everything is interpreted.</summary>
    public TranslationStatistics? Translation { get; internal set; }

    /// <summary>Measures what host time is spent on while it is set; costs nothing when null. The monitor starts and stops it.</summary>
    public CostMeter? Costs { get; set; }

    /// <summary>Which processor it is.</summary>
    public CpuModel Model { get; }

    /// <summary>IA32_APIC_BASE after reset: the bootstrap processor, its local APIC - where the model has one - enabled at FEE00000.</summary>
    private ulong ResetApicBase => Model.Has(CpuFeatures.Apic) ? 0xFEE0_0900ul : 0xFEE0_0100;

    /// <summary>IA32_APIC_BASE (SDM 3A 11.4.4); the monitor, which has the APIC, follows it after each run. Bit 11 also is CPUID's APIC bit.</summary>
    public ulong ApicBase { get; internal set; }

    /// <summary>Accesses outside memory by the instruction in flight.</summary>
    internal IoLog Io { get; } = new();

    /// <summary>Offset in CS of the instruction that the engine left at last, or that accesses a port now (<see cref="Ports"/>).</summary>
    public uint ExitInstruction { get; internal set; }

    /// <summary>The vector of the external interrupt handed over and not yet delivered; -1 when there is none.</summary>
    internal int InjectedVector { get; set; } = -1;

    /// <summary>True while an external interrupt that was handed over waits for its delivery.</summary>
    public bool HasInterruptInjected => InjectedVector >= 0;

    /// <summary>Accesses to latches by emitted code of the present run that <see cref="IPortAccess.CountLatchAccesses"/> has not been told of yet.</summary>
    public ulong LatchAccessesUncounted => Frame->LatchAccesses;

    /// <summary>True when an external interrupt handed over now would be delivered before the next instruction.</summary>
    public bool CanAcceptInterrupt =>
        InjectedVector < 0 && (_state->OtherFlags & Eflags.IF) != 0 && _state->Shadow == InterruptShadow.None;

    /// <summary>Hands over an external interrupt. Only when <see cref="CanAcceptInterrupt"/>: its acknowledge cycle has happened.</summary>
    /// <param name="vector">The vector the interrupt controller gave.</param>
    public void InjectInterrupt(byte vector)
    {
        InjectedVector = vector;
        Probe?.Happened(new MicroStep(MicroStepKind.InterruptAcknowledged, Selector: vector));
        _state->Halted = 0;
        _state->Attention |= Attention.Interrupt;
    }

    /// <summary>Asks the engine to leave as soon as an external interrupt could be delivered, or no longer.</summary>
    /// <param name="wanted">True to ask.</param>
    public void RequestInterruptWindow(bool wanted)
    {
        if (wanted)
        {
            _state->Attention |= Attention.InterruptWindow;
        }
        else
        {
            _state->Attention &= ~Attention.InterruptWindow;
        }
    }

    /// <summary>Asks the engine to leave soon: between two blocks, or two elements of a string. From the thread that runs it.</summary>
    public void RequestLeave()
    {
        _state->Attention |= Attention.Leave;
        CancelRequested = true;
        LeaveRequested?.Invoke();
    }

    /// <summary>What a debugger waits for; null, which costs nothing, where there is none. Between two runs; each change costs decoded code or views.</summary>
    public StopSet? Stops
    {
        get;
        set
        {
            if (field != value)
            {
                field = value;
                StopsReplaced?.Invoke();
            }
        }
    }

    /// <summary>What of <see cref="Stops"/> was met; whoever takes note clears it.</summary>
    public List<StopHit> StopHits { get; } = [];

    /// <summary>
    /// Interrupts and exceptions delivered so far by the engine's own doing - not by INT n. With the instructions retired it says where in its history a machine is: an external
    /// interrupt is delivered without one retiring.
    /// </summary>
    public ulong EventsDelivered { get; internal set; }

    /// <summary>The engine leaves once so many events are delivered (<see cref="EventsDelivered"/>), before the handler's first instruction; the largest value for never.</summary>
    public ulong LeaveAtEvent { get; set; } = ulong.MaxValue;

    /// <summary>Where a debugger has let the guest go on: the instruction there does not stop it again.</summary>
    public (ulong Retired, ulong Events) PassedAt { get; set; } = (ulong.MaxValue, ulong.MaxValue);

    /// <summary>True where a REP string instruction has been left between two elements.</summary>
    public bool IsInsideString => InsideString?.Invoke() ?? false;

    /// <summary>A condition is met: the engine leaves at the next boundary.</summary>
    /// <param name="hit">Which.</param>
    public void NoteStop(in StopHit hit)
    {
        StopHits.Add(hit);
        _state->Attention |= Attention.StopCondition;
    }

    /// <summary>Raises a non-maskable interrupt; it is delivered at the next boundary where NMIs are not blocked.</summary>
    public void RaiseNmi()
    {
        _state->Halted = 0;
        _state->Attention |= Attention.Nmi;
    }

    /// <summary>Answers a read exit (<see cref="ExitReason.PortIo"/> or <see cref="ExitReason.Mmio"/>).</summary>
    /// <param name="value">What the device returned; bits above the width are ignored.</param>
    public void CompleteRead(ulong value)
    {
        Io.CompleteRead(value);
        _state->Attention |= Attention.Completion;
    }

    /// <summary>True where stores may go straight to a page, which is what every projection of the TLB may hold: D is set already, and nobody must notice.</summary>
    /// <param name="page">The physical page.</param>
    /// <param name="rights">The rights of its TLB entry.</param>
    /// <param name="who">Whose stores: <see cref="PageAccess.User"/> or nothing.</param>
    internal bool MayStoreDirectly(GuestPhysicalAddress page, TlbRights rights, PageAccess who) =>
        (rights & TlbRights.Dirty) != 0 && Mmu.Allows(rights, who | PageAccess.Write) && Memory.IsPlainRam(page);

    /// <summary>Puts the CPU into its power-on state (SDM 3A table 9-1): real mode, CS:EIP F000:FFF0 with base 0xFFFF0000.</summary>
    public void Reset()
    {
        ulong retired = _state->Retired;
        *_state = default;
        _state->Retired = retired;
        _state->Eip = 0xFFF0;
        _state->Edx = Model.Signature;
        _state->OtherFlags = Eflags.Fixed;
        LazyFlags.Set(_state, 0);
        _state->Cr0 = Cr0.ET | ((Cr0.CD | Cr0.NW) & Model.Cr0Bits);
        _state->Dr6 = 0xFFFF_0FF0;
        _state->Dr7 = 0x400;

        // Reset, unlike FNINIT, leaves the x87 unit with +0 in every register and exceptions unmasked (SDM 3A table 9-1).
        _state->FpuControl = 0x40;
        _state->FpuTags = 0xFF;
        _state->Mxcsr = 0x1F80;
        _state->IdtLimit = 0xFFFF;
        _state->GdtLimit = 0xFFFF;
        for (SegmentCache* segment = &_state->Es; segment <= &_state->Gs; segment++)
        {
            segment->Access = 0x93;
            segment->Limit = 0xFFFF;
            segment->Refresh();
        }

        _state->Cs.Selector = 0xF000;
        _state->Cs.Base = 0xFFFF_0000;
        _state->Cs.Access = 0x9B;
        _state->Cs.Refresh();
        // In real mode code may be written and executed alike.
        _state->Cs.Rights = SegmentRights.All;
        _state->Ldtr.Access = 0x82;
        _state->Ldtr.Limit = 0xFFFF;
        _state->Tr.Access = 0x8B;
        _state->Tr.Limit = 0xFFFF;
        InjectedVector = -1;
        ApicBase = ResetApicBase;
        Io.Clear();
        Autopsy = null;
        Mmu.Tlb.FlushAll();
        WasReset?.Invoke();
        StateReplaced?.Invoke();
    }

    /// <summary>Tells the engine that the state was changed from outside (reset, loading, a snapshot): it drops what it derived from it.</summary>
    public void NotifyStateChanged() => StateReplaced?.Invoke();

    private void SetLatches(bool hidden)
    {
        byte* latches = hidden || Ports is null ? null : Ports.Latches;
        Frame->PortLatches = (nint)(latches == null ? s_noLatches : latches);
    }

    private static byte* MakeNoLatches()
    {
        const int BothTables = 2 << 16;
        byte* tables = (byte*)NativeMemory.Alloc(BothTables);
        new Span<byte>(tables, BothTables).Fill(1);
        return tables;
    }

    /// <summary>Raised by a reset, before <see cref="StateReplaced"/>: whatever instruction was in flight is gone.</summary>
    internal event Action? WasReset;

    /// <summary>Raised when there is another <see cref="Probe"/>, or none any more.</summary>
    internal event Action? ProbeChanged;

    /// <summary>Raised by <see cref="RequestLeave"/>.</summary>
    internal event Action? LeaveRequested;

    /// <summary>Raised when <see cref="Stops"/> was replaced.</summary>
    internal event Action? StopsReplaced;

    /// <summary>Asks the engine whether a string instruction is under way.</summary>
    internal Func<bool>? InsideString { get; set; }

    /// <summary>Raised when the state was changed from outside.</summary>
    internal event Action? StateReplaced;

    /// <inheritdoc/>
    public void Dispose()
    {
        Mmu.Dispose();
        NativeMemory.AlignedFree((byte*)Frame - Canary.Size);
    }
}
