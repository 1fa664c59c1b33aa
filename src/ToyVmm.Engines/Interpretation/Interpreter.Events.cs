using ToyVmm.Engines.Probing;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation;

/// <summary>What happens between instructions (SDM 3A table 6-2): traps, interrupts, shadows, breakpoints, single steps.</summary>
public sealed unsafe partial class Interpreter
{
    private const uint Dr6SingleStep = 1 << 14;
    private const uint Dr6GeneralDetect = 1 << 13;
    private const uint Dr7GeneralDetect = 1 << 13;

    // The count of retired instructions at which a REP string instruction was last left between two iterations.
    private ulong _insideString = ulong.MaxValue;
    private uint _debugConditions;
    private bool _stepTrap;
    private bool _resumeFlag;
    private bool _suspended;

    /// <summary>What the run loop does next.</summary>
    private enum Attended
    {
        /// <summary>Run as usual.</summary>
        Run,

        /// <summary>Run one instruction, then look again.</summary>
        Single,

        /// <summary>An event was delivered: look again.</summary>
        Again,

        /// <summary>Leave the engine.</summary>
        Leave,
    }

    /// <summary>The vector of the fault that the running instruction has raised; -1 for none.</summary>
    internal int FaultVector { get; private set; } = -1;

    /// <summary>Its error code.</summary>
    internal uint FaultError { get; private set; }

    /// <summary>In words, which check failed (for the autopsy); null where the vector says it all.</summary>
    internal string? FaultCause { get; private set; }

    /// <summary>The shadow that covered the running instruction: a second MOV SS in a row casts none.</summary>
    internal InterruptShadow ShadowBefore { get; private set; }

    /// <summary>True when a REP string instruction has stopped after an iteration: an instruction boundary although it has not retired.</summary>
    internal bool InterruptedString
    {
        get;
        set
        {
            field = value;
            if (!value)
            {
                // The run loop takes note; nothing of the instruction has retired, so the count says whether it is still the one in flight.
                _insideString = _retiredAtEnd - (ulong)_left;
            }
        }
    }

    /// <summary>True while instructions run one by one, so that a REP string instruction stops after each iteration.</summary>
    internal bool IsSingleStepping { get; private set; }

    /// <summary>
    /// True where the instruction behind the running one - which ends its block - will be executed with nothing in between that could look: nothing
    /// is pending or wanted, no debugger may stop there, and the budget goes on. A shadow that STI casts is over then before anybody sees it.
    /// </summary>
    internal bool RunsOnUnattended => State->Attention == Attention.None && _left > 0 && Stops is null;

    /// <summary>Raises a fault of the running instruction.</summary>
    /// <param name="vector">The vector.</param>
    /// <param name="error">The error code, where the vector has one.</param>
    /// <param name="cause">In words, which check failed. A constant: nothing is formatted on this path.</param>
    /// <returns>Always false, so that checks read <c>return Raise(...)</c>.</returns>
    internal bool Raise(int vector, uint error, string? cause = null)
    {
        FaultVector = vector;
        FaultError = error;
        FaultCause = cause;
        FaultDescriptor = null;
        Tell(new MicroStep(MicroStepKind.CheckFailed, Selector: (uint)vector, Detail: error, Text: cause));
        return false;
    }

    /// <summary>Raises #DB as a fault: an access to a debug register while DR7.GD is set (SDM 3B 17.2.4).</summary>
    internal bool RaiseGeneralDetect()
    {
        _debugConditions = Dr6GeneralDetect;
        return Raise(Vector.Debug, 0, "a debug register was accessed while DR7.GD was set");
    }

    /// <summary>The linear address of a pending #PF; CR2 is set when it is delivered.</summary>
    internal uint FaultAddress { get; private set; }

    /// <summary>Raises #PF.</summary>
    internal bool RaisePageFault(uint linear, uint error)
    {
        FaultAddress = linear;
        return Raise(Vector.PageFault, error);
    }

