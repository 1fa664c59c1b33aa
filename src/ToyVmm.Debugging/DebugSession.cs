using ToyVmm.Debugging.History;
using ToyVmm.Engines;
using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Symbols;

namespace ToyVmm.Debugging;

/// <summary>
/// A guest under a debugger: the one thing that front ends see. The guest runs on the thread that calls, and stands still between two calls; then everything about it can be looked at.
/// Not thread-safe, except for <see cref="RequestPause"/>.
/// </summary>
/// <remarks>
/// The debugger never changes the guest: no breakpoint is in its memory, instructions count as ever, and it runs at full speed where no condition needs more (<see cref="StopSet"/>).
/// </remarks>
/// <example>
/// <code>
/// using VirtualMachine vm = VirtualMachine.Create(File.ReadAllBytes("hello.elf"));
/// using DebugSession session = new(vm);
/// session.Breakpoints.Add(new PortSpec(0x3F8, 0x3F8));
/// DebugStop stop = session.Continue();            // behind the first OUT to COM1
/// session.Step(StepKind.Instruction);
/// </code>
/// </example>
public sealed unsafe partial class DebugSession : IDisposable
{
    private readonly DebugOptions _options;
    private readonly Disassembler _disassembler = new();
    private volatile bool _pauseRequested;

    /// <summary>Begins a session with a machine that is not running.</summary>
    /// <param name="machine">The machine; it outlives the session.</param>
    /// <param name="options">How; null for the defaults.</param>
    public DebugSession(VirtualMachine machine, DebugOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(machine);
        Machine = machine;
        _leavesAt = LeavesAt;
        _options = options ?? new DebugOptions();
        History = new ExecutionHistory(machine, _options.History);
        Memory = new DebugMemory(machine, NoteChange);
        LastStop = new DebugStop(StopCause.Start, machine.Point);
    }

    /// <summary>The machine. Going back in time restores it in place: it is the same object throughout.</summary>
    public VirtualMachine Machine { get; }

    /// <summary>Where it has been, and the way back.</summary>
    public ExecutionHistory History { get; }

    /// <summary>Its memory.</summary>
    public DebugMemory Memory { get; }

    /// <summary>The CPU's registers, by reference. Whoever changes one calls <see cref="NoteChange"/> before, and <see cref="Vcpu.NotifyStateChanged"/> behind it.</summary>
    public ref CpuState Cpu => ref Machine.Cpu;

    /// <summary>Breakpoints, watchpoints and log points.</summary>
    public BreakpointCollection Breakpoints { get; } = new();

    /// <summary>Which traps <see cref="StepKind.Trap"/> stops behind.</summary>
    public Traps.TrapFilter TrapFilter { get; set; } = Traps.TrapFilter.All;

    /// <summary>Where in its history the guest is.</summary>
    public ExecutionPoint Point => Machine.Point;

    /// <summary>Why it stands still.</summary>
    public DebugStop LastStop { get; private set; }

    /// <summary>How the guest ended; null while it can go on. Going back takes it away.</summary>
    public StopReason? Ended { get; private set; }

    /// <summary>Lets the guest go on until something stops it.</summary>
    public DebugStop Continue() => Finish(Go(new Goal()));

    /// <summary>Lets the guest go on to a number of retired instructions, since power-on; or until something stops it.</summary>
    /// <param name="instructions">The count. One that is over already is the present one.</param>
    public DebugStop RunToInstruction(ulong instructions) =>
        Finish(Ended is null && Point.Instructions >= instructions ? new DebugStop(StopCause.Reached, Point) : Go(new Goal { Instructions = instructions }));

    /// <summary>Lets the guest go on until the instruction at a linear address is next; or until something stops it.</summary>
    /// <param name="linear">The linear address.</param>
    public DebugStop RunToAddress(uint linear) => Finish(Go(new Goal { Linear = linear }));

    /// <summary>Lets the guest go on until its clock shows a time; or until something stops it.</summary>
    /// <param name="time">Time since power-on. The guest may overshoot it by the sleep of one HLT.</param>
    public DebugStop RunToTime(TimeSpan time)
    {
        ulong target = (ulong)(time.TotalSeconds * Machine.Machine.Clock.Frequency);
        for (; ; )
        {
            ulong now = Machine.Machine.Clock.Now;
            if (now >= target)
            {
                return Finish(new DebugStop(StopCause.Reached, Point));
            }

            // Instructions are ticks; sleeping makes the clock faster, never slower.
            DebugStop stop = Go(new Goal { Instructions = Point.Instructions + (target - now) });
            if (stop.Cause != StopCause.Reached)
            {
                return Finish(stop);
            }
        }
    }

    /// <summary>Asks the running guest to stop soon; from any thread.</summary>
    public void RequestPause()
    {
        _pauseRequested = true;
        Machine.RequestStop();
    }

    /// <summary>The instruction that is next.</summary>
    public DisassembledInstruction NextInstruction()
    {
        Span<byte> bytes = stackalloc byte[Disassembler.MaxInstructionLength];
        return _disassembler.DisassembleNext(Machine.Vcpu, bytes);
    }

