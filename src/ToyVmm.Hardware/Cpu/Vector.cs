namespace ToyVmm.Hardware.Cpu;

/// <summary>The exception vectors of the architecture (SDM 3A table 6-1).</summary>
public static class Vector
{
    /// <summary>#DE, divide error: a fault.</summary>
    public const int DivideError = 0;

    /// <summary>#DB, debug: a fault for instruction breakpoints and DR access, otherwise a trap.</summary>
    public const int Debug = 1;

    /// <summary>NMI.</summary>
    public const int Nmi = 2;

    /// <summary>#BP, INT3: a trap.</summary>
    public const int Breakpoint = 3;

    /// <summary>#OF, INTO: a trap.</summary>
    public const int Overflow = 4;

    /// <summary>#BR, BOUND: a fault.</summary>
    public const int BoundRange = 5;

    /// <summary>#UD, invalid opcode: a fault.</summary>
    public const int InvalidOpcode = 6;

    /// <summary>#NM, no coprocessor: a fault.</summary>
    public const int DeviceNotAvailable = 7;

    /// <summary>#DF, double fault: an abort, error code 0.</summary>
    public const int DoubleFault = 8;

    /// <summary>#TS, invalid TSS: a fault with a selector.</summary>
    public const int InvalidTss = 10;

    /// <summary>#NP, segment not present: a fault with a selector.</summary>
    public const int SegmentNotPresent = 11;

    /// <summary>#SS, stack: a fault with a selector or 0.</summary>
    public const int StackFault = 12;

    /// <summary>#GP, general protection: a fault with a selector or 0.</summary>
    public const int GeneralProtection = 13;

    /// <summary>#PF, page fault: a fault with a page-fault error code; CR2 holds the address.</summary>
    public const int PageFault = 14;

    /// <summary>#MF, x87 error: a fault.</summary>
    public const int FloatingPoint = 16;

    /// <summary>#AC, alignment check: a fault, error code 0.</summary>
    public const int AlignmentCheck = 17;

    /// <summary>#MC, machine check: an abort.</summary>
    public const int MachineCheck = 18;

    /// <summary>#XM, SSE floating-point exception: a fault.</summary>
    public const int SimdFloatingPoint = 19;

    /// <summary>True where delivery pushes an error code (protected mode only).</summary>
    /// <param name="vector">0-255.</param>
    public static bool HasErrorCode(int vector) =>
        vector is DoubleFault or (>= InvalidTss and <= PageFault) or AlignmentCheck;

    /// <summary>The manual's mnemonic ("#GP"), or "vector n".</summary>
    /// <param name="vector">0-255.</param>
    public static string Name(int vector) => vector switch
    {
        DivideError => "#DE",
        Debug => "#DB",
        Nmi => "NMI",
        Breakpoint => "#BP",
        Overflow => "#OF",
        BoundRange => "#BR",
        InvalidOpcode => "#UD",
        DeviceNotAvailable => "#NM",
        DoubleFault => "#DF",
        InvalidTss => "#TS",
        SegmentNotPresent => "#NP",
        StackFault => "#SS",
        GeneralProtection => "#GP",
        PageFault => "#PF",
        FloatingPoint => "#MF",
        AlignmentCheck => "#AC",
        MachineCheck => "#MC",
        SimdFloatingPoint => "#XM",
        _ => $"vector {vector}",
    };
}
