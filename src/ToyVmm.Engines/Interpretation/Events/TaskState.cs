using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation;

/// <summary>The layout of task-state segments: 32-bit (SDM 3A 7.2.1) and 16-bit (SDM 3A 7.6).</summary>
/// <param name="Is32Bit">The 386 layout.</param>
public readonly record struct TaskState(bool Is32Bit)
{
    /// <summary>The back link, in both layouts.</summary>
    public const uint BackLink = 0;

    /// <summary>CR3, in the 32-bit layout.</summary>
    public const uint PageDirectory = 28;

    /// <summary>The debug trap bit, in the 32-bit layout.</summary>
    public const uint TrapFlag = 100;

    /// <summary>Bytes of a field.</summary>
    public int Width => Is32Bit ? 4 : 2;

    /// <summary>EIP or IP.</summary>
    public uint InstructionPointer => Is32Bit ? 32u : 14;

    /// <summary>EFLAGS or FLAGS.</summary>
    public uint Flags => Is32Bit ? 36u : 16;

    /// <summary>EAX or AX; the others follow in encoding order.</summary>
    public uint General => Is32Bit ? 40u : 18;

    /// <summary>ES; CS, SS, DS (and FS, GS) follow.</summary>
    public uint Segments => Is32Bit ? 72u : 34;

    /// <summary>Segment registers in the layout.</summary>
    public int SegmentCount => Is32Bit ? 6 : 4;

    /// <summary>The LDT selector.</summary>
    public uint LocalTable => Is32Bit ? 96u : 42;

    /// <summary>The least limit.</summary>
    public uint LeastLimit => Is32Bit ? 0x67u : 0x2B;

    /// <summary>True where TR holds a 32-bit TSS.</summary>
    public static bool Is32(in SegmentCache task) => (task.Access & 8) != 0;
}
