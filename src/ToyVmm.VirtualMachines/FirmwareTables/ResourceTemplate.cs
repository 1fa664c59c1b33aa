using System.Buffers.Binary;

namespace ToyVmm.VirtualMachines.FirmwareTables;

/// <summary>Writes the resource descriptors that _CRS returns (ACPI 6.4).</summary>
internal static class ResourceTemplate
{
    private const byte ProducerFixed = 0x0C;    // general flags: a bridge's window, positively decoded, both ends fixed

    /// <summary>The kinds of an address space descriptor (ACPI 6.4.3.5).</summary>
    public enum AddressSpace : byte
    {
        /// <summary>Memory.</summary>
        Memory = 0,

        /// <summary>I/O ports.</summary>
        Ports = 1,
    }

    /// <summary>ResourceTemplate () { <paramref name="descriptors"/> }: a buffer that ends with an end tag without a checksum.</summary>
    public static byte[] Of(params byte[][] descriptors) => AmlEncoder.Buffer([.. AmlEncoder.Concatenate(descriptors), 0x79, 0x00]);

    /// <summary>IRQNoFlags: an edge-triggered, active-high ISA interrupt (ACPI 6.4.2.1).</summary>
    public static byte[] Irq(int irq) => [0x22, (byte)(1 << irq), (byte)((1 << irq) >> 8)];

    /// <summary>IO: fixed ports, all 16 address bits decoded (ACPI 6.4.2.5).</summary>
    public static byte[] Ports(ushort first, byte count) =>
        [0x47, 0x01, (byte)first, (byte)(first >> 8), (byte)first, (byte)(first >> 8), 0x01, count];

    /// <summary>DMA: a channel, 8-bit transfers (ACPI 6.4.2.2).</summary>
    public static byte[] Dma(int channel) => [0x2A, (byte)(1 << channel), 0x00];

    /// <summary>Memory32Fixed, read-write (ACPI 6.4.3.4).</summary>
    public static byte[] Memory(uint first, uint length)
    {
        byte[] descriptor = new byte[12];
        descriptor[0] = 0x86;
        descriptor[1] = 9;
        descriptor[3] = 1;
        BinaryPrimitives.WriteUInt32LittleEndian(descriptor.AsSpan(4), first);
        BinaryPrimitives.WriteUInt32LittleEndian(descriptor.AsSpan(8), length);
        return descriptor;
    }

    /// <summary>WordBusNumber: the PCI buses behind a bridge, from 0 on (ACPI 6.4.3.5.3).</summary>
    /// <param name="last">The last bus number.</param>
    public static byte[] BusNumbers(byte last) =>
        [0x88, 13, 0, 2, ProducerFixed, 0, 0, 0, 0, 0, last, 0, 0, 0, (byte)(last + 1), (byte)((last + 1) >> 8)];

    /// <summary>DWordMemory or DWordIO as a producer: what a bridge passes on (ACPI 6.4.3.5.2).</summary>
    /// <param name="space">Which address space.</param>
    /// <param name="first">The first address.</param>
    /// <param name="last">The last address.</param>
    public static byte[] Window(AddressSpace space, uint first, uint last)
    {
        byte[] descriptor = new byte[26];
        descriptor[0] = 0x87;
        descriptor[1] = 23;
        descriptor[3] = (byte)space;
        descriptor[4] = ProducerFixed;
        descriptor[5] = (byte)(space == AddressSpace.Memory ? 1 : 3);   // memory: read-write, not cacheable; ports: the entire range
        BinaryPrimitives.WriteUInt32LittleEndian(descriptor.AsSpan(10), first);
        BinaryPrimitives.WriteUInt32LittleEndian(descriptor.AsSpan(14), last);
        BinaryPrimitives.WriteUInt32LittleEndian(descriptor.AsSpan(22), last - first + 1);
        return descriptor;
    }
}
