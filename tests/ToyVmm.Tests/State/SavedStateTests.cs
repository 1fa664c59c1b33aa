using ToyVmm.Engines;
using ToyVmm.Hardware;
using ToyVmm.Hardware.Memory;
using ToyVmm.Hardware.State;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Comparing;
using ToyVmm.VirtualMachines.Loading;
using Xunit;

namespace ToyVmm.Tests.State;

/// <summary>What the walk over the fields does not reach: the memory map, display memory, latches, transfers, the autopsy; and states that cannot be.</summary>
public sealed class SavedStateTests
{
    private const uint VgaCard = 0x8000_1000;       // CONFIG_ADDRESS of 00:02.0
    private const uint HostBridge = 0x8000_0000;

    [Fact]
    public void The_memory_map_comes_back_wherever_chips_have_moved()
    {
        using MachineFixture from = new();
        using MachineFixture to = new();
        byte[] untouched = to.Vm.SaveState();
        Machine machine = from.Vm.Machine;
        WriteConfiguration(machine, HostBridge | 0x58, 0x3333_3333);        // PAM: RAM answers
        WriteConfiguration(machine, VgaCard | 0x30, 0xFEB0_0001);
        machine.SetLocalApicBase(0x0009_F900);                              // over RAM
        machine.Ports.Write(0x3CE, 1, 6);
        machine.Ports.Write(0x3CF, 1, 0x05);                                // VGA memory at A0000
        _ = machine.Mmio.Read(new GuestPhysicalAddress(0xA0000), 1);
        AssertRestores(from.Vm, to.Vm);
        Assert.Equal(PageKind.Mmio, to.Vm.Machine.Memory.KindAt(new GuestPhysicalAddress(0x9_F000)));
        Assert.Equal(PageKind.Mmio, to.Vm.Machine.Memory.KindAt(new GuestPhysicalAddress(0xFEB0_0000)));
        Assert.Equal(0xAA55u, to.Vm.Machine.Mmio.Read(new GuestPhysicalAddress(0xFEB0_0000), 2));

        // And back again; what lay under the APIC is RAM as before.
        to.Vm.RestoreState(untouched);
        using MachineFixture fresh = new();
        AssertSameMap(fresh.Vm.Machine, to.Vm.Machine);

        machine.SetLocalApicBase(0x000C_0900);                              // over a page that PAM can change
        AssertRestores(from.Vm, to.Vm);
        machine.SetLocalApicBase(0xFEE0_0900);
        to.Vm.Machine.SetLocalApicBase(0xFEE0_0900);
        AssertSameMap(machine, to.Vm.Machine);
        machine.SetLocalApicBase(0xFEE0_0100);                              // switched off
        AssertRestores(from.Vm, to.Vm);
    }

    [Fact]
    public void Display_memory_comes_back_in_every_mode()
    {
        using MachineFixture from = new();
        using MachineFixture to = new();
        Machine machine = from.Vm.Machine;
        Assert.True(machine.Memory.TryWrite(new GuestPhysicalAddress(0xB8000), "H\aello "u8));
        AssertRestores(from.Vm, to.Vm);
        Assert.Equal(machine.Vga.ReadScreen().ToString(), to.Vm.Machine.Vga.ReadScreen().ToString());

        machine.Ports.Write(0x3C4, 2, 0x0604);                              // planar, not odd/even
        machine.Ports.Write(0x3CE, 2, 0x0506);                              // graphics at A0000
        for (uint at = 0; at < 0x1_0000; at += 0x101)
        {
            machine.Ports.Write(0x3C4, 2, 0x0002 | (at << 8 & 0xF00));
            machine.Mmio.Write(new GuestPhysicalAddress(0xA0000 + at), 1, at);
        }

        AssertRestores(from.Vm, to.Vm);
        Assert.Equal(machine.Vga.ReadFrame().Pixels.ToArray(), to.Vm.Machine.Vga.ReadFrame().Pixels.ToArray());
    }

