using ToyVmm.Engines.Decoding;
using ToyVmm.Engines.Metering;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Translation;

/// <summary>What a fault of the host leads to, beside the interpreter performing the instruction: mappings, and instructions that change sides.</summary>
internal sealed unsafe partial class TranslatedCode
{
    // No block starts at the last byte: it would run over the end.
    private const uint Nowhere = uint.MaxValue;

    private readonly FaultHistory _faults = new();

    // What the instruction that faulted last lacked, and which it was.
    private (uint Linear, bool User)? _fill;
    private TranslatedBlock? _faulted;
    private int _faultedIndex;

    // What a checkpoint had kept by then: a store that only had to wait for that is no sign of more to come.
    private ulong _keptBefore;

    // Where the guest will try again after its own page fault, and what it lacked there.
    private (uint Linear, bool User) _awaitedFill;
    private uint _awaited = Nowhere;

    // The instruction that is the interpreter's because it faulted too often, and how often pages were looked up before.
    private TranslatedBlock? _watched;
    private int _watchedIndex;
    private ulong _watchedSince;

    /// <summary>A block is interpreted, wholly or from some instruction on: the branch that left last must not be patched.</summary>
    /// <param name="first">Its first instruction that is.</param>
    public void BeforeInterpreting(DecodedInstruction* first)
    {
        _linkSlot = 0;
        if (first->Eip == _awaited)
        {
            // The guest's page fault handler has returned: the page is there now, and is mapped without another fault.
            _fill = _awaitedFill;
            _awaited = Nowhere;
        }
    }

    /// <summary>After a block was interpreted: maps what the instruction that faulted needed, if the TLB has it now.</summary>
    public void AfterInterpreting()
    {
        if (_watched is not null)
        {
            Settle();
        }

        if (_faulted is not null)
        {
            Adapt();
        }

        if (_fill is { } fill)
        {
            Fill(fill);
        }
    }

    private void Fill((uint Linear, bool User) fill)
    {
        _fill = null;
        _activeKey = Unknown;
        AddressSpace space = CurrentSpace(fill.User);
        if (space.View.IsOverBudget)
        {
            space.View.Clear();
            _statistics.ViewEvictions++;
        }

        uint pages = _pager.Fill(space.View, fill.Linear, fill.User);
        _statistics.PagesMapped += pages;
        if (pages != 0)
        {
            _statistics.HiddenFaults++;
            _cpu.Vcpu.Costs?.BecomeHidden();
        }

        if (_cpu.FaultVector == Vector.PageFault)
        {
            _awaited = _cpu.StopAt->Eip;
            _awaitedFill = fill;
        }
    }

    // An instruction will be interpreted: notes it if it is here on trial.
    private void Watch(TranslatedBlock translated, int index)
    {
        if (((translated.Left >> index) & 1) != 0)
        {
            _watched = translated;
            _watchedIndex = index;
            _watchedSince = _cpu.PageLookups;
        }
    }

    // An instruction has faulted, and was interpreted.
    private void Adapt()
    {
        TranslatedBlock faulted = _faulted!;
        _faulted = null;
        if (_cpu.FaultVector == Vector.PageFault)
        {
            _statistics.TrueFaults++;
            _cpu.Vcpu.Costs?.Become(CostKind.TrueFault);
        }

        if (!_trapOnly && _cpu.Vcpu.Memory.PagesKept == _keptBefore && _faults.Note(faulted.PhysicalOf(_faultedIndex), _statistics.HostInstructions))
        {
            Retranslate(faulted);
        }
    }

    // An instruction that has faulted often was interpreted: if it has long needed no page, it goes back to the host.
    private void Settle()
    {
        TranslatedBlock watched = _watched!;
        _watched = null;
        if (_faults.NoteInterpreted(watched.PhysicalOf(_watchedIndex), _cpu.PageLookups == _watchedSince && _cpu.FaultVector < 0))
        {
            Retranslate(watched);
        }
    }

    private void Retranslate(TranslatedBlock old)
    {
        Block* block = old.Block;
        if (block->Dead == 0 && block->Host == old.Start && old == _blocks[block->HostIndex])
        {
            _statistics.Adaptations++;
            Invalidate(block);
            EmitBlock(block);
        }
    }
}
