namespace ToyVmm.VirtualMachines.Loading;

/// <summary>A file that the boot loader puts into memory beside a Multiboot kernel (Multiboot Specification 3.3, "mods").</summary>
/// <param name="CommandLine">The string that goes with the module: by custom its name and arguments.</param>
/// <param name="Data">The file's bytes.</param>
public sealed record BootModule(string CommandLine, ReadOnlyMemory<byte> Data);
