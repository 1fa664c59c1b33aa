using ToyVmm.VirtualMachines;

namespace ToyVmm.Debugging.Expressions;

/// <summary>What an expression is evaluated against: a stopped machine, and the counts that are the debugger's.</summary>
/// <param name="Machine">The machine.</param>
/// <param name="Events">Events delivered so far: <c>events</c>.</param>
/// <param name="Hits">How often the breakpoint was reached, this time included: <c>hits</c>.</param>
public readonly record struct ExpressionContext(VirtualMachine Machine, ulong Events = 0, ulong Hits = 0);
