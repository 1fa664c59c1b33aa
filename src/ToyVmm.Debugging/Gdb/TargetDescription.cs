using System.Globalization;
using System.Text;
using ToyVmm.Debugging.Registers;
using ToyVmm.Hardware.Memory;
using ToyVmm.VirtualMachines;

namespace ToyVmm.Debugging.Gdb;

/// <summary>The documents that tell gdb what it debugs (gdb manual, G and E.15).</summary>
public static class TargetDescription
{
    private const uint FirstRomPage = 0xA0000;
    private const uint FirstExtendedByte = 0x10_0000;

    /// <summary>target.xml: the architecture of the code that is next, and every register.</summary>
    public static string Registers(VirtualMachine machine)
    {
        ArgumentNullException.ThrowIfNull(machine);

        // i8086 is what gdb calls 16-bit code; it asks when it connects, and never again.
        bool is32Bit = machine.Cpu.Cs.Big;
        StringBuilder xml = new("<?xml version=\"1.0\"?>\n<!DOCTYPE target SYSTEM \"gdb-target.dtd\">\n<target version=\"1.0\">\n");
        _ = xml.Append(CultureInfo.InvariantCulture, $"<architecture>{(is32Bit ? "i386" : "i8086")}</architecture>\n");

        // Otherwise gdb takes the guest for a Linux process, and warns that i8086 has none (gdb manual, G.2.3).
        _ = xml.Append("<osabi>none</osabi>\n");
        string? feature = null;
        for (int number = 0; number < GdbRegisters.All.Length; number++)
        {
            Register register = GdbRegisters.All[number];
            GdbRegister gdb = register.Gdb!;
            if (gdb.Feature != feature)
            {
                _ = xml.Append(feature is null ? "" : "</feature>\n").Append(CultureInfo.InvariantCulture, $"<feature name=\"{gdb.Feature}\">\n").Append(TypesOf(gdb.Feature));
                feature = gdb.Feature;
            }

            _ = xml.Append(CultureInfo.InvariantCulture, $"<reg name=\"{register.Name}\" bitsize=\"{gdb.Bits}\" type=\"{TypeOf(register)}\" regnum=\"{number}\"")
                .Append(gdb.Group is null ? "" : $" group=\"{gdb.Group}\"").Append("/>\n");
        }

        return xml.Append("</feature>\n</target>\n").ToString();
    }

    /// <summary>
    /// The memory map. gdb asks once, and what it does not find there it takes for inaccessible for ever; so, whatever paging and the mode will make of it,
    /// all linear addresses are named, and as ROM - where gdb writes nothing, and sets hardware breakpoints - the adapters' and the BIOS's below 1 MiB.
    /// </summary>
    public static string MemoryMap(VirtualMachine machine)
    {
        ArgumentNullException.ThrowIfNull(machine);
        StringBuilder xml = new("<?xml version=\"1.0\"?>\n<!DOCTYPE memory-map PUBLIC \"+//IDN gnu.org//DTD GDB Memory Map V1.0//EN\" \"http://sourceware.org/gdb/gdb-memory-map.dtd\">\n<memory-map>\n");
        ulong start = 0;
        bool rom = false;
        for (uint page = FirstRomPage; page <= FirstExtendedByte; page += GuestPhysicalAddress.PageSize)
        {
            bool isRom = page < FirstExtendedByte && machine.Machine.Memory.KindAt(new GuestPhysicalAddress(page)) == PageKind.Rom;
            if (isRom != rom)
            {
                Region(start, page, rom);
                (start, rom) = (page, isRom);
            }
        }

        Region(start, 1UL << 32, rom);
        return xml.Append("</memory-map>\n").ToString();

        void Region(ulong first, ulong end, bool isRom) =>
            xml.Append(CultureInfo.InvariantCulture, $"<memory type=\"{(isRom ? "rom" : "ram")}\" start=\"0x{first:x}\" length=\"0x{end - first:x}\"/>\n");
    }

    // Registers of bits that have names, in the feature that gdb has no types for.
    private static string TypeOf(Register register) => register.Name is "cr0" or "cr4" or "efer" ? "i386_" + register.Name : register.Gdb!.Type;

    // Types that a feature's registers have and gdb does not know by itself.
    private static string TypesOf(string feature) => feature switch
    {
        GdbRegister.Core => Flags("i386_eflags", ("CF", 0), ("", 1), ("PF", 2), ("AF", 4), ("ZF", 6), ("SF", 7), ("TF", 8), ("IF", 9), ("DF", 10), ("OF", 11), ("NT", 14), ("RF", 16), ("VM", 17), ("AC", 18), ("VIF", 19), ("VIP", 20), ("ID", 21)),
        GdbRegister.Sse => """
            <vector id="v4f" type="ieee_single" count="4"/>
            <vector id="v2d" type="ieee_double" count="2"/>
            <vector id="v16i8" type="int8" count="16"/>
            <vector id="v8i16" type="int16" count="8"/>
            <vector id="v4i32" type="int32" count="4"/>
            <vector id="v2i64" type="int64" count="2"/>
            <union id="vec128"><field name="v4_float" type="v4f"/><field name="v2_double" type="v2d"/><field name="v16_int8" type="v16i8"/><field name="v8_int16" type="v8i16"/><field name="v4_int32" type="v4i32"/><field name="v2_int64" type="v2i64"/><field name="uint128" type="uint128"/></union>

            """ + Flags("i386_mxcsr", ("IE", 0), ("DE", 1), ("ZE", 2), ("OE", 3), ("UE", 4), ("PE", 5), ("DAZ", 6), ("IM", 7), ("DM", 8), ("ZM", 9), ("OM", 10), ("UM", 11), ("PM", 12), ("FZ", 15)),
        _ => Flags("i386_cr0", ("PE", 0), ("MP", 1), ("EM", 2), ("TS", 3), ("ET", 4), ("NE", 5), ("WP", 16), ("AM", 18), ("NW", 29), ("CD", 30), ("PG", 31))
            + Flags("i386_cr4", ("VME", 0), ("PVI", 1), ("TSD", 2), ("DE", 3), ("PSE", 4), ("PAE", 5), ("MCE", 6), ("PGE", 7), ("PCE", 8), ("OSFXSR", 9), ("OSXMMEXCPT", 10))
            + Flags("i386_efer", ("SCE", 0), ("LME", 8), ("LMA", 10), ("NXE", 11)),
    };

    private static string Flags(string name, params (string Name, int Bit)[] bits) =>
        $"<flags id=\"{name}\" size=\"4\">" + string.Concat(bits.Select(one => string.Create(CultureInfo.InvariantCulture, $"<field name=\"{one.Name}\" start=\"{one.Bit}\" end=\"{one.Bit}\"/>"))) + "</flags>\n";
}
