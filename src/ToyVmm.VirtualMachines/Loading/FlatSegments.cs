using System.Buffers.Binary;

namespace ToyVmm.VirtualMachines.Loading;

/// <summary>
/// The GDT for an entry in flat protected mode. One table serves every format: the Linux boot protocol ("32-bit boot protocol")
/// demands __BOOT_CS = 0x10 and __BOOT_DS = 0x18, and the others leave the selectors open.
/// </summary>
internal static class FlatSegments
{
    private const ushort CodeSelector = 0x10;
    private const ushort DataSelector = 0x18;
    private const ulong CodeDescriptor = 0x00CF_9B00_0000_FFFF;  // base 0, limit 4 GiB, P DPL=0 S, execute/read, accessed (SDM 3A 3.4.5)
    private const ulong DataDescriptor = 0x00CF_9300_0000_FFFF;  // the same, read/write, accessed

    // Below this lie the interrupt vector table and the BIOS data area.
    private const uint Floor = 0x500;
    private const uint StackSize = 0x1000;

    /// <summary>Plans the table into free conventional memory.</summary>
    public static LoadError? Place(LoadPlan plan, out ProtectedModeSegments segments)
    {
        byte[] table = new byte[4 * 8];
        BinaryPrimitives.WriteUInt64LittleEndian(table.AsSpan(CodeSelector), CodeDescriptor);
        BinaryPrimitives.WriteUInt64LittleEndian(table.AsSpan(DataSelector), DataDescriptor);
        uint? address = plan.FindHighest((ulong)table.Length, Floor, MemoryMap.ExtendedBiosDataArea, alignment: 16);
        segments = new ProtectedModeSegments(CodeSelector, DataSelector, address ?? 0, (ushort)(table.Length - 1));
        return address is null
            ? NoRoom("the descriptor table (GDT)")
            : plan.Place("the GDT", address.Value, table, (ulong)table.Length, null);
    }

    /// <summary>Plans the table and a small stack into free conventional memory.</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="segments">The segments to enter with.</param>
    /// <param name="stackTop">The initial ESP.</param>
    public static LoadError? PlaceWithStack(LoadPlan plan, out ProtectedModeSegments segments, out uint stackTop)
    {
        stackTop = 0;
        if (Place(plan, out segments) is { } error)
        {
            return error;
        }

        if (plan.FindHighest(StackSize, Floor, MemoryMap.ExtendedBiosDataArea, alignment: 16) is not { } bottom)
        {
            return NoRoom("a stack");
        }

        stackTop = bottom + StackSize;
        return plan.Place("the initial stack", bottom, ReadOnlyMemory<byte>.Empty, StackSize, null);
    }

    private static LoadError NoRoom(string what) =>
        new($"the image leaves no room for {what} below 0x{MemoryMap.ExtendedBiosDataArea:X}", null,
            "Link the image to 1 MiB, or give the machine more memory (--memory).");
}
