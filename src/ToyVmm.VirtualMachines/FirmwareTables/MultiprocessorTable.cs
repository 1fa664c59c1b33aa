using System.Buffers.Binary;
using System.Text;
using ToyVmm.Engines;
using ToyVmm.Hardware.Interrupts;

namespace ToyVmm.VirtualMachines.FirmwareTables;

/// <summary>
/// The MP floating pointer structure and the configuration table behind it (MultiProcessor Specification 1.4, chapter 4): the APICs
/// and their wires, for systems that do not read ACPI. One processor, virtual wire mode.
/// </summary>
internal sealed class MultiprocessorTable
{
    private const int PointerSize = 16;
    private const int HeaderSize = 44;
    private const byte SpecificationRevision = 4;
    private const byte PciBus = 0;
    private const byte IsaBus = 1;
    private const byte IoInterrupt = 3;             // entry types (MP 1.4 table 4-3)
    private const byte LocalInterrupt = 4;
    private const byte Vectored = 0;                // interrupt types (MP 1.4 table 4-11)
    private const byte NonMaskable = 1;
    private const byte External = 3;

    private readonly List<byte> _bytes = [];
    private ushort _count;

    private MultiprocessorTable()
    {
    }

    /// <summary>Builds both structures, one behind the other.</summary>
    /// <param name="address">Where they will lie: a multiple of 16 between F0000 and FFFFF.</param>
    /// <param name="cpu">The processor.</param>
    public static byte[] Build(uint address, CpuModel cpu)
    {
        MultiprocessorTable table = new();
        table.AddEntries(cpu);
        return [.. Pointer(address + PointerSize), .. table.Finish()];
    }

    // MP 1.4 4.1. Feature byte 1 is 0: there is a configuration table; byte 2: no IMCR, virtual wire.
    private static byte[] Pointer(uint table)
    {
        byte[] pointer = new byte[PointerSize];
        Encoding.ASCII.GetBytes("_MP_", pointer);
        BinaryPrimitives.WriteUInt32LittleEndian(pointer.AsSpan(4), table);
        pointer[8] = PointerSize / 16;
        pointer[9] = SpecificationRevision;
        pointer[10] = AcpiTables.ChecksumOf(pointer);
        return pointer;
    }

    private void AddEntries(CpuModel cpu)
    {
        const byte Usable = 1;
        const byte Bootstrap = 2;
        byte[] processor = new byte[20];
        processor[1] = BoardWiring.LocalApicId;
        processor[2] = 0x14;
        processor[3] = Usable | Bootstrap;
        BinaryPrimitives.WriteUInt32LittleEndian(processor.AsSpan(4), cpu.Signature);
        BinaryPrimitives.WriteUInt32LittleEndian(processor.AsSpan(8), (uint)cpu.Features);
        Add(processor);
        Add([1, PciBus, .. "PCI   "u8]);
        Add([1, IsaBus, .. "ISA   "u8]);
        byte[] ioApic = [2, BoardWiring.IoApicId, 0x11, Usable, 0, 0, 0, 0];
        BinaryPrimitives.WriteUInt32LittleEndian(ioApic.AsSpan(4), IoApic.DefaultAddress);
        Add(ioApic);

        // The 8259A's INTR is pin 0; IRQ2 is its cascade and no wire; PCI interrupts have entries of their own.
        AddInterrupt(IoInterrupt, External, 0, IsaBus, 0, BoardWiring.IoApicId, 0);
        for (int irq = 0; irq < 16; irq++)
        {
            if (irq != 2 && !BoardWiring.IsPciInterrupt(irq))
            {
                ushort flags = irq == BoardWiring.SystemControlInterrupt ? BoardWiring.LevelActiveHigh : (ushort)0;
                byte pin = irq == 0 ? BoardWiring.TimerPin : (byte)irq;
                AddInterrupt(IoInterrupt, Vectored, flags, IsaBus, (byte)irq, BoardWiring.IoApicId, pin);
            }
        }

        // MP 1.4 D.3: the source of a PCI interrupt is the slot and the pin.
        for (int source = 0; source < BoardWiring.PciSlots * 4; source++)
        {
            byte pin = BoardWiring.PciInterrupt(source >> 2, source & 3);
            AddInterrupt(IoInterrupt, Vectored, BoardWiring.LevelActiveHigh, PciBus, (byte)source, BoardWiring.IoApicId, pin);
        }

        AddInterrupt(LocalInterrupt, External, 0, IsaBus, 0, BoardWiring.LocalApicId, 0);
        AddInterrupt(LocalInterrupt, NonMaskable, 0, IsaBus, 0, BoardWiring.LocalApicId, 1);
    }

    private void Add(byte[] entry)
    {
        _bytes.AddRange(entry);
        _count++;
    }

    private void AddInterrupt(byte entry, byte type, ushort flags, byte bus, byte source, byte apic, byte pin) =>
        Add([entry, type, (byte)flags, (byte)(flags >> 8), bus, source, apic, pin]);

    // MP 1.4 4.2.
    private byte[] Finish()
    {
        byte[] table = new byte[HeaderSize + _bytes.Count];
        Encoding.ASCII.GetBytes("PCMP", table);
        BinaryPrimitives.WriteUInt16LittleEndian(table.AsSpan(4), (ushort)table.Length);
        table[6] = SpecificationRevision;
        Encoding.ASCII.GetBytes("TOYVMM  ToyVmm PC   ", table.AsSpan(8));
        BinaryPrimitives.WriteUInt16LittleEndian(table.AsSpan(34), _count);
        BinaryPrimitives.WriteUInt32LittleEndian(table.AsSpan(36), LocalApic.DefaultAddress);
        _bytes.CopyTo(table, HeaderSize);
        table[7] = AcpiTables.ChecksumOf(table);
        return table;
    }
}
