using ToyVmm.Debugging.Autopsies;
using ToyVmm.Engines;
using ToyVmm.VirtualMachines.Tracing;

namespace ToyVmm.Cli.Running;

/// <summary>Tells how a guest came to a bad end.</summary>
internal static class AutopsyText
{
    /// <summary>Writes the chain of faults of a triple fault, first cause first, and the tables that were involved.</summary>
    public static void Write(TextWriter output, Autopsy autopsy)
    {
        output.WriteLine("Autopsy of the triple fault, first cause first:");
        for (int n = 0; n < autopsy.Chain.Count; n++)
        {
            AutopsyFault fault = autopsy.Chain[n];
            output.WriteLine($"  {n + 1}. {TraceWriter.Describe(fault.Trap)} at {fault.CodeSelector:x4}:{fault.Eip:x8}");
            output.WriteLine($"     {fault.Cause}");
        }

        WriteTables(output, autopsy.Tables);
    }

    /// <summary>Writes the whole explanation.</summary>
    /// <param name="output">Takes it.</param>
    /// <param name="report">The explanation.</param>
    /// <param name="debug">The command that debugs the same machine: "toyvmm debug IMAGE".</param>
    public static void Write(TextWriter output, AutopsyReport report, string debug)
    {
        TextWrap.Write(output, "Autopsy: ", report.Headline, "");
        if (report.Chain.Count > 0)
        {
            output.WriteLine("What happened, first cause first:");
        }

        for (int n = 0; n < report.Chain.Count; n++)
        {
            AutopsyStep step = report.Chain[n];
            string number = $"  {n + 1}. ";
            TextWrap.Write(output, number, $"{step.What}{(step.Times > 1 ? $", {step.Times} times in a row," : "")} at {step.Place}", new string(' ', number.Length));
            if (step.Why.Length > 0)
            {
                TextWrap.Write(output, new string(' ', number.Length), step.Why, new string(' ', number.Length));
            }
        }

        foreach (string circumstance in report.Circumstances)
        {
            TextWrap.Write(output, "  ", circumstance, circumstance.StartsWith(' ') ? "        " : "  ");
        }

        if (report.Findings.Count > 0)
        {
            output.WriteLine("What is wrong, and what it should be:");
        }

        foreach (AutopsyFinding finding in report.Findings)
        {
            TextWrap.Write(output, "  - ", finding.Wrong, "    ");
            TextWrap.Write(output, "    ", finding.Mend + (finding.Manual.Length > 0 ? $" [{finding.Manual}]" : ""), "    ");
        }

        WriteTables(output, report.Tables);
        if (report.FirstCause is { } moment)
        {
            output.WriteLine("To look at the first cause, before it happens:");
            output.WriteLine($"  {debug} --goto {moment}");
        }
    }

    private static void WriteTables(TextWriter output, IReadOnlyList<string> tables)
    {
        if (tables.Count > 0)
        {
            output.WriteLine("Tables and selectors involved:");
            foreach (string table in tables)
            {
                output.WriteLine($"  {table}");
            }
        }
    }
}
