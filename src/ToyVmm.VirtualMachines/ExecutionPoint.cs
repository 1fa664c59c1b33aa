namespace ToyVmm.VirtualMachines;

/// <summary>
/// Where in its history a machine is, between two instructions. Unique at every boundary where a debugger stops - not between the elements of a string instruction - and ordered as
/// the history is.
/// </summary>
/// <param name="Instructions">Instructions retired.</param>
/// <param name="Events">Interrupts and exceptions delivered (<see cref="Engines.Vcpu.EventsDelivered"/>): an external interrupt is delivered without an instruction retiring.</param>
public readonly record struct ExecutionPoint(ulong Instructions, ulong Events) : IComparable<ExecutionPoint>
{
    /// <inheritdoc/>
    public int CompareTo(ExecutionPoint other) => Instructions != other.Instructions ? Instructions.CompareTo(other.Instructions) : Events.CompareTo(other.Events);

    /// <summary>Earlier.</summary>
    public static bool operator <(ExecutionPoint left, ExecutionPoint right) => left.CompareTo(right) < 0;

    /// <summary>Later.</summary>
    public static bool operator >(ExecutionPoint left, ExecutionPoint right) => left.CompareTo(right) > 0;

    /// <summary>Not later.</summary>
    public static bool operator <=(ExecutionPoint left, ExecutionPoint right) => left.CompareTo(right) <= 0;

    /// <summary>Not earlier.</summary>
    public static bool operator >=(ExecutionPoint left, ExecutionPoint right) => left.CompareTo(right) >= 0;

    /// <inheritdoc/>
    public override string ToString() => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{Instructions}:{Events}");
}
