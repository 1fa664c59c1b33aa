namespace ToyVmm.Hardware.Memory;

/// <summary>What an engine maps to have a page of RAM a second time. Neighbours in RAM with the same descriptor are neighbours in the file where their offsets say so.</summary>
/// <param name="Descriptor">The file; -1 for a page of zeros.</param>
/// <param name="Offset">Its byte in the file.</param>
public readonly record struct PageBacking(int Descriptor, ulong Offset);
