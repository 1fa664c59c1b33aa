using ToyVmm.Hardware;
using ToyVmm.Hardware.Devices;
using ToyVmm.Hardware.Memory;
using Xunit;

namespace ToyVmm.Tests;

public sealed class MachineTests
{
    [Fact]
    public void RandomPortAccessesNeverThrow()
    {
        for (int seed = 0; seed < 4; seed++)
        {
            Fuzz(seed, accesses: 25_000, random => (ushort)random.Next(0x1_0000));
        }
    }

    [Fact]
    public void RandomAccessesToTheDevicesNeverThrow()
    {
        using Machine probe = new(new MachineConfig { SerialPorts = 4 });
        List<ushort> mapped = [];
        bool answered = true;
        probe.Ports.UnmappedAccess = _ => answered = false;
        for (int port = 0; port <= 0xFFFF; port++)
        {
            answered = true;
            _ = probe.Ports.Read((ushort)port, 1);
            if (answered)
            {
                mapped.Add((ushort)port);
            }
        }

        Assert.Equal(178, mapped.Count);
        for (int seed = 100; seed < 108; seed++)
        {
            Fuzz(seed, accesses: 25_000, random => mapped[random.Next(mapped.Count)]);
        }
    }

    [Fact]
    public void TwoMachinesWithTheSameInputAreTheSame()
    {
        Assert.Equal(Fuzz(42, 20_000, random => (ushort)random.Next(0x100)), Fuzz(42, 20_000, random => (ushort)random.Next(0x100)));
    }

    [Theory]
    [InlineData(1_000_000_000ul)]
    [InlineData(123_456_789ul)]
    [InlineData(2_000_000ul)]
    public void TimerAndRealTimeClockNeverDrift(ulong frequency)
    {
        using Machine machine = new(new MachineConfig { MemorySize = 1 << 20, InstructionsPerSecond = frequency });
        Out(machine, (0x43, 0xB4), (0x61, 0x01), (0x42, 0x00), (0x42, 0x00)); // counter 2 runs freely: 65536 a cycle
        Out(machine, (0x70, 0x0A), (0x71, 0x26));
        ulong timerTicks = 0;
        uint last = 0x1_0000;
        Random random = new(3);
        ulong end = 20 * frequency;
        while (machine.Clock.Now < end)
        {
            ulong step = (ulong)random.NextInt64(1, (long)(frequency / 40));
            machine.Clock.AdvanceTo(Math.Min(end, machine.Clock.Now + step));
            machine.Ports.Write(0x43, 1, 0x80);
            uint count = machine.Ports.Read(0x42, 1) | (machine.Ports.Read(0x42, 1) << 8);
            timerTicks += (last - count) & 0xFFFF;
            last = count;
        }

        // The count is loaded at the first pulse after the write, so one less than the pulses gone by.
        Assert.Equal(20 * Pit8254.Frequency - 1, timerTicks);
        machine.Ports.Write(0x70, 1, 0);
        Assert.Equal(0x20u, machine.Ports.Read(0x71, 1));
    }

    [Fact]
    public void TheTimerInterruptsThroughTheWholeBoard()
    {
        using Machine machine = new(new MachineConfig());
        InitializePics(machine);
        Out(machine, (0x43, 0x34), (0x40, 11932 & 0xFF), (0x40, 11932 >> 8));
        if (machine.InterruptRequested)
        {
            _ = machine.AcknowledgeInterrupt(); // the control word raised OUT
            machine.Ports.Write(0x20, 1, 0x20);
        }

        int ticks = 0;
        while (machine.Clock.NextDeadline <= 1_000_000_000)
        {
            machine.Clock.AdvanceTo(machine.Clock.NextDeadline);
            if (machine.InterruptRequested)
            {
                Assert.Equal(0x20, machine.AcknowledgeInterrupt());
                machine.Ports.Write(0x20, 1, 0x20);
                ticks++;
            }
        }

        Assert.InRange(ticks, 99, 100);
    }

