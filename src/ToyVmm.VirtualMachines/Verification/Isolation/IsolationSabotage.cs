namespace ToyVmm.VirtualMachines.Verification.Isolation;

/// <summary>
/// What a test does to the machines behind the checker's back: a property whose violation nobody has seen reported says nothing.
/// </summary>
internal sealed record IsolationSabotage
{
    /// <summary>After each slice of a hostile guest, before its machine is looked at.</summary>
    public Action<HostileRun>? AfterSlice { get; init; }

    /// <summary>After each slice of the attacker that has a neighbour.</summary>
    public Action<HostileRun, VirtualMachine>? BesideNeighbour { get; init; }

    /// <summary>After a machine whose resources are counted was disposed of.</summary>
    public Action? AfterDispose { get; init; }
}
