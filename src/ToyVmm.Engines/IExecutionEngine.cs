namespace ToyVmm.Engines;

/// <summary>What executes guest code. One engine serves one virtual CPU.</summary>
/// <remarks>The contract is KVM's: run until there is a reason to leave, tell it, be re-entered. An engine never calls a device; the
/// monitor may offer to perform port accesses in place of an exit (<see cref="IPortAccess"/>).</remarks>
public interface IExecutionEngine : IDisposable
{
    /// <summary>Runs the guest.</summary>
    /// <param name="maxInstructions">The budget: the engine leaves with <see cref="ExitReason.BudgetSpent"/> after exactly so many retired instructions, if nothing happened before.</param>
    /// <returns>Why it left. The CPU state is exact: <see cref="Hardware.Cpu.CpuState.Retired"/> tells how far it came.</returns>
    /// <remarks>No guest bytes make it throw.</remarks>
    VmExit Run(ulong maxInstructions);
}
