using ToyVmm.Hardware;
using ToyVmm.Hardware.Interrupts;
using ToyVmm.Hardware.Memory;
using ToyVmm.Hardware.Time;
using Xunit;

namespace ToyVmm.Tests.Interrupts;

/// <summary>The I/O APIC by the 82093AA data sheet, and the wires of the board.</summary>
public sealed class IoApicTests
{
    private const uint Eoi = 0xB0;
    private const uint Level = 1 << 15;
    private const uint RemoteIrr = 1 << 14;
    private const uint Masked = 1 << 16;

    private readonly LocalApic _local = new(new VirtualClock(1_000_000), () => { });
    private readonly IoApic _apic;

    public IoApicTests()
    {
        _apic = new IoApic(_local);
        _local.Write(0xF0, 4, 0x1FF);
    }

    [Fact]
    public void TheRegistersAfterReset()
    {
        Assert.Equal(0x0100_0000u, Read(0));
        Assert.Equal(0x0017_0011u, Read(1));
        Assert.Equal(0x0100_0000u, Read(2));
        for (int register = 0x10; register < 0x40; register += 2)
        {
            Assert.Equal(Masked, Read(register));
            Assert.Equal(0u, Read(register + 1));
        }

        Assert.Equal(0u, Read(0x40));
    }

    [Fact]
    public void OnlyDefinedBitsAreStored()
    {
        Write(0, 0xFFFF_FFFF);
        Write(1, 0xFFFF_FFFF);
        Write(0x10, 0xFFFF_FFFF);
        Write(0x11, 0xFFFF_FFFF);
        Assert.Equal([0x0F00_0000u, 0x0017_0011u, 0x1_AFFFu, 0xFF00_0000u], [Read(0), Read(1), Read(0x10), Read(0x11)]);
        _apic.Write(0x10, 2, 0);    // the window takes doublewords only
        Assert.Equal(0xFF00_0000u, Read(0x11));
    }

    [Fact]
    public void AnEdgeSendsOnce()
    {
        Write(0x10 + (2 * 4), 0x40);
        _apic.Line(4).SetLevel(true);
        Assert.Equal(0x40, _local.Acknowledge());
        _local.Write(Eoi, 4, 0);
        Assert.False(_local.InterruptRequested);
        _apic.Line(4).SetLevel(false);
        Assert.False(_local.InterruptRequested);
        _apic.Line(4).SetLevel(true);
        Assert.True(_local.InterruptRequested);
    }

    [Fact]
    public void AnEdgeAtAMaskedPinIsLost()
    {
        _apic.Line(4).SetLevel(true);
        Write(0x10 + (2 * 4), 0x40);
        Assert.False(_local.InterruptRequested);
    }

    [Fact]
    public void ALevelSendsAgainAfterItsEndWhileItIsHigh()
    {
        Write(0x10 + (2 * 11), Level | 0x51);
        _apic.Line(11).SetLevel(true);
        Assert.Equal(Level | RemoteIrr | 0x51, Read(0x10 + (2 * 11)));
        Assert.Equal(0x51, _local.Acknowledge());
        Assert.False(_local.InterruptRequested);
        _local.Write(Eoi, 4, 0);
        Assert.Equal(0x51, _local.Acknowledge());
        _apic.Line(11).SetLevel(false);
        _local.Write(Eoi, 4, 0);
        Assert.False(_local.InterruptRequested);
        Assert.Equal(Level | 0x51, Read(0x10 + (2 * 11)));
    }

    [Fact]
    public void ALevelThatIsUnmaskedWhileHighSends()
    {
        Write(0x10 + (2 * 11), Masked | Level | 0x51);
        _apic.Line(11).SetLevel(true);
        Assert.False(_local.InterruptRequested);
        Write(0x10 + (2 * 11), Level | 0x51);
        Assert.True(_local.InterruptRequested);
    }

    [Fact]
    public void EdgeModeClearsRemoteIrr()
    {
        Write(0x10 + (2 * 11), Level | 0x51);
        _apic.Line(11).SetLevel(true);
        Write(0x10 + (2 * 11), Masked | 0x51);
        Assert.Equal(Masked | 0x51, Read(0x10 + (2 * 11)));
    }

    [Fact]
    public void AMessageThatIsNotAcceptedWaits()
    {
        _local.Write(0xF0, 4, 0xFF);
        Write(0x10 + (2 * 11), Level | 0x51);
        _apic.Line(11).SetLevel(true);
        Assert.Equal(Level | 0x51, Read(0x10 + (2 * 11)));
        _local.Write(0xF0, 4, 0x1FF);
        Assert.True(_local.InterruptRequested);
    }

    [Fact]
    public void TheDestinationDecides()
    {
        Write(0x10 + (2 * 5) + 1, 0x0500_0000);
        Write(0x10 + (2 * 5), 0x40);
        _apic.Line(5).SetLevel(true);
        Assert.False(_local.InterruptRequested);
        Write(0x10 + (2 * 6) + 1, 0x0200_0000);
        Write(0x10 + (2 * 6), 0x841);       // logical
        _local.Write(0xD0, 4, 0x0200_0000);
        _apic.Line(6).SetLevel(true);
        Assert.Equal(0x41, _local.Acknowledge());
    }