    /// <summary>Takes the pending fault back (a check that was only a question, or a nested fault that its deliverer handles).</summary>
    internal void ClearFault()
    {
        FaultVector = -1;
        FaultCause = null;
        FaultDescriptor = null;
    }

    /// <summary>True while the running instruction will be followed by its single-step trap: HLT then does not sleep.</summary>
    internal bool HasStepTrap => _stepTrap && IsSingleStepping;

    // True between two iterations of a REP string instruction.
    private bool IsInsideString => _insideString == _retiredAtEnd - (ulong)_left;

    /// <summary>The current instruction transfers into an interrupt handler: its own single-step trap is dropped (SDM 3A 17.3.1.4).</summary>
    internal void DropStepTrap() => _stepTrap = false;

    /// <summary>The current instruction sets RF on purpose (IRET, a task switch): it survives the instruction.</summary>
    internal void KeepResumeFlag() => _resumeFlag = false;

    private Attended Attend(out VmExit exit)
    {
        exit = default;
        CpuState* s = State;
        if ((s->Attention & Attention.Completion) != 0)
        {
            return ResumeSingle();
        }

        if ((s->Attention & Attention.PostedWrites) != 0)
        {
            s->Attention &= ~Attention.PostedWrites;
            if (Vcpu.Io.TryTakePosted(out exit))
            {
                return Attended.Leave;
            }
        }

        if ((s->Attention & Attention.Leave) != 0)
        {
            s->Attention &= ~Attention.Leave;
            exit = new VmExit(ExitReason.Cancelled);
            return Attended.Leave;
        }

        if ((s->Attention & Attention.StopCondition) != 0 && !IsInsideString)
        {
            s->Attention &= ~Attention.StopCondition;
            if (Vcpu.StopHits.Count > 0)
            {
                exit = new VmExit(ExitReason.StopCondition);
                return Attended.Leave;
            }
        }

        bool mayTrap = s->Shadow != InterruptShadow.MovSs;
        if (s->PendingDebug != 0 && mayTrap)
        {
            uint conditions = s->PendingDebug;
            s->PendingDebug = 0;
            UpdateAttention();
            return Again(DeliverDebug(conditions, fault: false), out exit);
        }

        if ((s->Attention & Attention.Nmi) != 0 && s->NmiBlocked == 0 && s->Shadow == InterruptShadow.None)
        {
            s->Attention &= ~Attention.Nmi;
            s->NmiBlocked = 1;
            return Again(DeliverInterrupt(TrapSource.Nmi, Vector.Nmi), out exit);
        }

        bool interruptible = (s->OtherFlags & Eflags.IF) != 0 && s->Shadow == InterruptShadow.None;
        if ((s->Attention & Attention.Interrupt) != 0 && interruptible)
        {
            int vector = Vcpu.InjectedVector;
            Vcpu.InjectedVector = -1;
            s->Attention &= ~Attention.Interrupt;
            return Again(DeliverInterrupt(TrapSource.ExternalInterrupt, vector), out exit);
        }

        if ((s->Attention & Attention.InterruptWindow) != 0 && interruptible && Vcpu.InjectedVector < 0)
        {
            s->Attention &= ~Attention.InterruptWindow;
            exit = new VmExit(ExitReason.InterruptWindow);
            return Attended.Leave;
        }

        if (s->Halted != 0)
        {
            // A CPU that has shut down sleeps as well, but only reset or an NMI wakes it (SDM 3A 6.15, interrupt 8).
            exit = new VmExit(Vcpu.Autopsy is null ? ExitReason.Halt : ExitReason.Shutdown);
            return Attended.Leave;
        }

        s->Attention &= ~Attention.Halted;

        bool isBehindFilter = (s->Attention & Attention.Trace) != 0 && FilterStops();
        if ((_blocks.HasStops && StopsBefore(s->Cs.Base + s->Eip, RetiredNow)) || isBehindFilter)
        {
            s->Attention &= ~Attention.StopCondition;
            exit = new VmExit(ExitReason.StopCondition);
            return Attended.Leave;
        }

        const Attention Stepping = Attention.SingleStep | Attention.Shadow | Attention.Breakpoints | Attention.Trace | Attention.Resume;
        if ((s->Attention & Stepping) == 0 && !_runAlone)
        {
            return Attended.Run;
        }

        _runAlone = false;

        if ((s->Attention & Attention.Breakpoints) != 0 && (s->OtherFlags & Eflags.RF) == 0 && mayTrap)
        {
            uint hit = MatchBreakpoints(s->Cs.Base + s->Eip, 1, BreakpointKind.Execute);
            if (hit != 0)
            {
                return Again(DeliverDebug(hit, fault: true), out exit);
            }
        }

        ShadowBefore = s->Shadow;
        s->Shadow = InterruptShadow.None;
        _stepTrap = (s->OtherFlags & Eflags.TF) != 0;
        _resumeFlag = (s->OtherFlags & Eflags.RF) != 0;
        IsSingleStepping = true;
        if ((s->Attention & Attention.Trace) != 0)
        {
            s->Retired = _retiredAtEnd - (ulong)_left;
            if (Vcpu.Observer is { WantsInstructions: true } observer)
            {
                observer.BeforeInstruction(Vcpu);
            }
        }

        return Attended.Single;
    }

