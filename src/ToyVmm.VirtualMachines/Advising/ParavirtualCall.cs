namespace ToyVmm.VirtualMachines.Advising;

/// <summary>What a guest that knows it is virtualized would do instead of what it left its code for.</summary>
public enum ParavirtualCall
{
    /// <summary>Nothing: no call does that.</summary>
    None,

    /// <summary>The hypercall console_write: a whole text in one exit.</summary>
    ConsoleWrite,

    /// <summary>The hypercall clock_page, once: reading the time then is a read of memory.</summary>
    ClockPage,

    /// <summary>The hypercall set_timer, with an event vector that wants no end of interrupt.</summary>
    SetTimer,

    /// <summary>The hypercall mmu_update: a batch of page-table entries, stored, flushed and mapped in one exit.</summary>
    MmuUpdate,

    /// <summary>The hypercall set_page_table: a load of CR3 after which nothing is compared.</summary>
    SetPageTable,

    /// <summary>The hypercall yield: who waits for something gives its time away.</summary>
    Yield,

    /// <summary>No call: the guest leaves it out.</summary>
    LeaveOut,
}
