using System.Buffers.Binary;
using System.Text;
using ToyVmm.Engines;
using ToyVmm.Hardware;
using ToyVmm.Hardware.Memory;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.FirmwareTables;
using ToyVmm.VirtualMachines.Loading;
using Xunit;

namespace ToyVmm.Tests.FirmwareTables;

/// <summary>The ACPI tables as a system finds them in guest memory (ACPI 5.2).</summary>
public sealed class AcpiTablesTests
{
    private static readonly LoadOptions s_raw = new() { Format = ImageFormat.Raw };

    [Theory]
    [InlineData(1u, 0)]
    [InlineData(64u, 1)]
    [InlineData(3584u, 4)]
    public void TheChainOfTablesIsValid(uint mebibytes, int serialPorts)
    {
        using Machine machine = new(new MachineConfig { MemorySize = mebibytes << 20, SerialPorts = serialPorts });
        FirmwareTableArea.Write(new MachineConfig { MemorySize = mebibytes << 20, SerialPorts = serialPorts }, CpuModels.Default, machine.Memory);
        CheckChain(machine.Memory);
    }

    [Fact]
    public void AnImageThatIsLoadedFindsTheTables()
    {
        using VirtualMachine vm = VirtualMachine.Create(new byte[] { 0xF4 }, new VirtualMachineOptions { Load = s_raw });
        CheckChain(vm.Machine.Memory);
    }

    [Fact]
    public void AGuestOfTheBuiltInBiosFindsTheTables()
    {
        byte[] disk = new byte[512];
        disk[510] = 0x55;
        disk[511] = 0xAA;
        using VirtualMachine vm = VirtualMachine.Create(disk, new VirtualMachineOptions());
        CheckChain(vm.Machine.Memory);
    }

    [Fact]
    public void ABiosOfTheUsersBringsItsOwn()
    {
        VirtualMachineOptions options = new() { Load = s_raw, Machine = new MachineConfig { Bios = new byte[0x2_0000] } };
        using VirtualMachine vm = VirtualMachine.Create(new byte[] { 0xF4 }, options);
        Assert.Null(FindPointer(vm.Machine.Memory));
    }

    [Fact]
    public void TheTablesLieInAReservedRegion() =>
        Assert.Contains(MemoryMap.ForRamSize(16u << 20), region => region.Type == MemoryRegionType.Reserved
            && region.Base <= FirmwareTableArea.Start && region.End >= FirmwareTableArea.End);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void TheMultiprocessorTableIsValidAndAgreesWithTheMadt(bool builtInBios)
    {
        byte[] image = new byte[512];
        image[510] = 0x55;
        image[511] = 0xAA;
        using VirtualMachine vm = VirtualMachine.Create(image, new VirtualMachineOptions { Load = builtInBios ? new LoadOptions() : s_raw });
        GuestMemory memory = vm.Machine.Memory;
        byte[] pointer = Read(memory, FirmwareTableArea.MultiprocessorPointer, 16);
        Assert.Equal("_MP_", Encoding.ASCII.GetString(pointer.AsSpan(0, 4)));
        Assert.Equal(0, Sum(pointer));
        uint address = Word(pointer, 4);
        byte[] table = Read(memory, address, (int)(memory.ReadUInt32(new GuestPhysicalAddress(address + 4)) & 0xFFFF));
        Assert.Equal("PCMP", Encoding.ASCII.GetString(table.AsSpan(0, 4)));
        Assert.Equal(0, Sum(table));
        Assert.Equal(0xFEE0_0000u, Word(table, 36));

        int at = 44;
        Dictionary<int, int> entries = [];
        HashSet<int> isaPins = [];
        while (at < table.Length)
        {
            int type = table[at];
            entries[type] = entries.GetValueOrDefault(type) + 1;
            if (type == 3 && table[at + 4] == 1 && table[at + 1] == 0)
            {
                Assert.True(isaPins.Add(table[at + 7]));
                Assert.Equal(table[at + 5] == 0 ? 2 : table[at + 5], table[at + 7]);
            }

            at += type == 0 ? 20 : 8;
        }

        Assert.Equal(table.Length, at);
        Assert.Equal(table[34] | (table[35] << 8), entries.Values.Sum());
        Assert.Equal([1, 2, 1, 142, 2], [entries[0], entries[1], entries[2], entries[3], entries[4]]);
    }

