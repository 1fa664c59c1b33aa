using ToyVmm.Engines;
using ToyVmm.Hardware;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;
using ToyVmm.VirtualMachines.Comparing;
using ToyVmm.VirtualMachines.Tracing;

namespace ToyVmm.VirtualMachines.Verification.Isolation;

/// <summary>What two engines must agree about.</summary>
/// <param name="Stop">How the guest ended.</param>
/// <param name="Code">What it passed at the end.</param>
/// <param name="Retired">Instructions retired.</param>
/// <param name="Exits">Exits handled, where they were watched.</param>
/// <param name="Cpu">The hash of the CPU.</param>
/// <param name="Memory">The hash of RAM.</param>
/// <param name="Tlb">The hash of the TLB, where it was asked for.</param>
/// <param name="Output">The hash of what the serial port and the debug console were sent.</param>
/// <param name="Trace">The hash of all traps, and of exits where they were watched.</param>
internal sealed record HostileOutcome(StopKind Stop, uint Code, ulong Retired, ulong Exits, ulong Cpu, ulong Memory, ulong Tlb, ulong Output, ulong Trace);

/// <summary>
/// A hostile guest on one engine, run as its schedule says. Whatever it does that a guest must not be able to do is noted and ends the run.
/// </summary>
internal sealed unsafe class HostileRun : IDisposable
{
    // A REP instruction over nothing, or over a device, is as many exits as it has elements: nobody waits for billions.
    private const ulong MostExits = 600;
    private const ulong HypercallCost = 16;     // it can send all of RAM through the serial port
    private const int MostResets = 2;
    private static readonly TimeSpan s_longest = TimeSpan.FromSeconds(1);

    private readonly IsolationCase _case;
    private readonly IsolationSabotage? _sabotage;
    private readonly TraceHash _trace = new();
    private readonly ulong _start;
    private ulong _output;
    private ulong _cost;
    private int _next;
    private int _interrupt;
    private int _resets;

    public HostileRun(IsolationCase @case, EngineKind engine, DriveFiles? drives, IsolationSabotage? sabotage)
    {
        _case = @case;
        _sabotage = sabotage;
        Engine = engine;
        VirtualMachineOptions options = new()
        {
            Machine = new MachineConfig
            {
                MemorySize = IsolationCase.MemorySize,
                Disks = drives is not null && @case.HasDrives ? drives.Disks : [],
                CdRom = drives is not null && @case.HasDrives ? drives.CdRom : null,
            },
            Load = @case.Load,
            Engine = engine,
            Translator = @case.Translator,
            Observer = _trace,
            ExitObserver = @case.PortsInPlace ? null : OnExit,
            SerialOutput = value => Output(value),
            Pace = false,
        };
        Machine = VirtualMachine.Create(@case.Image, options);
        Machine.Machine.DebugConsoleWritten = value => Output(0x100u + value);
        _start = Machine.InstructionsRetired;
        if (@case.Guest is { } guest)
        {
            Load(guest);
        }
    }

    /// <summary>The engine.</summary>
    public EngineKind Engine { get; }

    /// <summary>The machine.</summary>
    public VirtualMachine Machine { get; }

    /// <summary>Why the guest stopped last; null before the first slice.</summary>
    public StopReason? Stop { get; private set; }

    /// <summary>Null, or what must not be.</summary>
    public string? Violation { get; private set; }

    /// <summary>True where host time ran out, so that where the guest stopped says nothing.</summary>
    public bool RanOutOfTime => Stop?.Kind == StopKind.TimeLimit;

    private ulong Done => Machine.InstructionsRetired - _start;

    /// <summary>Runs to the next place in the schedule.</summary>
    /// <returns>False when the run has ended.</returns>
    public bool RunSlice()
    {
        if (Violation is not null || _next == _case.Schedule.Count)
        {
            return false;
        }

        ulong end = _case.Schedule[_next];
        if (Done < end)
        {
            try
            {
                Raise();
                Run(end - Done);
            }
            catch (Exception e) when (e is not OutOfMemoryException)
            {
                // Whatever the guest's bytes: never. A verifier that refuses emitted code ends here, too.
                Violation = $"an exception came out of Run: {e.GetType().Name}: {e.Message}\n{e.StackTrace}";
                return false;
            }
        }

        Violation ??= Check();
        bool reached = Stop is null or { Kind: StopKind.InstructionLimit };
        _next += reached ? 1 : 0;
        return Violation is null && (reached || Restarts());
    }

