using System.Runtime.InteropServices;

namespace ToyVmm.Hardware.Cpu;

/// <summary>
/// A segment register: the visible selector and the hidden descriptor cache (SDM 3A 3.4.3). The cache is what every access
/// uses; it may legally differ from the table entry it came from ("unreal mode").
/// </summary>
[StructLayout(LayoutKind.Sequential)]
public struct SegmentCache
{
    /// <summary>The visible part: index, table indicator, RPL.</summary>
    public ushort Selector;

    /// <summary>Bits 8-23 of the descriptor's high word, shifted right by 8: type 0-3, S 4, DPL 5-6, P 7, AVL 12, D/B 14, G 15.</summary>
    public ushort Access;

    /// <summary>Linear address of offset 0.</summary>
    public uint Base;

    /// <summary>The limit in bytes, after the granularity bit was applied.</summary>
    public uint Limit;

    /// <summary>The lowest offset that may be used (above <see cref="Limit"/> for expand-down segments).</summary>
    public uint Lowest;

    /// <summary>The highest offset that may be used.</summary>
    public uint Highest;

    /// <summary>What an access may do: see <see cref="SegmentRights"/>. None for a null or unusable segment.</summary>
    public SegmentRights Rights;

    /// <summary>The type field (SDM 3A table 3-1 for code and data, 3-2 for system descriptors).</summary>
    public readonly int Type => Access & 0xF;

    /// <summary>True for code and data descriptors, false for system descriptors.</summary>
    public readonly bool IsCodeOrData => (Access & 0x10) != 0;

    /// <summary>The descriptor privilege level.</summary>
    public readonly int Dpl => (Access >> 5) & 3;

    /// <summary>The present bit.</summary>
    public readonly bool Present => (Access & 0x80) != 0;

    /// <summary>The D/B bit: 32-bit code, stack or expand-down limit.</summary>
    public readonly bool Big => (Access & 0x4000) != 0;

    /// <summary>True for a code segment.</summary>
    public readonly bool IsCode => (Access & 0x18) == 0x18;

    /// <summary>True for a conforming code segment.</summary>
    public readonly bool IsConforming => (Access & 0x1C) == 0x1C;

    /// <summary>True where offsets are linear addresses: base 0, 4 GiB, the given rights.</summary>
    public readonly bool IsFlat(SegmentRights rights) => Base == 0 && IsWide(rights);

    /// <summary>True where every offset may be used: 4 GiB from any base, the given rights.</summary>
    public readonly bool IsWide(SegmentRights rights) => Lowest == 0 && Highest == uint.MaxValue && (Rights & rights) == rights;

    /// <summary>True where an access lies within the limit.</summary>
    /// <param name="offset">Its first byte.</param>
    /// <param name="size">Bytes.</param>
    /// <remarks>
    /// Whether an access whose offset wraps around in 4 GiB is a violation is left to the processor (SDM 3A 5.3). Here it is one in a flat segment,
    /// where its address would wrap too. With a base its bytes are neighbours, and a CPU that adds the base before it looks sees nothing of it.
    /// </remarks>
    public readonly bool Holds(uint offset, int size) =>
        (offset >= Lowest && (ulong)offset + (uint)size - 1 <= Highest) || (Base != 0 && Lowest == 0 && Highest == uint.MaxValue);

    /// <summary>Recomputes <see cref="Lowest"/>, <see cref="Highest"/> and <see cref="Rights"/> from the access bits and the limit.</summary>
    public void Refresh()
    {
        Lowest = 0;
        Highest = Limit;
        if (!Present || !IsCodeOrData)
        {
            Rights = SegmentRights.None;
            return;
        }

        if (IsCode)
        {
            Rights = (Access & 2) != 0 ? SegmentRights.Read | SegmentRights.Execute : SegmentRights.Execute;
            return;
        }

        Rights = (Access & 2) != 0 ? SegmentRights.Read | SegmentRights.Write : SegmentRights.Read;
        if ((Access & 4) == 0)
        {
            return;
        }

        // Expand-down: the offsets above the limit, up to 64 KiB or 4 GiB (SDM 3A 5.3). A limit of all-ones leaves none.
        Highest = Big ? uint.MaxValue : 0xFFFF;
        Lowest = Limit + 1;
        if (Limit >= Highest)
        {
            Lowest = 1;
            Highest = 0;
        }
    }

    /// <summary>Loads the cache from a descriptor, with the granularity applied.</summary>
    /// <param name="selector">The selector it was loaded with.</param>
    /// <param name="low">The descriptor's first word.</param>
    /// <param name="high">The descriptor's second word.</param>
    public void LoadDescriptor(ushort selector, uint low, uint high)
    {
        Selector = selector;
        Access = (ushort)((high >> 8) & 0xF0FF);
        Base = (low >> 16) | ((high & 0xFF) << 16) | (high & 0xFF00_0000);
        uint limit = (low & 0xFFFF) | (high & 0x000F_0000);
        Limit = (high & 0x0080_0000) != 0 ? (limit << 12) | 0xFFF : limit;
        Refresh();
    }

    /// <summary>Loads the way real mode does: base = selector x 16; limit, type and size stay (SDM 3A 21.1.1; "unreal mode").</summary>
    /// <param name="selector">The segment value.</param>
    public void LoadReal(ushort selector)
    {
        Selector = selector;
        Base = (uint)selector << 4;
    }

    /// <summary>Loads what virtual-8086 mode fixes: base = selector x 16, 64 KiB, DPL 3, read and write (SDM 3A 21.2).</summary>
    /// <param name="selector">The segment value.</param>
    public void LoadVirtual8086(ushort selector)
    {
        Selector = selector;
        Access = 0xF3;
        Base = (uint)selector << 4;
        Limit = 0xFFFF;
        Lowest = 0;
        Highest = 0xFFFF;
        Rights = SegmentRights.All;
    }

    /// <summary>Marks the register as holding a null selector: every access through it is #GP.</summary>
    /// <param name="selector">0-3.</param>
    public void LoadNull(ushort selector)
    {
        Selector = selector;
        Access = 0;
        Base = 0;
        Limit = 0;
        Lowest = 1;
        Highest = 0;
        Rights = SegmentRights.None;
    }
}

/// <summary>What a segment lets an access do.</summary>
[Flags]
public enum SegmentRights
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>Data reads.</summary>
    Read = 1,

    /// <summary>Data writes.</summary>
    Write = 2,

    /// <summary>Instruction fetch.</summary>
    Execute = 4,

    /// <summary>Everything, as in real and virtual-8086 mode.</summary>
    All = 7,
}
