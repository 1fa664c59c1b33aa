using ToyVmm.VirtualMachines.Symbols;

namespace ToyVmm.Debugging.Terminal;

/// <summary>The source line of the next instruction.</summary>
internal static class SourceText
{
    /// <summary>"kernel.c:12: main();", as much of it as is known.</summary>
    /// <returns>Null where nothing is.</returns>
    public static string? Of(DebugSession session) => session.Inspector.DescribeSource(session.Cpu.Cs.Base + session.Cpu.Eip);
}
