using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Globalization;
using ToyVmm.Hardware.Memory;

namespace ToyVmm.VirtualMachines.Verification.Programs;

/// <summary>What a random program left behind, as everybody who can run it can tell it: the log, the x87 and SSE state, the memory of its body.</summary>
/// <param name="Ended">True where it came to its end.</param>
/// <param name="Records">The records of exceptions and software interrupts, the end's included: <see cref="ProgramLayout.RecordWords"/> words each.</param>
/// <param name="FloatingPoint">The FXSAVE image at the end.</param>
/// <param name="PageSums">A checksum of each page of the body.</param>
public sealed record ProgramResult(bool Ended, ImmutableArray<uint> Records, ImmutableArray<byte> FloatingPoint, ImmutableArray<uint> PageSums)
{
    private static readonly string[] s_fields =
        ["vector", "error code", "EIP", "CR2", "EFLAGS", "EDI", "ESI", "EBP", "ESP", "EBX", "EDX", "ECX", "EAX", "CS", "SS", "CR0"];

    /// <summary>Reads it from a guest's memory.</summary>
    /// <param name="memory">The memory.</param>
    /// <param name="mode">The program's mode.</param>
    public static ProgramResult Read(GuestMemory memory, ProgramMode mode)
    {
        ArgumentNullException.ThrowIfNull(memory);
        Span<byte> page = stackalloc byte[0x1000];
        _ = memory.TryRead(new GuestPhysicalAddress(ProgramLayout.Results), page);
        int records = (int)Math.Min(BinaryPrimitives.ReadUInt32LittleEndian(page), 64);
        bool ended = page[8] == 1;
        ImmutableArray<byte> floatingPoint = [.. page.Slice(0x200, 512)];
        _ = memory.TryRead(new GuestPhysicalAddress(ProgramLayout.Records), page);
        uint[] words = new uint[records * ProgramLayout.RecordWords];
        for (int n = 0; n < words.Length; n++)
        {
            words[n] = BinaryPrimitives.ReadUInt32LittleEndian(page[(n * 4)..]);
        }

        uint[] sums = new uint[ProgramLayout.BodySize >> 12];
        for (uint n = 0; n < sums.Length; n++)
        {
            _ = memory.TryRead(new GuestPhysicalAddress(mode.Body() + (n << 12)), page);
            sums[n] = Checksum(page);
        }

        return new ProgramResult(ended, [.. words], floatingPoint, [.. sums]);
    }

    /// <summary>The runtime's checksum of a page.</summary>
    /// <param name="page">4 KiB.</param>
    public static uint Checksum(ReadOnlySpan<byte> page)
    {
        uint sum = 0;
        for (int n = 0; n < page.Length; n += 4)
        {
            sum = uint.RotateLeft((sum ^ BinaryPrimitives.ReadUInt32LittleEndian(page[n..])) * 0x0100_0193, 5);
        }

        return sum;
    }

    /// <summary>The first thing in which two results differ.</summary>
    /// <param name="other">The other.</param>
    /// <returns>Null where they agree in everything that counts.</returns>
    public string? DifferenceFrom(ProgramResult other)
    {
        ArgumentNullException.ThrowIfNull(other);
        if (Ended != other.Ended)
        {
            return $"came to the end: {Ended} and {other.Ended}";
        }

        int common = Math.Min(Records.Length, other.Records.Length);
        for (int n = 0; n < common; n++)
        {
            int field = n % ProgramLayout.RecordWords;
            if (Records[n] != other.Records[n])
            {
                return string.Create(CultureInfo.InvariantCulture, $"record {n / ProgramLayout.RecordWords}: {s_fields[field]} is {Records[n]:x8} and {other.Records[n]:x8}");
            }
        }

        if (Records.Length != other.Records.Length)
        {
            return $"{Records.Length / ProgramLayout.RecordWords} and {other.Records.Length / ProgramLayout.RecordWords} records";
        }

        return DifferentFloatingPoint(other) ?? DifferentMemory(other);
    }

    /// <summary>The same result with other error codes of page faults: for judges who see another part of them.</summary>
    /// <param name="errorCode">From the address that faulted and its error code.</param>
    internal ProgramResult WithPageFaults(Func<uint, uint, uint> errorCode)
    {
        const uint PageFault = 14;
        uint[] records = [.. Records];
        for (int n = 0; n + 3 < records.Length; n += ProgramLayout.RecordWords)
        {
            if (records[n] == PageFault)
            {
                records[n + 1] = errorCode(records[n + 3], records[n + 1]);
            }
        }

        return this with { Records = [.. records] };
    }

    /// <summary>The same result with zeros behind the first words of each record: for judges whose system registers are others.</summary>
    internal ProgramResult WithWords(int words) =>
        this with { Records = [.. Records.Select((word, n) => n % ProgramLayout.RecordWords < words ? word : 0)] };

    // FOP, FIP, FDP (6-23) and MXCSR_MASK (28-31) depend on the processor; behind XMM7 nothing is stored.
    private string? DifferentFloatingPoint(ProgramResult other)
    {
        for (int n = 0; n < 288; n++)
        {
            if (n is not ((>= 6 and < 24) or (>= 28 and < 32)) && (n < 32 || n >= 160 || (n & 15) < 10) && FloatingPoint[n] != other.FloatingPoint[n])
            {
                string field = n switch
                {
                    < 2 => "FCW",
                    < 4 => "FSW",
                    < 6 => "FTW",
                    < 28 => "MXCSR",
                    < 160 => $"ST({(n - 32) / 16})",
                    _ => $"XMM{(n - 160) / 16}",
                };
                int at = n < 32 ? n & ~1 : n & ~15;
                int length = n < 24 ? 2 : n < 32 ? 4 : n < 160 ? 10 : 16;
                return $"at the end {field}: {Convert.ToHexString(FloatingPoint.AsSpan(at, length))} and {Convert.ToHexString(other.FloatingPoint.AsSpan(at, length))}, bytes from the lowest";
            }
        }

        return null;
    }

    private string? DifferentMemory(ProgramResult other)
    {
        for (int n = 0; n < PageSums.Length; n++)
        {
            if (PageSums[n] != other.PageSums[n])
            {
                return string.Create(CultureInfo.InvariantCulture, $"at the end the page at offset {n << 12:x} of the body has the checksums {PageSums[n]:x8} and {other.PageSums[n]:x8}");
            }
        }

        return null;
    }
}
