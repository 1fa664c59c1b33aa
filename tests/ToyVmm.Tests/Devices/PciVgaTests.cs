using ToyVmm.Hardware;
using ToyVmm.Hardware.Devices;
using ToyVmm.Hardware.Memory;
using Xunit;

namespace ToyVmm.Tests.Devices;

/// <summary>The VGA card's PCI side: its identity, its ROM's address register, and where the ROM answers.</summary>
public sealed class PciVgaTests
{
    private const uint Card = 0x8000_1000;      // CONFIG_ADDRESS of 00:02.0
    private const uint RomAddress = 0x30;

    [Fact]
    public void The_card_is_the_one_the_ROM_is_for()
    {
        using Machine machine = MakeMachine(Rom());
        Assert.Equal(0x5678_1234u, Read(machine, 0));
        Assert.Equal(0x0300_0000u, Read(machine, 8));
    }

    [Fact]
    public void Its_ROM_answers_where_it_is_put_and_only_when_enabled()
    {
        using Machine machine = MakeMachine(Rom(0x2345));
        Write(machine, RomAddress, 0xFFFF_FFFE);
        Assert.Equal(0xFFFF_C000u, Read(machine, RomAddress));          // 16 KiB, and not enabled
        GuestPhysicalAddress address = new(0xFEB0_0000);
        Write(machine, RomAddress, (uint)address.Value);
        Assert.Equal(PageKind.Hole, machine.Memory.KindAt(address));
        Write(machine, RomAddress, (uint)address.Value | 1);
        Assert.Equal(PageKind.Mmio, machine.Memory.KindAt(address + 0x3000));
        Assert.Equal(0xAA55u, machine.Mmio.Read(address, 2));
        Assert.Equal(0u, machine.Mmio.Read(address + 0x3FF8, 8));       // behind the image
        machine.Mmio.Write(address, 4, 0);
        Assert.Equal(0xAA55u, machine.Mmio.Read(address, 2));

        Write(machine, 4, 0);                                           // memory space off
        Assert.Equal(PageKind.Hole, machine.Memory.KindAt(address));
        Write(machine, 4, 2);
        Assert.Equal(PageKind.Mmio, machine.Memory.KindAt(address));
        machine.Reset();
        Assert.Equal(PageKind.Hole, machine.Memory.KindAt(address));
    }

    [Theory]
    [InlineData(0x0000_0001u)]          // RAM
    [InlineData(0xFFFF_0001u)]          // the BIOS
    [InlineData(0xFEE0_0001u)]          // the local APIC
    public void It_stays_out_of_reach_where_something_else_lies(uint register)
    {
        using Machine machine = MakeMachine(Rom());
        GuestPhysicalAddress address = new(register & ~1u);
        PageKind before = machine.Memory.KindAt(address);
        Write(machine, RomAddress, register);
        Assert.Equal(before, machine.Memory.KindAt(address));
        Write(machine, RomAddress, 0xFEB0_0001);
        Assert.Equal(before, machine.Memory.KindAt(address));
        Assert.Equal(0xAA55u, machine.Mmio.Read(new GuestPhysicalAddress(0xFEB0_0000), 2));
    }

    [Fact]
    public void A_file_that_is_no_video_BIOS_is_refused()
    {
        byte[] unsigned = Rom();
        unsigned[1] = 0;
        byte[] isa = Rom();
        isa[0x1C] = (byte)'X';
        Assert.Contains("begins with 55 00", Refusal(unsigned), StringComparison.Ordinal);
        Assert.Contains("without a PCI data structure", Refusal(isa), StringComparison.Ordinal);
        Assert.Contains("of 3 bytes", Refusal(new byte[3]), StringComparison.Ordinal);
        Assert.Contains("of 65537 bytes", Refusal(new byte[65537]), StringComparison.Ordinal);
        MachineConfig alone = new() { VgaBios = Rom() };
        Assert.Contains("needs a BIOS", Assert.Throws<ArgumentException>(alone.Validate).Message, StringComparison.Ordinal);
    }

    private static string Refusal(byte[] rom) =>
        Assert.Throws<ArgumentException>(() => new MachineConfig { Bios = new byte[16], VgaBios = rom }.Validate()).Message;

    private static Machine MakeMachine(byte[] rom) => new(new MachineConfig { Bios = new byte[0x1_0000], VgaBios = rom });

    private static byte[] Rom(int length = 0x1000)
    {
        byte[] rom = new byte[length];
        (rom[0], rom[1], rom[0x18]) = (0x55, 0xAA, 0x1C);
        "PCIR\u0034\u0012\u0078\u0056"u8.CopyTo(rom.AsSpan(0x1C));
        return rom;
    }

    private static uint Read(Machine machine, uint register)
    {
        machine.Ports.Write(0xCF8, 4, Card | register);
        return machine.Ports.Read(0xCFC, 4);
    }

    private static void Write(Machine machine, uint register, uint value)
    {
        machine.Ports.Write(0xCF8, 4, Card | register);
        machine.Ports.Write(0xCFC, 4, value);
    }
}
