using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation;

/// <summary>
/// Delivering exceptions and interrupts (SDM 3A chapter 6). An attempt may itself fault; what follows is decided here: the second
/// fault is delivered in its place, or both become #DF, or the CPU shuts down and <see cref="Vcpu.Autopsy"/> tells why.
/// </summary>
public sealed unsafe partial class Interpreter
{
    // Deeper than any chain that ends by the rules of table 6-5 alone; only #AC can go round in circles.
    private const int LongestChain = 8;

    private readonly ChainLink[] _chain = new ChainLink[LongestChain + 1];
    private int _chainLength;

    /// <summary>What a fault counts as when another one happens while it is delivered (SDM 3A table 6-4).</summary>
    private enum FaultClass
    {
        Benign,
        Contributory,
        PageFault,
        DoubleFault,
    }

    /// <summary>Stores of the instruction or event in flight.</summary>
    internal PendingStores Stores => field ??= new PendingStores(this);

    /// <summary>Delivers the pending fault of the instruction at CS:EIP.</summary>
    /// <returns>False after a triple fault.</returns>
    internal bool DeliverFault()
    {
        int vector = FaultVector;
        TrapInfo trap = new(TrapSource.Exception, vector, FaultError, vector == Vector.PageFault ? FaultAddress : 0);
        return Deliver(trap);
    }

    /// <summary>Delivers #DB.</summary>
    /// <param name="conditions">What to set in DR6.</param>
    /// <param name="fault">True for an instruction breakpoint, which is reported before the instruction.</param>
    /// <returns>False after a triple fault.</returns>
    internal bool DeliverDebug(uint conditions, bool fault)
    {
        _debugConditions = conditions;
        ClearFault();
        return Deliver(new TrapInfo(fault ? TrapSource.Exception : TrapSource.DebugTrap, Vector.Debug, 0, 0));
    }

    /// <summary>Delivers an external interrupt or NMI.</summary>
    /// <returns>False after a triple fault.</returns>
    internal bool DeliverInterrupt(TrapSource source, int vector)
    {
        ClearFault();
        return Deliver(new TrapInfo(source, vector, 0, 0));
    }

    /// <summary>INT n and its like: enters the handler, with the instruction's end as the return address.</summary>
    /// <param name="source">Which kind of instruction.</param>
    /// <param name="vector">0-255.</param>
    /// <param name="eip">EIP of the instruction.</param>
    /// <param name="returnEip">EIP behind the instruction.</param>
    /// <returns>False with a fault pending and nothing changed; true when the handler was entered (see <see cref="SwitchTask"/> about faults behind that).</returns>
    internal bool EnterSoftwareHandler(TrapSource source, int vector, uint eip, uint returnEip)
    {
        TrapInfo trap = new(source, vector, 0, 0);
        State->Eip = eip;
        Announce(trap, RetiredAtBlockEnd);
        if (!TryEnterFlat(trap, EflagsImage(trap), returnEip) && !TryEnter(trap, returnEip))
        {
            return false;
        }

        NoteEvent(trap, EventStops.Software);
        return true;
    }

    // The count of retired instructions is brought up to date only where somebody looks.
    private void Announce(in TrapInfo trap, ulong retired)
    {
        State->Retired = retired;
        Vcpu.Observer?.BeforeTrap(Vcpu, trap);
    }

    private bool Deliver(TrapInfo trap)
    {
        CpuState* s = State;
        s->Halted = 0;
        s->Shadow = InterruptShadow.None;
        BeginDelivery(trap);
        if (TryEnterFlat(trap, EflagsImage(trap), s->Eip))
        {
            ClearFault();
            EndDelivery(trap);
            return true;
        }

        _delivering = true;
        bool delivered = DeliverChecked(trap);
        _delivering = false;
        return delivered;
    }

    // However long the chain was: one delivery, so that a budget of one is never overdrawn.
    private void EndDelivery(in TrapInfo trap)
    {
        _left -= trap.Source is TrapSource.Exception or TrapSource.DebugTrap ? 1 : 0;
        if (++Vcpu.EventsDelivered == Vcpu.LeaveAtEvent)
        {
            State->Attention |= Attention.Leave;
        }

        NoteEvent(trap, EventStops.Delivered);
    }

    private void BeginDelivery(in TrapInfo trap)
    {
        if (trap.Source is TrapSource.Exception or TrapSource.DebugTrap)
        {
            NoteException(trap);
        }

        Announce(trap, RetiredNow);
    }

