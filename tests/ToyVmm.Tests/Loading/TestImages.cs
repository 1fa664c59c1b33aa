using System.Buffers.Binary;

namespace ToyVmm.Tests.Loading;

/// <summary>Well-formed images, built field by field, for tests to load and to damage.</summary>
internal static class TestImages
{
    /// <summary>An ELF executable with one segment a row: file bytes, virtual and physical address, size in memory.</summary>
    public static byte[] Elf(uint entry, params (byte[] Bytes, uint Virtual, uint Physical, uint MemorySize)[] segments)
    {
        int headers = 52 + (segments.Length * 32);
        byte[] file = new byte[headers + segments.Sum(s => s.Bytes.Length)];
        "\u007fELF\u0001\u0001\u0001"u8.CopyTo(file);
        Put16(file, 16, 2);    // ET_EXEC
        Put16(file, 18, 3);    // EM_386
        Put32(file, 20, 1);
        Put32(file, 24, entry);
        Put32(file, 28, 52);   // e_phoff
        Put16(file, 40, 52);
        Put16(file, 42, 32);
        Put16(file, 44, (ushort)segments.Length);
        int data = headers;
        for (int i = 0; i < segments.Length; i++)
        {
            int at = 52 + (i * 32);
            Put32(file, at, 1);  // PT_LOAD
            Put32(file, at + 4, (uint)data);
            Put32(file, at + 8, segments[i].Virtual);
            Put32(file, at + 12, segments[i].Physical);
            Put32(file, at + 16, (uint)segments[i].Bytes.Length);
            Put32(file, at + 20, segments[i].MemorySize);
            segments[i].Bytes.CopyTo(file, data);
            data += segments[i].Bytes.Length;
        }

        return file;
    }

    /// <summary>A Multiboot header of 48 bytes with the given flags and address fields.</summary>
    public static byte[] MultibootHeader(uint flags, uint header = 0, uint load = 0, uint loadEnd = 0, uint bssEnd = 0, uint entry = 0)
    {
        byte[] bytes = new byte[48];
        Put32(bytes, 0, 0x1BAD_B002);
        Put32(bytes, 4, flags);
        Put32(bytes, 8, unchecked(0u - 0x1BAD_B002 - flags));
        Put32(bytes, 12, header);
        Put32(bytes, 16, load);
        Put32(bytes, 20, loadEnd);
        Put32(bytes, 24, bssEnd);
        Put32(bytes, 28, entry);
        Put32(bytes, 32, 0);
        Put32(bytes, 36, 1024);
        Put32(bytes, 40, 768);
        Put32(bytes, 44, 32);
        return bytes;
    }

    /// <summary>A Multiboot kernel in ELF, linked to 1 MiB, entered after its header.</summary>
    public static byte[] MultibootElf(uint flags = 3) =>
        Elf(0x10_0030, ([.. MultibootHeader(flags), .. Code(64)], 0x10_0000, 0x10_0000, 0x1000));

    /// <summary>A Multiboot kernel with address fields: 16 bytes of other things, the header, code.</summary>
    public static byte[] MultibootFlat(uint flags = 0x1_0003, uint loadEnd = 0, uint bssEnd = 0) =>
        [.. new byte[16], .. MultibootHeader(flags, 0x10_0010, 0x10_0000, loadEnd, bssEnd, 0x10_0040), .. Code(64)];

    /// <summary>A Linux bzImage of protocol 2.12 with one setup sector.</summary>
    public static byte[] BzImage(Action<byte[]>? change = null, int payload = 4096)
    {
        byte[] file = new byte[1024 + payload];
        file[0x1F1] = 1;
        Put32(file, 0x1F4, (uint)payload / 16);
        Put16(file, 0x1FE, 0xAA55);
        file[0x200] = 0xEB;
        file[0x201] = 0x66;
        "HdrS"u8.CopyTo(file.AsSpan(0x202));
        Put16(file, 0x206, 0x020C);
        file[0x211] = 1;
        Put32(file, 0x214, 0x10_0000);
        Put32(file, 0x22C, 0x7FFF_FFFF);
        Put32(file, 0x230, 0x10_0000);
        file[0x234] = 0;
        file[0x235] = 12;
        Put32(file, 0x238, 255);
        Put64(file, 0x258, 0x10_0000);
        Put32(file, 0x260, 0x8000);
        Code(payload).CopyTo(file, 1024);
        change?.Invoke(file);
        return file;
    }

    /// <summary>A boot sector, and <paramref name="bytes"/> of disk in all.</summary>
    public static byte[] Disk(int bytes)
    {
        byte[] disk = new byte[bytes];
        Code(510).CopyTo(disk, 0);
        disk[510] = 0x55;
        disk[511] = 0xAA;
        return disk;
    }

    /// <summary>Recognisable bytes.</summary>
    public static byte[] Code(int length) => [.. Enumerable.Range(1, length).Select(i => (byte)((i % 255) + 1))];

    public static void Put16(byte[] bytes, int offset, ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(offset), value);

    public static void Put32(byte[] bytes, int offset, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(offset), value);

    public static void Put64(byte[] bytes, int offset, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(offset), value);
}
