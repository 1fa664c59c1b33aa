using ToyVmm.Engines.Metering;
using ToyVmm.VirtualMachines.Hypercalls;
using ToyVmm.VirtualMachines.Symbols;

namespace ToyVmm.VirtualMachines.Advising;

/// <summary>What an advisor saw beside the counts of places.</summary>
/// <param name="IdleTicks">By the address of a HLT: wake-ups in which the guest only handled its timer, and slept again.</param>
/// <param name="PollsToSend">Reads of the line status before a character was sent.</param>
/// <param name="PollsToWait">Reads of a port in long rows.</param>
/// <param name="Revalidations">Loads of CR3 that compared page tables.</param>
internal sealed record AdviceObservations(
    IReadOnlyDictionary<uint, ulong> IdleTicks,
    IReadOnlyDictionary<(uint Address, uint Port), ulong> PollsToSend,
    IReadOnlyDictionary<(uint Address, uint Port), ulong> PollsToWait,
    ulong Revalidations);

/// <summary>Makes the report: what belongs to one function and one reason becomes a row, and the rows are added up by call.</summary>
internal sealed class AdviceBuilder(SymbolTable symbols, InterventionProfile profile, AdviceObservations seen)
{
    /// <summary>Builds it.</summary>
    public AdviceReport Build(CostReport costs)
    {
        List<AdviceRow> rows =
        [
            .. profile.Sites.Select(RowOf)
                .GroupBy(row => (Place: row.Symbol ?? $"{row.Address:x8}", row.Kind, row.Detail, row.Call))
                .Select(Merge)
                .OrderByDescending(row => row.Time)
                .ThenByDescending(row => row.Count)
                .ThenBy(row => row.Address),
        ];
        return new AdviceReport(costs.Total - costs.MeterTime, rows, Calls(rows));
    }

    private AdviceRow RowOf(InterventionSite site)
    {
        InterventionKey key = site.Key;
        (ParavirtualCall call, ulong spared, bool isBound) = Remedy(site);
        return new AdviceRow(symbols.Find(key.Address)?.Symbol.Name, key.Address, 1, key.Kind, InterventionText.Describe(site), site.Count, site.Time, call, spared, isBound);
    }

    private static AdviceRow Merge(IEnumerable<AdviceRow> group)
    {
        AdviceRow[] rows = [.. group];
        return rows[0] with
        {
            Address = rows.Min(row => row.Address),
            Places = rows.Length,
            Count = rows.Aggregate(0UL, (sum, row) => sum + row.Count),
            Time = rows.Aggregate(TimeSpan.Zero, (sum, row) => sum + row.Time),
            Spared = rows.Aggregate(0UL, (sum, row) => sum + row.Spared),
        };
    }

    private (ParavirtualCall Call, ulong Spared, bool IsBound) Remedy(InterventionSite site)
    {
        InterventionKey key = site.Key;
        switch ((ExitPurpose)key.Tag)
        {
            case ExitPurpose.ConsoleOutput:
                return (ParavirtualCall.ConsoleWrite, site.Count, false);
            case ExitPurpose.ConsolePoll when seen.PollsToSend.TryGetValue((key.Address, key.Detail), out ulong polls):
                return (ParavirtualCall.ConsoleWrite, polls, false);
            case ExitPurpose.Timer:
                return (ParavirtualCall.SetTimer, site.Count, false);
            case ExitPurpose.Clock:
                return (ParavirtualCall.ClockPage, site.Count, false);
            case ExitPurpose.Delay:
                return (ParavirtualCall.LeaveOut, site.Count, false);
        }

        return key.Kind switch
        {
            InterventionKind.PortRead when seen.PollsToWait.ContainsKey((key.Address, key.Detail)) => (ParavirtualCall.Yield, 0, false),
            InterventionKind.Halt when seen.IdleTicks.TryGetValue(key.Address, out ulong ticks) => (ParavirtualCall.SetTimer, ticks, false),
            InterventionKind.PageInvalidation or InterventionKind.TlbFlush => (ParavirtualCall.MmuUpdate, site.Count, false),
            InterventionKind.HiddenFault when key.Detail != 0 => (ParavirtualCall.MmuUpdate, site.Count, true),
            InterventionKind.PageTableLoad when seen.Revalidations > 0 => (ParavirtualCall.SetPageTable, 0, false),
            _ => (ParavirtualCall.None, 0, false),
        };
    }

    private List<CallAdvice> Calls(List<AdviceRow> rows)
    {
        ulong Spared(ParavirtualCall call, bool isBound) => rows.Where(row => row.Call == call && row.IsBound == isBound).Aggregate(0UL, (sum, row) => sum + row.Spared);
        ulong waits = seen.PollsToWait.Values.Aggregate(0UL, (sum, polls) => sum + polls);

        // A tick that is not asked for needs no call either.
        ulong idleTicks = seen.IdleTicks.Values.Aggregate(0UL, (sum, ticks) => sum + ticks);
        ulong timerRuns = profile.RunsOf((int)ExitPurpose.Timer);
        ulong deadlines = Math.Max(timerRuns - Math.Min(timerRuns, idleTicks), 1);
        ulong flushes = Spared(ParavirtualCall.MmuUpdate, false);
        CallAdvice[] all =
        [
            new(ParavirtualCall.ConsoleWrite, Spared(ParavirtualCall.ConsoleWrite, false), profile.RunsOf((int)ExitPurpose.ConsoleOutput), false,
                "one call for each text, not an exit for each character"),
            new(ParavirtualCall.SetTimer, Spared(ParavirtualCall.SetTimer, false), deadlines, false,
                "one call for each deadline, no end of interrupt, no tick without need"),
            new(ParavirtualCall.ClockPage, Spared(ParavirtualCall.ClockPage, false), 1, false, "the time is read from memory; one call at boot"),
            new(ParavirtualCall.MmuUpdate, flushes, Math.Max(profile.RunsOf(InterventionKind.PageInvalidation), flushes / HypercallCatalog.MostEntries), false,
                "one call for a batch of entries, without INVLPG or MOV CR3"),
            new(ParavirtualCall.MmuUpdate, Spared(ParavirtualCall.MmuUpdate, true), 0, true,
                "entries stored so, with their accessed bit set, need no fault at the first touch"),
            new(ParavirtualCall.LeaveOut, Spared(ParavirtualCall.LeaveOut, false), 0, false, "no device here needs the wait"),
        ];
        List<CallAdvice> calls = [.. all.Where(call => call.Saved > 0).OrderByDescending(call => call.Saved)];
        if (rows.Any(row => row.Call == ParavirtualCall.SetPageTable))
        {
            calls.Add(new(ParavirtualCall.SetPageTable, 0, 0, false, $"as many calls as loads, but {seen.Revalidations:N0} comparisons of page tables fall away"));
        }

        if (rows.Any(row => row.Call == ParavirtualCall.Yield))
        {
            calls.Add(new(ParavirtualCall.Yield, 0, 0, false, $"{waits:N0} looks at a port only waited: beside other guests, a call between two gives them the time"));
        }

        return calls;
    }
}
