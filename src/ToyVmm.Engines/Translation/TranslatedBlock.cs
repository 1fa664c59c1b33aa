using Iced.Intel;
using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Translation;

/// <summary>The emitted code of one block, and the table from its host addresses back to the guest's instructions.</summary>
internal sealed unsafe class TranslatedBlock(Block* block, int start)
{
    private readonly List<int> _starts = new(block->Count);
    private readonly List<(int Offset, StringOperation Operation)> _strings = [];
    private readonly List<(int Offset, TranslationReason Reason)>? _reasons;
    private readonly Dictionary<int, CallOutReason>? _callOuts;

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

    /// <summary>Where the emitted code of each guest instruction begins; the block's count and what it requires stand before the first.</summary>
    public IReadOnlyList<int> Starts => _starts;

    /// <summary>Where the ways out begin: what the branches of the block lead to while they are not linked, and where a case is the interpreter's.</summary>
    public int WaysOut { get; set; }

    /// <summary>Lets the block keep why its code is not the guest's, for a listing; off by default.</summary>
    public bool KeepsReasons
    {
        get => _reasons is not null;
        init
        {
            _reasons = value ? [] : null;
            _callOuts = value ? [] : null;
        }
    }

    /// <summary>Notes why what is emitted at an offset is not what the guest wrote.</summary>
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

    /// <summary>Notes why an instruction is the interpreter's, for a listing.</summary>
    public void NoteCallOut(int index, CallOutReason reason) => _callOuts?.Add(index, reason);

    /// <summary>Why an instruction is the interpreter's; none for one that is not, or where no notes are kept.</summary>
    public CallOutReason CallOutAt(int index) => _callOuts?.GetValueOrDefault(index) ?? CallOutReason.None;

    /// <summary>Takes the notes about what was emitted from an offset on back.</summary>
    public void ForgetNotes(int offset) => _reasons?.RemoveAll(note => note.Offset >= offset);

    /// <summary>The next guest instruction begins.</summary>
    public void Begin(int offset) => _starts.Add(offset);

    /// <summary>A string instruction comes next: ESI and EDI point into the view while it runs.</summary>
    public void NoteString(int offset, StringOperation operation) => _strings.Add((offset, operation));

    /// <summary>True for the host's string instruction itself: what a fault there has left in ESI, EDI and ECX can be put right.</summary>
    public bool IsStringAt(int offset) => _strings.Exists(known => known.Offset == offset);

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

        s->Esi -= operation.Source ? (uint)frame->View + (&s->Es + (operation.Segment - Register.ES))->Base : 0;
        s->Edi -= operation.Destination ? (uint)frame->View + s->Es.Base : 0;
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
