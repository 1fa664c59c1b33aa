using System.Globalization;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;
using ToyVmm.Hardware.Paging;
using ToyVmm.VirtualMachines;

namespace ToyVmm.Debugging.Inspecting;

/// <summary>One step of a page walk: a register or an entry that it reads.</summary>
/// <param name="Name">"CR3", "PDPTE 1", "directory entry 768", "table entry 3".</param>
/// <param name="Address">GPA of the entry; null for a register.</param>
/// <param name="Value">What is there.</param>
/// <param name="Bits">32 or 64.</param>
/// <param name="Meaning">The bits in words.</param>
public sealed record PageWalkStep(string Name, ulong? Address, ulong Value, int Bits, string Meaning);

/// <summary>What the tables say of one kind of access.</summary>
/// <param name="Access">The access.</param>
/// <param name="IsAllowed">True where it goes through.</param>
/// <param name="ErrorCode">The page fault's error code where it does not (SDM 3A 4.7).</param>
/// <param name="Reason">Why not; empty where it does.</param>
public sealed record AccessVerdict(PageAccess Access, bool IsAllowed, uint ErrorCode, string Reason);

/// <summary>The walk of the page tables for a linear address, step by step, as they stand in memory now; the TLB is not asked.</summary>
/// <param name="Linear">The address.</param>
/// <param name="Walk">The walk; null with paging off.</param>
/// <param name="Steps">Its steps.</param>
/// <param name="Physical">Where it leads, A20 applied; null where it ends early.</param>
/// <param name="Verdicts">What becomes of each kind of access: read, write and fetch of the supervisor, then of the user.</param>
public sealed record PageWalkReport(uint Linear, PageWalk? Walk, IReadOnlyList<PageWalkStep> Steps, GuestPhysicalAddress? Physical, IReadOnlyList<AccessVerdict> Verdicts)
{
    private const ulong Present = 1;
    private const ulong Writable = 2;
    private const ulong User = 4;
    private const ulong LargeBit = 0x80;
    private const ulong ExecuteDisable = 1ul << 63;

    /// <summary>Walks.</summary>
    /// <param name="machine">A machine that is not running.</param>
    /// <param name="linear">The linear address.</param>
    public static unsafe PageWalkReport Read(VirtualMachine machine, uint linear)
    {
        ArgumentNullException.ThrowIfNull(machine);
        CpuState* s = machine.Vcpu.State;
        Mmu mmu = machine.Vcpu.Mmu;
        if ((s->Cr0 & Cr0.PG) == 0)
        {
            return new PageWalkReport(linear, null, [], new GuestPhysicalAddress(linear & mmu.PhysicalMask), [.. Kinds.Select(kind => new AccessVerdict(kind, true, 0, ""))]);
        }

        PageWalk walk = PageWalker.Walk(machine.Machine.Memory, s, mmu.PhysicalMask, linear);
        bool tellsFetch = (s->Cr4 & Cr4.PAE) != 0 && (s->Efer & Efer.NXE) != 0;
        List<AccessVerdict> verdicts = [];
        foreach (PageAccess kind in Kinds)
        {
            bool allowed = walk.Result == PageWalkResult.Mapped && mmu.Allows(walk.Rights, kind);
            uint code = (walk.Result == PageWalkResult.NotPresent ? 0u : 1) | (walk.Result == PageWalkResult.ReservedBit ? 8u : 0) | (uint)(tellsFetch ? kind : kind & ~PageAccess.Fetch);
            verdicts.Add(new AccessVerdict(kind, allowed, allowed ? 0 : code, allowed ? "" : Reason(walk, kind)));
        }

        GuestPhysicalAddress? physical = walk.Result == PageWalkResult.Mapped ? new GuestPhysicalAddress((walk.Page | (linear & 0xFFF)) & mmu.PhysicalMask) : null;
        return new PageWalkReport(linear, walk, Describe(s, walk, linear), physical, verdicts);
    }

