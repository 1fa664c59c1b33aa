using ToyVmm.Debugging.Autopsies;
using ToyVmm.Engines;
using ToyVmm.VirtualMachines.Tracing;

namespace ToyVmm.Cli.Running;

/// <summary>Tells how a guest came to a bad end.</summary>
internal static class AutopsyText
{
    private const int Width = 100;

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
        Wrap(output, "Autopsy: ", report.Headline, "");
        if (report.Chain.Count > 0)
        {
            output.WriteLine("What happened, first cause first:");
        }

        for (int n = 0; n < report.Chain.Count; n++)
        {
            AutopsyStep step = report.Chain[n];
            string number = $"  {n + 1}. ";
            Wrap(output, number, $"{step.What}{(step.Times > 1 ? $", {step.Times} times in a row," : "")} at {step.Place}", new string(' ', number.Length));
            if (step.Why.Length > 0)
            {
                Wrap(output, new string(' ', number.Length), step.Why, new string(' ', number.Length));
            }
        }

        foreach (string circumstance in report.Circumstances)
        {
            Wrap(output, "  ", circumstance, circumstance.StartsWith(' ') ? "        " : "  ");
        }

        if (report.Findings.Count > 0)
        {
            output.WriteLine("What is wrong, and what it should be:");
        }

        foreach (AutopsyFinding finding in report.Findings)
        {
            Wrap(output, "  - ", finding.Wrong, "    ");
            Wrap(output, "    ", finding.Mend + (finding.Manual.Length > 0 ? $" [{finding.Manual}]" : ""), "    ");
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

    private static void Wrap(TextWriter output, string first, string text, string indent)
    {
        string line = first;
        bool empty = true;
        foreach (string word in (text.StartsWith(' ') ? text.TrimStart() : text).Split(' '))
        {
            if (!empty && line.Length + 1 + word.Length > Width)
            {
                output.WriteLine(line);
                line = indent;
                empty = true;
            }

            line += empty ? (text.StartsWith(' ') && line == first ? text[..(text.Length - text.TrimStart().Length)] : "") + word : " " + word;
            empty = false;
        }

        output.WriteLine(line);
    }
}
