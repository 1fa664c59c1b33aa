using Iced.Intel;
using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Translation;

/// <summary>The emitted code of one block, and the table from its host addresses back to the guest's instructions.</summary>
internal sealed unsafe class TranslatedBlock(Block* block, int start)
{
    private readonly List<int> _starts = new(block->Count);
    private readonly List<(int Offset, StringOperation Operation)> _strings = [];

    /// <summary>What it was translated from.</summary>
    public Block* Block { get; } = block;

    /// <summary>Where it begins in the code cache.</summary>
    public int Start { get; } = start;

    /// <summary>Where it ends.</summary>
    public int Length { get; private set; }

    /// <summary>Bit n is set where instruction n goes to the interpreter because it faulted too often.</summary>
    public ulong Left { get; set; }

    /// <summary>The physical address of one of its instructions.</summary>
    public ulong PhysicalOf(int index) => Block->Physical + (Decoding.Block.Instructions(Block)[index].Eip - Block->Eip);

    /// <summary>Branches of other blocks that go straight here: (end of the branch, its way out).</summary>
    public List<(int BranchEnd, int WayOut)> Incoming { get; } = [];

    /// <summary>The next guest instruction begins.</summary>
    public void Begin(int offset) => _starts.Add(offset);

    /// <summary>A string instruction comes next: ESI and EDI point into the view while it runs.</summary>
    public void NoteString(int offset, StringOperation operation) => _strings.Add((offset, operation));

    /// <summary>After a fault: where a string instruction was at work, gives the guest's registers back their meaning.</summary>
    /// <param name="offset">Where the host faulted.</param>
    /// <param name="s">The state, with the registers at the fault.</param>
    /// <param name="frame">The frame.</param>
    /// <remarks>
    /// What a repeated move has moved stays moved, and ECX says how much is left. A repeated comparison starts afresh, which nobody can tell.
    /// </remarks>
    public void FixString(int offset, CpuState* s, HostFrame* frame)
    {
        int n = _strings.FindIndex(known => known.Offset == offset);
        if (n < 0)
        {
            return;
        }

        StringOperation operation = _strings[n].Operation;
        if (operation.Repeats && operation.Compares)
        {
            s->Ecx = frame->StringCount;
            s->Esi = frame->StringSource;
            s->Edi = frame->StringDestination;
            LazyFlags.Set(s, frame->StringFlags);
            return;
        }

        uint segment = operation.Segment switch
        {
            Register.FS => s->Fs.Base,
            Register.GS => s->Gs.Base,
            _ => 0,
        };
        s->Esi -= operation.Source ? (uint)frame->View + segment : 0;
        s->Edi -= operation.Destination ? (uint)frame->View : 0;
    }

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
