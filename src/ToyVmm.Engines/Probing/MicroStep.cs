namespace ToyVmm.Engines.Probing;

/// <summary>One thing that the VMM did for a trap. What the fields hold is said at each <see cref="MicroStepKind"/>.</summary>
/// <param name="Kind">What it was.</param>
/// <param name="Address">Where, as a rule.</param>
/// <param name="Value">What was read, written or loaded there.</param>
/// <param name="Size">Bytes, of an access.</param>
/// <param name="Selector">A selector, vector or number.</param>
/// <param name="Detail">A second value: an old one, rights, an error code.</param>
/// <param name="Text">A constant in words, where the values do not say it all.</param>
public readonly record struct MicroStep(
    MicroStepKind Kind, ulong Address = 0, ulong Value = 0, int Size = 0, uint Selector = 0, uint Detail = 0, string? Text = null);

/// <summary>What the VMM can do for a trap.</summary>
public enum MicroStepKind
{
    /// <summary>A walk begins: the address, and in <see cref="MicroStep.Detail"/> the <see cref="Hardware.Paging.PageAccess"/>; <see cref="MicroStep.Value"/> is the rights of a TLB entry that did not suffice, plus one.</summary>
    WalkBegins,

    /// <summary>A PDPTE register was used: its number in <see cref="MicroStep.Selector"/>, what it holds.</summary>
    PointerEntry,

    /// <summary>A page-directory entry was read: its GPA, its bits.</summary>
    DirectoryEntry,

    /// <summary>A page-table entry was read: its GPA, its bits.</summary>
    TableEntry,

    /// <summary>A or D was set: the entry's GPA, its new low half, the old one in <see cref="MicroStep.Detail"/>.</summary>
    EntryMarked,

    /// <summary>The TLB, and with it the shadow, got an entry: the linear page, the physical page, the <see cref="Hardware.Paging.TlbRights"/> in <see cref="MicroStep.Detail"/>.</summary>
    TlbFilled,

    /// <summary>The guest's tables refuse the access: the address, the error code in <see cref="MicroStep.Detail"/>.</summary>
    AccessRefused,

    /// <summary>A check failed: the vector in <see cref="MicroStep.Selector"/>, the error code in <see cref="MicroStep.Detail"/>, which check in <see cref="MicroStep.Text"/>.</summary>
    CheckFailed,

    /// <summary>An entry of the real-mode vector table was read: its linear address, its offset and segment, the vector in <see cref="MicroStep.Selector"/>.</summary>
    VectorRead,

    /// <summary>A gate of the IDT was read: its linear address, its 8 bytes, the vector in <see cref="MicroStep.Selector"/>.</summary>
    GateRead,

    /// <summary>A descriptor was read: its linear address, its 8 bytes, the selector.</summary>
    DescriptorRead,

    /// <summary>The access byte of a descriptor was changed (accessed, busy): its linear address, the byte now, the selector.</summary>
    DescriptorMarked,

    /// <summary>An interrupt controller was asked and has answered: the vector in <see cref="MicroStep.Selector"/>. Told where that happens, which is before the delivery.</summary>
    InterruptAcknowledged,

    /// <summary>The frame of an interrupt was read by IRET: its linear address, EIP, CS, EFLAGS in <see cref="MicroStep.Detail"/>; words of <see cref="MicroStep.Size"/> bytes.</summary>
    FrameRead,

    /// <summary>SS:ESP of an inner ring was read from the TSS: its linear address, ESP, SS in <see cref="MicroStep.Selector"/>, the ring in <see cref="MicroStep.Detail"/>.</summary>
    InnerStackRead,

    /// <summary>The CPU stored on its own account (a frame, a table register): the linear address, the value, its size.</summary>
    Stored,

    /// <summary>The handler was entered: EIP, EFLAGS in <see cref="MicroStep.Detail"/>, CS.</summary>
    HandlerEntered,

    /// <summary>A port was read: the port, the answer, its size.</summary>
    PortRead,

    /// <summary>A port was written: the port, the value, its size.</summary>
    PortWritten,

    /// <summary>A device was read as memory: the GPA, the answer, its size.</summary>
    DeviceRead,

    /// <summary>A device was written as memory: the GPA, the value, its size.</summary>
    DeviceWritten,

    /// <summary>CR3 was loaded: the new one; <see cref="MicroStep.Selector"/> is 1 where entries of the address space were held, and <see cref="MicroStep.Detail"/> how many of those its tables no longer bear out.</summary>
    AddressSpaceEntered,

    /// <summary>Every entry left the TLB: why, in <see cref="MicroStep.Text"/>.</summary>
    TlbFlushed,

    /// <summary>The entry of one page left the TLB: the linear address.</summary>
    PageInvalidated,

    /// <summary>A task was saved: the linear address of its TSS, the EIP in it, the selector.</summary>
    TaskSaved,

    /// <summary>A task was loaded: the linear address of its TSS, the EIP in it, the selector.</summary>
    TaskLoaded,

    /// <summary>A hypercall was made: its number.</summary>
    HypercallMade,

    /// <summary>Guest code that the VMM had decoded was overwritten, and was forgotten: the GPA of the store, its size.</summary>
    CodeForgotten,

    /// <summary>The CPU sleeps.</summary>
    Slept,

    /// <summary>The instruction ended, its results are in the registers: the EIP behind it.</summary>
    Completed,
}