    [Fact]
    public void AKeyReachesTheGuestByInterruptOne()
    {
        using Machine machine = new(new MachineConfig());
        InitializePics(machine);
        machine.Keyboard.KeyEvent(Ps2Key.Q, true);
        machine.Clock.AdvanceTo(machine.Clock.NextDeadline);
        Assert.Equal(0x21, machine.AcknowledgeInterrupt());
        Assert.Equal(0x10u, machine.Ports.Read(0x60, 1));
    }

    [Fact]
    public void SerialPortsSitAtTheirPlacesAndShareTheirInterrupts()
    {
        using Machine machine = new(new MachineConfig { SerialPorts = 4 });
        InitializePics(machine);
        ushort[] bases = [0x3F8, 0x2F8, 0x3E8, 0x2E8];
        byte[] vectors = [0x24, 0x23, 0x24, 0x23];
        for (int index = 0; index < 4; index++)
        {
            Out(machine, ((ushort)(bases[index] + 4), 0x08), ((ushort)(bases[index] + 1), 0x01));
            Assert.True(machine.SerialPorts[index].Receive((byte)('0' + index)));
            Assert.Equal(vectors[index], machine.AcknowledgeInterrupt());
            Assert.Equal((uint)('0' + index), machine.Ports.Read(bases[index], 1));
            machine.Ports.Write(0x20, 1, 0x20);
            Assert.False(machine.InterruptRequested);
        }
    }

    [Theory]
    [InlineData(0xF4, 1, 0x2A, MachineRequestKind.DebugExit, 0x2A)]
    [InlineData(0xF4, 4, 0x2A, MachineRequestKind.DebugExit, 0x2A)]
    [InlineData(0x604, 2, 0x2000, MachineRequestKind.PowerOff, 0)]
    [InlineData(0x604, 4, 0x2000, MachineRequestKind.PowerOff, 0)]
    [InlineData(0x64, 1, 0xFE, MachineRequestKind.Reset, 0)]
    [InlineData(0x92, 1, 0x01, MachineRequestKind.Reset, 0)]
    [InlineData(0xCF9, 1, 0x06, MachineRequestKind.Reset, 0)]
    [InlineData(0xCF8, 4, 0x0600, MachineRequestKind.None, 0)]
    public void RequestsReachTheRunLoop(ushort port, int width, uint value, MachineRequestKind kind, byte code)
    {
        using Machine machine = new(new MachineConfig());
        machine.Ports.Write(port, width, value);
        Assert.Equal(new MachineRequest(kind, code), machine.TakeRequest());
        Assert.Equal(MachineRequest.None, machine.Request);
    }

    [Fact]
    public void TheFirstRequestStands()
    {
        using Machine machine = new(new MachineConfig());
        machine.Ports.Write(0xF4, 1, 3);
        machine.Ports.Write(0x64, 1, 0xFE);
        Assert.Equal(new MachineRequest(MachineRequestKind.DebugExit, 3), machine.Request);
    }

    [Fact]
    public void A20HasOneStateBehindThreePorts()
    {
        using Machine machine = new(new MachineConfig());
        List<bool> changes = [];
        machine.A20.Changed = changes.Add;
        Assert.True(machine.A20Enabled);
        machine.Ports.Write(0x92, 1, 0x00);
        Out(machine, (0x64, 0xD1), (0x60, 0xDF));
        Assert.Equal(0x02u, machine.Ports.Read(0x92, 1));
        machine.Ports.Write(0x64, 1, 0xDD);
        Assert.Equal([false, true, false], changes);
        machine.Reset();
        Assert.True(machine.A20Enabled);
    }

