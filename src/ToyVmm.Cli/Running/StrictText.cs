using ToyVmm.Debugging.Strict;
using ToyVmm.VirtualMachines.Symbols;

namespace ToyVmm.Cli.Running;

/// <summary>What a strict run has found, for people.</summary>
internal static class StrictText
{
    /// <summary>Writes the findings and a summary.</summary>
    public static void Write(TextWriter output, StrictChecker strict, SymbolTable symbols)
    {
        string checks = strict.Checks == StrictChecks.All ? "all checks" : string.Join(", ", Names(strict.Checks));
        if (strict.Findings.Count == 0)
        {
            output.WriteLine($"strict: nothing found ({checks})");
            return;
        }

        output.WriteLine("Strict: what works here, and not (or not always) on hardware:");
        for (int n = 0; n < strict.Findings.Count; n++)
        {
            StrictFinding finding = strict.Findings[n];
            string number = $"  {n + 1}. ";
            string indent = new(' ', number.Length);
            string symbol = symbols.Find(finding.Address) is { } found ? $" {found}" : "";
            string times = finding.Count == 1 ? "once" : $"{finding.Count} times";
            TextWrap.Write(output, number, $"[{StrictCheckNames.Name(finding.Check)}] {finding.CodeSelector:x4}:{finding.Eip:x8}{symbol}: {finding.Instruction} ({times}, first after {finding.Instructions} instructions)", indent);
            TextWrap.Write(output, indent, finding.What, indent);
            TextWrap.Write(output, indent, $"{finding.Mend} [{finding.Manual}]", indent);
        }

        string byCheck = string.Join(", ", strict.Findings.GroupBy(finding => finding.Check).Select(group => $"{group.Count()} {StrictCheckNames.Name(group.Key)}"));
        string more = strict.Dropped == 0 ? "" : $"; {strict.Dropped} more places are not listed";
        output.WriteLine($"strict: {strict.Findings.Count} place{(strict.Findings.Count == 1 ? "" : "s")} ({byCheck}){more}");
    }

    /// <summary>The names of several checks.</summary>
    public static IEnumerable<string> Names(StrictChecks checks) =>
        StrictCheckNames.All.Where(entry => entry.Check != StrictChecks.All && (checks & entry.Check) != 0).Select(entry => entry.Name);
}
