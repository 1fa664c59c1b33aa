using System.Runtime.InteropServices;

namespace ToyVmm.VirtualMachines.Verification.HostCpu;

/// <summary>The general registers, EIP and EFLAGS.</summary>
public readonly record struct HostRegisters
{
    /// <summary>EAX.</summary>
    public uint Eax { get; init; }

    /// <summary>ECX.</summary>
    public uint Ecx { get; init; }

    /// <summary>EDX.</summary>
    public uint Edx { get; init; }

    /// <summary>EBX.</summary>
    public uint Ebx { get; init; }

    /// <summary>ESP.</summary>
    public uint Esp { get; init; }

    /// <summary>EBP.</summary>
    public uint Ebp { get; init; }

    /// <summary>ESI.</summary>
    public uint Esi { get; init; }

    /// <summary>EDI.</summary>
    public uint Edi { get; init; }

    /// <summary>EIP.</summary>
    public uint Eip { get; init; }

    /// <summary>EFLAGS.</summary>
    public uint Eflags { get; init; }
}

/// <summary>The six selectors.</summary>
public readonly record struct HostSelectors(ushort Es, ushort Cs, ushort Ss, ushort Ds, ushort Fs, ushort Gs);

/// <summary>A CPU exception, as the runner recorded it: 16 dwords, of which the last three are 0.</summary>
/// <param name="Vector">Its number (SDM 3A table 6-1).</param>
/// <param name="ErrorCode">Its error code, 0 where it has none. A #PF's is P, W/R and U/S: the bit for instruction fetches is taken out, as a guest without NX has none.</param>
/// <param name="Eip">The saved EIP: the instruction for a fault, the next one for a trap (#DB by TF, #BP, #OF).</param>
/// <param name="Cr2">The address of a #PF, otherwise 0.</param>
/// <param name="Eflags">EFLAGS without TF and RF.</param>
/// <param name="Edi">EDI.</param>
/// <param name="Esi">ESI.</param>
/// <param name="Ebp">EBP.</param>
/// <param name="Esp">ESP.</param>
/// <param name="Ebx">EBX.</param>
/// <param name="Edx">EDX.</param>
/// <param name="Ecx">ECX.</param>
/// <param name="Eax">EAX.</param>
[StructLayout(LayoutKind.Sequential, Size = RunnerLayout.RecordSize)]
public readonly record struct HostFault(
    uint Vector,
    uint ErrorCode,
    uint Eip,
    uint Cr2,
    uint Eflags,
    uint Edi,
    uint Esi,
    uint Ebp,
    uint Esp,
    uint Ebx,
    uint Edx,
    uint Ecx,
    uint Eax);

/// <summary>How a run ended.</summary>
public enum HostEnding
{
    /// <summary>At the INT3 of the end address.</summary>
    Ended,

    /// <summary>By a fault after the most faults, on the way to the end: its INT3 is overwritten or cannot be fetched. There is a final state.</summary>
    EndUnreachable,

    /// <summary>It did not end in time and was killed. There is no final state.</summary>
    TimedOut,

    /// <summary>Its process died: see <see cref="HostRun.Signal"/>. There is no final state.</summary>
    Died,

    /// <summary>It reached addresses that belong to the runner, where a guest has nothing: what was recorded says nothing about a guest.</summary>
    Strayed,
}

/// <summary>What became of a program.</summary>
public sealed class HostRun
{
    private readonly HostProcessor _processor;
    private readonly ulong _number;

    internal HostRun(HostProcessor processor, ulong number)
    {
        _processor = processor;
        _number = number;
    }

    /// <summary>How it ended.</summary>
    public required HostEnding Ending { get; init; }

    /// <summary>The signal that its process died of, for example 31 (SIGSYS); 0 where it is alive or exited by itself.</summary>
    public int Signal { get; init; }

    /// <summary>The faults in their order.</summary>
    public required IReadOnlyList<HostFault> Faults { get; init; }

    /// <summary>The registers at the end, EIP behind the INT3; zeros where there is no final state.</summary>
    public HostRegisters Registers { get; init; }

    /// <summary>The selectors at the end; zeros where there is no final state.</summary>
    public HostSelectors Selectors { get; init; }

    /// <summary>
    /// The x87, MMX and SSE state at the end as FXSAVE writes it, 512 bytes; empty where there is no final state. What does not survive the kernel's
    /// signals is 0: FOP, FIP, FCS, FDP, FDS (bytes 6 to 23); so is what depends on the CPU, MXCSR_MASK (28 to 31), and what is reserved or
    /// not there in 32-bit mode (behind each 80-bit register, and from byte 288).
    /// </summary>
    public ReadOnlyMemory<byte> FxSave { get; init; }

    /// <summary>What a page of the program holds now: a view that is valid until the processor runs the next program.</summary>
    /// <param name="address">The page's linear address.</param>
    /// <exception cref="ArgumentException">No page may have the address.</exception>
    /// <exception cref="InvalidOperationException">The processor has run another program, or is gone.</exception>
    public ReadOnlySpan<byte> Page(uint address) => _processor.Page(address, _number);
}
