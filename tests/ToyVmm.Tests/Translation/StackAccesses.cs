using Iced.Intel;

namespace ToyVmm.Tests.Translation;

/// <summary>
/// The doublewords of the guest's stack that one guest instruction has loaded and stored so far. PUSHAD and its kind read all of them first, so
/// that none runs over the last address, and write to the lowest and the highest: the others lie in their pages.
/// </summary>
internal sealed class StackAccesses
{
    private const int Size = 4;
    private const int PageSize = 0x1000;

    private readonly List<int> _loads = [];
    private readonly List<int> _stores = [];

    // Where R8D was loaded from.
    private int? _held;

    /// <summary>True for an access that cannot fault any more.</summary>
    public bool Covers(in Instruction x)
    {
        if (!IsAccess(x))
        {
            return false;
        }

        int at = (int)x.MemoryDisplacement64;
        bool isStore = x.Op0Kind == OpKind.Memory;
        return _loads.Contains(at) && (!isStore || _stores.Exists(low => low <= at && _stores.Exists(high => high >= at && high + Size - low <= PageSize)));
    }

    /// <summary>True for a store of R8D to where it was loaded from.</summary>
    public bool StoresWhatIsThere(in Instruction x) =>
        IsAccess(x) && x.Op0Kind == OpKind.Memory && x.Op1Register == Register.R8D && _held == (int)x.MemoryDisplacement64;

    /// <summary>Notes an instruction.</summary>
    /// <param name="x">It.</param>
    /// <param name="writesHeld">It writes R8.</param>
    /// <param name="movesStack">It writes R12, the guest's ESP, or R9, the base of SS.</param>
    public void Note(in Instruction x, bool writesHeld, bool movesStack)
    {
        bool isLoad = IsAccess(x) && x.Op0Kind == OpKind.Register;
        int at = (int)x.MemoryDisplacement64;
        if (writesHeld)
        {
            _held = isLoad && x.Op0Register == Register.R8D ? at : null;
        }

        if (isLoad)
        {
            _loads.Add(at);
        }
        else if (IsAccess(x))
        {
            // What can be written can be read.
            _stores.Add(at);
            _loads.Add(at);
        }

        if (movesStack)
        {
            _held = null;
            _loads.Clear();
            _stores.Clear();
        }
    }

    private static bool IsAccess(in Instruction x) =>
        x.Code is Code.Mov_r32_rm32 or Code.Mov_rm32_r32 && (x.Op0Kind == OpKind.Memory || x.Op1Kind == OpKind.Memory)
        && x.MemoryBase == Register.R12D && x.MemoryIndex is Register.None or Register.R9D && x.MemoryIndexScale == 1 && x.SegmentPrefix == Register.GS;
}