    [Fact]
    public void ABiosWithoutRoomForTheTableIsRefused()
    {
        Assert.Throws<ArgumentException>(() => FirmwareTableArea.WriteToBios(new byte[0x8000], CpuModels.Default));
        byte[] full = new byte[0x1_0000];
        Array.Fill(full, (byte)0x90);
        Assert.Throws<ArgumentException>(() => FirmwareTableArea.WriteToBios(full, CpuModels.Default));
    }

    private static uint? FindPointer(GuestMemory memory)
    {
        for (uint address = 0xE_0000; address < 0x10_0000; address += 16)
        {
            if (Encoding.ASCII.GetString(Read(memory, address, 8)) == "RSD PTR ")
            {
                return address;
            }
        }

        return null;
    }

    private static void CheckChain(GuestMemory memory)
    {
        uint pointer = FindPointer(memory) ?? throw new InvalidOperationException("no RSDP");
        Assert.Equal(0, Sum(Read(memory, pointer, 20)));
        byte[] rsdt = Table(memory, memory.ReadUInt32(new GuestPhysicalAddress(pointer + 16)), "RSDT");
        byte[] fadt = Table(memory, Word(rsdt, 36), "FACP");
        byte[] dsdt = Table(memory, Word(fadt, 40), "DSDT");
        byte[] facs = Read(memory, Word(fadt, 36), 64);
        Assert.Equal("FACS", Encoding.ASCII.GetString(facs.AsSpan(0, 4)));
        Assert.Equal(0u, Word(fadt, 36) & 63);
        Assert.Equal(9, fadt[46]);
        Assert.Equal(0u, Word(fadt, 48));
        Assert.Equal([0x600u, 0x604u, 0x608u], [Word(fadt, 56), Word(fadt, 64), Word(fadt, 76)]);

        byte[] madt = Table(memory, Word(rsdt, 40), "APIC");
        List<int> structures = [];
        for (int at = 44; at < madt.Length; at += madt[at + 1])
        {
            structures.Add(madt[at]);
        }

        Assert.Equal(0xFEE0_0000u, Word(madt, 36));
        Assert.Equal([0, 1, 2, 2, 2, 2, 4], structures);

        // Name (\_S5_, Package () { 0, 0, 0, 0 })
        Assert.Equal([0x08, (byte)'\\', (byte)'_', (byte)'S', (byte)'5', (byte)'_', 0x12, 6, 4, 0, 0, 0, 0], dsdt[36..49]);
    }

    private static byte[] Table(GuestMemory memory, uint address, string signature)
    {
        byte[] table = Read(memory, address, (int)memory.ReadUInt32(new GuestPhysicalAddress(address + 4)));
        Assert.Equal(signature, Encoding.ASCII.GetString(table.AsSpan(0, 4)));
        Assert.Equal(0, Sum(table));
        Assert.InRange(address, FirmwareTableArea.Start, FirmwareTableArea.End - (uint)table.Length);
        return table;
    }

    private static byte[] Read(GuestMemory memory, uint address, int length)
    {
        byte[] bytes = new byte[length];
        Assert.True(memory.TryRead(new GuestPhysicalAddress(address), bytes));
        return bytes;
    }

    private static uint Word(byte[] table, int offset) => BinaryPrimitives.ReadUInt32LittleEndian(table.AsSpan(offset));

    private static byte Sum(byte[] bytes) => (byte)bytes.Sum(value => value);
}
