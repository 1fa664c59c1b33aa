using ToyVmm.Hardware.Memory;

namespace ToyVmm.Engines;

/// <summary>A page-table or directory entry that a guest has its monitor store.</summary>
/// <param name="Entry">Where it lies, aligned to its size: 4 bytes, with PAE paging 8.</param>
/// <param name="Linear">An address in the page that it maps in the current address space; null where none is named.</param>
/// <param name="Value">The entry.</param>
public readonly record struct TableUpdate(GuestPhysicalAddress Entry, uint? Linear, ulong Value);
