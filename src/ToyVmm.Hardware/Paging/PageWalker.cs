using System.Buffers.Binary;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;

namespace ToyVmm.Hardware.Paging;

/// <summary>
/// The page walk as a pure function of the registers and the tables in memory: it changes nothing, caches nothing and is the model
/// that every faster way is tested against. Here is 32-bit paging (SDM 3A 4.3), whose physical addresses have 32 bits (no PSE-36);
/// <see cref="PaeWalker"/> has the other kind.
/// </summary>
public static unsafe class PageWalker
{
    /// <summary>P of any entry.</summary>
    internal const uint Present = 1;

    /// <summary>R/W.</summary>
    internal const uint Writable = 2;

    /// <summary>U/S.</summary>
    internal const uint User = 4;

    /// <summary>PS of a directory entry.</summary>
    internal const uint PageSize = 0x80;

    /// <summary>G of an entry that maps a page.</summary>
    internal const uint Global = 0x100;

    /// <summary>D of an entry that maps a page.</summary>
    internal const uint Dirty = 0x40;

    /// <summary>A of any entry.</summary>
    internal const uint Accessed = 0x20;

    /// <summary>The PAT bit of an entry that maps a large page. This CPU has no PAT, so it is reserved (SDM 3A 4.3, 4.4.2).</summary>
    internal const uint LargePat = 1 << 12;

    /// <summary>The PAT bit of a table entry, reserved likewise.</summary>
    internal const uint Pat = 1 << 7;

    // Bits 13-21 of a 4 MiB directory entry are reserved without PSE-36 (SDM 3A table 4-4). With CR4.PSE clear nothing is reserved.
    private const uint LargeReserved = 0x003F_E000 | LargePat;

    /// <summary>Walks the tables for one linear address, in the paging mode that the registers ask for; CR0.PG is taken as set.</summary>
    /// <param name="memory">Guest-physical memory.</param>
    /// <param name="state">The CPU: CR3, CR4, EFER and the PDPTE registers count.</param>
    /// <param name="physicalMask">What the A20 gate leaves of a physical address.</param>
    /// <param name="linear">The linear address.</param>
    public static PageWalk Walk(GuestMemory memory, CpuState* state, ulong physicalMask, uint linear) =>
        (state->Cr4 & Cr4.PAE) != 0
            ? PaeWalker.Walk(memory, state, physicalMask, linear)
            : Walk32(memory, state->Cr3, state->Cr4, physicalMask, linear);

    /// <summary>Sets the accessed bits that a walk used, and the dirty bit for a write (SDM 3A 4.8). A PDPTE has neither.</summary>
    /// <param name="memory">Guest-physical memory.</param>
    /// <param name="walk">A walk with result <see cref="PageWalkResult.Mapped"/>.</param>
    /// <param name="write">True for a write.</param>
    /// <param name="probe">Told of the bits that were clear; or null.</param>
    public static void MarkUsed(GuestMemory memory, in PageWalk walk, bool write, IPagingProbe? probe = null)
    {
        uint leafBits = write ? Accessed | Dirty : Accessed;
        SetBits(memory, walk.DirectoryEntryAddress, walk.DirectoryEntry, walk.HasTableEntry ? Accessed : leafBits, probe);
        if (walk.HasTableEntry)
        {
            SetBits(memory, walk.TableEntryAddress, walk.TableEntry, leafBits, probe);
        }
    }

    /// <summary>Reads the directory entry that a walk would use, and nothing else.</summary>
    /// <param name="memory">Guest-physical memory.</param>
    /// <param name="state">The CPU: CR3, CR4 and the PDPTE registers count.</param>
    /// <param name="physicalMask">What the A20 gate leaves of a physical address.</param>
    /// <param name="linear">The linear address.</param>
    /// <param name="address">Receives its GPA.</param>
    /// <param name="entry">Receives it: 32 bits without PAE.</param>
    /// <returns>False where a PDPTE is not present.</returns>
    internal static bool TryReadDirectory(GuestMemory memory, CpuState* state, ulong physicalMask, uint linear, out ulong address, out ulong entry)
    {
        if ((state->Cr4 & Cr4.PAE) == 0)
        {
            address = DirectoryAddress(state->Cr3, physicalMask, linear);
            entry = memory.ReadUInt32(new GuestPhysicalAddress(address));
            return true;
        }

        ulong pointer = state->PageDirectoryPointers[linear >> 30];
        address = PaeWalker.DirectoryAddress(pointer, physicalMask, linear);
        entry = (pointer & Present) == 0 ? 0 : memory.ReadUInt64(new GuestPhysicalAddress(address));
        return (pointer & Present) != 0;
    }

    private static ulong DirectoryAddress(uint cr3, ulong physicalMask, uint linear) => ((cr3 & 0xFFFF_F000) + ((linear >> 22) * 4)) & physicalMask;

