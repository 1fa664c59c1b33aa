using System.Buffers.Binary;
using System.IO.Hashing;
using ToyVmm.Hardware.Memory;

namespace ToyVmm.VirtualMachines.Snapshots;

/// <summary>Guest RAM as sections of a snapshot: the pages that are not all zero, in ascending order, some together, compressed.</summary>
internal static unsafe class SnapshotMemory
{
    private const int PageSize = (int)GuestPhysicalAddress.PageSize;
    private const int PagesPerSection = 1024;

    /// <summary>Writes RAM, all of it: also what lies behind ROM and devices.</summary>
    public static void Write(GuestMemory memory, SnapshotWriter writer)
    {
        byte[] content = new byte[PagesPerSection * PageSize];
        List<uint> numbers = new(PagesPerSection);
        uint pages = memory.RamSize / PageSize;
        for (uint page = 0; page < pages; page++)
        {
            ReadOnlySpan<byte> bytes = Page(memory, page);
            if (bytes.ContainsAnyExcept((byte)0))
            {
                bytes.CopyTo(content.AsSpan(numbers.Count * PageSize));
                numbers.Add(page);
            }

            if (numbers.Count == PagesPerSection || (page == pages - 1 && numbers.Count > 0))
            {
                writer.Write(SnapshotFormat.Pages, Section(numbers, content));
                numbers.Clear();
            }
        }
    }

    /// <summary>Reads RAM: what no section has becomes zero.</summary>
    /// <param name="memory">The memory, with anything in it.</param>
    /// <param name="sections">The sections, in order.</param>
    /// <param name="reader">Who read them.</param>
    /// <exception cref="SnapshotException">They make no sense.</exception>
    public static void Read(GuestMemory memory, IEnumerable<byte[]> sections, SnapshotReader reader)
    {
        const string What = "section of memory pages";
        uint next = 0;
        foreach (byte[] section in sections)
        {
            int count = section.Length < sizeof(int) ? -1 : BinaryPrimitives.ReadInt32LittleEndian(section);
            if (count is < 1 or > PagesPerSection || section.Length < (count + 1) * sizeof(uint))
            {
                throw reader.Contradicts(What);
            }

            byte[] content = reader.Expand(section.AsSpan((count + 1) * sizeof(uint)), count * PageSize, What);
            for (int n = 0; n < count; n++)
            {
                uint page = BinaryPrimitives.ReadUInt32LittleEndian(section.AsSpan((n + 1) * sizeof(uint)));
                if (page < next || page >= memory.RamSize / PageSize || content.Length != count * PageSize)
                {
                    throw reader.Contradicts(What);
                }

                memory.Clear(next, page);
                _ = memory.TryWrite(new GuestPhysicalAddress((ulong)page * PageSize), content.AsSpan(n * PageSize, PageSize));
                next = page + 1;
            }
        }

        memory.Clear(next, memory.RamSize / PageSize);
    }

    /// <summary>A fingerprint of the ROMs above RAM: they follow from the configuration, if this ToyVmm has the same built-in ones.</summary>
    public static ulong RomHash(GuestMemory memory)
    {
        XxHash3 hash = new();
        byte[] bytes = new byte[PageSize];
        for (uint page = memory.Capacity / PageSize; page < GuestMemory.MarkedPages; page++)
        {
            GuestPhysicalAddress address = new((ulong)page * PageSize);
            if (memory.KindAt(address) == PageKind.Rom)
            {
                _ = memory.TryRead(address, bytes);
                hash.Append(bytes);
            }
        }

        return hash.GetCurrentHashAsUInt64();
    }

    private static ReadOnlySpan<byte> Page(GuestMemory memory, uint page) => new(memory.RamBase + ((ulong)page * PageSize), PageSize);

    private static byte[] Section(List<uint> numbers, byte[] content)
    {
        byte[] compressed = SnapshotWriter.Compress(content.AsSpan(0, numbers.Count * PageSize));
        byte[] section = new byte[((numbers.Count + 1) * sizeof(uint)) + compressed.Length];
        BinaryPrimitives.WriteInt32LittleEndian(section, numbers.Count);
        for (int n = 0; n < numbers.Count; n++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(section.AsSpan((n + 1) * sizeof(uint)), numbers[n]);
        }

        compressed.CopyTo(section, (numbers.Count + 1) * sizeof(uint));
        return section;
    }
}