    [Fact]
    public void ABiosEndsAtOneMebibyteAndAtFourGibibytes()
    {
        byte[] bios = new byte[0x4_0000];
        new Random(5).NextBytes(bios);
        using Machine machine = new(new MachineConfig { Bios = bios });
        byte[] low = new byte[0x2_0000];
        byte[] high = new byte[bios.Length];
        Assert.True(machine.Memory.TryRead(new GuestPhysicalAddress(0xE_0000), low));
        Assert.True(machine.Memory.TryRead(new GuestPhysicalAddress(0xFFFC_0000), high));
        Assert.Equal(bios[0x2_0000..], low);
        Assert.Equal(bios, high);
        Assert.Equal(PageKind.Rom, machine.Memory.KindAt(new GuestPhysicalAddress(0xF_0000)));
        Assert.Equal(PageKind.Ram, machine.Memory.KindAt(new GuestPhysicalAddress(0xC_0000)));
        Assert.Equal(PageKind.Rom, machine.Memory.KindAt(new GuestPhysicalAddress(0xFFFF_FFF0)));
    }

    [Fact]
    public void ASmallBiosEndsAtTheSamePlacesWhateverItsLength()
    {
        byte[] bios = [1, 2, 3, 4, 5];
        using Machine machine = new(new MachineConfig { Bios = bios });
        Assert.Equal(5, machine.Memory.ReadByte(new GuestPhysicalAddress(0xF_FFFF)));
        Assert.Equal(1, machine.Memory.ReadByte(new GuestPhysicalAddress(0xFFFF_FFFB)));
        Assert.Equal(PageKind.Ram, machine.Memory.KindAt(new GuestPhysicalAddress(0xF_E000)));
    }

    [Fact]
    public void ShadowRegistersTurnTheBiosIntoRamAndResetBringsItBack()
    {
        byte[] bios = new byte[0x1_0000];
        Array.Fill(bios, (byte)0xB5);
        using Machine machine = new(new MachineConfig { Bios = bios });
        List<ulong> changed = [];
        machine.MemoryMapChanged = (address, _) => changed.Add(address.Value);
        machine.Ports.Write(0xCF8, 4, 0x8000_0058);
        machine.Ports.Write(0xCFD, 1, 0x30);
        Assert.Equal(16, changed.Count);
        Assert.Equal(PageKind.Ram, machine.Memory.KindAt(new GuestPhysicalAddress(0xF_0000)));
        Assert.True(machine.Memory.TryWrite(new GuestPhysicalAddress(0xF_0000), [0x11]));
        machine.Ports.Write(0xCFD, 1, 0x10);
        Assert.Equal(PageKind.Rom, machine.Memory.KindAt(new GuestPhysicalAddress(0xF_0000)));
        Assert.Equal(0x11, machine.Memory.ReadByte(new GuestPhysicalAddress(0xF_0000)));
        machine.Reset();
        Assert.Equal(0xB5, machine.Memory.ReadByte(new GuestPhysicalAddress(0xF_0000)));
        Assert.Equal(PageKind.Rom, machine.Memory.KindAt(new GuestPhysicalAddress(0xF_0000)));
    }

    [Fact]
    public void WithoutABiosEverythingBelowOneMebibyteButTheDisplayIsRam()
    {
        using Machine machine = new(new MachineConfig());
        machine.Ports.Write(0xCF8, 4, 0x8000_0058);
        machine.Ports.Write(0xCFD, 1, 0x30);
        machine.Ports.Write(0xCFD, 1, 0x00);
        for (uint page = 0; page < 0x10_0000; page += 4096)
        {
            // Text memory behaves as RAM; the rest of the display's addresses is the VGA's, which does not answer there in text modes.
            PageKind expected = page is >= 0xA_0000 and < 0xB_8000 ? PageKind.Mmio : PageKind.Ram;
            Assert.Equal(expected, machine.Memory.KindAt(new GuestPhysicalAddress(page)));
        }
    }

