using ToyVmm.Debugging.Inspecting;

namespace ToyVmm.Debugging.Traps;

/// <summary>How to name the guest's addresses. Null for what is not known.</summary>
/// <param name="Symbol">The symbol at a linear address, with an offset: <c>main+0x12</c>.</param>
/// <param name="Source">The source line of a linear address: <c>main.c:12</c>.</param>
public sealed record TrapNaming(Func<uint, string?>? Symbol = null, Func<uint, string?>? Source = null)
{
    /// <summary>Names from what an inspector knows when it is asked: symbols and source lines.</summary>
    /// <param name="inspector">The inspector.</param>
    public static TrapNaming Of(Inspector inspector)
    {
        ArgumentNullException.ThrowIfNull(inspector);
        return new TrapNaming(linear => inspector.Symbols.Find(linear)?.ToString(), inspector.SourceOf);
    }
}
