using ToyVmm.Hardware.Devices;

namespace ToyVmm.VirtualMachines.Loading;

/// <summary>A bootable image as the machine's disk.</summary>
/// <param name="Image">The sectors; shorter than a whole number of sectors, the rest of the last one reads as zeros.</param>
/// <param name="Geometry">Cylinders, heads and sectors, and whether it is a floppy.</param>
/// <param name="DriveNumber">The BIOS's number: 0x00 for a floppy, 0x80 for a hard disk (what the boot sector gets in DL).</param>
public sealed record BootDisk(ReadOnlyMemory<byte> Image, DiskGeometry Geometry, byte DriveNumber);