    private static PageWalk Walk32(GuestMemory memory, uint cr3, uint cr4, ulong physicalMask, uint linear)
    {
        ulong directoryAddress = DirectoryAddress(cr3, physicalMask, linear);
        uint directory = memory.ReadUInt32(new GuestPhysicalAddress(directoryAddress));
        PageWalk walk = new() { DirectoryEntryAddress = directoryAddress, DirectoryEntry = directory, HasDirectoryEntry = true };
        if ((directory & Present) == 0)
        {
            return walk;
        }

        if ((directory & PageSize) != 0 && (cr4 & Cr4.PSE) != 0)
        {
            return walk with
            {
                Result = (directory & LargeReserved) != 0 ? PageWalkResult.ReservedBit : PageWalkResult.Mapped,
                Page = (directory & 0xFFC0_0000) | (linear & 0x003F_F000),
                Rights = Rights(directory, directory, cr4),
            };
        }

        ulong tableAddress = ((directory & 0xFFFF_F000) + (((linear >> 12) & 0x3FF) * 4)) & physicalMask;
        uint table = memory.ReadUInt32(new GuestPhysicalAddress(tableAddress));
        bool reserved = (table & Pat) != 0 && (cr4 & Cr4.PSE) != 0;
        return walk with
        {
            Result = (table & Present) == 0 ? PageWalkResult.NotPresent : reserved ? PageWalkResult.ReservedBit : PageWalkResult.Mapped,
            HasTableEntry = true,
            TableEntryAddress = tableAddress,
            TableEntry = table,
            Page = table & 0xFFFF_F000,
            Rights = Rights(directory & table, table, cr4),
        };
    }

    /// <summary>The rights that both kinds of tables keep in the same bits.</summary>
    /// <param name="every">The AND of the entries of every level.</param>
    /// <param name="leaf">The entry that maps the page.</param>
    /// <param name="cr4">CR4, for PGE.</param>
    internal static TlbRights Rights(ulong every, ulong leaf, uint cr4) =>
        ((every & Writable) != 0 ? TlbRights.Writable : 0)
        | ((every & User) != 0 ? TlbRights.User : 0)
        | ((leaf & Dirty) != 0 ? TlbRights.Dirty : 0)
        | ((leaf & Global) != 0 && (cr4 & Cr4.PGE) != 0 ? TlbRights.Global : 0);

    // All of them lie in the first byte of an entry of either size.
    private static void SetBits(GuestMemory memory, ulong address, ulong entry, uint bits, IPagingProbe? probe)
    {
        if ((entry & bits) != bits)
        {
            Span<byte> bytes = stackalloc byte[4];
            BinaryPrimitives.WriteUInt32LittleEndian(bytes, (uint)entry | bits);

            // Tables in ROM or beyond memory keep their bits: there is nothing to write to.
            if (memory.KindAt(new GuestPhysicalAddress(address)) == PageKind.Ram)
            {
                _ = memory.TryWrite(new GuestPhysicalAddress(address), bytes);
                probe?.EntryMarked(address, (uint)entry, (uint)entry | bits);
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

/// <summary>What a page walk found: how far it came, and the rights of all levels together.</summary>
public readonly record struct PageWalk
{
    /// <summary>How it ended.</summary>
    public PageWalkResult Result { get; init; }

    /// <summary>With PAE: the register that the walk began with, 0-3; null without.</summary>
    public int? PointerIndex { get; init; }

    /// <summary>With PAE: what that register holds.</summary>
    public ulong PointerEntry { get; init; }

    /// <summary>True when a directory entry was read: always, but for a PDPTE that is not present.</summary>
    public bool HasDirectoryEntry { get; init; }

    /// <summary>GPA of the directory entry.</summary>
    public ulong DirectoryEntryAddress { get; init; }

    /// <summary>The directory entry: 32 bits of it without PAE.</summary>
    public ulong DirectoryEntry { get; init; }

    /// <summary>True when a table entry was read: not behind a directory entry that is not present, reserved or maps a large page.</summary>
    public bool HasTableEntry { get; init; }

    /// <summary>GPA of the table entry.</summary>
    public ulong TableEntryAddress { get; init; }

    /// <summary>The table entry: 32 bits of it without PAE.</summary>
    public ulong TableEntry { get; init; }

    /// <summary>GPA of the 4 KiB page (of that part of a 2 or 4 MiB page).</summary>
    public ulong Page { get; init; }

    /// <summary>Log2 of the size of the page: 12, 21 or 22.</summary>
    public int PageShift => HasTableEntry ? 12 : PointerIndex is null ? 22 : 21;

    /// <summary>The rights; D as it was before the access.</summary>
    public TlbRights Rights { get; init; }
}