    [Fact]
    public void DisplayMemoryIsRamWhereTheVgaHasNothingToDo()
    {
        using Machine machine = new(new MachineConfig());
        List<GuestPhysicalAddress> changes = [];
        machine.MemoryMapChanged = (first, _) => changes.Add(first);
        machine.Ports.Write(0x3CE, 2, 0x0105);          // write mode 1
        machine.Ports.Write(0x3CE, 2, 0x0506);          // A0000-AFFFF
        Assert.Equal([new GuestPhysicalAddress(0xB_8000)], changes);
        Assert.Equal(PageKind.Mmio, machine.Memory.KindAt(new GuestPhysicalAddress(0xB_8000)));
        machine.Ports.Write(0x3C4, 2, 0x0F02);
        machine.Ports.Write(0x3C4, 2, 0x0E04);          // chain-4
        machine.Ports.Write(0x3CE, 2, 0x4005);
        Assert.Equal(PageKind.Mmio, machine.Memory.KindAt(new GuestPhysicalAddress(0xA_0000)));
        machine.Mmio.Write(new GuestPhysicalAddress(0xA_0000), 4, 0x44332211);
        Assert.Equal(PageKind.Ram, machine.Memory.KindAt(new GuestPhysicalAddress(0xA_F000)));
        Assert.Equal(0x44332211u, machine.Memory.ReadUInt32(new GuestPhysicalAddress(0xA_0000)));
        Assert.Equal([new GuestPhysicalAddress(0xB_8000), new GuestPhysicalAddress(0xA_0000)], changes);
        machine.Reset();
        Assert.Equal(PageKind.Ram, machine.Memory.KindAt(new GuestPhysicalAddress(0xB_8000)));
        Assert.Equal(PageKind.Mmio, machine.Memory.KindAt(new GuestPhysicalAddress(0xA_0000)));
    }

    [Theory]
    [InlineData(64u << 20, 63 << 10, 48 << 4)]
    [InlineData(1u << 20, 0, 0)]
    [InlineData(3u << 30, 0xFFFF, 0xBF00)]
    public void CmosTellsTheMemorySize(uint memory, int extendedKib, int above16Mib)
    {
        using Machine machine = new(new MachineConfig { MemorySize = memory });
        Assert.Equal(640, Cmos(0x15) | (Cmos(0x16) << 8));
        Assert.Equal(extendedKib, Cmos(0x17) | (Cmos(0x18) << 8));
        Assert.Equal(extendedKib, Cmos(0x30) | (Cmos(0x31) << 8));
        Assert.Equal(above16Mib, Cmos(0x34) | (Cmos(0x35) << 8));

        int Cmos(byte index)
        {
            machine.Ports.Write(0x70, 1, index);
            return (int)machine.Ports.Read(0x71, 1);
        }
    }

    [Fact]
    public void TheScreenIsTheGuestsMemory()
    {
        using Machine machine = new(new MachineConfig());
        Assert.True(machine.Memory.TryWrite(new GuestPhysicalAddress(0xB_8000), "H\aI\a"u8));
        Assert.Equal("HI", machine.Vga.ReadScreen().ToText());
    }

    [Fact]
    public void TheDebugConsoleAndThePortsThatCountForTiming()
    {
        using Machine machine = new(new MachineConfig());
        List<byte> written = [];
        machine.DebugConsoleWritten = written.Add;
        Assert.Equal(0xE9u, machine.Ports.Read(0xE9, 1));
        Out(machine, (0xE9, 'o'), (0xE9, 'k'), (0x80, 0x55));
        Assert.Equal("ok"u8.ToArray(), written);
        Assert.Equal(0x55u, machine.Ports.Read(0x80, 1));
        uint toggle = machine.Ports.Read(0x61, 1) & 0x10;
        machine.Clock.AdvanceTo(15_086);
        Assert.NotEqual(toggle, machine.Ports.Read(0x61, 1) & 0x10);
    }

