using System.Runtime.CompilerServices;
using ToyVmm.Engines.Decoding;

namespace ToyVmm.Engines.Translation;

/// <summary>
/// The instructions that emitted code leaves to the interpreter, by the number that it leaves behind in <see cref="HostFrame.ExitSlot"/>: a way
/// from there to the decoded instruction that looks at nothing else, since it is taken a million times a second.
/// </summary>
internal sealed unsafe class CallOutTable
{
    // An instruction's lowest address bit is free.
    private const nint OnTrial = 1;

    private nint[] _entries = new nint[256];
    private int _count;

    /// <summary>Adds an instruction.</summary>
    /// <param name="instruction">Which.</param>
    /// <param name="onTrial">True where it is the interpreter's only because it faulted too often.</param>
    /// <returns>Its number.</returns>
    public int Add(DecodedInstruction* instruction, bool onTrial)
    {
        if (_count == _entries.Length)
        {
            Array.Resize(ref _entries, 2 * _count);
        }

        _entries[_count] = (nint)instruction | (onTrial ? OnTrial : 0);
        return _count++;
    }

    /// <summary>The instruction of a number, and whether it is here on trial.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public DecodedInstruction* Get(int number, out bool onTrial)
    {
        nint entry = _entries[number];
        onTrial = (entry & OnTrial) != 0;
        return (DecodedInstruction*)(entry & ~OnTrial);
    }

    /// <summary>Forgets all of them.</summary>
    public void Clear() => _count = 0;
}
