namespace ToyVmm.Engines.Interpretation;

/// <summary>The eight bytes of a segment or gate descriptor as they stand in a table (SDM 3A 3.4.5, 3.5, 5.8.3, 6.11).</summary>
/// <param name="Low">Bytes 0-3.</param>
/// <param name="High">Bytes 4-7.</param>
public readonly record struct Descriptor(uint Low, uint High)
{
    /// <summary>The accessed bit of a code or data descriptor, in <see cref="High"/>.</summary>
    public const uint Accessed = 1 << 8;

    /// <summary>The busy bit of a TSS descriptor, in <see cref="High"/>.</summary>
    public const uint Busy = 1 << 9;

    /// <summary>The type field.</summary>
    public int Type => (int)(High >> 8) & 0xF;

    /// <summary>The type of a system descriptor; <see cref="SystemType.None"/> for code and data.</summary>
    public SystemType System => IsCodeOrData ? SystemType.None : (SystemType)Type;

    /// <summary>The descriptor privilege level.</summary>
    public uint Dpl => (High >> 13) & 3;

    /// <summary>The present bit.</summary>
    public bool Present => (High & 0x8000) != 0;

    /// <summary>The S bit: code or data, not system.</summary>
    public bool IsCodeOrData => (High & 0x1000) != 0;

    /// <summary>A code segment.</summary>
    public bool IsCode => (High & 0x1800) == 0x1800;

    /// <summary>A conforming code segment.</summary>
    public bool IsConforming => (High & 0x1C00) == 0x1C00;

    /// <summary>A data segment, or a readable code segment.</summary>
    public bool IsReadable => IsCodeOrData && (!IsCode || (High & 0x200) != 0);

    /// <summary>A writable data segment.</summary>
    public bool IsWritable => (High & 0x1A00) == 0x1200;

    /// <summary>An available or busy TSS of either size.</summary>
    public bool IsTaskState => System is SystemType.AvailableTask16 or SystemType.AvailableTask32 or SystemType.BusyTask16 or SystemType.BusyTask32;

    /// <summary>The segment's base.</summary>
    public uint Base => (Low >> 16) | ((High & 0xFF) << 16) | (High & 0xFF00_0000);

    /// <summary>The segment's limit in bytes, granularity applied.</summary>
    public uint Limit
    {
        get
        {
            uint limit = (Low & 0xFFFF) | (High & 0x000F_0000);
            return (High & 0x0080_0000) != 0 ? (limit << 12) | 0xFFF : limit;
        }
    }

    /// <summary>A gate's selector.</summary>
    public ushort GateSelector => (ushort)(Low >> 16);

    /// <summary>A gate's offset: 32 bits for the 386 kinds, 16 for the 286 kinds.</summary>
    public uint GateOffset => IsGate32 ? (High & 0xFFFF_0000) | (Low & 0xFFFF) : Low & 0xFFFF;

    /// <summary>A gate of a 386 kind (bit 3 of the type).</summary>
    public bool IsGate32 => (High & 0x800) != 0;

    /// <summary>A call gate's parameter count.</summary>
    public int ParameterCount => (int)High & 0x1F;
}

/// <summary>Types of system descriptors (SDM 3A table 3-2).</summary>
public enum SystemType
{
    /// <summary>A code or data descriptor: not a system descriptor.</summary>
    None = -1,

    /// <summary>16-bit TSS, available.</summary>
    AvailableTask16 = 1,

    /// <summary>LDT.</summary>
    LocalTable = 2,

    /// <summary>16-bit TSS, busy.</summary>
    BusyTask16 = 3,

    /// <summary>16-bit call gate.</summary>
    CallGate16 = 4,

    /// <summary>Task gate.</summary>
    TaskGate = 5,

    /// <summary>16-bit interrupt gate.</summary>
    InterruptGate16 = 6,

    /// <summary>16-bit trap gate.</summary>
    TrapGate16 = 7,

    /// <summary>32-bit TSS, available.</summary>
    AvailableTask32 = 9,

    /// <summary>32-bit TSS, busy.</summary>
    BusyTask32 = 11,

    /// <summary>32-bit call gate.</summary>
    CallGate32 = 12,

    /// <summary>32-bit interrupt gate.</summary>
    InterruptGate32 = 14,

    /// <summary>32-bit trap gate.</summary>
    TrapGate32 = 15,
}
