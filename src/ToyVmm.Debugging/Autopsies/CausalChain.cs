using ToyVmm.Engines;

namespace ToyVmm.Debugging.Autopsies;

/// <summary>The exceptions that led to an end: from the last one back, as long as each came so soon after the one before that its handler cannot have done its work.</summary>
/// <param name="view">The guest.</param>
/// <param name="history">What came before; null where nobody has looked.</param>
internal sealed class CausalChain(GuestView view, TrapHistory? history)
{
    // The handler's instructions between two exceptions that belong together.
    private const ulong Soon = 64;
    private const int MostShown = 6;

    private readonly FaultDiagnosis _faults = new(view);

    /// <summary>The exceptions before a fault, oldest first.</summary>
    public IEnumerable<AutopsyStep> Before(AutopsyFault fault)
    {
        foreach (TrapRun run in RunsBefore(fault))
        {
            yield return Step(run);
        }
    }

    /// <summary>The first cause, where it came before a fault.</summary>
    public TrapRun? FirstBefore(AutopsyFault? fault) => fault is null || RunsBefore(fault) is not [TrapRun first, ..] ? null : first;

    /// <summary>One link.</summary>
    public AutopsyStep Step(in TrapRun run) => new(
        run.FirstInstructions, FaultDiagnosis.Name(run.First), view.Place(run.CodeSelector, run.CodeBase, run.Eip, run.Code32), _faults.Explain(run.First, run.CodeBase + run.Eip), run.Times);

    private List<TrapRun> RunsBefore(AutopsyFault fault)
    {
        List<TrapRun> found = [];
        ulong next = fault.Instructions;
        foreach (TrapRun run in (history?.Runs ?? []).Reverse())
        {
            if (run.FirstInstructions >= fault.Instructions)
            {
                continue; // the fault itself, and what came of it
            }

            // A run that ends with the fault: the same again and again.
            ulong last = Math.Min(run.LastInstructions, next);
            if (next - last > Soon || found.Count == MostShown)
            {
                break;
            }

            found.Insert(0, run);
            next = run.FirstInstructions;
        }

        return found;
    }
}