    [Fact]
    public void ANmiMessageIsAnNmi()
    {
        Write(0x10 + (2 * 7), 0x400);
        _apic.Line(7).SetLevel(true);
        Assert.True(_local.TakeNmi());
        Assert.False(_local.InterruptRequested);
    }

    [Fact]
    public void TheBoardWiresIsaRequestsToBothControllers()
    {
        using Machine machine = new(new MachineConfig());
        machine.Mmio.Write(new GuestPhysicalAddress(0xFEE0_00F0), 4, 0x1FF);
        machine.Mmio.Write(new GuestPhysicalAddress(0xFEE0_0350), 4, 0x1_0700);   // LINT0 masked: only the I/O APIC counts
        WriteBoard(machine, 0x10 + (2 * 2), 0x30);
        WriteBoard(machine, 0x10 + (2 * 8), 0x48);
        machine.Pic.Line(0).SetLevel(true);
        Assert.True(machine.InterruptRequested);
        Assert.Equal(0x30, machine.AcknowledgeInterrupt());
        machine.Pic.Line(8).Pulse();
        Assert.Equal(0x48, machine.AcknowledgeInterrupt());
        Assert.Equal(1, machine.Pic.Master.Requests & 1);
        Assert.Equal(1, machine.Pic.Slave.Requests & 1);
    }

    [Fact]
    public void The8259ReachesTheCpuThroughLint0OrPin0OrPastADisabledApic()
    {
        using Machine machine = new(new MachineConfig());
        foreach ((ushort port, uint value) in new (ushort, uint)[] { (0x20, 0x11), (0x21, 0x20), (0x21, 4), (0x21, 1), (0x21, 0xFD) })
        {
            machine.Ports.Write(port, 1, value);
        }

        machine.Pic.Line(1).SetLevel(true);
        Assert.True(machine.InterruptRequested);            // disabled
        machine.Mmio.Write(new GuestPhysicalAddress(0xFEE0_00F0), 4, 0x1FF);
        Assert.True(machine.InterruptRequested);            // LINT0 in the mode ExtINT
        machine.Mmio.Write(new GuestPhysicalAddress(0xFEE0_0350), 4, 0x1_0700);
        Assert.False(machine.InterruptRequested);
        WriteBoard(machine, 0x10, 0x700);                   // pin 0 in the mode ExtINT
        Assert.True(machine.InterruptRequested);
        Assert.Equal(0x21, machine.AcknowledgeInterrupt());
    }

    [Fact]
    public void TheApicBaseMovesTheLocalApicAndSwitchesItOff()
    {
        using Machine machine = new(new MachineConfig());
        GuestPhysicalAddress version = new(0xFEE0_0030);
        Assert.Equal(0x0004_0014u, machine.Mmio.Read(version, 4));
        machine.SetLocalApicBase(0x0020_0900);
        Assert.Equal(PageKind.Mmio, machine.Memory.KindAt(new GuestPhysicalAddress(0x20_0000)));
        Assert.Equal(0x0004_0014u, machine.Mmio.Read(new GuestPhysicalAddress(0x20_0030), 4));
        Assert.Equal(uint.MaxValue, machine.Mmio.Read(version, 4));
        machine.SetLocalApicBase(0xFEC0_0900);      // the I/O APIC is there
        Assert.Equal(PageKind.Ram, machine.Memory.KindAt(new GuestPhysicalAddress(0x20_0000)));
        machine.SetLocalApicBase(0xFEE0_0100);
        Assert.Equal(uint.MaxValue, machine.Mmio.Read(version, 4));
        Assert.False(machine.LocalApic.Present);
        machine.Reset();
        Assert.Equal(0x0004_0014u, machine.Mmio.Read(version, 4));
    }

    [Fact]
    public void RandomAccessesNeverThrow()
    {
        Random random = new(4);
        int[] widths = [1, 2, 4, 8];
        for (int access = 0; access < 100_000; access++)
        {
            int width = widths[random.Next(4)];
            uint offset = random.Next(4) == 0 ? (uint)random.Next(0x1000 - 8) : (uint)random.Next(2) << 4;
            switch (random.Next(5))
            {
                case 0:
                    _ = _apic.Read(offset, width);
                    break;
                case 1:
                    _apic.Line(random.Next(IoApic.PinCount)).SetLevel(random.Next(2) == 0);
                    break;
                case 2:
                    _ = _local.Acknowledge();
                    break;
                case 3:
                    _local.Write(Eoi, 4, 0);
                    break;
                default:
                    ulong value = (ulong)random.NextInt64() & (ulong.MaxValue >> (64 - (8 * width)));
                    _apic.Write(offset, width, offset == 0 ? value & 0x3F : value);
                    break;
            }
        }
    }

    private static void WriteBoard(Machine machine, int register, uint value)
    {
        machine.Mmio.Write(new GuestPhysicalAddress(0xFEC0_0000), 4, (uint)register);
        machine.Mmio.Write(new GuestPhysicalAddress(0xFEC0_0010), 4, value);
    }

    private uint Read(int register)
    {
        _apic.Write(0, 4, (uint)register);
        return (uint)_apic.Read(0x10, 4);
    }

    private void Write(int register, uint value)
    {
        _apic.Write(0, 4, (uint)register);
        _apic.Write(0x10, 4, value);
    }
}
