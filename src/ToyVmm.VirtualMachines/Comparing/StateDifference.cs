using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Text;
using ToyVmm.Engines;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;
using ToyVmm.Hardware.Paging;

namespace ToyVmm.VirtualMachines.Comparing;

/// <summary>Tells two stopped machines apart: which registers, bytes of memory and TLB entries differ.</summary>
public static unsafe class StateDifference
{
    private const int MostPages = 8;

    /// <summary>Compares the CPUs.</summary>
    /// <param name="first">One.</param>
    /// <param name="second">The other.</param>
    /// <returns>Null where they agree; else a line for each field of <see cref="CpuState"/> that differs, as bytes.</returns>
    public static string? OfCpus(Vcpu first, Vcpu second)
    {
        ArgumentNullException.ThrowIfNull(first);
        ArgumentNullException.ThrowIfNull(second);
        CpuState a = StateHash.Canonical(first);
        CpuState b = StateHash.Canonical(second);
        int length = StateHash.ArchitecturalBytes(&a);
        ReadOnlySpan<byte> left = new(&a, length);
        ReadOnlySpan<byte> right = new(&b, length);
        if (left.SequenceEqual(right))
        {
            return null;
        }

        StringBuilder text = new();
        FieldInfo[] fields = typeof(CpuState).GetFields(BindingFlags.Public | BindingFlags.Instance);
        int[] offsets = [.. fields.Select(field => (int)Marshal.OffsetOf<CpuState>(field.Name))];
        for (int n = 0; n < fields.Length && offsets[n] < length; n++)
        {
            int end = n + 1 < offsets.Length ? Math.Min(offsets[n + 1], length) : length;
            if (!left[offsets[n]..end].SequenceEqual(right[offsets[n]..end]))
            {
                _ = text.Append(CultureInfo.InvariantCulture, $"{fields[n].Name}: {Convert.ToHexString(left[offsets[n]..end])} and {Convert.ToHexString(right[offsets[n]..end])}\n");
            }
        }

        return text.ToString();
    }

    /// <summary>Compares the contents of RAM.</summary>
    /// <returns>Null where they agree; else a line for each of the first pages that differ.</returns>
    public static string? OfMemories(GuestMemory first, GuestMemory second)
    {
        ArgumentNullException.ThrowIfNull(first);
        ArgumentNullException.ThrowIfNull(second);
        if (first.RamSize != second.RamSize)
        {
            return $"{first.RamSize} and {second.RamSize} bytes of RAM";
        }

        StringBuilder text = new();
        int pages = 0;
        for (uint at = 0; at < first.RamSize && pages < MostPages; at += GuestPhysicalAddress.PageSize)
        {
            ReadOnlySpan<byte> left = new(first.RamBase + at, (int)GuestPhysicalAddress.PageSize);
            ReadOnlySpan<byte> right = new(second.RamBase + at, (int)GuestPhysicalAddress.PageSize);
            int same = left.CommonPrefixLength(right);
            if (same < left.Length)
            {
                pages++;
                _ = text.Append(CultureInfo.InvariantCulture, $"memory at {at + (uint)same:x8}: {Convert.ToHexString(Some(left[same..]))} and {Convert.ToHexString(Some(right[same..]))}\n");
            }
        }

        return pages == 0 ? null : text.ToString();
    }

    /// <summary>Compares the architectural TLBs.</summary>
    /// <returns>Null where they agree; else the first pages that differ.</returns>
    public static string? OfTlbs(Tlb first, Tlb second)
    {
        ArgumentNullException.ThrowIfNull(first);
        ArgumentNullException.ThrowIfNull(second);
        StringBuilder text = new();
        int pages = 0;
        for (ulong linear = 0; linear <= uint.MaxValue && pages < MostPages; linear += GuestPhysicalAddress.PageSize)
        {
            string left = Entry(first, (uint)linear);
            string right = Entry(second, (uint)linear);
            if (left != right)
            {
                pages++;
                _ = text.Append(CultureInfo.InvariantCulture, $"TLB at {linear:x8}: {left} and {right}\n");
            }
        }

        return pages == 0 ? null : text.ToString();
    }

    private static string Entry(Tlb tlb, uint linear) =>
        tlb.TryGet(linear, out ulong page, out TlbRights rights) ? string.Create(CultureInfo.InvariantCulture, $"{page:x} ({rights})") : "nothing";

    private static ReadOnlySpan<byte> Some(ReadOnlySpan<byte> bytes) => bytes[..Math.Min(bytes.Length, 16)];
}