    [Fact]
    public void Latches_and_blocks_in_flight_come_back()
    {
        using MachineFixture from = new();
        using MachineFixture to = new();
        from.Vm.Machine.Ports.Write(0x80, 1, 0xC3);
        AssertRestores(from.Vm, to.Vm);
        Assert.Equal(0xC3u, to.Vm.Machine.Ports.Read(0x80, 1));
        foreach (ushort data in (ushort[])[0x1F0, 0x170])
        {
            for (int word = 0; word < 256; word++)
            {
                Assert.Equal(from.Vm.Machine.Ports.Read(data, 2), to.Vm.Machine.Ports.Read(data, 2));
            }

            Assert.Equal(from.Vm.Machine.Ports.Read((ushort)(data + 7), 1), to.Vm.Machine.Ports.Read((ushort)(data + 7), 1));
        }
    }

    [Fact]
    public void A_disk_that_was_written_to_comes_back()
    {
        using MachineFixture from = new();
        using MachineFixture to = new();
        WriteSector(from.Vm.Machine, 5, 0xBEEF);
        AssertRestores(from.Vm, to.Vm);
        Assert.Equal(0xBEEFu, ReadSector(to.Vm.Machine, 5));
        using MachineFixture fresh = new();
        to.Vm.RestoreState(fresh.Vm.SaveState());
        Assert.NotEqual(0xBEEFu, ReadSector(to.Vm.Machine, 5));
    }

    [Fact]
    public void A_CPU_that_shut_down_stays_dead_and_tells_why()
    {
        VirtualMachineOptions options = new() { Engine = EngineKind.Interpreter, Load = new LoadOptions { Format = ImageFormat.Raw } };
        byte[] image = [0x0F, 0x01, 0x1E, 0x00, 0x00, 0xCD, 0x03];          // LIDT [0]; INT 3: a limit of 0, near enough
        using VirtualMachine from = VirtualMachine.Create(image, options);
        using VirtualMachine to = VirtualMachine.Create(image, options);
        StopReason expected = from.Run(new RunLimits { MaxInstructions = 1000 });
        Assert.Equal(StopKind.TripleFault, expected.Kind);
        to.RestoreState(from.SaveState());
        StopReason actual = to.Run(new RunLimits { MaxInstructions = 1000 });
        Assert.Equal(StopKind.TripleFault, actual.Kind);
        Assert.Equal(expected.Autopsy!.Chain, actual.Autopsy!.Chain);
        Assert.Equal(expected.Autopsy.Tables, actual.Autopsy.Tables);
    }

    [Fact]
    public void Input_that_waits_is_part_of_the_state()
    {
        using MachineFixture from = new();
        using MachineFixture to = new();
        from.Vm.Input.Enqueue("typed"u8);
        from.Vm.Input.Enqueue([new KeyInput(Hardware.Devices.Ps2Key.Enter, true)]);
        to.Vm.Input.Enqueue("lost"u8);
        AssertRestores(from.Vm, to.Vm);
    }

    [Fact]
    public void A_state_of_another_machine_is_refused_with_the_reason()
    {
        using MachineFixture from = new();
        byte[] state = from.Vm.SaveState();
        Assert.Contains("memory", Refusal(state, new MachineConfig { MemorySize = 4u << 20, SerialPorts = 4 }), StringComparison.Ordinal);
        Assert.Contains("rate", Refusal(state, new MachineConfig { MemorySize = 2u << 20, InstructionsPerSecond = 5 }), StringComparison.Ordinal);
        Assert.Contains("number of timers", Refusal(state, new MachineConfig { MemorySize = 2u << 20 }), StringComparison.Ordinal);
        Assert.Contains("CPU is a", Refusal(state, new MachineConfig { MemorySize = 2u << 20 }, CpuModels.Find("486")), StringComparison.Ordinal);
    }

