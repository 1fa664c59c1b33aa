using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;

namespace ToyVmm.Hardware.Paging;

/// <summary>
/// The page walk of 32-bit paging (SDM 3A 4.3) as a pure function of the tables in memory: it changes nothing, caches nothing
/// and is the model that every faster way is tested against. Physical addresses have 32 bits (no PSE-36).
/// </summary>
public static class PageWalker
{
    private const uint Present = 1;
    private const uint Writable = 2;
    private const uint User = 4;
    private const uint Accessed = 0x20;
    private const uint Dirty = 0x40;
    private const uint PageSize = 0x80;
    private const uint Global = 0x100;

    // Bits 13-21 of a 4 MiB directory entry are reserved without PSE-36 (bit 12 is PAT) (SDM 3A table 4-4).
    private const uint LargeReserved = 0x003F_E000;

    /// <summary>Walks the tables for one linear address.</summary>
    /// <param name="memory">Guest-physical memory.</param>
    /// <param name="cr3">CR3.</param>
    /// <param name="cr4">CR4, for PSE and PGE.</param>
    /// <param name="physicalMask">What the A20 gate leaves of a physical address.</param>
    /// <param name="linear">The linear address.</param>
    public static PageWalk Walk(GuestMemory memory, uint cr3, uint cr4, uint physicalMask, uint linear)
    {
        uint directoryAddress = ((cr3 & 0xFFFF_F000) + ((linear >> 22) * 4)) & physicalMask;
        uint directory = memory.ReadUInt32(new GuestPhysicalAddress(directoryAddress));
        if ((directory & Present) == 0)
        {
            return new PageWalk(PageWalkResult.NotPresent, directoryAddress, directory, 0, 0, 0, false, false, false, false);
        }

        if ((directory & PageSize) != 0 && (cr4 & Cr4.PSE) != 0)
        {
            PageWalkResult result = (directory & LargeReserved) != 0 ? PageWalkResult.ReservedBit : PageWalkResult.Mapped;
            uint largePage = (directory & 0xFFC0_0000) | (linear & 0x003F_F000);
            return new PageWalk(
                result,
                directoryAddress,
                directory,
                0,
                0,
                largePage,
                (directory & Writable) != 0,
                (directory & User) != 0,
                (directory & Global) != 0 && (cr4 & Cr4.PGE) != 0,
                (directory & Dirty) != 0);
        }

        uint tableAddress = ((directory & 0xFFFF_F000) + (((linear >> 12) & 0x3FF) * 4)) & physicalMask;
        uint table = memory.ReadUInt32(new GuestPhysicalAddress(tableAddress));
        return new PageWalk(
            (table & Present) != 0 ? PageWalkResult.Mapped : PageWalkResult.NotPresent,
            directoryAddress,
            directory,
            tableAddress,
            table,
            table & 0xFFFF_F000,
            (directory & table & Writable) != 0,
            (directory & table & User) != 0,
            (table & Global) != 0 && (cr4 & Cr4.PGE) != 0,
            (table & Dirty) != 0);
    }

    /// <summary>Sets the accessed bits that a walk used, and the dirty bit for a write (SDM 3A 4.8).</summary>
    /// <param name="memory">Guest-physical memory.</param>
    /// <param name="walk">A walk with result <see cref="PageWalkResult.Mapped"/>.</param>
    /// <param name="write">True for a write.</param>
    public static void MarkUsed(GuestMemory memory, in PageWalk walk, bool write)
    {
        uint leafBits = write ? Accessed | Dirty : Accessed;
        bool large = walk.TableEntryAddress == 0;
        SetBits(memory, walk.DirectoryEntryAddress, walk.DirectoryEntry, large ? leafBits : Accessed);
        if (!large)
        {
            SetBits(memory, walk.TableEntryAddress, walk.TableEntry, leafBits);
        }
    }

    private static void SetBits(GuestMemory memory, uint address, uint entry, uint bits)
    {
        if ((entry & bits) != bits)
        {
            Span<byte> bytes = stackalloc byte[4];
            System.Buffers.Binary.BinaryPrimitives.WriteUInt32LittleEndian(bytes, entry | bits);

            // Tables in ROM or beyond memory keep their bits: there is nothing to write to.
            if (memory.KindAt(new GuestPhysicalAddress(address)) == PageKind.Ram)
            {
                _ = memory.TryWrite(new GuestPhysicalAddress(address), bytes);
            }
        }
    }
}

/// <summary>How a page walk ended.</summary>
public enum PageWalkResult
{
    /// <summary>An entry without its present bit.</summary>
    NotPresent,

    /// <summary>A reserved bit was set in a present entry.</summary>
    ReservedBit,

    /// <summary>A page was found; the rights decide.</summary>
    Mapped,
}

/// <summary>What a page walk found. Rights are those of both levels together.</summary>
/// <param name="Result">How it ended.</param>
/// <param name="DirectoryEntryAddress">GPA of the directory entry.</param>
/// <param name="DirectoryEntry">The directory entry.</param>
/// <param name="TableEntryAddress">GPA of the table entry; 0 when there was none (not present above, or a 4 MiB page).</param>
/// <param name="TableEntry">The table entry.</param>
/// <param name="Page">GPA of the 4 KiB page (of that part of a 4 MiB page).</param>
/// <param name="IsWritable">R/W at every level.</param>
/// <param name="IsUser">U/S at every level.</param>
/// <param name="IsGlobal">G, with CR4.PGE.</param>
/// <param name="IsDirty">D was set already.</param>
public readonly record struct PageWalk(
    PageWalkResult Result,
    uint DirectoryEntryAddress,
    uint DirectoryEntry,
    uint TableEntryAddress,
    uint TableEntry,
    uint Page,
    bool IsWritable,
    bool IsUser,
    bool IsGlobal,
    bool IsDirty);
