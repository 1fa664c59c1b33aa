using ToyVmm.Engines;
using ToyVmm.Hardware;
using ToyVmm.VirtualMachines;

namespace ToyVmm.Tests.State;

/// <summary>A machine with everything that a machine can have: four serial ports, a VGA card with a ROM, two disks and a CD-ROM drive in the middle of transfers.</summary>
internal sealed class MachineFixture : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("toyvmm-state").FullName;

    public MachineFixture(EngineKind engine = EngineKind.Interpreter)
    {
        Vm = VirtualMachine.CreateFromDrives(new VirtualMachineOptions
        {
            Engine = engine,
            Machine = new MachineConfig
            {
                MemorySize = 2u << 20,
                SerialPorts = 4,
                VgaBios = VgaBios(),
                Disks = [new DiskConfig(File("disk", 64), DiskAccess.Snapshot), new DiskConfig(File("other", 32), DiskAccess.Snapshot)],
                CdRom = File("disc", 16),
            },
        });
        Machine machine = Vm.Machine;
        machine.Ports.Write(0x80, 1, 0x5A);
        foreach (uint device in (uint[])[0xB0, 0xA0])
        {
            machine.Ports.Write(0x1F6, 1, device);
            machine.Ports.Write(0x1F7, 1, 0xEC);            // IDENTIFY DEVICE: a block waits
        }

        machine.Ports.Write(0x176, 1, 0xA0);
        machine.Ports.Write(0x177, 1, 0xA1);                // IDENTIFY PACKET DEVICE: a block waits
        _ = machine.Ports.Read(0x170, 2);
    }

    /// <summary>The machine.</summary>
    public VirtualMachine Vm { get; }

    /// <inheritdoc/>
    public void Dispose()
    {
        Vm.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>The least that a PCI card's option ROM can be.</summary>
    public static byte[] VgaBios()
    {
        byte[] rom = new byte[512];
        (rom[0], rom[1], rom[2], rom[0x18]) = (0x55, 0xAA, 1, 0x1C);
        "PCIR"u8.CopyTo(rom.AsSpan(0x1C));
        (rom[0x20], rom[0x21], rom[0x22], rom[0x23]) = (0x34, 0x12, 0x78, 0x56);
        return rom;
    }

    private string File(string name, int sectors)
    {
        string path = Path.Combine(_folder, name);
        System.IO.File.WriteAllBytes(path, [.. Enumerable.Range(0, sectors * 512).Select(n => (byte)(n * 7))]);
        return path;
    }
}
