using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;

namespace ToyVmm.Hardware.Paging;

/// <summary>
/// PAE paging (SDM 3A 4.4): four PDPTEs that are registers of the CPU, then a directory and a table of 64-bit entries, which map
/// 2 MiB and 4 KiB pages of a 36-bit physical address space and carry the execute-disable bit.
/// </summary>
public static unsafe class PaeWalker
{
    /// <summary>MAXPHYADDR: what CPUID leaf 80000008 tells. Addresses of those 36 bits with nothing behind them are holes.</summary>
    public const int PhysicalAddressBits = 36;

    /// <summary>PDPTEs.</summary>
    public const int PointerCount = 4;

    private const ulong ExecuteDisable = 1ul << 63;
    private const ulong Frame = (1ul << PhysicalAddressBits) - 0x1000;
    private const ulong LargeFrame = (1ul << PhysicalAddressBits) - 0x20_0000;

    // Bits 63-MAXPHYADDR, 8-5 and 2-1 of a PDPTE (SDM 3A table 4-8).
    private const ulong PointerReserved = ~((1ul << PhysicalAddressBits) - 1) | 0x1E6;

    // Bits 62-MAXPHYADDR of every other entry, and 20-13 (12 is PAT) of one that maps 2 MiB (SDM 3A 4.4.2).
    private const ulong Reserved = ~((1ul << PhysicalAddressBits) - 1) & ~ExecuteDisable;
    private const ulong LargeReserved = 0x1F_E000 | PageWalker.LargePat;

    /// <summary>Reads the four PDPTEs, as MOV CR3 does (SDM 3A 4.4.1).</summary>
    /// <param name="memory">Guest-physical memory.</param>
    /// <param name="cr3">CR3: bits 31-5 are the address.</param>
    /// <param name="physicalMask">What the A20 gate leaves of a physical address.</param>
    /// <param name="pointers">Receives them; at least four.</param>
    /// <returns>False when a present one has a reserved bit set: the instruction then loads nothing and raises #GP(0).</returns>
    public static bool TryReadPointers(GuestMemory memory, uint cr3, ulong physicalMask, Span<ulong> pointers)
    {
        bool valid = true;
        for (uint n = 0; n < PointerCount; n++)
        {
            ulong entry = memory.ReadUInt64(new GuestPhysicalAddress(((cr3 & 0xFFFF_FFE0) + (n * 8)) & physicalMask));
            valid &= (entry & PageWalker.Present) == 0 || (entry & PointerReserved) == 0;
            pointers[(int)n] = entry;
        }

        return valid;
    }

    /// <summary>Walks the tables for one linear address.</summary>
    /// <param name="memory">Guest-physical memory.</param>
    /// <param name="state">The CPU: CR4, EFER and the PDPTE registers count.</param>
    /// <param name="physicalMask">What the A20 gate leaves of a physical address.</param>
    /// <param name="linear">The linear address.</param>
    public static PageWalk Walk(GuestMemory memory, CpuState* state, ulong physicalMask, uint linear)
    {
        int index = (int)(linear >> 30);
        ulong pointer = state->PageDirectoryPointers[index];
        PageWalk walk = new() { PointerIndex = index, PointerEntry = pointer };
        if ((pointer & PageWalker.Present) == 0)
        {
            return walk;
        }

        ulong reserved = (state->Efer & Efer.NXE) != 0 ? Reserved : Reserved | ExecuteDisable;
        ulong directoryAddress = DirectoryAddress(pointer, physicalMask, linear);
        ulong directory = memory.ReadUInt64(new GuestPhysicalAddress(directoryAddress));
        walk = walk with { HasDirectoryEntry = true, DirectoryEntryAddress = directoryAddress, DirectoryEntry = directory };
        if ((directory & PageWalker.Present) == 0)
        {
            return walk;
        }

        // CR4.PSE does not count here: PS alone says 2 MiB (SDM 3A 4.4.2).
        bool large = (directory & PageWalker.PageSize) != 0;
        if ((directory & (large ? reserved | LargeReserved : reserved)) != 0)
        {
            return walk with { Result = PageWalkResult.ReservedBit };
        }

        if (large)
        {
            return walk with
            {
                Result = PageWalkResult.Mapped,
                Page = (directory & LargeFrame) | (linear & 0x1F_F000),
                Rights = PageWalker.Rights(directory, directory, state->Cr4) | NoExecute(directory),
            };
        }

        ulong tableAddress = ((directory & Frame) + (((linear >> 12) & 0x1FF) * 8)) & physicalMask;
        ulong table = memory.ReadUInt64(new GuestPhysicalAddress(tableAddress));
        bool present = (table & PageWalker.Present) != 0;
        return walk with
        {
            Result = !present ? PageWalkResult.NotPresent : (table & (reserved | PageWalker.Pat)) != 0 ? PageWalkResult.ReservedBit : PageWalkResult.Mapped,
            HasTableEntry = true,
            TableEntryAddress = tableAddress,
            TableEntry = table,
            Page = table & Frame,
            Rights = PageWalker.Rights(directory & table, table, state->Cr4) | NoExecute(directory | table),
        };
    }

    /// <summary>GPA of the directory entry for a linear address, below a PDPTE.</summary>
    internal static ulong DirectoryAddress(ulong pointer, ulong physicalMask, uint linear) =>
        ((pointer & Frame) + (((linear >> 21) & 0x1FF) * 8)) & physicalMask;

    // XD at any level covers everything below; with EFER.NXE clear the bit is reserved and never comes here.
    private static TlbRights NoExecute(ulong either) => (either & ExecuteDisable) != 0 ? TlbRights.NoExecute : 0;
}
