using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;
using ToyVmm.Hardware.State;

namespace ToyVmm.Hardware.Paging;

/// <summary>
/// Linear to physical addresses: the TLB in front of the page walk, accessed and dirty bits, and the rights. One for each
/// virtual CPU, used by every engine, so that what a guest sees of its tables is the same on all of them.
/// </summary>
/// <param name="memory">Guest-physical memory.</param>
/// <param name="state">The CPU whose CR0, CR3, CR4, EFER and PDPTE registers count.</param>
public sealed unsafe class Mmu(GuestMemory memory, CpuState* state) : IDisposable, ISavedState
{
    private const uint ErrorPresent = 1;
    private const uint ErrorReserved = 8;

    private readonly CpuState* _state = state;

    /// <summary>The TLB.</summary>
    public Tlb Tlb { get; } = new();

    /// <summary>What the A20 gate leaves of a physical address: all-ones, or all but bit 20.</summary>
    public ulong PhysicalMask { get; set; } = ulong.MaxValue;

    /// <summary>Told what is done behind a TLB miss while it is set; a hit does not ask for it.</summary>
    public IPagingProbe? Probe { get; set; }

    /// <summary>Translates one address, filling the TLB and setting A and D as the architecture says.</summary>
    /// <param name="linear">The linear address.</param>
    /// <param name="access">What is done there, and with whose rights.</param>
    /// <param name="physical">The guest-physical address, A20 applied.</param>
    /// <param name="rights">The rights of the entry used, D included; all rights with paging off.</param>
    /// <param name="errorCode">On failure, the page-fault error code (SDM 3A 4.7).</param>
    /// <returns>False for a page fault; CR2 is the caller's.</returns>
    public bool Translate(uint linear, PageAccess access, out ulong physical, out TlbRights rights, out uint errorCode)
    {
        errorCode = 0;
        if ((_state->Cr0 & Cr0.PG) == 0)
        {
            physical = linear & PhysicalMask;
            rights = TlbRights.Writable | TlbRights.User | TlbRights.Dirty;
            return true;
        }

        bool write = (access & PageAccess.Write) != 0;
        bool wasCached = Tlb.TryGet(linear, out ulong page, out rights);
        if (wasCached && Allows(rights, access) && (!write || (rights & TlbRights.Dirty) != 0))
        {
            physical = (page | (linear & 0xFFF)) & PhysicalMask;
            return true;
        }

        // No entry; or one that lacks a right or D: the processor walks again before it faults, so an upgrade needs no flush.
        PageWalk walk = PageWalker.Walk(memory, _state, PhysicalMask, linear);
        Probe?.Walked(linear, access, walk, wasCached ? rights : null);
        rights = walk.Rights | (write ? TlbRights.Dirty : 0);
        if (walk.Result == PageWalkResult.Mapped && Allows(rights, access))
        {
            PageWalker.MarkUsed(memory, walk, write, Probe);
            Tlb.Insert(linear, walk, rights, memory);
            Probe?.Filled(linear, walk.Page, rights);
            physical = (walk.Page | (linear & 0xFFF)) & PhysicalMask;
            return true;
        }

        Tlb.FlushPage(linear);

        // A fetch tells itself from a read only where XD exists: with PAE and EFER.NXE (SDM 3A 4.7, bit 4).
        bool tellsFetch = (_state->Cr4 & Cr4.PAE) != 0 && (_state->Efer & Efer.NXE) != 0;
        errorCode = (walk.Result == PageWalkResult.NotPresent ? 0 : ErrorPresent)
            | (walk.Result == PageWalkResult.ReservedBit ? ErrorReserved : 0)
            | (uint)(tellsFetch ? access : access & ~PageAccess.Fetch);
        physical = 0;
        Probe?.Refused(linear, errorCode);
        return false;
    }

    /// <summary>Loads the PDPTE registers from the table that CR3 names (SDM 3A 4.4.1); walks use them and do not read it again.</summary>
    /// <param name="cr3">The CR3 that will be, or is.</param>
    /// <returns>False, with nothing loaded, when a present entry has a reserved bit set: #GP(0).</returns>
    public bool TryLoadPointers(uint cr3)
    {
        Span<ulong> pointers = stackalloc ulong[PaeWalker.PointerCount];
        if (!PaeWalker.TryReadPointers(memory, cr3, PhysicalMask, pointers))
        {
            return false;
        }

        pointers.CopyTo(new Span<ulong>(_state->PageDirectoryPointers, PaeWalker.PointerCount));
        return true;
    }

    /// <summary>What MOV CR3 does to the TLB; CR3 and the PDPTE registers are the new ones.</summary>
    /// <param name="dropped">Receives the linear pages (numbers) of the address space that its tables no longer bear out.</param>
    /// <param name="trust">What is known of its tables, from a guest that says so.</param>
    /// <returns>False when nothing is known of the address space.</returns>
    public bool SwitchSpace(ICollection<uint> dropped, TableTrust trust = TableTrust.None) => Tlb.Switch(memory, _state, PhysicalMask, dropped, trust);

    /// <summary>Translates for a debugger or a report: fills nothing, marks nothing.</summary>
    /// <param name="linear">The linear address.</param>
    /// <returns>The guest-physical address, or null where the tables map nothing.</returns>
    public GuestPhysicalAddress? Peek(uint linear)
    {
        if ((_state->Cr0 & Cr0.PG) == 0)
        {
            return new GuestPhysicalAddress(linear & PhysicalMask);
        }

        PageWalk walk = PageWalker.Walk(memory, _state, PhysicalMask, linear);
        return walk.Result == PageWalkResult.Mapped ? new GuestPhysicalAddress((walk.Page | (linear & 0xFFF)) & PhysicalMask) : null;
    }

    /// <summary>True where an entry with these rights lets the access through (SDM 3A 4.6, without SMEP and SMAP).</summary>
    /// <param name="rights">The entry's rights.</param>
    /// <param name="access">What is done there, and with whose rights.</param>
    public bool Allows(TlbRights rights, PageAccess access)
    {
        bool user = (access & PageAccess.User) != 0;
        if (user && (rights & TlbRights.User) == 0)
        {
            return false;
        }

        if ((access & PageAccess.Fetch) != 0 && (rights & TlbRights.NoExecute) != 0)
        {
            return false;
        }

        return (access & PageAccess.Write) == 0 || (rights & TlbRights.Writable) != 0 || (!user && (_state->Cr0 & Cr0.WP) == 0);
    }

    /// <inheritdoc/>
    /// <remarks>The TLB. <see cref="PhysicalMask"/> is the A20 gate's, and set by the monitor.</remarks>
    void ISavedState.Transfer(StateTransfer state) => Tlb.Transfer(state, memory);

    /// <inheritdoc/>
    public void Dispose() => Tlb.Dispose();
}
