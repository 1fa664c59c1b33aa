namespace ToyVmm.Hardware.Paging;

/// <summary>
/// Told what the <see cref="Mmu"/> does behind a TLB miss, step by step, while it does it: for a debugger that shows a trap. It may look, and
/// change nothing. A hit tells nobody, so it costs nothing.
/// </summary>
public interface IPagingProbe
{
    /// <summary>The tables were read for an address; nothing has been marked or filled yet.</summary>
    /// <param name="linear">The linear address.</param>
    /// <param name="access">What is done there, and with whose rights.</param>
    /// <param name="walk">What the walk read, level by level.</param>
    /// <param name="cached">The rights of the TLB entry that did not suffice; null where there was none.</param>
    void Walked(uint linear, PageAccess access, in PageWalk walk, TlbRights? cached);

    /// <summary>Accessed or dirty bits were set in an entry.</summary>
    /// <param name="address">Its GPA.</param>
    /// <param name="before">Its low 32 bits before.</param>
    /// <param name="after">Its low 32 bits now.</param>
    void EntryMarked(ulong address, uint before, uint after);

    /// <summary>The translation was put into the TLB.</summary>
    /// <param name="linear">The linear address.</param>
    /// <param name="page">The physical page.</param>
    /// <param name="rights">The rights of the new entry.</param>
    void Filled(uint linear, ulong page, TlbRights rights);

    /// <summary>The access is a page fault; the page has no TLB entry any more.</summary>
    /// <param name="linear">The linear address.</param>
    /// <param name="errorCode">The page-fault error code (SDM 3A 4.7).</param>
    void Refused(uint linear, uint errorCode);
}
