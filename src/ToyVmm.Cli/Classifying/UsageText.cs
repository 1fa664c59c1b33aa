using System.Globalization;
using ToyVmm.Engines.Classification;

namespace ToyVmm.Cli.Classifying;

/// <summary>Which of the instructions that are not innocuous a guest executed, as text.</summary>
internal static class UsageText
{
    /// <summary>Writes it.</summary>
    public static void Write(TextWriter output, UsageRun run, ClassFilter filter)
    {
        output.WriteLine($"{"FORM",-18} {"REAL",10} {"RING 0",10} {"RING 3",10} {"V8086",10}  {"CLASS",-24} UNNOTICED");
        foreach (FormUsage form in run.Forms.Where(form => filter.Accepts(form.Row)).OrderByDescending(form => form.Unnoticed).ThenByDescending(form => form.Total))
        {
            output.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{form.Row.Form,-18} {form.Real,10} {form.Ring0,10} {form.Ring3,10} {form.Virtual8086,10}  {ClassificationText.ClassOf(form.Row),-24} {Reason(form)}").TrimEnd());
        }

        output.WriteLine();
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{run.Image}: {run.Stop.Detail} after {run.Instructions} instructions."));
        ulong privileged = Sum(run, form => form.Row.IsPrivileged);
        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"Innocuous: {Sum(run, form => form.Row.IsInnocuous)}. Privileged, so trapped and emulated: {privileged}."));
        output.WriteLine(run.Unnoticed == 0
            ? "None was sensitive without a trap: this run would have been right under a monitor that only traps and emulates."
            : string.Create(CultureInfo.InvariantCulture, $"Sensitive, and no trap where such a monitor would run them (UNNOTICED): {run.Unnoticed}. What it may get wrong."));
        if (run.Unnoticed > 0)
        {
            output.WriteLine("What it comes to: toyvmm run IMAGE --engine naive. Why: toyvmm classify --mnemonic NAME --witness.");
        }
    }

    private static ulong Sum(UsageRun run, Func<FormUsage, bool> which) => run.Forms.Where(which).Aggregate(0ul, (sum, form) => sum + form.Total);

    private static string Reason(FormUsage form)
    {
        if (form.Unnoticed == 0)
        {
            return "";
        }

        ExecutionMode mode = form.Ring0 + form.Ring3 > 0 ? ExecutionMode.Ring3 : ExecutionMode.Virtual8086;
        SystemAspects aspects = form.Row.Witnesses.Where(witness => witness.Mode == mode).Aggregate(SystemAspects.None, (all, witness) => all | witness.Changed);
        string depends = aspects == SystemAspects.None ? "" : $" depends on {ClassificationText.Words(aspects)};";
        string changes = (form.Row.In(mode) & Sensitivity.Control) != 0 ? $" changes {string.Join(", ", form.Row.Changes)}" : "";
        return string.Create(CultureInfo.InvariantCulture, $"{form.Unnoticed}:{depends}{changes}").TrimEnd(';');
    }
}
