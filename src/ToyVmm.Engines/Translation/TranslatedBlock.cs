using ToyVmm.Engines.Decoding;

namespace ToyVmm.Engines.Translation;

/// <summary>The emitted code of one block, and the table from its host addresses back to the guest's instructions.</summary>
internal sealed unsafe class TranslatedBlock(Block* block, int start, FaultHistory faults)
{
    private readonly List<int> _starts = new(block->Count);

    /// <summary>What it was translated from.</summary>
    public Block* Block { get; } = block;

    /// <summary>Where it begins in the code cache.</summary>
    public int Start { get; } = start;

    /// <summary>Where it ends.</summary>
    public int Length { get; private set; }

    /// <summary>How often its instructions have faulted, in this translation and earlier ones.</summary>
    public FaultHistory Faults { get; } = faults;

    /// <summary>Branches of other blocks that go straight here: (end of the branch, its way out).</summary>
    public List<(int BranchEnd, int WayOut)> Incoming { get; } = [];

    /// <summary>The next guest instruction begins.</summary>
    public void Begin(int offset) => _starts.Add(offset);

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
    public bool RunsOnHost { get; set; }
}
