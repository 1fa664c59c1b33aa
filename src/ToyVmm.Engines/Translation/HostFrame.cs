using System.Runtime.InteropServices;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Translation;

/// <summary>
/// What emitted code and the VMM exchange. It lies right before the <see cref="CpuState"/> in memory, so that emitted code reaches both
/// through one register; unlike the state it is nothing of the guest's, and a reset leaves it alone.
/// </summary>
[StructLayout(LayoutKind.Sequential, Size = 256)]
internal struct HostFrame
{
    /// <summary>The host stack pointer at the entry into emitted code.</summary>
    public nint Stack;

    /// <summary>Where the host faulted in emitted code.</summary>
    public nint FaultInstruction;

    /// <summary>The host address that could not be accessed.</summary>
    public nint FaultAddress;

    /// <summary>The host exception's vector (low half) and error code (high half).</summary>
    public ulong FaultReason;

    /// <summary>The instruction budget, as an address in the ramp (<see cref="ExecutableArena.Ramp"/>).</summary>
    public nint Budget;

    /// <summary>The guest's arithmetic flags and DF, as a host flags register.</summary>
    public ulong Flags;

    /// <summary>The time-stamp counter plus <see cref="Budget"/>, plus one: their sum does not change while emitted code runs.</summary>
    public ulong TimeBase;

    /// <summary>A place for emitted code to put a register aside.</summary>
    public ulong Scratch;

    /// <summary>Host address of the view: byte 0 of the guest's linear address space.</summary>
    public nint View;

    /// <summary>Host address of the view's jump table.</summary>
    public nint JumpTable;

    /// <summary>Host address of the code cache.</summary>
    public nint CodeCache;

    /// <summary>Points to the base of FS where the segment reaches all of memory, readable and writable; elsewhere to nothing that can be read.</summary>
    public nint FsGate;

    /// <summary>As <see cref="FsGate"/>, for GS.</summary>
    public nint GsGate;

    /// <summary>Host address of <see cref="IPortAccess.Latches"/>; of a table without latches where port accesses are exits.</summary>
    public nint PortLatches;

    /// <summary>Accesses to latches since the VMM was told of them.</summary>
    public ulong LatchAccesses;

    /// <summary>Host address of the FXSAVE image through which the guest's x87, MMX and SSE state comes and goes.</summary>
    public nint FpuImage;

    /// <summary>EFLAGS without the arithmetic flags, DF and IF, as PUSHF shows them.</summary>
    public uint SystemFlags;

    /// <summary>The guest's IF while emitted code runs, at its place in EFLAGS; CLI, STI and POPF change it.</summary>
    public uint InterruptFlag;

    /// <summary>ECX before a repeated comparison of strings, which starts afresh after a fault.</summary>
    public uint StringCount;

    /// <summary>ESI before it.</summary>
    public uint StringSource;

    /// <summary>EDI before it.</summary>
    public uint StringDestination;

    /// <summary>The flags before it.</summary>
    public uint StringFlags;

    /// <summary>Why emitted code returned.</summary>
    public ExitKind Exit;

    /// <summary>
    /// Which branch could be patched, or which block wants registers: an offset in the code cache. For <see cref="ExitKind.CallOut"/> a number in
    /// the <see cref="CallOutTable"/>.
    /// </summary>
    public int ExitSlot;

    /// <summary>Non-zero while the guest's x87 and MMX state is not in the host's registers.</summary>
    public uint FpuAway;

    /// <summary>Non-zero while the guest may not use SSE in the host's registers.</summary>
    public uint SseAway;

    /// <summary>The host's own MXCSR.</summary>
    public uint Mxcsr;

    /// <summary>Flags that the host has beside the guest's at the entry into emitted code: none, but TF in tests.</summary>
    public ulong ExtraFlags;
}
