namespace ToyVmm.Hardware.Memory;

/// <summary>What answers on the bus at one guest-physical page.</summary>
public enum PageKind : byte
{
    /// <summary>Nothing: the access leaves the engine, reads give all-ones, writes are lost.</summary>
    Hole,

    /// <summary>Memory that is read and written in place.</summary>
    Ram,

    /// <summary>Memory that is read in place; writes are lost.</summary>
    Rom,

    /// <summary>A device: every access leaves the engine.</summary>
    Mmio,
}
