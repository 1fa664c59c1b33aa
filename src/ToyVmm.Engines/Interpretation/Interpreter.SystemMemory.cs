using System.Runtime.InteropServices;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;

namespace ToyVmm.Engines.Interpretation;

/// <summary>What the CPU itself reads and writes: descriptors, gates, task states, interrupt frames.</summary>
public sealed unsafe partial class Interpreter
{
    /// <summary>Reads for the CPU itself (descriptors, TSS, gates): supervisor rights, no alignment check. Devices read as all-ones.</summary>
    /// <returns>False with the page fault pending.</returns>
    internal bool ReadSystem(uint linear, int size, out ulong value)
    {
        TlbEntry* line = SupervisorTlb + ((linear >> 12) & (TlbEntry.Count - 1));
        if (line->ReadTag == ((linear + (uint)size - 1) & PageMask))
        {
            byte* direct = (byte*)line->Addend + linear;
            value = size switch
            {
                8 => *(ulong*)direct,
                4 => *(uint*)direct,
                2 => *(ushort*)direct,
                _ => *direct,
            };
            return true;
        }

        value = 0;
        if (!TryTranslate(linear, size, write: false, user: false, out ulong first, out ulong second))
        {
            return false;
        }

        if (!PassWatchOfSystem(linear, size, first, second, write: false))
        {
            return false;
        }

        Span<byte> bytes = stackalloc byte[8];
        bytes.Clear();
        int firstLength = Math.Min(size, (int)(GuestPhysicalAddress.PageSize - (linear & OffsetMask)));
        _ = Memory.TryRead(new GuestPhysicalAddress(first), bytes[..firstLength]);
        if (firstLength < size)
        {
            _ = Memory.TryRead(new GuestPhysicalAddress(second), bytes[firstLength..size]);
        }

        value = MemoryMarshal.Read<ulong>(bytes);
        return true;
    }

    /// <summary>Writes for the CPU itself (accessed and busy bits, TSS): supervisor rights, no alignment check. Stores to devices are lost.</summary>
    /// <returns>False with the page fault pending.</returns>
    internal bool WriteSystem(uint linear, int size, ulong value)
    {
        if (!TryTranslate(linear, size, write: true, user: false, out ulong first, out ulong second))
        {
            return false;
        }

        if (!PassWatchOfSystem(linear, size, first, second, write: true))
        {
            return false;
        }

        ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes(new ReadOnlySpan<ulong>(in value))[..size];
        int firstLength = Math.Min(size, (int)(GuestPhysicalAddress.PageSize - (linear & OffsetMask)));
        StoreToMemory(first, bytes[..firstLength]);
        StoreToMemory(second, bytes[firstLength..]);
        return true;
    }

    /// <summary>Host bytes that a store may go straight to; null where it must take the long way (a miss, an armed watchpoint, alignment checks).</summary>
    internal byte* DirectStore(uint linear, int size, bool user)
    {
        TlbEntry* line = (user ? UserTlb : SupervisorTlb) + ((linear >> 12) & (TlbEntry.Count - 1));
        bool hit = State->Tlb != NeverTlb && line->WriteTag == ((linear + (uint)size - 1) & PageMask);
        return hit ? (byte*)line->Addend + linear : null;
    }

    /// <summary>Loads CR3: with PAE paging the PDPTEs too; then everything but global entries leaves the TLB.</summary>
    /// <param name="value">The new CR3.</param>
    /// <param name="isTaskSwitch">True for a task switch, which loads the PDPTEs only where it changes CR3 (SDM 3A 4.4.1); MOV CR3 always does.</param>
    /// <returns>False with #GP(0) pending and nothing changed: a reserved bit in a present PDPTE.</returns>
    internal bool LoadPageDirectory(uint value, bool isTaskSwitch = false)
    {
        bool pae = (State->Cr0 & Cr0.PG) != 0 && (State->Cr4 & Cr4.PAE) != 0;
        if (pae && !(isTaskSwitch && value == State->Cr3) && !LoadPointers(value))
        {
            return false;
        }

        NoteControlRegister(3, State->Cr3, value);
        State->Cr3 = value;
        SwitchAddressSpace();
        return true;
    }

    /// <summary>Loads the PDPTE registers (SDM 3A 4.4.1).</summary>
    /// <returns>False with #GP(0) pending and nothing loaded.</returns>
    internal bool LoadPointers(uint cr3) =>
        Vcpu.Mmu.TryLoadPointers(cr3) || Raise(Vector.GeneralProtection, 0, "a reserved bit is set in a present PDPTE");

    /// <summary>Checks that the CPU itself could write a range of at most a page (a task's TSS, before it is committed to).</summary>
    /// <returns>False with the page fault pending.</returns>
    internal bool ProbeSystemWrite(uint linear, int size) =>
        TryTranslate(linear, size, write: true, user: false, out _, out _);
}
