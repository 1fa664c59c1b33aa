using System.Runtime.InteropServices;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Decoding;

/// <summary>
/// A run of decoded instructions that starts at one address and leaves at its end; the instructions follow the header in
/// memory. Keyed by physical address, offset in CS and <see cref="DecodeMode"/>.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct Block
{
    /// <summary>Instructions in it (a closing pseudo instruction does not count).</summary>
    public int Count;

    /// <summary>Bytes of guest code.</summary>
    public int Length;

    /// <summary>GPA of the first byte.</summary>
    public ulong Physical;

    /// <summary>GPA of the page that its last instruction runs over into; only meaningful if <see cref="CrossesPage"/>.</summary>
    public ulong SecondPage;

    /// <summary>Offset of the first byte in CS.</summary>
    public uint Eip;

    /// <summary>The mode it was decoded in.</summary>
    public DecodeMode Mode;

    /// <summary>The slots of the branch at its end; null where it has none.</summary>
    public BranchLinks* Links;

    /// <summary>Next block in the same hash bucket.</summary>
    public Block* HashNext;

    /// <summary>Its emitted code: an offset in the code cache; 0 where there is none.</summary>
    public int Host;

    /// <summary>Which translation that is.</summary>
    public int HostIndex;

    /// <summary>How often it was interpreted, until it is translated.</summary>
    public int Heat;

    /// <summary>Non-zero when the first instruction of its emitted code is not left to the interpreter.</summary>
    public byte RunsOnHost;

    /// <summary>Non-zero when its only instruction crosses into the next page.</summary>
    public byte CrossesPage;

    /// <summary>Non-zero once its bytes were overwritten: it must not run any more.</summary>
    public byte Dead;

    /// <summary>Whether a debugger may have to stop here; such a block is not translated.</summary>
    public BlockStops Stops;

    /// <summary>Its first instruction.</summary>
    public static DecodedInstruction* Instructions(Block* block) => (DecodedInstruction*)(block + 1);
}

/// <summary>
/// Where a branch continues, in the slot behind the branch instruction: a block, or <see cref="Interpretation.Flow.Link"/> while none is known, or
/// <see cref="Interpretation.Flow.Lookup"/> where the target lies on another page and so must be looked up each time.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct BranchLinks
{
    /// <summary>The branch is taken.</summary>
    public nint Taken;

    /// <summary>The branch falls through.</summary>
    public nint Fallthrough;
}

/// <summary>Where a debugger may have to stop at a block.</summary>
internal enum BlockStops : byte
{
    /// <summary>Nowhere.</summary>
    None,

    /// <summary>Before its first instruction.</summary>
    AtItsStart,

    /// <summary>Behind its last instruction, which is STI: its shadow must be seen there.</summary>
    InShadow,
}
