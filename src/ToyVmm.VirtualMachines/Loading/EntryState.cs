namespace ToyVmm.VirtualMachines.Loading;

/// <summary>
/// The processor state in which a loaded image is entered. What is not named here is as after RESET (SDM 3A 9.1), interrupts
/// are off and paging is off.
/// </summary>
/// <remarks>
/// Three shapes: <see cref="BootThroughBios"/> (start at the reset vector, nothing else applies); real mode
/// (<see cref="RealModeSegments"/> applies: each segment base is selector x 16); protected mode
/// (<see cref="ProtectedModeSegments"/> applies: CR0.PE = 1 and flat 4 GiB segments are in the descriptor caches).
/// </remarks>
public sealed record EntryState
{
    /// <summary>True: leave the processor in its reset state; the BIOS at F000:FFF0 finds the disk and boots it.</summary>
    public bool BootThroughBios { get; init; }

    /// <summary>True: 32-bit protected mode with flat segments. False: real mode.</summary>
    public bool ProtectedMode { get; init; }

    /// <summary>The first instruction: an offset in CS (in real mode at most 0xFFFF).</summary>
    public uint Eip { get; init; }

    /// <summary>EAX at the entry.</summary>
    public uint Eax { get; init; }

    /// <summary>EBX at the entry.</summary>
    public uint Ebx { get; init; }

    /// <summary>ECX at the entry.</summary>
    public uint Ecx { get; init; }

    /// <summary>EDX at the entry.</summary>
    public uint Edx { get; init; }

    /// <summary>ESI at the entry.</summary>
    public uint Esi { get; init; }

    /// <summary>EDI at the entry.</summary>
    public uint Edi { get; init; }

    /// <summary>EBP at the entry.</summary>
    public uint Ebp { get; init; }

    /// <summary>ESP at the entry; 0 when no stack is promised.</summary>
    public uint Esp { get; init; }

    /// <summary>EFLAGS at the entry: only the fixed bit 1, so IF = 0.</summary>
    public uint Eflags { get; init; } = 0x2;

    /// <summary>The segment registers of a real-mode entry; null otherwise.</summary>
    public RealModeSegments? RealModeSegments { get; init; }

    /// <summary>The segment registers and the GDT of a protected-mode entry; null otherwise.</summary>
    public ProtectedModeSegments? ProtectedModeSegments { get; init; }
}

/// <summary>Segment registers in real mode.</summary>
/// <param name="Cs">CS; its base is CS x 16.</param>
/// <param name="Data">DS, ES, FS and GS.</param>
/// <param name="Ss">SS.</param>
public sealed record RealModeSegments(ushort Cs, ushort Data, ushort Ss);

/// <summary>
/// Segment registers in flat protected mode: base 0, limit 4 GiB, 32-bit, ring 0, present. The GDT that holds these selectors
/// has been put into guest memory, so that the guest can reload them.
/// </summary>
/// <param name="CodeSelector">CS: execute/read.</param>
/// <param name="DataSelector">DS, ES, FS, GS and SS: read/write.</param>
/// <param name="GdtBase">GDTR.base: the linear (and, without paging, physical) address of the table.</param>
/// <param name="GdtLimit">GDTR.limit: the table's size in bytes, less one.</param>
public sealed record ProtectedModeSegments(ushort CodeSelector, ushort DataSelector, uint GdtBase, ushort GdtLimit);
