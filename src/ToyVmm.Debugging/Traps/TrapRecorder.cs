using System.Collections.Immutable;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using ToyVmm.Engines;
using ToyVmm.Engines.Probing;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Paging;
using ToyVmm.VirtualMachines;

namespace ToyVmm.Debugging.Traps;

/// <summary>
/// Makes a <see cref="Trap"/> of every step of a machine that is one, while it is attached. The machine then runs instruction by instruction in the
/// interpreter, whichever its engine is, and tells what it does (<see cref="ITrapProbe"/>): nothing here computes what the machine would do.
/// </summary>
/// <remarks>
/// A step is an instruction completed, or an event delivered: an instruction that faults is one step with the delivery of its fault, and so is a
/// REP string instruction with all its iterations. A recorder never changes what the guest does: not one bit of its state is different without it.
/// Not thread-safe; it is told on the thread that runs the machine.
/// </remarks>
public sealed unsafe class TrapRecorder : IEngineObserver, ITrapProbe, IDisposable
{
    // More than any instruction but REP strings has.
    private const int MostSteps = 256;

    private readonly VirtualMachine _vm;
    private readonly Vcpu _vcpu;
    private readonly TrapNaming _naming;
    private readonly DeviceNames _devices;
    private readonly InstructionInspector _inspector = new();
    private readonly List<MicroStep> _steps = [];
    private readonly List<TrapInfo> _events = [];
    private readonly bool _measuresTime;

    private IEngineObserver? _next;
    private bool _nextWantsInstructions;
    private CpuState _before;
    private ExecutionPoint _point;
    private ulong _clock;
    private ulong _started;
    private ulong _leftOut;
    private int _walks;
    private int _fills;
    private bool _isAttached;
    private bool _isOpen;
    private bool _isInstruction;
    private bool _isSensitive;
    private bool _isComplete;
    private bool _isDead;

    /// <summary>Makes a recorder; <see cref="Attach"/> follows.</summary>
    /// <param name="machine">The machine.</param>
    /// <param name="recorded">Told of each trap, when it is over and before the next step begins.</param>
    /// <param name="naming">How to name the guest's addresses; null for not at all.</param>
    /// <param name="measuresTime">True to measure the host time of each trap.</param>
    public TrapRecorder(VirtualMachine machine, Action<Trap> recorded, TrapNaming? naming = null, bool measuresTime = false)
    {
        ArgumentNullException.ThrowIfNull(machine);
        ArgumentNullException.ThrowIfNull(recorded);
        _vm = machine;
        _vcpu = machine.Vcpu;
        _naming = naming ?? new TrapNaming();
        _devices = new DeviceNames(machine.Machine);
        _measuresTime = measuresTime;
        Recorded = recorded;
    }

    /// <summary>Told of each trap.</summary>
    public Action<Trap> Recorded { get; }

    /// <summary>Traps recorded so far.</summary>
    public ulong Count { get; private set; }

    /// <inheritdoc/>
    public bool WantsInstructions => true;

    /// <summary>Records from the next instruction on. Whoever observes the machine already goes on doing so.</summary>
    /// <exception cref="InvalidOperationException">Somebody else records this machine.</exception>
    public void Attach()
    {
        if (_isAttached)
        {
            return;
        }

        if (_vcpu.Probe is not null)
        {
            throw new InvalidOperationException("the machine has a recorder of traps already");
        }

        _next = _vcpu.Observer;
        _nextWantsInstructions = _next?.WantsInstructions ?? false;
        _vcpu.Observer = this;
        _vcpu.Probe = this;
        _isAttached = true;
        Forget();
    }

    /// <summary>Stops recording; what has not ended is forgotten. Between two runs.</summary>
    public void Detach()
    {
        if (!_isAttached)
        {
            return;
        }

        _vcpu.Probe = null;
        _vcpu.Observer = _next;
        _next = null;
        _isAttached = false;
        Forget();
    }

    /// <summary>Forgets the step in progress: the machine's state was replaced.</summary>
    public void Forget()
    {
        _isOpen = false;
        _steps.Clear();
        _events.Clear();
    }

    /// <summary>Records what has begun and not ended: a REP string instruction in its middle, where the run was cut.</summary>
    public void Finish() => Close();

    /// <inheritdoc/>
    public void Dispose() => Detach();

