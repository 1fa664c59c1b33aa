using System.Runtime.InteropServices;

namespace ToyVmm.Hardware.Cpu;

/// <summary>
/// One line of the direct-mapped projection of the TLB that an engine's fast path probes. A tag is the linear page address
/// where the access may go straight to host memory, and <see cref="None"/> (which no page address equals) where it may not.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
public struct TlbEntry
{
    /// <summary>The tag that matches nothing.</summary>
    public const uint None = 1;

    /// <summary>Lines in each array.</summary>
    public const int Count = 1024;

    /// <summary>The page that may be read here.</summary>
    public uint ReadTag;

    /// <summary>The page that may be written here: writable, dirty already, RAM, and without decoded code.</summary>
    public uint WriteTag;

    /// <summary>Host address minus linear address.</summary>
    public nint Addend;
}
