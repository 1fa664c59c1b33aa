using System.Runtime.InteropServices;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;
using ToyVmm.Hardware.Paging;

namespace ToyVmm.Engines.Interpretation;

/// <summary>
/// What a guest that knows of its monitor asks of paging, between two of its instructions: the same for every engine, and nothing that MOV CR3, a
/// store and INVLPG would not do too, at more cost.
/// </summary>
public sealed unsafe partial class Interpreter
{
    // P and A of a table entry (SDM 3A 4.5).
    private const ulong PresentAndUsed = 0x21;

    /// <summary>True where paging is on, with PAE: page-table entries have 8 bytes.</summary>
    public bool HasWideTables => (State->Cr0 & Cr0.PG) != 0 && (State->Cr4 & Cr4.PAE) != 0;

    /// <summary>Loads CR3, as MOV CR3 does, with the guest's word for what has become of the tables meanwhile.</summary>
    /// <param name="value">The new CR3.</param>
    /// <param name="trust">The word.</param>
    /// <returns>False, with nothing changed, where a present PDPTE has a reserved bit.</returns>
    public bool TryLoadPageTable(uint value, TableTrust trust)
    {
        if (HasWideTables && !Vcpu.Mmu.TryLoadPointers(value))
        {
            return false;
        }

        NoteControlRegister(3, State->Cr3, value);
        State->Cr3 = value;
        SwitchAddressSpace(trust);
        return true;
    }

    /// <summary>
    /// Stores page-table entries, removes what any address space has cached of them, and - where an entry names the page that it maps - translates it
    /// at once, as a processor may at any time (SDM 3A 4.10.2.3), so that its first access finds it. Entries without the A bit are not: nobody has used them.
    /// </summary>
    /// <param name="updates">The entries; each lies in RAM.</param>
    public void UpdateTables(ReadOnlySpan<TableUpdate> updates)
    {
        int size = HasWideTables ? sizeof(ulong) : sizeof(uint);
        foreach (TableUpdate update in updates)
        {
            ulong value = update.Value;
            if (size == sizeof(uint) && Memory.IsPlainRam(update.Entry))
            {
                *(uint*)(Memory.RamBase + update.Entry.Value) = (uint)value;
                continue;
            }

            _ = Memory.TryWrite(update.Entry, MemoryMarshal.AsBytes(new ReadOnlySpan<ulong>(in value))[..size]);
        }

        bool lost = ForgetTableEntries(updates);
        foreach (TableUpdate update in updates)
        {
            if (update.Linear is { } linear && Vcpu.Mmu.Tlb.TryGet(linear, out _, out _))
            {
                // A global page, or one that the entry has not mapped so far.
                InvalidatePage(linear);
            }
        }

        if (lost)
        {
            EmptyOwnProjection();
        }

        if ((State->Cr0 & Cr0.PG) == 0)
        {
            return;
        }

        // Into the TLB, not into a view: putting a page there is a call to the host, which costs more than the few accesses that the interpreter
        // performs for an instruction that often touches new pages. Where one pays, its fault maps all that the TLB has around it.
        foreach (TableUpdate update in updates)
        {
            if (IsUsed(update, out uint linear))
            {
                PageWalk walk = PageWalker.Walk(Memory, State, Vcpu.Mmu.PhysicalMask, linear);
                if (walk.Result == PageWalkResult.Mapped)
                {
                    _ = Vcpu.Mmu.Translate(linear, AccessOf(walk.Rights), out _, out _, out _);
                }
            }
        }
    }

    private static bool IsUsed(TableUpdate update, out uint linear)
    {
        linear = update.Linear ?? 0;
        return update.Linear is not null && (update.Value & PresentAndUsed) == PresentAndUsed;
    }

    private static PageAccess AccessOf(TlbRights rights) => (rights & TlbRights.User) != 0 ? PageAccess.User : 0;

    private bool ForgetTableEntries(ReadOnlySpan<TableUpdate> updates)
    {
        bool lost = false;

        // Neighbours in a batch are in the same table, mostly: one look at each address space serves them all.
        while (updates.Length > 0)
        {
            ulong table = updates[0].Entry.Value >> 12;
            int count = 1;
            while (count < updates.Length && updates[count].Entry.Value >> 12 == table)
            {
                count++;
            }

            for (int space = 0; space < Tlb.SpaceCount; space++)
            {
                lost |= Vcpu.Mmu.Tlb.KnowsTable(space, table) && ForgetTableEntries(space, updates[..count]);
            }

            updates = updates[count..];
        }

        return lost;
    }

    private bool ForgetTableEntries(int space, ReadOnlySpan<TableUpdate> updates)
    {
        _dropped.Clear();
        foreach (TableUpdate update in updates)
        {
            Vcpu.Mmu.Tlb.ForgetTableEntry(space, update.Entry.Value, _dropped);
        }

        if (_dropped.Count > 0)
        {
            Translated?.Drop(space, _dropped);
        }

        return _dropped.Count > 0;
    }
}
