using ToyVmm.Debugging.Traps;
using ToyVmm.Engines;
using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Debugging;

/// <content>Steps.</content>
public sealed unsafe partial class DebugSession
{
    /// <summary>Lets the guest make a step, or several; a breakpoint, the guest's end or a pause ends it early.</summary>
    /// <param name="kind">How far a step goes.</param>
    /// <param name="count">How many steps.</param>
    /// <returns>Where it stopped: <see cref="StopCause.Stepped"/> when all steps were made.</returns>
    public DebugStop Step(StepKind kind, ulong count = 1)
    {
        DebugStop stop = LastStop;
        for (ulong n = 0; n < count; n++)
        {
            stop = Finish(StepOnce(kind));
            if (stop.Cause != StopCause.Stepped)
            {
                break;
            }
        }

        return stop;
    }

    private DebugStop StepOnce(StepKind kind) => kind switch
    {
        StepKind.Over => StepOver(),
        StepKind.Out => StepOut(),
        StepKind.Block => Go(new Goal { Stops = new StopSet { Filter = new BlockEnd(), Events = EventStops.Delivered | EventStops.Software }, Hit = hit => hit.Kind is StopHitKind.Filter or StopHitKind.Event, Cause = StopCause.Stepped }),
        StepKind.Trap => StepTrap(),
        StepKind.Interrupt => Go(new Goal { Stops = new StopSet { Events = EventStops.Delivered }, Hit = hit => hit.Kind == StopHitKind.Event && hit.Trap.Source is TrapSource.ExternalInterrupt or TrapSource.Nmi, Cause = StopCause.Stepped }),
        StepKind.ModeSwitch => Go(new Goal { Stops = new StopSet { ModeChanges = true }, Hit = hit => hit.Kind == StopHitKind.Mode, Cause = StopCause.Stepped }),
        StepKind.AddressSpaceSwitch => Go(new Goal { Stops = new StopSet { ControlRegisters = 1 << 3 }, Hit = IsAddressSpaceSwitch, Cause = StopCause.Stepped }),
        _ => StepInstruction(),
    };

    private DebugStop StepInstruction() =>
        Go(new Goal { Instructions = Point.Instructions + 1, Stops = new StopSet { Events = EventStops.Delivered }, Hit = hit => hit.Kind == StopHitKind.Event, Cause = StopCause.Stepped });

    // Behind the next trap, which is seen while it happens: the guest is interpreted until then.
    private DebugStop StepTrap()
    {
        using TrapSearch search = new(Machine, TrapFilter, Naming);
        DebugStop stop = Go(new Goal { Hit = hit => hit.Kind == StopHitKind.Trap, Cause = StopCause.Stepped });
        TrapInfo? happened = search.Found is { Events: { IsEmpty: false } events } ? events[^1] : stop.Event;
        return stop with { Trap = search.Found, Event = happened };
    }

    private DebugStop StepOver()
    {
        DisassembledInstruction instruction = NextInstruction();
        uint next = Cpu.Cs.Base + instruction.Address + (uint)instruction.Length;
        if (instruction.Flow is InstructionFlow.Call or InstructionFlow.Interrupt)
        {
            return RunBack(next, Cpu.Esp);
        }

        // What interrupts the instruction, or its own fault, runs to its end; then it is tried again. An instruction that faults again and again gets nowhere.
        const int MostTries = 16;
        uint here = Cpu.Cs.Base + Cpu.Eip;
        DebugStop stop = StepInstruction();
        for (int n = 0; n < MostTries && stop is { Cause: StopCause.Stepped, Event: not null }; n++)
        {
            stop = RunBack(here, 0);
            stop = stop.Cause == StopCause.Stepped ? StepInstruction() : stop;
        }

        return stop;
    }

    // To an address at which the stack is as high as now: not in a deeper call of the same procedure.
    private DebugStop RunBack(uint linear, uint stack)
    {
        uint space = Cpu.Cr3;
        return Go(new Goal { Linear = linear, Where = session => session.Cpu.Esp >= stack && session.Cpu.Cr3 == space, Cause = StopCause.Stepped });
    }

    private DebugStop StepOut()
    {
        (uint stack, uint ring, uint space) = (Cpu.Esp, Cpu.Cpl, Cpu.Cr3);
        for (; ; )
        {
            DisassembledInstruction instruction = NextInstruction();
            bool returns = instruction.Flow == InstructionFlow.Return;
            DebugStop stop = instruction.Flow is InstructionFlow.Call or InstructionFlow.Interrupt ? StepOver()
                : returns ? StepInstruction()
                : Go(new Goal { Stops = new StopSet { Filter = new Transfer(), Events = EventStops.Delivered }, Hit = hit => hit.Kind is StopHitKind.Filter or StopHitKind.Event, Cause = StopCause.Stepped });

            // The handler of what comes between is deeper: in this ring its stack lies below, and in an inner one nothing is left.
            bool isOut = returns && stop.Event is null && (Cpu.Cpl > ring || (Cpu.Cpl == ring && Cpu.Cr3 == space && Cpu.Esp > stack));
            if (stop.Cause != StopCause.Stepped || isOut)
            {
                return stop;
            }
        }
    }

    private static bool IsAddressSpaceSwitch(StopHit hit) => hit is { Kind: StopHitKind.ControlRegister, Address: 3 } && hit.Old != hit.New;

    // Behind a branch, where the next basic block begins.
    private sealed class BlockEnd : IStopFilter
    {
        private readonly Disassembler _disassembler = new();
        private bool _isBehindBranch;

        public bool StopsBefore(Vcpu vcpu)
        {
            if (_isBehindBranch)
            {
                return true;
            }

            Span<byte> bytes = stackalloc byte[Disassembler.MaxInstructionLength];
            _isBehindBranch = _disassembler.DisassembleNext(vcpu, bytes).Flow is not (InstructionFlow.Next or InstructionFlow.Repeat);
            return false;
        }
    }

    // Before a call or return.
    private sealed class Transfer : IStopFilter
    {
        private readonly Disassembler _disassembler = new();

        public bool StopsBefore(Vcpu vcpu)
        {
            Span<byte> bytes = stackalloc byte[Disassembler.MaxInstructionLength];
            return _disassembler.DisassembleNext(vcpu, bytes).Flow is InstructionFlow.Call or InstructionFlow.Interrupt or InstructionFlow.Return;
        }
    }

    private sealed class Sensitive(Engines.Classification.InstructionClassifier classifier) : IStopFilter
    {
        public bool StopsBefore(Vcpu vcpu) => classifier.IsNextSensitive(vcpu);
    }
}