    [Fact]
    public void Sections_tell_what_is_wrong_with_them()
    {
        Assert.Contains("expected the state of b, found that of \"a\"", Error(Saved("a"u8, 1), "b"u8, 1), StringComparison.Ordinal);
        Assert.Contains("newer ToyVmm", Error(Saved("a"u8, 3), "a"u8, 2), StringComparison.Ordinal);
        Assert.Contains("ends too early", Error(Saved("a"u8, 1)[..^1], "a"u8, 1) + Error(Saved("a"u8, 1)[..5], "a"u8, 1), StringComparison.Ordinal);
        Assert.Null(Error(Saved("a"u8, 1), "a"u8, 2));
        byte[] longer = [.. Saved("a"u8, 1), 0];
        longer[3]++;
        Assert.Contains("left over", Error(longer, "a"u8, 1), StringComparison.Ordinal);
    }

    internal static void AssertRestores(VirtualMachine from, VirtualMachine to)
    {
        CopyMemory(from.Machine.Memory, to.Machine.Memory);
        byte[] state = from.SaveState();
        to.RestoreState(state);
        Assert.Equal(state, to.SaveState());
        AssertSameMap(from.Machine, to.Machine);
        Assert.Equal(StateHash.OfMemory(from.Machine.Memory), StateHash.OfMemory(to.Machine.Memory));
    }

    internal static unsafe void CopyMemory(GuestMemory from, GuestMemory to) =>
        Assert.True(to.TryWrite(new GuestPhysicalAddress(0), new ReadOnlySpan<byte>(from.RamBase, (int)from.RamSize)));

    private static void AssertSameMap(Machine left, Machine right)
    {
        for (ulong page = 0; page < GuestMemory.MarkedPages; page++)
        {
            GuestPhysicalAddress address = new(page << 12);
            if (left.Memory.KindAt(address) != right.Memory.KindAt(address))
            {
                Assert.Fail($"{address}: {left.Memory.KindAt(address)} and {right.Memory.KindAt(address)}");
            }
        }

        Assert.Equal(left.Mmio.IsMapped(left.LocalApic), right.Mmio.IsMapped(right.LocalApic));
    }

    private static string Refusal(byte[] state, MachineConfig config, CpuModel? cpu = null)
    {
        VirtualMachineOptions options = new() { Engine = EngineKind.Interpreter, Machine = config, Cpu = cpu ?? CpuModels.Default, Load = new LoadOptions { Format = ImageFormat.Raw } };
        using VirtualMachine to = VirtualMachine.Create(new byte[] { 0xF4 }, options);
        return Assert.Throws<InvalidStateException>(() => to.RestoreState(state)).Message;
    }

    private static byte[] Saved(ReadOnlySpan<byte> name, byte version)
    {
        StateTransfer state = StateTransfer.ForSaving();
        state.Section(name, version, new Word());
        return state.Saved.ToArray();
    }

    private static string? Error(byte[] bytes, ReadOnlySpan<byte> name, byte version)
    {
        StateTransfer state = StateTransfer.ForRestoring(bytes);
        state.Section(name, version, new Word());
        return state.Error;
    }

    private static void WriteConfiguration(Machine machine, uint address, uint value)
    {
        machine.Ports.Write(0xCF8, 4, address);
        machine.Ports.Write(0xCFC, 4, value);
    }

    private static void Begin(Machine machine, uint sector, uint command)
    {
        machine.Reset();
        machine.Ports.Write(0x1F2, 1, 1);
        machine.Ports.Write(0x1F3, 1, sector);
        machine.Ports.Write(0x1F6, 1, 0xE0);
        machine.Ports.Write(0x1F7, 1, command);
    }

    private static void WriteSector(Machine machine, uint sector, uint first)
    {
        Begin(machine, sector, 0x30);
        for (int word = 0; word < 256; word++)
        {
            machine.Ports.Write(0x1F0, 2, word == 0 ? first : 0);
        }
    }

    private static uint ReadSector(Machine machine, uint sector)
    {
        Begin(machine, sector, 0x20);
        return machine.Ports.Read(0x1F0, 2);
    }

    private sealed class Word : ISavedState
    {
        private uint _value = 0x1234_5678;

        public void Transfer(StateTransfer state) => state.Value(ref _value);
    }
}
