using ToyVmm.Hardware;
using ToyVmm.Hardware.Devices;
using Xunit;
using static ToyVmm.Tests.Devices.AtaFixture;

namespace ToyVmm.Tests.Devices;

/// <summary>What two devices on a cable do together: selection, resets, interrupts, absence.</summary>
public sealed class AtaChannelTests
{
    private const int DiskSignature = 0x0000_0101;
    private const int PacketSignature = unchecked((int)0xEB14_0101);

    [Fact]
    public void TheSignatureTellsWhatADeviceIs()
    {
        AtaFixture f = new(Disk(), new AtapiCdRom(null, ""));
        f.Out(6, 0x00);
        Assert.Equal((DiskSignature, Drdy | Dsc, 1), (f.Signature, f.AlternateStatus, f.Error));
        f.Out(6, 0x10);
        Assert.Equal((PacketSignature, 0, 1), (f.Signature, f.AlternateStatus, f.Error));
    }

    [Fact]
    public void ASoftwareResetIsBusyWhileItLastsAndSelectsDevice0()
    {
        AtaFixture f = new(Disk(), new AtapiCdRom(null, ""));
        _ = f.Command(0x20, 1, 4);
        _ = f.ReadBytes(100);
        f.Out(6, 0x10);
        f.Control(0x04);
        Assert.Equal(Bsy, f.AlternateStatus);
        Assert.False(f.Interrupt);
        f.Out(3, 0x55);                 // nobody listens
        f.Out(7, 0xEC);
        f.Control(0x00);
        Assert.Equal((Drdy | Dsc, DiskSignature, 1), (f.AlternateStatus, f.Signature, f.Error));
        Assert.Equal(0u, f.InData(2));
        Assert.Equal(0, f.Edges - 1);   // only that of the read
        f.Out(6, 0x10);
        Assert.Equal((0, PacketSignature), (f.AlternateStatus, f.Signature));
    }

    [Fact]
    public void TheDiagnosticRunsOnBothDevicesAndDevice0Reports()
    {
        AtaFixture f = new(Disk(), Disk());
        f.Out(6, 0x10);
        f.Out(7, 0x90);
        Assert.True(f.Interrupt);
        Assert.Equal((0x00, 1, DiskSignature), (f.In(6), f.Error, f.Signature));
        f.Out(6, 0x10);
        Assert.False(f.Interrupt);      // it is device 0's
        Assert.Equal((1, DiskSignature), (f.Error, f.Signature));
    }

    [Fact]
    public void AnAbsentDevice1HasAStatusOfZero()
    {
        AtaFixture f = new(Disk());
        f.Out(6, 0x10);
        Assert.Equal((0, 0), (f.Status, f.AlternateStatus));
        f.Out(2, 0x55);
        Assert.Equal(0x55, f.In(2));    // device 0 answers for it
        f.Out(7, 0xEC);
        Assert.Equal(0, f.Status);
        Assert.False(f.Interrupt);
        f.Out(6, 0x00);
        Assert.Equal(Drdy | Dsc, f.Status);
    }

    [Fact]
    public void AnEmptyCableFloatsNotBusy()
    {
        AtaFixture f = new();
        f.Out(6, 0x00);
        f.Out(2, 0x55);
        f.Out(7, 0x90);
        f.Control(4);
        f.Control(0);
        Assert.Equal((0x7F, 0x7F, 0x7F), (f.Status, f.AlternateStatus, f.In(2)));
        AtaFixture slave = new(null, Disk());
        Assert.Equal(0x7F, slave.Status);
        Assert.Equal(Drdy | Dsc | Drq, slave.Command(0x20, 0, 1, device: 1));
    }

    [Fact]
    public void TheInterruptIsTheSelectedDevicesAndGatedByNIen()
    {
        AtaFixture f = new(Disk(), Disk());
        _ = f.Command(0xE7);
        Assert.True(f.Interrupt);
        f.Out(6, 0x10);
        Assert.False(f.Interrupt);
        f.Out(6, 0x00);
        Assert.True(f.Interrupt);
        f.Control(0x02);
        Assert.False(f.Interrupt);
        f.Control(0x00);
        Assert.True(f.Interrupt);
        _ = f.AlternateStatus;
        Assert.True(f.Interrupt);
        _ = f.Status;
        Assert.False(f.Interrupt);
        _ = f.Command(0xE7);
        int edges = f.Edges;
        f.Out(7, 0xE7);                 // a command takes the old interrupt back, and makes its own: an edge for the 8259A
        Assert.True(f.Interrupt);
        Assert.Equal(edges + 1, f.Edges);
    }

    [Fact]
    public void ACommandIsNotTakenWhileDataWaits()
    {
        AtaFixture f = new(Disk());
        _ = f.Command(0x20, 3, 1);
        f.Out(7, 0x10);
        Assert.Equal(Drdy | Dsc | Drq, f.AlternateStatus);
        f.Out(7, 0x90);
        Assert.Equal(Drdy | Dsc | Drq, f.AlternateStatus);
    }

    [Fact]
    public void WideAccessesToTheRegistersAreBytes()
    {
        AtaFixture f = new(Disk());
        f.OutAny(0x1F2, 2, 0x0902);
        f.OutAny(0x1F4, 4, 0x20_40_00_00);       // LBA Mid, LBA High, Device, Command: READ SECTORS
        Assert.Equal(Drdy | Dsc | Drq, f.AlternateStatus);
        Assert.Equal((0x0901u, 0x0000u), (f.InAny(0x1F2, 2), f.InAny(0x1F4, 2)));
    }