    /// <summary>The user is about to change the guest - a register, memory, its input -: what was recorded of its future is not its future any more.</summary>
    public void NoteChange() => History.NoteChange();

    /// <inheritdoc/>
    /// <remarks>The machine goes on without a debugger.</remarks>
    public void Dispose()
    {
        Machine.Stops = null;
        Machine.Vcpu.StopHits.Clear();
        History.Dispose();
    }

    private DebugStop Finish(DebugStop stop)
    {
        LastStop = stop;
        Ended = stop.Cause == StopCause.Ended ? stop.End : Ended;
        foreach (BreakpointHit hit in stop.Breakpoints.Where(hit => hit.Breakpoint.IsTemporary))
        {
            _ = Breakpoints.Remove(hit.Breakpoint.Id);
        }

        return stop;
    }

    // All running goes through here: to a goal, a breakpoint, a pause or the end.
    private DebugStop Go(in Goal goal)
    {
        if (Ended is { } ended)
        {
            return new DebugStop(StopCause.Ended, Point) { End = ended, Text = ended.Detail };
        }

        _pauseRequested = false;
        RememberWatchedBytes();
        for (; ; )
        {
            Machine.Stops = StopsFor(goal);
            Machine.Vcpu.StopHits.Clear();
            Machine.Vcpu.PassedAt = (Point.Instructions, Point.Events);
            ulong next = NextCount(goal);
            StopReason reason = Run(next);
            if (EndOf(reason) is { } end)
            {
                return end;
            }

            StopHit[] hits = [.. Machine.Vcpu.StopHits];
            Machine.Vcpu.StopHits.Clear();
            List<BreakpointHit> stopping = Judge(hits, isSearching: false);
            TrapInfo? happened = hits.Where(hit => hit.Kind == StopHitKind.Event).Select(hit => (TrapInfo?)hit.Trap).LastOrDefault();
            if (stopping.Count > 0)
            {
                return new DebugStop(StopCause.Breakpoint, Point) { Breakpoints = stopping, Event = happened, Text = string.Join("; ", stopping.Select(Describe)) };
            }

            if (goal.IsReached(this, hits))
            {
                return new DebugStop(goal.Cause, Point) { Event = happened };
            }

            if (_pauseRequested)
            {
                return Paused();
            }
        }
    }

    // To an instruction count, and on to the end of a string instruction that was left in its middle: a debugger does not stop there.
    private StopReason Run(ulong until)
    {
        ulong now = Point.Instructions;
        StopReason reason = History.Run(new RunLimits { MaxInstructions = until == ulong.MaxValue ? until : until - now });
        while (reason.Kind == StopKind.Stopped && Machine.Vcpu.IsInsideString)
        {
            reason = History.Run(new RunLimits { MaxInstructions = 1 });
            _pauseRequested = true;
        }

        return reason;
    }

    private DebugStop? EndOf(StopReason reason)
    {
        switch (reason.Kind)
        {
            case StopKind.Breakpoint or StopKind.InstructionLimit:
                return null;
            case StopKind.Stopped:
                _pauseRequested = true;
                return null;
            case StopKind.ReplayEnded:
                return new DebugStop(StopCause.HistoryEnd, Point) { Text = reason.Detail };
            default:
                return new DebugStop(StopCause.Ended, Point) { End = reason, Text = reason.Detail };
        }
    }

    private ulong NextCount(in Goal goal)
    {
        ulong now = Point.Instructions;
        ulong next = goal.Instructions;
        foreach (Breakpoint one in Breakpoints)
        {
            if (one is { IsEnabled: true, Spec: InstructionSpec { Count: ulong count } } && count > now)
            {
                next = Math.Min(next, count);
            }
        }

        return next;
    }

    /// <summary>Where a run is to end, beside breakpoints.</summary>
    private readonly record struct Goal()
    {
        /// <summary>Instructions retired.</summary>
        public ulong Instructions { get; init; } = ulong.MaxValue;

        /// <summary>A linear address of the next instruction.</summary>
        public uint? Linear { get; init; }

        /// <summary>With <see cref="Linear"/>: what else must hold there.</summary>
        public Func<DebugSession, bool>? Where { get; init; }

        /// <summary>What the engine must leave for beside that.</summary>
        public StopSet Stops { get; init; } = s_noStops;

        /// <summary>Which of the hits of <see cref="Stops"/> reach it.</summary>
        public Func<StopHit, bool>? Hit { get; init; }

        /// <summary>What to call it.</summary>
        public StopCause Cause { get; init; } = StopCause.Reached;

        public bool IsReached(DebugSession session, StopHit[] hits) =>
            session.Point.Instructions >= Instructions
            || (Linear is { } linear && session.Cpu.Cs.Base + session.Cpu.Eip == linear && (Where?.Invoke(session) ?? true))
            || (Hit is { } hit && hits.Any(hit));
    }

    private static readonly StopSet s_noStops = new();
}
