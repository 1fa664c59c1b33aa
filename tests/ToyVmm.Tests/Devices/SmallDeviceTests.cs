using ToyVmm.Hardware.Buses;
using ToyVmm.Hardware.Devices;
using Xunit;

namespace ToyVmm.Tests.Devices;

/// <summary>The devices of one or two registers.</summary>
public sealed class SmallDeviceTests
{
    [Fact]
    public void ALatchKeepsAByteUntilItsPortIsTakenAway()
    {
        PortBus bus = new();
        bus.MapLatch(0x80);
        Assert.Equal(0u, bus.Read(0x80, 1));
        bus.Write(0x7F, 2, 0x5599);
        Assert.Equal(0x55u, bus.Read(0x80, 1));
        Assert.Equal(0x55FFu, bus.Read(0x7F, 2));
        bus.Unmap(0x80, 1);
        Assert.Equal(0xFFu, bus.Read(0x80, 1));
    }

    [Fact]
    public void ResetControlActsOnTheRiseOfItsBit()
    {
        int resets = 0;
        ResetControl control = new(() => resets++);
        control.WritePort(0, 1, 0x02);
        Assert.Equal(0, resets);
        control.WritePort(0, 1, 0x06);
        control.WritePort(0, 1, 0x06);
        Assert.Equal(1, resets);
        Assert.Equal(0x06u, control.ReadPort(0, 1));
        control.WritePort(0, 1, 0x02);
        control.WritePort(0, 1, 0x0E);
        Assert.Equal(2, resets);
    }

    [Fact]
    public void ControlPortAIsTheFastGateAndTheFastReset()
    {
        int resets = 0;
        List<bool> changes = [];
        A20Gate gate = new() { Changed = changes.Add };
        SystemControlPortA port = new(gate, () => resets++);
        port.WritePort(0, 1, 0x02);
        Assert.True(gate.Enabled);
        Assert.Equal(0x02u, port.ReadPort(0, 1));
        gate.Set(false); // by the keyboard controller
        Assert.Equal(0x00u, port.ReadPort(0, 1));
        port.WritePort(0, 1, 0x03);
        port.WritePort(0, 1, 0x03);
        Assert.Equal(1, resets);
        Assert.Equal([true, false, true], changes);
    }

    [Fact]
    public void TheDebugPorts()
    {
        List<byte> written = [];
        List<byte> exits = [];
        DebugConsole console = new(written.Add);
        DebugExitPort exit = new(exits.Add);
        console.WritePort(0, 1, 'x');
        exit.WritePort(0, 4, 0x1234);
        exit.WritePort(1, 1, 7);
        Assert.Equal(0xE9u, console.ReadPort(0, 1));
        Assert.Equal([(byte)'x'], written);
        Assert.Equal([(byte)0x34], exits);
    }

    [Fact]
    public void DmaAddressesGoThroughTheFlipFlop()
    {
        Dma8237 dma = new();
        dma.WritePort(12, 1, 0);
        dma.WritePort(4, 1, 0x34);
        dma.WritePort(4, 1, 0x12);
        Assert.Equal(0x34u, dma.ReadPort(4, 1));
        dma.WritePort(12, 1, 0);
        Assert.Equal(0x34u, dma.ReadPort(4, 1));
        Assert.Equal(0x12u, dma.ReadPort(4, 1));
        Assert.Equal(0xFFu, dma.ReadPort(15, 1));
        dma.WritePort(10, 1, 0x02);
        Assert.Equal(0xFBu, dma.ReadPort(15, 1));
        dma.WritePort(14, 1, 0);
        Assert.Equal(0xF0u, dma.ReadPort(15, 1));
        dma.WritePort(15, 1, 5);
        dma.WritePort(9, 1, 6);
        Assert.Equal(0x40u, dma.ReadPort(8, 1));
        dma.WritePort(11, 1, 0x59);
        Assert.Equal(0x59, dma.Mode(1));
        dma.WritePort(13, 1, 0);
        Assert.Equal(0xFFu, dma.ReadPort(15, 1));
        Assert.Equal(0x00u, dma.ReadPort(8, 1));
    }

    [Fact]
    public void TheSecondDmaControllerSitsAtEvenPorts()
    {
        Dma8237 dma = new(addressShift: 1);
        dma.WritePort(0x1E, 1, 5);
        Assert.Equal(0xF5u, dma.ReadPort(0x1E, 1));
        Assert.Equal(0xF5u, dma.ReadPort(0x1F, 1));
    }

    [Fact]
    public void PciMechanismOne()
    {
        PciConfigurationPorts pci = new();
        List<string> map = [];
        pci.Add(0, 0, new PciHostBridge82441((first, length, read, write) => map.Add($"{first:X}+{length:X} {(read ? 'R' : '-')}{(write ? 'W' : '-')}")));
        Assert.Equal(0xFFFF_FFFFu, pci.Data.ReadPort(0, 4)); // not enabled
        Select(0x8000_0000);
        Assert.Equal(0x8000_0000u, pci.Address.ReadPort(0, 4));
        Assert.Equal(0x1237_8086u, pci.Data.ReadPort(0, 4));
        Assert.Equal(0x1237u, pci.Data.ReadPort(2, 2));
        Assert.Equal(0x12u, pci.Data.ReadPort(3, 1));
        pci.Data.WritePort(0, 4, 0);
        Assert.Equal(0x1237_8086u, pci.Data.ReadPort(0, 4)); // identifiers are read-only
        Select(0x8000_0008);
        Assert.Equal(0x0600_0002u, pci.Data.ReadPort(0, 4));
        Select(0x8000_0800);
        Assert.Equal(0xFFFFu, pci.Data.ReadPort(0, 2));     // no device 1
        Select(0x8001_0000);
        Assert.Equal(0xFFFFu, pci.Data.ReadPort(0, 2));     // no bus 1
        pci.Address.WritePort(0, 1, 0x55);
        Assert.Equal(0x8001_0000u, pci.Address.ReadPort(0, 4)); // only doublewords reach the register
        Assert.Throws<ArgumentException>(() => pci.Add(0, 0, new PciHostBridge82441((_, _, _, _) => { })));

        Select(0x8000_0058);
        pci.Data.WritePort(1, 1, 0x30);
        Assert.Contains("F0000+10000 RW", map);
        map.Clear();
        Select(0x8000_005C);
        pci.Data.WritePort(3, 1, 0x21);                     // PAM6: EC000 write only, E8000 read only
        Assert.Contains("E8000+4000 R-", map);
        Assert.Contains("EC000+4000 -W", map);
        map.Clear();
        pci.Reset();
        Assert.Contains("F0000+10000 --", map);
        Assert.Equal(0xFFFF_FFFFu, pci.Data.ReadPort(0, 4));

        void Select(uint address) => pci.Address.WritePort(0, 4, address);
    }

    [Fact]
    public void ARegisterFileHoldsWhatIsWritten()
    {
        RegisterFile file = new(4);
        file.WritePort(3, 1, 0xAB);
        file.WritePort(4, 1, 0xAB);
        Assert.Equal(0xABu, file.ReadPort(3, 1));
        Assert.Equal(0xFFu, file.ReadPort(4, 1));
        Assert.Equal(1, ((IPortDevice)file).MaximumWidth);
    }
}
