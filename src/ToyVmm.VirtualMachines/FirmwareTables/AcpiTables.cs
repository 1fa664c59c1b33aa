using System.Buffers.Binary;
using System.Text;
using ToyVmm.Hardware;
using ToyVmm.Hardware.Interrupts;

namespace ToyVmm.VirtualMachines.FirmwareTables;

/// <summary>
/// The ACPI tables of a machine (ACPI 5.2), as one block for a fixed address: FACS first, for it must lie at a multiple of 64 and be
/// writable, then RSDP, DSDT, FADT, MADT and RSDT. The layout is that of ACPI 1.0b with an FADT of revision 3, which every ACPI
/// system reads.
/// </summary>
internal sealed class AcpiTables
{
    /// <summary>Where the power-management registers lie.</summary>
    public const ushort PowerManagementPorts = 0x600;

    private const int HeaderSize = 36;
    private const int FacsSize = 64;
    private const int RsdpSize = 20;
    private const int FadtSize = 244;
    private const ushort ResetControlPort = 0xCF9;
    private const byte HardReset = 0x06;

    private readonly uint _address;
    private readonly List<byte> _bytes = [];

    private AcpiTables(uint address) => _address = address;

    private uint End => _address + (uint)_bytes.Count;

    /// <summary>Builds the tables.</summary>
    /// <param name="config">The machine that they describe.</param>
    /// <param name="address">Where they will lie: a multiple of 64 between E0000 and FFFFF, where systems search for the RSDP at each multiple of 16.</param>
    public static byte[] Build(MachineConfig config, uint address)
    {
        AcpiTables tables = new(address);
        tables._bytes.AddRange(new byte[FacsSize + RsdpSize]);
        uint dsdt = tables.Add("DSDT", 1, DifferentiatedTable.Build(config));
        uint fadt = tables.Add("FACP", 3, FadtBody(address, dsdt));
        uint madt = tables.Add("APIC", 1, MadtBody());
        uint rsdt = tables.Add("RSDT", 1, Addresses(fadt, madt));
        byte[] bytes = [.. tables._bytes];
        BuildFacs().CopyTo(bytes, 0);
        BuildRsdp(rsdt).CopyTo(bytes, FacsSize);
        return bytes;
    }

    private static byte[] Addresses(params uint[] tables)
    {
        byte[] bytes = new byte[tables.Length * 4];
        for (int index = 0; index < tables.Length; index++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(index * 4), tables[index]);
        }

