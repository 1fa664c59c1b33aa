namespace ToyVmm.Hardware.Paging;

/// <summary>What an access does and with whose rights; each value is the bit that says so in a page-fault error code (SDM 3A 4.7).</summary>
[Flags]
public enum PageAccess : uint
{
    /// <summary>A supervisor read of data.</summary>
    Read = 0,

    /// <summary>A write.</summary>
    Write = 2,

    /// <summary>With user rights: CPL 3, and not an access that the CPU makes for itself.</summary>
    User = 4,

    /// <summary>The fetch of an instruction.</summary>
    Fetch = 16,
}
