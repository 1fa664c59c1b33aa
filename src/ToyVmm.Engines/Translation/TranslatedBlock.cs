using ToyVmm.Engines.Decoding;

namespace ToyVmm.Engines.Translation;

/// <summary>The emitted code of one block, and the table from its host addresses back to the guest's instructions.</summary>
internal sealed unsafe class TranslatedBlock(Block* block, int start, ulong callOuts)
{
    private readonly List<int> _starts = new(block->Count);
    private readonly List<(int Offset, TranslationReason Reason)>? _reasons;
    private readonly byte[] _faults = new byte[block->Count];
    private readonly ulong[] _lastFaults = new ulong[block->Count];

    /// <summary>What it was translated from.</summary>
    public Block* Block { get; } = block;

    /// <summary>Where it begins in the code cache.</summary>
    public int Start { get; } = start;

    /// <summary>Where it ends.</summary>
    public int Length { get; private set; }

    /// <summary>Bit n is set where instruction n goes to the interpreter because it faulted too often.</summary>
    public ulong CallOuts { get; private set; } = callOuts;

    /// <summary>Branches of other blocks that go straight here: (end of the branch, its way out).</summary>
    public List<(int BranchEnd, int WayOut)> Incoming { get; } = [];

    /// <summary>Where the emitted code of each guest instruction begins; the block's count and what it requires stand before the first.</summary>
    public IReadOnlyList<int> Starts => _starts;

    /// <summary>The next guest instruction begins.</summary>
    public void Begin(int offset) => _starts.Add(offset);

    /// <summary>Lets the block keep why its code is not the guest's, for a listing; off by default.</summary>
    public bool KeepsReasons
    {
        get => _reasons is not null;
        init => _reasons = value ? [] : null;
    }

    /// <summary>Notes why what is emitted next is not what the guest wrote.</summary>
    public void Note(int offset, TranslationReason reason) => _reasons?.Add((offset, reason));

    /// <summary>Why the instruction at an offset, and those behind it, are not what the guest wrote.</summary>
    public TranslationReason ReasonAt(int offset)
    {
        TranslationReason reasons = TranslationReason.None;
        foreach ((int at, TranslationReason reason) in _reasons ?? [])
        {
            reasons |= at == offset ? reason : 0;
        }

        return reasons;
    }

    /// <summary>Takes the notes about what was emitted from an offset on back.</summary>
    public void Rewind(int offset) => _reasons?.RemoveAll(note => note.Offset >= offset);

    /// <summary>The block is complete.</summary>
    public void End(int offset) => Length = offset - Start;

    /// <summary>Which guest instruction a host address belongs to; -1 in the count at the front.</summary>
    public int IndexOf(int offset)
    {
        int n = _starts.Count - 1;
        while (n >= 0 && _starts[n] > offset)
        {
            n--;
        }

        return n;
    }

    /// <summary>True when its first instruction runs on the host.</summary>
    public bool IsWorthwhile { get; set; }

    /// <summary>Notes that an instruction faulted. True when it does so too often: it goes to the interpreter from now on.</summary>
    /// <param name="index">Which.</param>
    /// <param name="now">Instructions that have run on the host so far.</param>
    /// <remarks>
    /// A fault costs as much as thousands of instructions. One now and then is fine (a loop that walks over memory meets a new page
    /// every few thousand instructions); one every few hundred is not, whatever its reason.
    /// </remarks>
    public bool NoteFault(int index, ulong now)
    {
        const ulong Dense = 1000;
        const int Patience = 16;
        int faults = now - _lastFaults[index] < Dense ? _faults[index] + 1 : Math.Max(_faults[index] - 1, 0);
        _lastFaults[index] = now;
        _faults[index] = (byte)faults;
        if (faults < Patience)
        {
            return false;
        }

        CallOuts |= 1UL << index;
        return true;
    }
}
