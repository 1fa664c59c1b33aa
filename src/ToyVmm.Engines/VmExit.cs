namespace ToyVmm.Engines;

/// <summary>Why an engine returned to the monitor.</summary>
public enum ExitReason
{
    /// <summary>The budget is used up.</summary>
    BudgetSpent,

    /// <summary>IN or OUT. A read wants <see cref="Vcpu.CompleteRead"/> before the next run; the instruction then completes.</summary>
    PortIo,

    /// <summary>An access to a page that is neither RAM nor ROM. A read wants <see cref="Vcpu.CompleteRead"/>.</summary>
    Mmio,

    /// <summary>VMCALL in ring 0: number and arguments in the registers. The instruction has completed; the result goes to EAX.</summary>
    Hypercall,

    /// <summary>WRMSR to IA32_APIC_BASE has completed: the monitor moves the local APIC before the next instruction (<see cref="Vcpu.ApicBase"/>).</summary>
    ApicBaseWritten,

    /// <summary>HLT has completed; the CPU sleeps until an interrupt.</summary>
    Halt,

    /// <summary>The monitor asked, and now an external interrupt can be delivered.</summary>
    InterruptWindow,

    /// <summary>The monitor asked with <see cref="Vcpu.RequestLeave"/>; or <see cref="Vcpu.CancelRequested"/> was seen inside a long REP string instruction, or millions of its elements are done; its registers are exact, and it goes on when re-entered.</summary>
    Cancelled,

    /// <summary>A triple fault: the CPU is dead until reset. <see cref="Vcpu.Autopsy"/> tells why.</summary>
    Shutdown,

    /// <summary>
    /// <see cref="IPortAccess"/> has performed an access or a hypercall, counted as <see cref="PortIo"/> or <see cref="Hypercall"/>, and wants the monitor to look before the guest goes on.
    /// Nothing is left to do for the access itself; a read has its answer already.
    /// </summary>
    PortIoPerformed,

    /// <summary>A condition of <see cref="Vcpu.Stops"/> is met (<see cref="Vcpu.StopHits"/>), between two instructions. Nothing that the guest did.</summary>
    StopCondition,
}

/// <summary>One exit: the reason, and for an access what was accessed.</summary>
/// <param name="Reason">Why the engine left.</param>
/// <param name="IsWrite">For an access: true for OUT and stores.</param>
/// <param name="Width">For an access: bytes, 1 to 8.</param>
/// <param name="Address">For an access: the port, or the guest-physical address.</param>
/// <param name="Value">For a write: the value, zero-extended.</param>
public readonly record struct VmExit(ExitReason Reason, bool IsWrite = false, int Width = 0, ulong Address = 0, ulong Value = 0);
