namespace ToyVmm.Engines.Translation;

/// <summary>
/// Which instructions of a block fault so often that they had better go to the interpreter, whose own look-up of the TLB costs a
/// hundredth of a fault: adaptive translation (Adams and Agesen 2006, 3.3). Outlives the translations of its block.
/// </summary>
/// <param name="count">The block's instructions, at most 64.</param>
/// <remarks>
/// A fault and the mapping behind it cost as much as ten thousand instructions. One now and then is fine (a loop that walks over memory meets a new
/// page every few thousand instructions); one every few hundred is not, whatever its reason.
/// </remarks>
internal sealed class FaultHistory(int count)
{
    // A fault after fewer host instructions than this is a dense one, and so many of those in a row are too many.
    private const ulong Dense = 3000;
    private const int Patience = 16;

    // An instruction that needed no page so often in the interpreter goes back to the host; twice as often each time it has to come again.
    private const int Quiet = 64;
    private const int MostReturns = 8;

    private readonly byte[] _faults = new byte[count];
    private readonly ulong[] _last = new ulong[count];
    private readonly ushort[] _quiet = new ushort[count];
    private readonly byte[] _returns = new byte[count];
    private ulong _left;

    /// <summary>The block's translation as it is now.</summary>
    public TranslatedBlock? Current { get; set; }

    /// <summary>True where an instruction goes to the interpreter.</summary>
    public bool IsLeft(int index) => ((_left >> index) & 1) != 0;

    /// <summary>Notes that an instruction faulted.</summary>
    /// <param name="index">Which.</param>
    /// <param name="now">Instructions that have run on the host so far.</param>
    /// <returns>True when the block must be translated again: the instruction is left to the interpreter from now on.</returns>
    public bool Note(int index, ulong now)
    {
        _faults[index] = (byte)(now - _last[index] < Dense ? _faults[index] + 1 : Math.Max(_faults[index] - 1, 0));
        _last[index] = now;
        if (_faults[index] < Patience)
        {
            return false;
        }

        _left |= 1UL << index;
        _faults[index] = 0;
        _quiet[index] = 0;
        return true;
    }

    /// <summary>Notes that the interpreter performed an instruction that is left to it.</summary>
    /// <param name="index">Which.</param>
    /// <param name="wasQuiet">True when no page had to be looked up.</param>
    /// <returns>True when the block must be translated again: the instruction goes back to the host.</returns>
    public bool NoteQuiet(int index, bool wasQuiet)
    {
        _quiet[index] = (ushort)(wasQuiet ? _quiet[index] + 1 : 0);
        if (_quiet[index] < Quiet << _returns[index])
        {
            return false;
        }

        _left &= ~(1UL << index);
        _quiet[index] = 0;
        _returns[index] = (byte)Math.Min(_returns[index] + 1, MostReturns);
        return true;
    }
}