    /// <summary>What the run came to.</summary>
    public HostileOutcome Outcome() => new(
        Stop?.Kind ?? StopKind.InstructionLimit,
        Stop?.Code ?? 0,
        Done,
        _cost,
        StateHash.OfCpu(Machine.Vcpu),
        StateHash.OfMemory(Machine.Machine.Memory),
        _case.ComparesTlb ? StateHash.OfTlb(Machine.Vcpu.Mmu.Tlb) : 0,
        _output,
        _trace.Value);

    /// <inheritdoc/>
    public void Dispose() => Machine.Dispose();

    private void Run(ulong budget)
    {
        ulong before = Machine.InstructionsRetired;
        Stop = Machine.Run(new RunLimits { MaxInstructions = budget, Timeout = s_longest });
        _sabotage?.AfterSlice?.Invoke(this);
        ulong ran = Machine.InstructionsRetired - before;
        if (ran > budget || (Stop.Kind == StopKind.InstructionLimit && ran != budget))
        {
            Violation = $"a budget of {budget} instructions was not held: {ran} were retired, and the run ended because {Stop.Detail}";
        }
    }

    private string? Check()
    {
        if (Stop is not { } stop)
        {
            return null;
        }

        if (!Enum.IsDefined(stop.Kind) || stop.Detail.Length == 0 || (stop.Kind == StopKind.TripleFault) != (stop.Autopsy is not null))
        {
            return $"a stop that says nothing: {stop}";
        }

        if (Machine.BrokenCanary is { } where)
        {
            return $"host memory beside {where} was changed";
        }

        if (Machine.Vcpu.Translation is { } translation && translation.BlocksVerified != translation.BlocksTranslated)
        {
            return $"{translation.BlocksTranslated} blocks were translated, and {translation.BlocksVerified} verified";
        }

        // In the middle of an instruction, or of the reset that was asked for, the state need not be consistent.
        return stop.Kind is StopKind.InstructionLimit or StopKind.HaltedForever && EngineInvariants.Violation(Machine.Vcpu) is { } broken
            ? $"the CPU's state is not one that a CPU can have: {broken}"
            : null;
    }

    // The monitor's own doing between slices: what hardware outside of the board would.
    private void Raise()
    {
        while (_case.Guest is { } guest && _interrupt < guest.Interrupts.Count && guest.Interrupts[_interrupt].At <= Done)
        {
            int vector = guest.Interrupts[_interrupt++].Vector;
            if (vector < 0)
            {
                Machine.Vcpu.RaiseNmi();
            }
            else if (Machine.Vcpu.CanAcceptInterrupt)
            {
                Machine.Vcpu.InjectInterrupt((byte)vector);
            }
        }
    }

    // A guest that resets its machine, or kills its CPU, gets it back through the reset button, once or twice.
    private bool Restarts()
    {
        if (Stop!.Kind is not (StopKind.Reset or StopKind.TripleFault) || _resets++ == MostResets)
        {
            return false;
        }

        try
        {
            Machine.Reset();
            return true;
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            Violation = $"an exception came out of Reset: {e.GetType().Name}: {e.Message}\n{e.StackTrace}";
            return false;
        }
    }

    private void Load(HostileGuest guest)
    {
        GuestMemory memory = Machine.Machine.Memory;
        _ = memory.TryWrite(new GuestPhysicalAddress(0), guest.Memory);
        byte[] rom = new byte[GuestPhysicalAddress.PageSize];
        rom.AsSpan().Fill(0x90);
        memory.MapRom(new GuestPhysicalAddress(HostileLayout.Rom), rom);
        memory.MapRom(new GuestPhysicalAddress(0xFFFF_F000), rom);
        CpuState* s = Machine.Vcpu.State;
        ulong retired = s->Retired;
        *s = guest.State;
        s->Retired = retired;
        s->TscOffset -= retired;
        Machine.Vcpu.NotifyStateChanged();
    }

    private void OnExit(VirtualMachine machine, VmExit exit)
    {
        _trace.OnExit(machine, exit);
        if (exit.Reason is ExitReason.PortIo or ExitReason.Mmio or ExitReason.Hypercall)
        {
            _cost += exit.Reason == ExitReason.Hypercall ? HypercallCost : 1;
            if (_cost >= MostExits)
            {
                machine.RequestStop();
            }
        }
    }

    private void Output(uint value) => _output = (_output ^ value) * 0x9E37_79B9_7F4A_7C15 ^ (_output >> 29);
}
