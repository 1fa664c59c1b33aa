using ToyVmm.Engines;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Debugging.Autopsies;

/// <summary>A triple fault: a fault that could not be delivered, and the double fault that could not be delivered either.</summary>
/// <param name="view">The guest.</param>
/// <param name="history">What came before.</param>
internal sealed unsafe class TripleFaultExaminer(GuestView view, TrapHistory? history)
{
    private readonly FaultDiagnosis _faults = new(view);
    private readonly GateDiagnosis _gates = new(view);

    public AutopsyReport Examine(Autopsy autopsy)
    {
        IReadOnlyList<AutopsyFault> chain = autopsy.Chain;
        CausalChain causes = new(view, history);
        List<AutopsyStep> steps = chain.Count == 0 ? [] : [.. causes.Before(chain[0])];
        List<AutopsyFinding> findings = [];
        TrapRun? first = causes.FirstBefore(chain.Count == 0 ? null : chain[0]);
        if (first is { } run)
        {
            Add(findings, _faults.Cause(run.First, run.CodeBase + run.Eip));
        }

        for (int n = 0; n < chain.Count; n++)
        {
            AutopsyFault fault = chain[n];
            uint codeBase = CodeBase(fault.CodeSelector);
            string place = view.Place(fault.CodeSelector, codeBase, fault.Eip, view.State->Cs.Big);
            string why = n == 0 || IsOwnFault(chain, n) ? _faults.Explain(fault.Trap, codeBase + fault.Eip) : Delivery(chain[n - 1], fault);
            steps.Add(new AutopsyStep(fault.Instructions, FaultDiagnosis.Name(fault.Trap), place, why));
            if (n == 0 && first is null)
            {
                Add(findings, _faults.Cause(fault.Trap, codeBase + fault.Eip));
            }
        }

        // What keeps the first vector from its handler likely keeps the others from theirs: that is said once.
        HashSet<string> said = [];
        foreach (int vector in chain.Take(Math.Max(chain.Count - 1, 0)).Select(fault => fault.Trap.Vector).Distinct())
        {
            foreach (AutopsyFinding finding in _gates.Examine(vector))
            {
                bool saidOfStack = finding.Wrong.StartsWith(GateDiagnosis.NoStackLeft, StringComparison.Ordinal) && findings.Any(other => other.Wrong.StartsWith(FaultDiagnosis.StackRunOut, StringComparison.Ordinal));
                if (!saidOfStack && said.Add(finding.Mend.Replace(GateDiagnosis.Number(vector), "", StringComparison.Ordinal)))
                {
                    Add(findings, finding);
                }
            }
        }

        return new AutopsyReport
        {
            Headline = "triple fault: a fault could not be delivered, the double fault that says so neither, and the CPU shut down (a PC resets then)",
            Chain = steps,
            Findings = findings,
            Tables = autopsy.Tables,
            FirstCause = steps.Count > 0 ? steps[0].Instructions : null,
        };
    }

    // Of findings that say the same of several vectors the first is enough.
    private static void Add(List<AutopsyFinding> findings, AutopsyFinding? finding)
    {
        if (finding is not null && !findings.Any(other => other.Mend == finding.Mend))
        {
            findings.Add(finding);
        }
    }

    // #DF stands for the two faults before it.
    private static bool IsOwnFault(IReadOnlyList<AutopsyFault> chain, int n) => chain[n].Trap.Vector == Vector.DoubleFault;

    private string Delivery(AutopsyFault tried, AutopsyFault fault)
    {
        string what = $"The CPU tried to deliver {(tried.Trap.Source == TrapSource.ExternalInterrupt ? $"vector {tried.Trap.Vector:X2}h" : Vector.Name(tried.Trap.Vector))}: ";
        return fault.Trap.Vector == Vector.PageFault
            ? what + "on the way " + Decapitalize(_faults.Explain(fault.Trap, uint.MaxValue))
            : what + Decapitalize(fault.Cause) + ".";
    }

    private static string Decapitalize(string text) => text.Length > 1 && char.IsUpper(text[0]) && char.IsLower(text[1]) ? char.ToLowerInvariant(text[0]) + text[1..] : text;

    private uint CodeBase(ushort selector) =>
        (view.State->Cr0 & Cr0.PE) == 0 ? (uint)selector << 4 : selector == view.State->Cs.Selector ? view.State->Cs.Base : 0;
}