        return bytes;
    }

    // ACPI 5.2.10: signature, length; no hardware signature, no waking vector, the global lock free.
    private static byte[] BuildFacs()
    {
        byte[] facs = new byte[FacsSize];
        Encoding.ASCII.GetBytes("FACS", facs);
        facs[4] = FacsSize;
        facs[32] = 1;   // version
        return facs;
    }

    // ACPI 5.2.5.3, revision 0: the structure of ACPI 1.0.
    private static byte[] BuildRsdp(uint rsdt)
    {
        byte[] rsdp = new byte[RsdpSize];
        Encoding.ASCII.GetBytes("RSD PTR ", rsdp);
        Encoding.ASCII.GetBytes("TOYVMM", rsdp.AsSpan(9));
        BinaryPrimitives.WriteUInt32LittleEndian(rsdp.AsSpan(16), rsdt);
        rsdp[8] = ChecksumOf(rsdp);
        return rsdp;
    }

    // ACPI 5.2.9, from behind the header.
    private static byte[] FadtBody(uint facs, uint dsdt)
    {
        byte[] table = new byte[FadtSize];
        void Put8(int offset, byte value) => table[offset] = value;
        void Put16(int offset, ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(table.AsSpan(offset), value);
        void Put32(int offset, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(table.AsSpan(offset), value);

        // A generic address (ACPI 5.2.3.2): system I/O, bits, offset, access size, 64-bit address.
        void PutPorts(int offset, ushort port, byte bytes, byte accessSize)
        {
            Put8(offset, 1);
            Put8(offset + 1, (byte)(bytes * 8));
            Put8(offset + 3, accessSize);
            Put32(offset + 4, port);
        }

        Put32(36, facs);                                // FIRMWARE_CTRL
        Put32(40, dsdt);                                // DSDT; X_FIRMWARE_CTRL and X_DSDT stay 0: both lie below 4 GiB
        Put8(45, 1);                                    // Preferred_PM_Profile: desktop
        Put16(46, BoardWiring.SystemControlInterrupt);  // SCI_INT
        Put32(56, PowerManagementPorts);                // PM1a_EVT_BLK; SMI_CMD stays 0: always in ACPI mode
        Put32(64, PowerManagementPorts + 4);            // PM1a_CNT_BLK
        Put32(76, PowerManagementPorts + 8);            // PM_TMR_BLK
        Put8(88, 4);                                    // PM1_EVT_LEN
        Put8(89, 2);                                    // PM1_CNT_LEN
        Put8(91, 4);                                    // PM_TMR_LEN
        Put16(96, 101);                                 // P_LVL2_LAT: more than 100, no C2
        Put16(98, 1001);                                // P_LVL3_LAT: more than 1000, no C3
        Put8(108, 0x32);                                // CENTURY: its index in CMOS memory
        Put16(109, 0x0003);                             // IAPC_BOOT_ARCH: ISA devices, a keyboard controller
        Put32(112, 1u << 0 | 1u << 2 | 1u << 5 | 1u << 6 | 1u << 10);  // Flags: WBINVD, PROC_C1, no SLP_BUTTON, no fixed RTC wake, RESET_REG_SUP
        PutPorts(116, ResetControlPort, 1, accessSize: 1);              // RESET_REG
        Put8(128, HardReset);                           // RESET_VALUE
        PutPorts(148, PowerManagementPorts, 4, accessSize: 2);          // X_PM1a_EVT_BLK
        PutPorts(172, PowerManagementPorts + 4, 2, accessSize: 2);      // X_PM1a_CNT_BLK
        PutPorts(208, PowerManagementPorts + 8, 4, accessSize: 3);      // X_PM_TMR_BLK
        return table[HeaderSize..];
    }

    // ACPI 5.2.12, from behind the header: the local APIC's address, "there are 8259As too", and a structure for each thing.
    private static byte[] MadtBody() =>
    [
        .. Addresses(LocalApic.DefaultAddress, 1),
        0, 8, 0, BoardWiring.LocalApicId, 1, 0, 0, 0,                           // processor 0, enabled
        1, 12, BoardWiring.IoApicId, 0, .. Addresses(IoApic.DefaultAddress, 0), // I/O APIC: interrupts from 0
        .. Override(0, BoardWiring.TimerPin, 0),                                // conforms to ISA: edge, active high
        .. Override(BoardWiring.SystemControlInterrupt, BoardWiring.SystemControlInterrupt, BoardWiring.LevelActiveHigh),
        .. Override(10, 10, BoardWiring.LevelActiveHigh),                       // the PCI interrupts
        .. Override(11, 11, BoardWiring.LevelActiveHigh),
        4, 6, 0xFF, 0, 0, 1,                                                    // the NMI is at LINT1 of all processors
    ];

    // Interrupt source override (ACPI 5.2.12.5): ISA IRQ, global interrupt, flags.
    private static byte[] Override(byte irq, byte global, ushort flags) => [2, 10, 0, irq, global, 0, 0, 0, (byte)flags, (byte)(flags >> 8)];

    /// <summary>The byte that makes the sum of all bytes zero.</summary>
    public static byte ChecksumOf(ReadOnlySpan<byte> bytes)
    {
        int sum = 0;
        foreach (byte value in bytes)
        {
            sum += value;
        }

        return (byte)-sum;
    }

    // Appends a table with the header of ACPI 5.2.6 at the next multiple of 16.
    private uint Add(string signature, byte revision, byte[] body)
    {
        _bytes.AddRange(new byte[-_bytes.Count & 15]);
        uint address = End;
        byte[] table = new byte[HeaderSize + body.Length];
        Encoding.ASCII.GetBytes(signature, table);
        BinaryPrimitives.WriteUInt32LittleEndian(table.AsSpan(4), (uint)table.Length);
        table[8] = revision;
        Encoding.ASCII.GetBytes("TOYVMM", table.AsSpan(10));    // OEMID
        Encoding.ASCII.GetBytes("TOYVMMPC", table.AsSpan(16));  // OEM table ID
        BinaryPrimitives.WriteUInt32LittleEndian(table.AsSpan(24), 1);
        Encoding.ASCII.GetBytes("TOYV", table.AsSpan(28));      // creator
        BinaryPrimitives.WriteUInt32LittleEndian(table.AsSpan(32), 1);
        body.CopyTo(table, HeaderSize);
        table[9] = ChecksumOf(table);
        _bytes.AddRange(table);
        return address;
    }
}
