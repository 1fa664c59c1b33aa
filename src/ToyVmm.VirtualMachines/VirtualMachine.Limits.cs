namespace ToyVmm.VirtualMachines;

/// <content>What bounds a run beside instructions and host time: exits, idle time, and what a guest may use up over its life.</content>
public sealed unsafe partial class VirtualMachine
{
    // Of hypercalls that a run performs before whoever counts work looks again: each may move thousands of pages.
    private const ulong LongHypercallUnits = 1000;

    private ulong _lastExit = ulong.MaxValue;
    private ulong _unitsAtLook;
    private ulong _lookEvery = RunLimits.LongestRun;
    private bool _longWork;
    private bool _endsAtYield;
    private StopReason? _limitStop;

    /// <summary>
    /// Exits that the monitor has handled, without those that only say how a run is sliced (spent budgets, interrupt windows, cancellations):
    /// the same on every engine and however the run is cut.
    /// </summary>
    public ulong ExitsHandled => _exitsHandled;

    /// <summary>What hypercalls have cost the host beside the exits: 1 for a page-table entry and for 32 bytes of console, 64 for a page moved by the balloon.</summary>
    public ulong HypercallUnits
    {
        get;
        internal set
        {
            field = value;
            if (value - _unitsAtLook > LongHypercallUnits)
            {
                _unitsAtLook = value;
                NoticeLongWork();
            }
        }
    }

    /// <summary>Bytes that the guest has written to its disks.</summary>
    public ulong DiskBytesWritten => _disks.BytesWritten;

    /// <summary>Sectors that the guest has read from its disks.</summary>
    public ulong DiskSectorsRead => _disks.SectorsRead;

    /// <summary>How often the guest has asked its disks to make sure that what it wrote is kept: the host then waits for its own.</summary>
    public ulong DiskFlushes => _disks.Flushes;

    /// <summary>Bytes that the guest has sent through COM1 and the console hypercall.</summary>
    public ulong SerialBytesSent { get; private set; }

    /// <summary>
    /// The most that <see cref="SerialBytesSent"/> ever was: so many bytes <see cref="VirtualMachineOptions.SerialOutput"/> has been given. After
    /// <see cref="ReturnTo"/> the guest sends the same ones again, and nobody is told; where it goes another way from there, set it to
    /// <see cref="SerialBytesSent"/>.
    /// </summary>
    public ulong SerialBytesShown { get; set; }

    /// <summary>True while the CPU sleeps (HLT).</summary>
    public bool IsAsleep => _asleep;

    /// <summary>The value of the guest's clock at which something may wake a sleeping guest; the largest where only input can, and 0 where it is awake.</summary>
    public ulong WakesAt => !_asleep ? 0 : InterruptRequested || Machine.NmiPending || CanTakeInput ? Machine.Clock.Now : Machine.Clock.NextDeadline;

    /// <summary>
    /// Ends the run with this verdict, now where it does not run, otherwise before the engine is entered again; and every later run at its start.
    /// For whoever counts what a guest uses up. From the thread that runs the machine, or between runs.
    /// </summary>
    /// <param name="verdict">Why.</param>
    public void EndWith(StopReason verdict)
    {
        _limitStop ??= verdict;
        _mustLook = true;
    }

    // Port accesses that may be performed before the loop looks: EndAccess leaves at the one behind the last of them. Emitted code may have latches for
    // itself while it cannot get to the limit with them, nor to a replayed event right behind one: it counts them, one for an instruction, but asks nobody.
    private int PrepareAccesses(ulong budget)
    {
        ulong left = _lastExit - _exitsHandled;
        Vcpu.LatchesHidden = left < budget + SliceAccesses || InstructionsRetired >= _replayAt;
        return (int)Math.Min(SliceAccesses, left - 1);
    }

    private void BeginLimits(RunLimits limits)
    {
        _lastInstruction = Saturate(InstructionsRetired, limits.MaxInstructions);
        _lastExit = Saturate(_exitsHandled, limits.MaxExits);
        _lookEvery = Math.Clamp(limits.LookEvery, 1, RunLimits.LongestRun);
        _endsAtYield = limits.EndsAtYield;
        _longWork = false;
    }

    private StopReason? LimitStop(RunLimits limits)
    {
        bool paused = _longWork;
        _longWork = false;
        return _limitStop is not null ? _limitStop
            : _exitsHandled >= _lastExit ? new StopReason(StopKind.ExitLimit, 0, $"the limit of {limits.MaxExits} exits is reached")
            : paused && limits.EndsAtLongWork ? new StopReason(StopKind.Preempted, 0, "something took the host long")
            : null;
    }

    /// <summary>The guest gives the rest of its slice away.</summary>
    /// <returns>Why the run ends, where somebody waits for it.</returns>
    internal StopReason? Yield() => _endsAtYield ? new StopReason(StopKind.Yielded, 0, "the guest gave the rest of its time slice away") : null;

    private void StopForMemory()
    {
        EndWith(Machine.Memory.HostRefuses
            ? new StopReason(StopKind.HostFailure, 0, "the host does not give the guest the memory that it writes to (or vm.max_map_count is too low)")
            : new StopReason(StopKind.MemoryLimit, 0, $"the guest needs more than the {(ulong)Machine.Memory.PageLimit.GetValueOrDefault() * 4} KiB of host memory that it may have"));
        Vcpu.RequestLeave();
    }

    private void NoticeLongWork()
    {
        _longWork = true;
        _mustLook = true;
    }

    private void ExceedDiskLimit() =>
        EndWith(new StopReason(StopKind.DiskWriteLimit, 0, $"the limit of {_options.Limits.DiskWriteBytes} bytes written to disks is reached"));

    private bool TakeSerialByte()
    {
        ulong most = _options.SerialOutput is null ? Math.Min(_options.Limits.SerialBytes, ResourceLimits.CollectedSerialBytes) : _options.Limits.SerialBytes;
        if (SerialBytesSent >= most)
        {
            EndWith(new StopReason(StopKind.SerialLimit, 0, $"the limit of {most} bytes of serial output is reached"));
            return false;
        }

        SerialBytesSent++;
        return true;
    }
}