    [Fact]
    public void APlaceTakesOneDevice()
    {
        AtaFixture f = new(Disk());
        Assert.Throws<ArgumentException>(() => f.Channel.Attach(0, Disk()));
        Assert.Throws<ArgumentException>(() => f.Channel.Attach(2, Disk()));
        Assert.Throws<ArgumentException>(() => new AtaDisk(new MemoryDiskImage(Array.Empty<byte>()), ""));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void RandomAccessesNeverThrowAndTwinsAgree(int seed)
    {
        Assert.Equal(Fuzz(seed), Fuzz(seed));
    }

    [Fact]
    public void TheBoardHasTwoChannelsAtTheirPortsAndInterrupts()
    {
        using Machine machine = new(new MachineConfig { MemorySize = 1 << 20 });
        machine.AttachAta(0, Disk());
        machine.AttachAta(2, new AtapiCdRom(new MemoryDiskImage(new byte[4096]), ""));
        Unmask(machine);
        machine.Ports.Write(0x1F7, 1, 0xEC);
        Assert.True(machine.InterruptRequested);
        Assert.Equal(0x76, machine.AcknowledgeInterrupt());
        machine.Ports.Write(0xA0, 1, 0x20);
        machine.Ports.Write(0x20, 1, 0x20);
        machine.Ports.Write(0x177, 1, 0xA1);
        Assert.Equal(0x77, machine.AcknowledgeInterrupt());
        Assert.Equal(0x48u, machine.Ports.Read(0x376, 1));
        Assert.Equal(0x58u, machine.Ports.Read(0x3F6, 1));
        machine.Reset();
        Assert.Equal(0x50u, machine.Ports.Read(0x1F7, 1));
        Assert.Equal(0xEBu, machine.Ports.Read(0x175, 1));
    }

    [Fact]
    public void CmosAndPciTellOfTheDisks()
    {
        using Machine machine = new(new MachineConfig { MemorySize = 1 << 20 });
        machine.AttachAta(0, new AtaDisk(new MemoryDiskImage(new byte[1008 * 512 * 3]), ""));
        machine.AttachAta(1, Disk());
        machine.AttachAta(3, new AtaDisk(new MemoryDiskImage(new byte[1008 * 512 * 1025]), ""));
        Assert.Equal((0xFF, 47, 47, 3, 0, 16, 63), (Cmos(0x12), Cmos(0x19), Cmos(0x1A), Cmos(0x1B), Cmos(0x1C), Cmos(0x1D), Cmos(0x23)));
        Assert.Equal(0x40, Cmos(0x39));      // LBA assist for the disk with more than 1024 cylinders
        Assert.Equal((0x7010_8086u, 0x0101_0000u), (Pci(0x80000900), Pci(0x80000908)));
        Assert.Equal((0x7000_8086u, 0x0080_0000u), (Pci(0x80000800), Pci(0x8000080C)));

        int Cmos(byte index)
        {
            machine.Ports.Write(0x70, 1, index);
            return (int)machine.Ports.Read(0x71, 1);
        }

        uint Pci(uint address)
        {
            machine.Ports.Write(0xCF8, 4, address);
            return machine.Ports.Read(0xCFC, 4);
        }
    }

    private static void Unmask(Machine machine)
    {
        foreach ((ushort port, byte value) in new (ushort, byte)[]
            { (0x20, 0x11), (0xA0, 0x11), (0x21, 0x08), (0xA1, 0x70), (0x21, 4), (0xA1, 2), (0x21, 1), (0xA1, 1), (0x21, 0xFB), (0xA1, 0x3F) })
        {
            machine.Ports.Write(port, 1, value);
        }
    }

    private static AtaDisk Disk() => new(new MemoryDiskImage(Pattern(100, 2)), "S");

    // Half noise, half values that lead somewhere, so that packets and data blocks come about.
    private static ulong Fuzz(int seed)
    {
        byte[] commands = [0x20, 0x30, 0xC4, 0xC5, 0xC6, 0xEC, 0xA0, 0xA0, 0xA0, 0xA1, 0x08, 0x90, 0xE7, 0x40, 0x24, 0x34, 0x91, 0xEF];
        byte[] packets = [0x00, 0x03, 0x12, 0x1B, 0x1E, 0x25, 0x28, 0x2B, 0x43, 0x46, 0x4A, 0x51, 0x5A, 0xA8, 0xBD, 0xBE];
        AtaFixture f = new(Disk(), new AtapiCdRom(new MemoryDiskImage(Pattern(64, 3)), "C"));
        Random random = new(seed);
        ulong hash = 0;
        for (int i = 0; i < 100_000; i++)
        {
            int width = 1 << random.Next(3);
            ushort port = (ushort)(0x1F0 + random.Next(9));
            port = port == 0x1F8 ? (ushort)0x3F6 : port;
            if (random.Next(3) == 0)
            {
                hash = (hash * 31) + f.InAny(port, width);
                continue;
            }

            int value = random.Next(4) switch
            {
                0 => commands[random.Next(commands.Length)],
                1 => packets[random.Next(packets.Length)],
                2 => random.Next(4),
                _ => random.Next(256),
            };
            if (port == 0x3F6 && random.Next(20) != 0)
            {
                value = 0;              // not in reset all the time
            }

            f.OutAny(port, width, (uint)value * (width == 1 ? 1u : 0x0101_0101u));
            if (f.AlternateStatus is Drdy or (Drdy | Drq) && random.Next(3) == 0)
            {
                f.Out(7, 0xA0);         // and finish some packets
                for (int word = 0; word < 6; word++)
                {
                    f.OutData(2, (uint)(word == 0 ? packets[random.Next(packets.Length)] | (random.Next(8) << 8) : random.Next(3) == 0 ? random.Next(0x1_0000) : 0));
                }
            }
        }

        return hash;
    }
}
