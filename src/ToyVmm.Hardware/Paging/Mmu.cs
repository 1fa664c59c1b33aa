using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;

namespace ToyVmm.Hardware.Paging;

/// <summary>
/// Linear to physical addresses: the TLB in front of the page walk, accessed and dirty bits, and the rights. One for each
/// virtual CPU, used by every engine, so that what a guest sees of its tables is the same on all of them.
/// </summary>
/// <param name="memory">Guest-physical memory.</param>
/// <param name="state">The CPU whose CR0, CR3 and CR4 count.</param>
public sealed unsafe class Mmu(GuestMemory memory, CpuState* state) : IDisposable
{
    private const uint ErrorPresent = 1;
    private const uint ErrorWrite = 2;
    private const uint ErrorUser = 4;
    private const uint ErrorReserved = 8;

    private readonly CpuState* _state = state;

    /// <summary>The TLB.</summary>
    public Tlb Tlb { get; } = new();

    /// <summary>What the A20 gate leaves of a physical address: all-ones, or all but bit 20.</summary>
    public uint PhysicalMask { get; set; } = uint.MaxValue;

    /// <summary>Translates one address, filling the TLB and setting A and D as the architecture says.</summary>
    /// <param name="linear">The linear address.</param>
    /// <param name="write">True for a write.</param>
    /// <param name="user">True for an access with user rights (CPL 3, not a system access).</param>
    /// <param name="physical">The guest-physical address, A20 applied.</param>
    /// <param name="rights">The rights of the entry used, D included; all rights with paging off.</param>
    /// <param name="errorCode">On failure, the page-fault error code (SDM 3A 4.7).</param>
    /// <returns>False for a page fault; CR2 is the caller's.</returns>
    public bool Translate(uint linear, bool write, bool user, out uint physical, out TlbRights rights, out uint errorCode)
    {
        errorCode = 0;
        if ((_state->Cr0 & Cr0.PG) == 0)
        {
            physical = linear & PhysicalMask;
            rights = TlbRights.Writable | TlbRights.User | TlbRights.Dirty;
            return true;
        }

        if (Tlb.TryGet(linear, out uint page, out rights) && Allows(rights, write, user) && (!write || (rights & TlbRights.Dirty) != 0))
        {
            physical = (page | (linear & 0xFFF)) & PhysicalMask;
            return true;
        }

        // No entry; or one that lacks a right or D: the processor walks again before it faults, so an upgrade needs no flush.
        PageWalk walk = PageWalker.Walk(memory, _state->Cr3, _state->Cr4, PhysicalMask, linear);
        rights = (walk.IsWritable ? TlbRights.Writable : 0) | (walk.IsUser ? TlbRights.User : 0)
            | (walk.IsGlobal ? TlbRights.Global : 0) | (walk.IsDirty || write ? TlbRights.Dirty : 0);
        if (walk.Result == PageWalkResult.Mapped && Allows(rights, write, user))
        {
            PageWalker.MarkUsed(memory, walk, write);
            Tlb.Insert(linear, walk.Page, rights);
            physical = (walk.Page | (linear & 0xFFF)) & PhysicalMask;
            return true;
        }

        Tlb.FlushPage(linear);
        errorCode = (walk.Result == PageWalkResult.NotPresent ? 0 : ErrorPresent)
            | (walk.Result == PageWalkResult.ReservedBit ? ErrorReserved : 0)
            | (write ? ErrorWrite : 0) | (user ? ErrorUser : 0);
        physical = 0;
        return false;
    }

    /// <summary>Translates for a debugger or a report: fills nothing, marks nothing.</summary>
    /// <param name="linear">The linear address.</param>
    /// <returns>The guest-physical address, or null where the tables map nothing.</returns>
    public GuestPhysicalAddress? Peek(uint linear)
    {
        if ((_state->Cr0 & Cr0.PG) == 0)
        {
            return new GuestPhysicalAddress(linear & PhysicalMask);
        }

        PageWalk walk = PageWalker.Walk(memory, _state->Cr3, _state->Cr4, PhysicalMask, linear);
        return walk.Result == PageWalkResult.Mapped ? new GuestPhysicalAddress((walk.Page | (linear & 0xFFF)) & PhysicalMask) : null;
    }

    /// <summary>True where an entry with these rights lets the access through (SDM 3A 4.6, without NX, SMEP and SMAP).</summary>
    /// <param name="rights">The entry's rights.</param>
    /// <param name="write">True for a write.</param>
    /// <param name="user">True for user rights.</param>
    public bool Allows(TlbRights rights, bool write, bool user)
    {
        if (user && (rights & TlbRights.User) == 0)
        {
            return false;
        }

        return !write || (rights & TlbRights.Writable) != 0 || (!user && (_state->Cr0 & Cr0.WP) == 0);
    }

    /// <inheritdoc/>
    public void Dispose() => Tlb.Dispose();
}