    [Fact]
    public void CounterTwoIsGatedAndSeenThroughPortB()
    {
        using Machine machine = new(new MachineConfig());
        Out(machine, (0x61, 0x00), (0x43, 0xB0), (0x42, 0x00), (0x42, 0x10)); // mode 0, 4096
        machine.Clock.AdvanceTo(100_000_000);
        Assert.Equal(0u, machine.Ports.Read(0x61, 1) & 0x20);
        machine.Ports.Write(0x61, 1, 0x01);
        machine.Clock.AdvanceTo(103_400_000);
        Assert.Equal(0u, machine.Ports.Read(0x61, 1) & 0x20);
        machine.Clock.AdvanceTo(103_440_000);
        Assert.Equal(0x20u, machine.Ports.Read(0x61, 1) & 0x20);
    }

    [Fact]
    public void NmiIsMaskedByTheCmosIndex()
    {
        using Machine machine = new(new MachineConfig());
        machine.Ports.Write(0x70, 1, 0x80);
        machine.Nmi.Raise();
        Assert.False(machine.NmiPending);
        machine.Ports.Write(0x70, 1, 0x00);
        Assert.True(machine.NmiPending);
        Assert.True(machine.Nmi.Take());
        Assert.False(machine.NmiPending);
    }

    public static TheoryData<MachineConfig> BadConfigurations => new(
        new MachineConfig { MemorySize = 4096 },
        new MachineConfig { MemorySize = (1 << 20) + 1 },
        new MachineConfig { MemorySize = 0xF000_0000 },
        new MachineConfig { InstructionsPerSecond = 0 },
        new MachineConfig { SerialPorts = 5 },
        new MachineConfig { Bios = Array.Empty<byte>() },
        new MachineConfig { Bios = new byte[(16 << 20) + 1] },
        new MachineConfig { StartTime = DateTimeOffset.MinValue });

    [Theory]
    [MemberData(nameof(BadConfigurations))]
    public void BadConfigurationsAreRefused(MachineConfig config) => Assert.ThrowsAny<ArgumentException>(() => new Machine(config));

    private static void Out(Machine machine, params (ushort Port, int Value)[] writes)
    {
        foreach ((ushort port, int value) in writes)
        {
            machine.Ports.Write(port, 1, (uint)value);
        }
    }

    private static void InitializePics(Machine machine) => Out(
        machine,
        (0x20, 0x11), (0x21, 0x20), (0x21, 0x04), (0x21, 0x01),
        (0xA0, 0x11), (0xA1, 0x28), (0xA1, 0x02), (0xA1, 0x01));

    // Random accesses, time that passes, keys, serial input, interrupts and resets; the result is a digest of all that was read.
    private static int Fuzz(int seed, int accesses, Func<Random, ushort> choosePort)
    {
        Random random = new(seed);
        using Machine machine = new(new MachineConfig { MemorySize = 1 << 20, SerialPorts = 4, InstructionsPerSecond = 1_000_000, Bios = new byte[0x2_0000] });
        HashCode digest = default;
        for (int access = 0; access < accesses; access++)
        {
            ushort port = choosePort(random);
            int width = 1 << random.Next(3);
            if (random.Next(2) == 0)
            {
                digest.Add(machine.Ports.Read(port, width));
            }
            else
            {
                machine.Ports.Write(port, width, (uint)random.NextInt64(1L << 32));
            }

            switch (random.Next(40))
            {
                case 0:
                    machine.Clock.AdvanceTo(machine.Clock.Now + (ulong)random.Next(20_000));
                    break;
                case 1 when machine.InterruptRequested:
                    digest.Add(machine.AcknowledgeInterrupt());
                    break;
                case 2:
                    machine.Keyboard.KeyEvent((Ps2Key)random.Next(105), random.Next(2) == 0);
                    break;
                case 3:
                    digest.Add(machine.SerialPorts[random.Next(4)].Receive((byte)random.Next(256)));
                    break;
                case 4 when random.Next(20) == 0:
                    digest.Add(machine.Vga.ReadScreen().ToText().Length);
                    break;
                case 5 when machine.TakeRequest().Kind == MachineRequestKind.Reset && random.Next(4) == 0:
                    machine.Reset();
                    break;
                default:
                    break;
            }
        }

        return digest.ToHashCode();
    }
}
