namespace ToyVmm.VirtualMachines.Verification.Programs;

/// <summary>Where things lie in a random program (runtime.asm): linear addresses, and physical ones but for the window.</summary>
internal static class ProgramLayout
{
    /// <summary>Bytes of RAM that a program needs.</summary>
    public const uint MemorySize = 2 << 20;

    /// <summary>The image's first byte.</summary>
    public const uint Image = 0x10_0000;

    /// <summary>The parameters.</summary>
    public const uint Parameters = 0x10_1000;

    /// <summary>The FXSAVE image that the program starts with.</summary>
    public const uint FloatingPoint = Parameters + 0x200;

    /// <summary>The resume table: where steps begin.</summary>
    public const uint Resume = Parameters + 0x400;

    /// <summary>The page directory, and the page-directory-pointer table of a PAE program.</summary>
    public const uint PageDirectory = 0x10_6000;

    /// <summary>The page table of the first 4 MiB.</summary>
    public const uint PageTable = 0x10_7000;

    /// <summary>The page-directory pointers.</summary>
    public const uint PaePointers = 0x10_8000;

    /// <summary>The PAE page table of the first 2 MiB.</summary>
    public const uint PaeTable = 0x10_A000;

    /// <summary>The body: 64 KiB of code, data and stack.</summary>
    public const uint Body = 0x12_0000;

    /// <summary>Bytes of the body.</summary>
    public const uint BodySize = 0x1_0000;

    /// <summary>A copy of the body for real and virtual-8086 mode.</summary>
    public const uint LowBody = 0x2_0000;

    /// <summary>Four pages over the body's data, whose page-table entries programs edit.</summary>
    public const uint Window = 0x14_0000;

    /// <summary>Nothing is mapped from here on.</summary>
    public const uint MappedEnd = 0x40_0000;

    // Offsets in the body.

    /// <summary>Bytes of code: three pages.</summary>
    public const uint CodeSize = 0x3000;

    /// <summary>Four pages of data, the third read-only.</summary>
    public const uint Data = 0x4000;

    /// <summary>The read-only page.</summary>
    public const uint ReadOnly = 0x6000;

    /// <summary>Nothing is present from here to the stack.</summary>
    public const uint Absent = 0x8000;

    /// <summary>Two pages of stack.</summary>
    public const uint Stack = 0xE000;

    /// <summary>How often the body is still repeated.</summary>
    public const uint Repeats = 0xFFF0;

    /// <summary>The counter of a step's own loop.</summary>
    public const uint LoopCounter = 0xFFF4;

    // Results, in guest memory.

    /// <summary>The number of records; then timer ticks, and whether the program has ended.</summary>
    public const uint Results = 0x1_4000;

    /// <summary>FXSAVE's image at the end.</summary>
    public const uint FloatingPointResult = 0x1_4200;

    /// <summary>The records.</summary>
    public const uint Records = 0x1_5000;

    /// <summary>32-bit words of a record.</summary>
    public const int RecordWords = 16;
}
