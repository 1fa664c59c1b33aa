using ToyVmm.Engines;
using ToyVmm.VirtualMachines.Tracing;

namespace ToyVmm.Cli.Running;

/// <summary>Tells how a triple fault came about.</summary>
internal static class AutopsyText
{
    /// <summary>Writes the chain of faults, first cause first, and the tables that were involved.</summary>
    public static void Write(TextWriter output, Autopsy autopsy)
    {
        output.WriteLine("Autopsy of the triple fault, first cause first:");
        for (int n = 0; n < autopsy.Chain.Count; n++)
        {
            AutopsyFault fault = autopsy.Chain[n];
            output.WriteLine($"  {n + 1}. {TraceWriter.Describe(fault.Trap)} at {fault.CodeSelector:x4}:{fault.Eip:x8}");
            output.WriteLine($"     {fault.Cause}");
        }

        if (autopsy.Tables.Count > 0)
        {
            output.WriteLine("Tables and selectors involved:");
            foreach (string table in autopsy.Tables)
            {
                output.WriteLine($"  {table}");
            }
        }
    }
}
