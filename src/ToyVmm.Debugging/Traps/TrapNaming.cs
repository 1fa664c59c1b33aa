namespace ToyVmm.Debugging.Traps;

/// <summary>How to name the guest's addresses. Null for what is not known.</summary>
/// <param name="Symbol">The symbol at a linear address, with an offset: <c>main+0x12</c>.</param>
/// <param name="Source">The source line of a linear address: <c>main.c:12</c>.</param>
public sealed record TrapNaming(Func<uint, string?>? Symbol = null, Func<uint, string?>? Source = null);