    private Attended Again(bool delivered, out VmExit exit)
    {
        exit = new VmExit(ExitReason.Shutdown);
        return delivered ? Attended.Again : Attended.Leave;
    }

    // The instruction waits for the monitor: what was decided before it started still holds when it is run again.
    private void SuspendSingle() => _suspended = IsSingleStepping;

    private Attended ResumeSingle()
    {
        State->Attention &= ~Attention.Completion;
        Vcpu.Io.Rewind();
        Probe?.InstructionRestarts();
        if (!_suspended)
        {
            ShadowBefore = State->Shadow;
            _stepTrap = false;
            _resumeFlag = false;
        }

        _suspended = false;
        IsSingleStepping = true;
        return Attended.Single;
    }

    // After an instruction that ran alone: completed (then its traps become pending), or ended by a fault.
    private void EndSingle(bool completed)
    {
        CpuState* s = State;
        Vcpu.Io.Complete();
        if (!IsSingleStepping)
        {
            return;
        }

        IsSingleStepping = false;
        if (completed)
        {
            if (_stepTrap && s->Shadow != InterruptShadow.MovSs)
            {
                s->PendingDebug |= Dr6SingleStep;
            }

            if (_resumeFlag)
            {
                s->OtherFlags &= ~Eflags.RF;
            }
        }
        else
        {
            s->PendingDebug = 0;
            if (Stops is not null)
            {
                _ = Vcpu.StopHits.RemoveAll(hit => hit.Kind is StopHitKind.Read or StopHitKind.Write);
            }
        }

        ShadowBefore = InterruptShadow.None;
        UpdateAttention();
        Probe?.InstructionEnded(completed, RetiredNow);
    }

    // A reset in the middle of an instruction: of a REP string, or of one that waits for the monitor.
    private void ForgetInstructionInFlight()
    {
        InterruptedString = false;
        _insideString = ulong.MaxValue;
        _suspended = false;
        _stepTrap = false;
        _resumeFlag = false;
        _debugConditions = 0;
        _runAlone = false;
        IsSingleStepping = false;
        ShadowBefore = InterruptShadow.None;
    }

    private void BeginObservation()
    {
        if (Vcpu.Observer is { WantsInstructions: true } || Stops?.Filter is not null)
        {
            State->Attention |= Attention.Trace;
        }
        else
        {
            State->Attention &= ~Attention.Trace;
        }
    }
}