    // The long way, with every check; the delivery of the first trap has begun.
    private bool DeliverChecked(TrapInfo trap)
    {
        CpuState* s = State;
        _chainLength = 0;
        for (; ; )
        {
            Record(trap);
            ClearFault();
            if (_chainLength > 1)
            {
                BeginDelivery(trap);
            }

            if (TryEnter(trap, s->Eip) && FaultVector < 0)
            {
                EndDelivery(trap);
                Probe?.DeliveryEnded(delivered: true);
                return true;
            }

            // A second fault, here or (after a task switch has committed) in the new task.
            FaultClass first = Classify(trap);
            TrapInfo second = new(TrapSource.Exception, FaultVector, FaultError, FaultVector == Vector.PageFault ? FaultAddress : 0);
            if (second.Vector == Vector.PageFault)
            {
                s->Cr2 = second.FaultAddress;
            }

            FaultClass next = Classify(second);
            bool doubled = (first == FaultClass.Contributory && next == FaultClass.Contributory)
                || (first == FaultClass.PageFault && next is FaultClass.Contributory or FaultClass.PageFault);
            bool dead = first == FaultClass.DoubleFault && next != FaultClass.Benign;
            if (dead || _chainLength >= LongestChain - 1)
            {
                Record(second);
                Vcpu.Autopsy = WriteAutopsy();
                ClearFault();
                s->Halted = 1;
                UpdateMode();
                UpdateAttention();
                Probe?.DeliveryEnded(delivered: false);
                return false;
            }

            if (doubled)
            {
                Record(second);
                _ = Raise(Vector.DoubleFault, 0, "a fault while another one was being delivered");
                second = new TrapInfo(TrapSource.Exception, Vector.DoubleFault, 0, 0);
            }

            trap = second;
        }
    }

    private static FaultClass Classify(in TrapInfo trap)
    {
        if (trap.Source != TrapSource.Exception)
        {
            return FaultClass.Benign;
        }

        return trap.Vector switch
        {
            Vector.DivideError or (>= Vector.InvalidTss and <= Vector.GeneralProtection) => FaultClass.Contributory,
            Vector.PageFault => FaultClass.PageFault,
            Vector.DoubleFault => FaultClass.DoubleFault,
            _ => FaultClass.Benign,
        };
    }

    // The registers that tell a handler what happened are set by the exception itself, whether or not its delivery succeeds.
    private void NoteException(in TrapInfo trap)
    {
        CpuState* s = State;
        if (trap.Vector == Vector.PageFault)
        {
            s->Cr2 = trap.FaultAddress;
        }
        else if (trap.Vector == Vector.Debug)
        {
            s->Dr6 |= _debugConditions;
            s->Dr7 &= ~Dr7GeneralDetect;
        }
    }

    // Enters the handler by way of the IVT or the IDT. On false nothing has changed and a fault is pending.
    private bool TryEnter(in TrapInfo trap, uint returnEip)
    {
        CpuState* s = State;
        uint image = EflagsImage(trap);

        // INT n, INT3 and INTO are the program's own doing; everything else comes from outside it (SDM 3A 6.13).
        _external = trap.Source is TrapSource.SoftwareInterrupt or TrapSource.SoftwareException ? 0u : 1u;
        bool entered = (s->Cr0 & Cr0.PE) == 0 ? EnterRealHandler(trap.Vector, image, returnEip) : EnterThroughGate(trap, image, returnEip);
        _external = 0;
        if (entered)
        {
            _insideString = ulong.MaxValue;
            UpdateMode();
            UpdateAttention();
            TellEntered();
        }

        return entered;
    }

    // EFLAGS as the handler's frame holds it.
    private uint EflagsImage(in TrapInfo trap) => LazyFlags.GetEflags(State) | (SetsResumeFlag(trap) ? Eflags.RF : 0);

    // SDM 3B 17.3.1.1: faults, but not instruction breakpoints; and whatever comes between the iterations of a REP string.
    private bool SetsResumeFlag(in TrapInfo trap) => trap.Source switch
    {
        TrapSource.Exception => trap.Vector switch
        {
            Vector.Debug => (_debugConditions & Dr6GeneralDetect) != 0,
            Vector.DoubleFault or Vector.MachineCheck => false,
            _ => true,
        },
        TrapSource.DebugTrap or TrapSource.ExternalInterrupt or TrapSource.Nmi => IsInsideString,
        _ => false,
    };

    private void Record(in TrapInfo trap)
    {
        if (_chainLength < _chain.Length)
        {
            _chain[_chainLength++] = new ChainLink(trap, State->Cs.Selector, State->Eip, FaultCause, FaultDescriptor, RetiredNow);
        }
    }

    /// <summary>One attempt at a delivery, as it was when it began.</summary>
    private readonly record struct ChainLink(TrapInfo Trap, ushort CodeSelector, uint Eip, string? Cause, Descriptor? Descriptor, ulong Instructions);
}