    /// <inheritdoc/>
    void IEngineObserver.BeforeInstruction(Vcpu vcpu)
    {
        if (_nextWantsInstructions)
        {
            _next!.BeforeInstruction(vcpu);
        }

        CpuState* s = vcpu.State;

        // The next iteration of a REP string instruction; or code that was overwritten is decoded anew.
        if (_isOpen && _isInstruction && _events.Count == 0 && s->Retired == _before.Retired && s->Eip == _before.Eip)
        {
            return;
        }

        Close();
        Open(instruction: true);
        _isSensitive = _inspector.Look(vcpu);
    }

    /// <inheritdoc/>
    void IEngineObserver.BeforeTrap(Vcpu vcpu, in TrapInfo trap)
    {
        _next?.BeforeTrap(vcpu, trap);
        bool isBetween = trap.Source is TrapSource.ExternalInterrupt or TrapSource.Nmi or TrapSource.DebugTrap;
        if (!_isOpen || (isBetween && _isInstruction))
        {
            Close();
            Open(instruction: false);
            _isSensitive = _inspector.Look(vcpu);
        }

        if (trap.Source == TrapSource.ExternalInterrupt)
        {
            Add(new MicroStep(MicroStepKind.InterruptAcknowledged, Selector: (uint)trap.Vector));
        }

        _events.Add(trap);
    }

    /// <inheritdoc/>
    void ITrapProbe.Happened(in MicroStep step)
    {
        switch (step.Kind)
        {
            case MicroStepKind.InterruptAcknowledged:
                // Between two instructions, or by the device access of one, perhaps in a run before this one: it is part of the interrupt, and told with its delivery.
                break;
            case MicroStepKind.PortRead or MicroStepKind.PortWritten:
                Add(step with { Text = _devices.AtPort(step.Address) });
                break;
            case MicroStepKind.DeviceRead or MicroStepKind.DeviceWritten:
                Add(step with { Text = _devices.AtAddress(step.Address) });
                break;
            default:
                Add(step);
                break;
        }
    }

    /// <inheritdoc/>
    void ITrapProbe.InstructionRestarts() =>
        _ = _steps.RemoveAll(step => step.Kind is MicroStepKind.DeviceRead or MicroStepKind.PortRead);

    /// <inheritdoc/>
    void ITrapProbe.InstructionEnded(bool completed, ulong retired)
    {
        if (!_isOpen || !_isInstruction || !completed || retired == _before.Retired)
        {
            return;
        }

        _isComplete = true;
        Close();
    }

    /// <inheritdoc/>
    void ITrapProbe.DeliveryEnded(bool delivered)
    {
        _isDead = !delivered;
        Close();
    }

    /// <inheritdoc/>
    void IPagingProbe.Walked(uint linear, PageAccess access, in PageWalk walk, TlbRights? cached)
    {
        _walks++;
        Add(new MicroStep(MicroStepKind.WalkBegins, linear, Detail: (uint)access, Value: cached is { } rights ? (uint)rights + 1 : 0));
        if (walk.PointerIndex is { } pointer)
        {
            Add(new MicroStep(MicroStepKind.PointerEntry, Value: walk.PointerEntry, Selector: (uint)pointer, Size: 8));
        }

        int size = walk.PointerIndex is null ? 4 : 8;
        if (walk.HasDirectoryEntry)
        {
            Add(new MicroStep(MicroStepKind.DirectoryEntry, walk.DirectoryEntryAddress, walk.DirectoryEntry, size));
        }

        if (walk.HasTableEntry)
        {
            Add(new MicroStep(MicroStepKind.TableEntry, walk.TableEntryAddress, walk.TableEntry, size));
        }
    }

    /// <inheritdoc/>
    void IPagingProbe.EntryMarked(ulong address, uint before, uint after) =>
        Add(new MicroStep(MicroStepKind.EntryMarked, address, after, 4, Detail: before));

    /// <inheritdoc/>
    void IPagingProbe.Filled(uint linear, ulong page, TlbRights rights)
    {
        _fills++;
        Add(new MicroStep(MicroStepKind.TlbFilled, linear & 0xFFFF_F000, page, Detail: (uint)rights));
    }

    /// <inheritdoc/>
    void IPagingProbe.Refused(uint linear, uint errorCode) =>
        Add(new MicroStep(MicroStepKind.AccessRefused, linear, Detail: errorCode));

    private void Add(in MicroStep step)
    {
        if (!_isOpen)
        {
            // The host's own doing, between two steps.
            return;
        }

        if (_steps.Count < MostSteps)
        {
            _steps.Add(step);
        }
        else
        {
            _leftOut++;
        }
    }

