using System.Buffers.Binary;
using System.Text;

namespace ToyVmm.VirtualMachines.FirmwareTables;

/// <summary>
/// Writes the ACPI Machine Language (ACPI 20.2): each method returns the bytes of one term, and terms nest by being passed on.
/// Only what a DSDT without methods needs.
/// </summary>
internal static class AmlEncoder
{
    private const byte ZeroOp = 0x00;
    private const byte OneOp = 0x01;
    private const byte NameOp = 0x08;
    private const byte BytePrefix = 0x0A;
    private const byte WordPrefix = 0x0B;
    private const byte DWordPrefix = 0x0C;
    private const byte StringPrefix = 0x0D;
    private const byte ScopeOp = 0x10;
    private const byte BufferOp = 0x11;
    private const byte PackageOp = 0x12;
    private const byte ExtendedOpPrefix = 0x5B;
    private const byte DeviceOp = 0x82;

    /// <summary>An integer, in the shortest form (ACPI 20.2.3).</summary>
    public static byte[] Integer(uint value)
    {
        byte[] bytes = new byte[5];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(1), value);
        switch (value)
        {
            case 0:
                return [ZeroOp];
            case 1:
                return [OneOp];
            case <= 0xFF:
                bytes[0] = BytePrefix;
                return bytes[..2];
            case <= 0xFFFF:
                bytes[0] = WordPrefix;
                return bytes[..3];
            default:
                bytes[0] = DWordPrefix;
                return bytes;
        }
    }

    /// <summary>A string of ASCII characters.</summary>
    public static byte[] Text(string text) => [StringPrefix, .. Encoding.ASCII.GetBytes(text), 0];

    /// <summary>Name (<paramref name="name"/>, <paramref name="value"/>).</summary>
    public static byte[] Name(string name, byte[] value) => [NameOp, .. NameString(name), .. value];

    /// <summary>Scope (<paramref name="name"/>) { <paramref name="terms"/> }.</summary>
    public static byte[] Scope(string name, params byte[][] terms) => [ScopeOp, .. WithLength([.. NameString(name), .. Concatenate(terms)])];

    /// <summary>Device (<paramref name="name"/>) { <paramref name="terms"/> }.</summary>
    public static byte[] Device(string name, params byte[][] terms) =>
        [ExtendedOpPrefix, DeviceOp, .. WithLength([.. NameString(name), .. Concatenate(terms)])];

    /// <summary>Package () { <paramref name="elements"/> }, at most 255 of them.</summary>
    public static byte[] Package(params byte[][] elements) => [PackageOp, .. WithLength([checked((byte)elements.Length), .. Concatenate(elements)])];

    /// <summary>Buffer () { <paramref name="bytes"/> }.</summary>
    public static byte[] Buffer(byte[] bytes) => [BufferOp, .. WithLength([.. Integer((uint)bytes.Length), .. bytes])];

    /// <summary>EisaId ("<paramref name="id"/>"): three letters of five bits each and four hexadecimal digits, stored big-endian (ACPI 19.6.36).</summary>
    public static byte[] EisaId(string id)
    {
        uint letters = ((id[0] - 0x40u) << 26) | ((id[1] - 0x40u) << 21) | ((id[2] - 0x40u) << 16);
        uint value = letters | Convert.ToUInt32(id[3..], 16);
        return Integer(BinaryPrimitives.ReverseEndianness(value));
    }

    /// <summary>All of <paramref name="terms"/>, one behind the other.</summary>
    public static byte[] Concatenate(IEnumerable<byte[]> terms) => [.. terms.SelectMany(term => term)];

    // ACPI 20.2.2: a backslash is the root; segments have four characters, short ones are filled with underscores.
    private static byte[] NameString(string name)
    {
        bool absolute = name[0] == '\\';
        byte[] segment = Encoding.ASCII.GetBytes(name[(absolute ? 1 : 0)..].PadRight(4, '_'));
        return absolute ? [(byte)'\\', .. segment] : segment;
    }

    // PkgLength (ACPI 20.2.4) counts itself: one byte up to 63, else four bits in the lead byte and one to three bytes more.
    private static byte[] WithLength(byte[] content)
    {
        if (content.Length + 1 <= 0x3F)
        {
            return [(byte)(content.Length + 1), .. content];
        }

        int following = content.Length + 2 < 1 << 12 ? 1 : content.Length + 3 < 1 << 20 ? 2 : 3;
        int length = content.Length + 1 + following;
        byte[] bytes = new byte[1 + following];
        bytes[0] = (byte)((following << 6) | (length & 0xF));
        for (int index = 1; index <= following; index++)
        {
            bytes[index] = (byte)(length >> (4 + (8 * (index - 1))));
        }

        return [.. bytes, .. content];
    }
}
