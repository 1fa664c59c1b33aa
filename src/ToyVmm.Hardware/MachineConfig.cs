using ToyVmm.Hardware.Devices;

namespace ToyVmm.Hardware;

/// <summary>What a machine is built from. Everything a guest can observe about time and size is fixed here, so equal configurations give equal runs.</summary>
public sealed record MachineConfig
{
    /// <summary>The default <see cref="MemorySize"/>: 64 MiB.</summary>
    public const uint DefaultMemorySize = 64u << 20;

    /// <summary>How many devices the two ATA channels take.</summary>
    public const int AtaPlaces = 4;

    /// <summary>Bytes of RAM: whole 4 KiB pages, 1 MiB to 3.5 GiB.</summary>
    public uint MemorySize { get; init; } = DefaultMemorySize;

    /// <summary>Bytes that RAM may grow to while the machine runs (hot-add): whole pages, at most 3.5 GiB; 0 for as many as there are.</summary>
    public uint MaximumMemory { get; init; }

    /// <summary>
    /// The most bytes of host memory that RAM may take, rounded down to pages; null for no limit. RAM may be larger (over-commit): the machine is
    /// stopped when the guest uses more.
    /// </summary>
    public uint? MemoryLimit { get; init; }

    /// <summary>How many retired instructions make a second of guest time.</summary>
    public ulong InstructionsPerSecond { get; init; } = 1_000_000_000;

    /// <summary>What the real-time clock shows when the machine is switched on. A fixed moment unless the user asks for another: a run must not depend on the day.</summary>
    public DateTimeOffset StartTime { get; init; } = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    /// <summary>A BIOS image that ends at 1 MiB and at 4 GiB; without one the area C0000-FFFFF is RAM. At most 16 MiB.</summary>
    public ReadOnlyMemory<byte>? Bios { get; init; }

    /// <summary>
    /// The video BIOS of a PCI VGA card, which <see cref="Bios"/> finds and runs; without one there is no such card, only the VGA's legacy
    /// registers and memory. At most 64 KiB.
    /// </summary>
    public ReadOnlyMemory<byte>? VgaBios { get; init; }

    /// <summary>The ATA disks, in the order in which a BIOS numbers them: master and slave of the first channel, then of the second.</summary>
    public IReadOnlyList<DiskConfig> Disks { get; init; } = [];

    /// <summary>The image of the disc in the CD-ROM drive, the master of the second ATA channel; without one there is no drive.</summary>
    public string? CdRom { get; init; }

    /// <summary>How many 16550A serial ports the board carries, 0 to 4: 0x3F8/IRQ4, 0x2F8/IRQ3, 0x3E8/IRQ4, 0x2E8/IRQ3.</summary>
    public int SerialPorts { get; init; } = 1;

    /// <summary>Whether the A20 gate lets address bit 20 through after reset. PC firmware hands over with the gate open.</summary>
    public bool A20AtReset { get; init; } = true;

    /// <summary>Checks the values that do not come from a type.</summary>
    /// <exception cref="ArgumentException">A value is out of its range; the message says which and why.</exception>
    public void Validate()
    {
        if (MemorySize is < 1u << 20 or > 0xE000_0000 || MemorySize % 4096 != 0)
        {
            throw new ArgumentException($"memory of {MemorySize} bytes: a PC needs 1 MiB to 3.5 GiB, in whole 4 KiB pages");
        }

        if (MaximumMemory is not 0 && (MaximumMemory < MemorySize || MaximumMemory > 0xE000_0000 || MaximumMemory % 4096 != 0))
        {
            throw new ArgumentException($"memory that may grow to {MaximumMemory} bytes: it must be at least the {MemorySize} that there are, at most 3.5 GiB, and whole 4 KiB pages");
        }

        if (InstructionsPerSecond == 0)
        {
            throw new ArgumentException("the clock needs at least one instruction a second");
        }

        if (SerialPorts is < 0 or > 4)
        {
            throw new ArgumentException($"{SerialPorts} serial ports: a PC has 0 to 4");
        }

        if (Bios is { } bios && (bios.Length == 0 || bios.Length > 16 << 20))
        {
            throw new ArgumentException($"a BIOS image of {bios.Length} bytes: it must hold 1 byte to 16 MiB");
        }

        if (VgaBios is { } vgaBios)
        {
            if (PciVga.Problem(vgaBios.Span) is { } problem)
            {
                throw new ArgumentException(problem);
            }

            if (Bios is null)
            {
                throw new ArgumentException("a VGA BIOS alone: it needs a BIOS that finds and runs it");
            }
        }

        if (Disks.Count + (CdRom is null ? 0 : 1) > AtaPlaces)
        {
            throw new ArgumentException($"{Disks.Count} disks{(CdRom is null ? "" : " and a CD-ROM drive")}: two ATA channels take {AtaPlaces} devices");
        }

        if (StartTime.Year is < 1900 or > 9000)
        {
            throw new ArgumentException($"start time {StartTime:u}: the real-time clock counts from year 1900 to 9000");
        }
    }
}

/// <summary>One disk of a machine.</summary>
/// <param name="Path">The raw image file.</param>
/// <param name="Access">What happens to the guest's writes.</param>
public sealed record DiskConfig(string Path, DiskAccess Access = DiskAccess.ReadWrite);

/// <summary>What happens to writes to a disk.</summary>
public enum DiskAccess
{
    /// <summary>They change the image file.</summary>
    ReadWrite,

    /// <summary>They are refused with a write-protect error.</summary>
    ReadOnly,

    /// <summary>They are kept in memory and forgotten with the machine.</summary>
    Snapshot,
}
