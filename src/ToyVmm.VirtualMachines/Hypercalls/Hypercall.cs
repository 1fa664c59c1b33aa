namespace ToyVmm.VirtualMachines.Hypercalls;

/// <summary>What a guest asks its monitor for with VMCALL: the number in EAX.</summary>
public enum Hypercall
{
    /// <summary>The version of the interface.</summary>
    Features,

    /// <summary>Bytes for the console.</summary>
    ConsoleWrite,

    /// <summary>The end, with a verdict.</summary>
    Exit,

    /// <summary>The rest of the time slice is given away.</summary>
    Yield,

    /// <summary>Where the monitor keeps time and state for the guest to read.</summary>
    ClockPage,

    /// <summary>A one-shot timer.</summary>
    SetTimer,

    /// <summary>Page-table entries, stored and flushed together.</summary>
    MmuUpdate,

    /// <summary>Another address space.</summary>
    SetPageTable,

    /// <summary>Pages given back to the host, or taken again.</summary>
    Balloon,

    /// <summary>Another guest's bell.</summary>
    EventSend,

    /// <summary>A page shared with another guest.</summary>
    Share,

    /// <summary>A mark in the trace.</summary>
    TraceMark,
}

/// <summary>What a hypercall answers in EAX where it fails: Linux's numbers, negated.</summary>
public enum HypercallError
{
    /// <summary>Success.</summary>
    None = 0,

    /// <summary>The configuration does not allow it.</summary>
    NotPermitted = 1,

    /// <summary>Not now; later, perhaps.</summary>
    TryAgain = 11,

    /// <summary>The host has no memory for it, or the guest's limit does not allow more.</summary>
    NoMemory = 12,

    /// <summary>An address outside the guest's RAM.</summary>
    BadAddress = 14,

    /// <summary>An argument that makes no sense.</summary>
    InvalidArgument = 22,

    /// <summary>There is no such call.</summary>
    NoSuchCall = 38,
}
