namespace ToyVmm.Engines;

/// <summary>
/// What a debugger wants the engine to leave for (<see cref="ExitReason.StopCondition"/>), between two instructions: before one at an address, or behind one that did
/// something. Guest memory is never touched for it, instructions count as ever, and code that meets none of it runs at full speed.
/// </summary>
public sealed record StopSet
{
    /// <summary>Linear addresses of instructions: the engine leaves before they run.</summary>
    public IReadOnlySet<uint> Linear { get; init; } = new HashSet<uint>();

    /// <summary>Guest-physical addresses of instructions: the engine leaves before they run.</summary>
    public IReadOnlySet<ulong> Physical { get; init; } = new HashSet<ulong>();

    /// <summary>Data: the engine leaves behind the instruction or event that accesses it.</summary>
    public IReadOnlyList<DataStop> Data { get; init; } = [];

    /// <summary>Which deliveries of interrupts and exceptions to leave behind, whatever their vector.</summary>
    public EventStops Events { get; init; }

    /// <summary>Vectors: the engine leaves at the first instruction of the handler.</summary>
    public IReadOnlySet<int> Vectors { get; init; } = new HashSet<int>();

    /// <summary>Control registers, bit n for CRn: the engine leaves behind what writes them (MOV, LMSW, CLTS, task switches).</summary>
    public uint ControlRegisters { get; init; }

    /// <summary>Model-specific registers: the engine leaves behind WRMSR.</summary>
    public IReadOnlySet<uint> ModelSpecificRegisters { get; init; } = new HashSet<uint>();

    /// <summary>True to leave behind what changes between real, protected and virtual-8086 mode, 16-bit and 32-bit code, and paging on and off.</summary>
    public bool ModeChanges { get; init; }

    /// <summary>Ports, first and last: the monitor has the engine leave behind the instruction that accesses them.</summary>
    public IReadOnlyList<(ushort First, ushort Last)> Ports { get; init; } = [];

    /// <summary>Numbers of hypercalls to leave behind.</summary>
    public IReadOnlySet<uint> Hypercalls { get; init; } = new HashSet<uint>();

    /// <summary>Asked before every instruction, which is then interpreted, and costs a hundred times more; null where no other condition needs that.</summary>
    public IStopFilter? Filter { get; init; }

    /// <summary>
    /// Asked, with the linear address and the CPU's state exact, before the engine leaves for one of <see cref="Linear"/>: false goes on, many times faster than leaving and
    /// coming back. It may look, and change nothing of the guest. Null leaves always.
    /// </summary>
    public Func<uint, bool>? LeavesAt { get; init; }

    /// <summary>True where no code, data or event is to be noticed, and nothing else.</summary>
    public bool IsEmpty => Linear.Count + Physical.Count + Data.Count + Vectors.Count + ModelSpecificRegisters.Count + Ports.Count + Hypercalls.Count == 0
        && Events == EventStops.None && ControlRegisters == 0 && !ModeChanges && Filter is null;

    /// <summary>True where the same is waited for.</summary>
    public bool Equals(StopSet? other) =>
        other is not null && Linear.SetEquals(other.Linear) && Physical.SetEquals(other.Physical) && Data.SequenceEqual(other.Data) && Events == other.Events
        && Vectors.SetEquals(other.Vectors) && ControlRegisters == other.ControlRegisters && ModelSpecificRegisters.SetEquals(other.ModelSpecificRegisters)
        && ModeChanges == other.ModeChanges && Ports.SequenceEqual(other.Ports) && Hypercalls.SetEquals(other.Hypercalls) && ReferenceEquals(Filter, other.Filter) && Equals(LeavesAt, other.LeavesAt);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Linear.Count, Physical.Count, Data.Count, Events, Vectors.Count, ControlRegisters, Ports.Count, ModeChanges);
}

/// <summary>Looks at every instruction before it is executed.</summary>
public interface IStopFilter
{
    /// <summary>True to have the engine leave before it.</summary>
    /// <param name="vcpu">The CPU, its state exact. May be looked at, not changed.</param>
    bool StopsBefore(Vcpu vcpu);
}

/// <summary>Kinds of delivered events.</summary>
[Flags]
public enum EventStops
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>Faults, debug traps, external interrupts, NMI: what is delivered between two instructions.</summary>
    Delivered = 1,

    /// <summary>INT n, INT3, INTO, INT1.</summary>
    Software = 2,
}

/// <summary>Bytes whose accesses are noticed.</summary>
/// <param name="Address">The first byte.</param>
/// <param name="Length">How many, at least 1.</param>
/// <param name="IsPhysical">False for linear addresses.</param>
/// <param name="Reads">Notice reads.</param>
/// <param name="Writes">Notice writes.</param>
/// <remarks>What the CPU accesses for itself (descriptors, task states, interrupt frames) counts; page walks, instruction fetches and what devices and hypercalls store do not.</remarks>
public readonly record struct DataStop(ulong Address, uint Length, bool IsPhysical, bool Reads, bool Writes)
{
    /// <summary>True where an access touches it.</summary>
    /// <param name="address">The access's first byte, linear or physical as <see cref="IsPhysical"/> says.</param>
    /// <param name="length">Its bytes.</param>
    /// <param name="write">True for a store.</param>
    public bool IsTouchedBy(ulong address, uint length, bool write) =>
        (write ? Writes : Reads) && address < Address + Length && Address < address + length;
}

/// <summary>What has been met.</summary>
public enum StopHitKind
{
    /// <summary>An instruction at a linear or physical address is next.</summary>
    Code,

    /// <summary><see cref="StopSet.Filter"/> wants to stop before the next instruction.</summary>
    Filter,

    /// <summary>Bytes were read.</summary>
    Read,

    /// <summary>Bytes were written.</summary>
    Write,

    /// <summary>An interrupt or exception was delivered: <see cref="StopHit.Trap"/>.</summary>
    Event,

    /// <summary>A control register was written.</summary>
    ControlRegister,

    /// <summary>A model-specific register was written.</summary>
    ModelSpecificRegister,

    /// <summary>The mode has changed.</summary>
    Mode,

    /// <summary>A port was read.</summary>
    PortRead,

    /// <summary>A port was written.</summary>
    PortWrite,

    /// <summary>A hypercall was made.</summary>
    Hypercall,

    /// <summary>Something that the monitor had a part in is over, and whoever looks for that wants to stop.</summary>
    Trap,
}

/// <summary>One condition that was met since the engine was entered.</summary>
/// <param name="Kind">Which kind.</param>
/// <param name="Address">The linear address of code or data, the number of the register, port or hypercall; of an event, the vector.</param>
/// <param name="Physical">Of code and data, the guest-physical address.</param>
/// <param name="Length">Of data and ports, the bytes of the access.</param>
/// <param name="Old">Of data, what up to eight bytes there were before; of a register, its old value.</param>
/// <param name="New">Of a register or a port, the value written or read.</param>
/// <param name="Trap">The event.</param>
public readonly record struct StopHit(StopHitKind Kind, ulong Address, ulong Physical = 0, int Length = 0, ulong Old = 0, ulong New = 0, TrapInfo Trap = default);