    private void Open(bool instruction)
    {
        CpuState* s = _vcpu.State;

        // The floating-point registers, which make half of the state, are no part of any trap.
        int size = (int)((byte*)s->FpuRegisters - (byte*)s);
        Unsafe.CopyBlock(ref Unsafe.As<CpuState, byte>(ref _before), ref *(byte*)s, (uint)size);
        _point = _vm.Point;
        _clock = s->Retired + _vm.IdleTicks;
        _started = _measuresTime ? (ulong)Stopwatch.GetTimestamp() : 0;
        _isOpen = true;
        _isInstruction = instruction;
        _isComplete = false;
        _isDead = false;
        _leftOut = 0;
        _walks = 0;
        _fills = 0;
    }

    private void Close()
    {
        if (!_isOpen)
        {
            return;
        }

        // Nearly all instructions end here.
        _isOpen = false;
        if (!_isSensitive && _steps.Count == 0 && _events.Count == 0)
        {
            return;
        }

        if (_isSensitive || _events.Count > 0 || _steps.Exists(step => step.Kind != MicroStepKind.CheckFailed))
        {
            Record();
        }

        _steps.Clear();
        _events.Clear();
    }

    private void Record()
    {
        CpuState after = _before;
        CpuState* s = _vcpu.State;
        int size = (int)((byte*)s->FpuRegisters - (byte*)s);
        Unsafe.CopyBlock(ref Unsafe.As<CpuState, byte>(ref after), ref *(byte*)s, (uint)size);

        // The run loop brings its count up to date only where it must; a fault and a debug trap count like an instruction.
        bool counts = _isComplete || _events.Exists(trap => trap.Source is TrapSource.Exception or TrapSource.DebugTrap);
        after.Retired = _before.Retired + (counts ? 1ul : 0);

        InstructionInspection inspection = _inspector.Describe();
        if (_isComplete && after.Halted != 0 && _before.Halted == 0)
        {
            _steps.Add(new MicroStep(MicroStepKind.Slept));
        }

        if (_isComplete)
        {
            _steps.Add(new MicroStep(MicroStepKind.Completed, after.Eip, Selector: after.Cs.Selector));
        }

        FrameLabels.Put(_steps, _events);
        TrapKind kind = Classify(inspection);
        uint linear = _before.Cs.Base + _before.Eip;
        Recorded(new Trap(_before, after)
        {
            Number = ++Count,
            Point = _point,
            Clock = _clock,
            Kind = kind,
            Instruction = new TrapInstruction(
                _before.Cs.Selector, _before.Eip, linear, inspection.Bytes, inspection.Text, _naming.Symbol?.Invoke(linear), _naming.Source?.Invoke(linear)),
            Events = [.. _events],
            Reason = TrapReasons.Explain(kind, _before, after, inspection, _events, _steps, _vcpu),
            Steps = [.. _steps],
            StepsLeftOut = _leftOut,
            Changes = StateChanges.Between(_before, after),
            Cost = new TrapCost(
                after.Retired - _before.Retired, (ulong)_steps.Count + _leftOut, _walks, _fills, _measuresTime ? Stopwatch.GetElapsedTime((long)_started) : null),
        });
    }

    private TrapKind Classify(InstructionInspection inspection)
    {
        if (_isDead)
        {
            return TrapKind.TripleFault;
        }

        // An INT n whose gate refuses it is an exception.
        foreach (TrapInfo fault in _events)
        {
            if (fault.Source == TrapSource.Exception)
            {
                return fault.Vector == Vector.PageFault ? TrapKind.PageFault : TrapKind.Exception;
            }
        }

        if (_events.Count > 0)
        {
            return _events[0].Source switch
            {
                TrapSource.ExternalInterrupt => TrapKind.ExternalInterrupt,
                TrapSource.Nmi => TrapKind.Nmi,
                TrapSource.DebugTrap => TrapKind.DebugTrap,
                _ => TrapKind.SoftwareInterrupt,
            };
        }

        return Has(MicroStepKind.HypercallMade) ? TrapKind.Hypercall
            : Has(MicroStepKind.PortRead) || Has(MicroStepKind.PortWritten) ? TrapKind.PortIo
            : Has(MicroStepKind.DeviceRead) || Has(MicroStepKind.DeviceWritten) ? TrapKind.Mmio
            : _isSensitive && inspection.Row?.Mnemonic == "HLT" ? TrapKind.Halt
            : _isSensitive && inspection.Row is { IsPrivileged: true } ? TrapKind.PrivilegedInstruction
            : _isSensitive ? TrapKind.SensitiveInstruction
            : Has(MicroStepKind.CodeForgotten) ? TrapKind.SelfModifyingCode
            : TrapKind.HiddenFault;
    }

    private bool Has(MicroStepKind kind) => _steps.Exists(step => step.Kind == kind);
}