    /// <summary>The walk for people.</summary>
    public InspectionText ToText()
    {
        InspectionWriter text = new();
        if (Walk is not { } walk)
        {
            return text.Write($"{Linear:x8}: paging is off: physical {Physical!.Value.Value:x8}").ToText();
        }

        _ = text.Heading(string.Create(CultureInfo.InvariantCulture, $"linear {Linear:x8}, {(walk.PointerIndex is null ? "32-bit paging" : "PAE paging")}"));
        foreach (PageWalkStep step in Steps)
        {
            _ = text.Write($"  {step.Name}").Column(25).Add(step.Address is { } at ? string.Create(CultureInfo.InvariantCulture, $"at {at:x8}") : "").Column(37)
                .Add(step.Value.ToString(step.Bits == 64 ? "x16" : "x8", CultureInfo.InvariantCulture)).Write($"  {step.Meaning}").End();
        }

        _ = Physical is { } physical
            ? text.Write($"  physical").Column(37).Write($"{physical.Value:x8}  page of {(walk.PageShift == 12 ? "4 KiB" : walk.PageShift == 21 ? "2 MiB" : "4 MiB")}").End()
            : text.Add("  ").Mark(MarkKind.Problem, walk.Result == PageWalkResult.ReservedBit ? "a reserved bit is set: every access faults" : "not present: every access faults").End();
        foreach (AccessVerdict verdict in Verdicts)
        {
            string who = ((verdict.Access & PageAccess.User) != 0 ? "user " : "supervisor ")
                + ((verdict.Access & PageAccess.Write) != 0 ? "write" : (verdict.Access & PageAccess.Fetch) != 0 ? "fetch" : "read");
            _ = text.Write($"  {who}").Column(25);
            _ = verdict.IsAllowed ? text.Add("allowed") : text.Mark(MarkKind.Problem, string.Create(CultureInfo.InvariantCulture, $"#PF({verdict.ErrorCode:x}): {verdict.Reason}"));
            _ = text.End();
        }

        return text.ToText();
    }

    private static PageAccess[] Kinds => [PageAccess.Read, PageAccess.Write, PageAccess.Fetch, PageAccess.User, PageAccess.User | PageAccess.Write, PageAccess.User | PageAccess.Fetch];

    private static unsafe List<PageWalkStep> Describe(CpuState* s, PageWalk walk, uint linear)
    {
        List<PageWalkStep> steps = [];
        if (walk.PointerIndex is { } pointer)
        {
            steps.Add(new PageWalkStep("CR3", null, s->Cr3, 32, string.Create(CultureInfo.InvariantCulture, $"PDPT at {s->Cr3 & 0xFFFF_FFE0:x8}, read when CR3 was loaded")));
            steps.Add(new PageWalkStep($"PDPTE register {pointer}", null, walk.PointerEntry, 64,
                (walk.PointerEntry & Present) == 0 ? "not present" : string.Create(CultureInfo.InvariantCulture, $"directory at {walk.PointerEntry & 0xF_FFFF_F000:x8}, P")));
        }
        else
        {
            steps.Add(new PageWalkStep("CR3", null, s->Cr3, 32, string.Create(CultureInfo.InvariantCulture, $"directory at {s->Cr3 & 0xFFFF_F000:x8}")));
        }

        int bits = walk.PointerIndex is null ? 32 : 64;
        bool nx = (s->Efer & Efer.NXE) != 0;
        if (walk.HasDirectoryEntry)
        {
            uint index = bits == 32 ? linear >> 22 : (linear >> 21) & 0x1FF;
            bool large = (walk.DirectoryEntry & LargeBit) != 0 && (bits == 64 || (s->Cr4 & Cr4.PSE) != 0);
            steps.Add(new PageWalkStep(FormattableString.Invariant($"directory entry {index}"), walk.DirectoryEntryAddress, walk.DirectoryEntry, bits, Meaning(walk.DirectoryEntry, bits, large ? "large page" : "table", large ? 'L' : 'T', s->Cr4, nx)));
        }

        if (walk.HasTableEntry)
        {
            uint index = bits == 32 ? (linear >> 12) & 0x3FF : (linear >> 12) & 0x1FF;
            steps.Add(new PageWalkStep(FormattableString.Invariant($"table entry {index}"), walk.TableEntryAddress, walk.TableEntry, bits, Meaning(walk.TableEntry, bits, "page", 'P', s->Cr4, nx)));
        }

        return steps;
    }

