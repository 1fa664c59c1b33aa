using ToyVmm.Engines.Interpretation;
using ToyVmm.Hardware.Cpu;
using ToyVmm.VirtualMachines;

namespace ToyVmm.Debugging.Inspecting;

/// <summary>Where the contents of a descriptor cache would come from if it were loaded now.</summary>
public enum SegmentSource
{
    /// <summary>Real mode: the selector times 16; 64 KiB.</summary>
    RealMode,

    /// <summary>Virtual-8086 mode: the selector times 16; 64 KiB, ring 3.</summary>
    Virtual8086,

    /// <summary>A null selector: nothing.</summary>
    Null,

    /// <summary>The GDT.</summary>
    GlobalTable,

    /// <summary>The LDT.</summary>
    LocalTable,

    /// <summary>A table that has no such entry, or one that cannot be read.</summary>
    NoEntry,
}

/// <summary>
/// A segment register: its descriptor cache beside what it would be loaded from now. The two may legally differ (SDM 3A 3.4.3): a table that was changed
/// after the load, limits that real mode keeps from protected mode ("unreal mode"), SYSENTER's fixed segments.
/// </summary>
/// <param name="Name">ES CS SS DS FS GS LDTR TR.</param>
/// <param name="Cache">The selector and the cache.</param>
/// <param name="Source">Where it would be loaded from.</param>
/// <param name="Entry">The table entry; null where there is none.</param>
/// <param name="Differences">Each field that differs, in words.</param>
public sealed record SegmentReport(string Name, SegmentCache Cache, SegmentSource Source, Descriptor? Entry, IReadOnlyList<string> Differences)
{
    private const int RealLimit = 0xFFFF;

    // What a load sets itself: the accessed bit of a segment, the busy bit of a TSS.
    private const int AccessedBit = 1;
    private const int BusyBit = 2;

    /// <summary>Looks at all eight.</summary>
    /// <param name="machine">A machine that is not running.</param>
    public static unsafe IReadOnlyList<SegmentReport> ReadAll(VirtualMachine machine)
    {
        ArgumentNullException.ThrowIfNull(machine);
        string[] names = ["ES", "CS", "SS", "DS", "FS", "GS", "LDTR", "TR"];
        CpuState* s = machine.Vcpu.State;
        return [.. names.Select((name, n) => Read(machine, name, *(&s->Es + n), isSystem: n >= 6))];
    }

    private static unsafe SegmentReport Read(VirtualMachine machine, string name, SegmentCache cache, bool isSystem)
    {
        CpuState* s = machine.Vcpu.State;
        bool isVirtual = (s->OtherFlags & Eflags.VM) != 0;
        if (!isSystem && ((s->Cr0 & Cr0.PE) == 0 || isVirtual))
        {
            return new SegmentReport(name, cache, isVirtual ? SegmentSource.Virtual8086 : SegmentSource.RealMode, null, [.. RealDifferences(cache, isVirtual)]);
        }

        if ((cache.Selector & 0xFFFC) == 0)
        {
            bool holds = !isSystem && cache.Rights != SegmentRights.None;
            return new SegmentReport(name, cache, SegmentSource.Null, null, holds ? ["the selector is null, the cache still holds a segment"] : []);
        }

        bool isLocal = !isSystem && (cache.Selector & 4) != 0;
        return DescriptorReader.Find(machine, cache.Selector) is { } entry
            ? new SegmentReport(name, cache, isLocal ? SegmentSource.LocalTable : SegmentSource.GlobalTable, entry, [.. Compare(cache, entry)])
            : new SegmentReport(name, cache, SegmentSource.NoEntry, null, ["the table has no such entry now"]);
    }

    private static IEnumerable<string> RealDifferences(SegmentCache cache, bool isVirtual)
    {
        if (cache.Base != (uint)cache.Selector << 4)
        {
            yield return FormattableString.Invariant($"base {cache.Base:x8} is not selector x 16: it was loaded in another mode, or by reset");
        }

        if (cache.Limit != RealLimit)
        {
            yield return FormattableString.Invariant($"limit {cache.Limit:x8} instead of 0000ffff: {(cache.Limit > RealLimit ? "unreal mode" : "kept from protected mode")}");
        }

        if (cache.Big)
        {
            yield return "the D/B bit is set: 32-bit code or stack in " + (isVirtual ? "virtual-8086 mode" : "real mode");
        }
    }

    private static IEnumerable<string> Compare(SegmentCache cache, Descriptor entry)
    {
        SegmentCache fresh = default;
        fresh.LoadDescriptor(cache.Selector, entry.Low, entry.High);
        if (cache.Base != fresh.Base)
        {
            yield return FormattableString.Invariant($"base {cache.Base:x8}, the table has {fresh.Base:x8}");
        }

        if (cache.Limit != fresh.Limit)
        {
            yield return FormattableString.Invariant($"limit {cache.Limit:x8}, the table has {fresh.Limit:x8}");
        }

        int ignored = entry.IsCodeOrData ? AccessedBit : entry.IsTaskState ? BusyBit : 0;
        if (((cache.Access ^ fresh.Access) & ~ignored) != 0)
        {
            yield return FormattableString.Invariant($"access {cache.Access:x4} ({DescriptorText.Access(cache.Access)}), the table has {fresh.Access:x4} ({DescriptorText.Access(fresh.Access)})");
        }
    }
}