    // SDM 3A tables 4-4 to 4-6 and 4-9 to 4-11. Of an entry without P no other bit means anything to the CPU.
    private static string Meaning(ulong entry, int bits, string what, char kind, uint cr4, bool nx)
    {
        if ((entry & Present) == 0)
        {
            return entry == 0 ? "not present" : "not present; the other bits are the guest's own";
        }

        ulong frame = entry & (kind == 'L' ? bits == 32 ? 0xFFC0_0000ul : 0xF_FFE0_0000ul : bits == 32 ? 0xFFFF_F000ul : 0xF_FFFF_F000ul);
        List<string> names = ["P", (entry & Writable) != 0 ? "RW" : "read-only", (entry & User) != 0 ? "user" : "supervisor"];
        foreach ((ulong bit, string name) in ((ulong, string)[])[(8, "PWT"), (16, "PCD"), (0x20, "A"), (kind == 'T' ? 0 : 0x40ul, "D"), (kind == 'L' ? LargeBit : 0, "PS"), (kind != 'T' && (cr4 & Cr4.PGE) != 0 ? 0x100ul : 0, "G")])
        {
            if ((entry & bit) != 0)
            {
                names.Add(name);
            }
        }

        if (bits == 64 && (entry & ExecuteDisable) != 0)
        {
            names.Add(nx ? "XD" : "XD (reserved: EFER.NXE is clear)");
        }

        // Reserved in this CPU, which has no PAT and no PSE-36 (SDM 3A 4.3, 4.4.2).
        ulong reserved = (kind == 'L' ? bits == 32 ? 0x003F_F000ul : 0x1F_F000ul : kind == 'P' && (bits == 64 || (cr4 & Cr4.PSE) != 0) ? LargeBit : 0)
            | (bits == 64 ? 0x7FFF_FFF0_0000_0000ul : 0);
        if ((entry & reserved) != 0)
        {
            names.Add(string.Create(CultureInfo.InvariantCulture, $"reserved bits {entry & reserved:x}"));
        }

        return string.Create(CultureInfo.InvariantCulture, $"{what} at {frame:x8}, {string.Join(' ', names)}");
    }

    private static string Reason(in PageWalk walk, PageAccess access)
    {
        if (walk.Result == PageWalkResult.NotPresent)
        {
            return walk.HasTableEntry ? "the table entry is not present" : walk.HasDirectoryEntry ? "the directory entry is not present" : "the PDPTE is not present";
        }

        if (walk.Result == PageWalkResult.ReservedBit)
        {
            return $"a reserved bit is set in the {(walk.HasTableEntry ? "table" : "directory")} entry";
        }

        return (access & PageAccess.User) != 0 && (walk.Rights & TlbRights.User) == 0 ? $"a supervisor page: {Level(walk, User, isSet: false)}"
            : (access & PageAccess.Fetch) != 0 ? $"no code may run there: {Level(walk, ExecuteDisable, isSet: true)}"
            : $"read-only: {Level(walk, Writable, isSet: false)}{((access & PageAccess.User) == 0 ? ", and CR0.WP is set" : "")}";
    }

    // Which entry takes the right away.
    private static string Level(in PageWalk walk, ulong bit, bool isSet)
    {
        bool directory = (walk.DirectoryEntry & bit) != 0 == isSet;
        bool table = walk.HasTableEntry && (walk.TableEntry & bit) != 0 == isSet;
        return directory && table ? "both entries say so" : table ? "the table entry says so" : "the directory entry says so";
    }
}
