using ToyVmm.Engines.Decoding;
using ToyVmm.Engines.ShadowPaging;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;

namespace ToyVmm.Engines.Translation;

/// <summary>Which view and which jump table emitted code sees, and what the TLB's losses mean for them.</summary>
internal sealed unsafe partial class TranslatedCode
{
    private const ulong Unknown = ulong.MaxValue;

    // The space that emitted code sees, and whose it is (see KeyOf); Unknown where it must be looked for.
    private AddressSpace? _active;
    private JumpTable? _activeTable;
    private ulong _activeKey = Unknown;

    /// <summary>Everything the TLB held was flushed.</summary>
    public void Flush()
    {
        _linkSlot = 0;
        _activeKey = Unknown;
        _spaces.Flush(SharesSupervisorView);
    }

    /// <summary>MOV CR3.</summary>
    /// <param name="known">True when the TLB has kept entries of the address space.</param>
    /// <param name="dropped">The linear pages (numbers) of it that it did not keep.</param>
    public void Switch(bool known, IReadOnlyCollection<uint> dropped)
    {
        _linkSlot = 0;
        _activeKey = Unknown;
        _statistics.Revalidations += known ? 1u : 0;
        _spaces.Switch(_cpu.Vcpu.Mmu.Tlb.CurrentSpace, known, dropped, SharesSupervisorView);
    }

    /// <summary>The TLB lost pages.</summary>
    public void Drop(Run pages)
    {
        _linkSlot = 0;
        foreach (AddressSpace space in _spaces.All)
        {
            space.ForgetPages(pages);
        }
    }

    /// <summary>An address space of the TLB, current or not, lost pages.</summary>
    /// <param name="space">Which.</param>
    /// <param name="dropped">The linear pages (numbers).</param>
    public void Drop(int space, IReadOnlyCollection<uint> dropped)
    {
        _linkSlot = 0;
        _spaces.Drop(space, dropped);
    }

    /// <summary>Every indirect branch looks its target up again.</summary>
    public void ForgetTargets()
    {
        _linkSlot = 0;
        foreach (AddressSpace space in _spaces.All)
        {
            space.ForgetTargets();
        }
    }

    /// <summary>A physical page holds decoded code now: stores to it must be noticed.</summary>
    /// <param name="page">Any address in it.</param>
    public void Protect(GuestPhysicalAddress page)
    {
        foreach (AddressSpace space in _spaces.All)
        {
            space.View.Protect(page);
        }
    }

    /// <summary>Stores to every page must be noticed.</summary>
    public void Protect()
    {
        foreach (AddressSpace space in _spaces.All)
        {
            space.View.Protect();
        }
    }

    /// <summary>Other host memory is behind a physical page: it is mapped anew when it is needed.</summary>
    /// <param name="page">Any address in it.</param>
    public void DropFrame(GuestPhysicalAddress page)
    {
        foreach (AddressSpace space in _spaces.All)
        {
            space.View.DropFrame(page);
        }
    }

    private bool SharesSupervisorView => (_cpu.State->Cr4 & Cr4.PGE) != 0;

    private bool IsUser => (_cpu.State->Mode & DecodeMode.User) != 0;

    private AddressSpace CurrentSpace(bool user) => _spaces.Get(_cpu.Vcpu.Mmu.Tlb.CurrentSpace, user);

    // What a jump table leads to depends on the address space, on the ring and the segments (the mode of the code), and on where CS begins.
    private ulong KeyOf(Block* block) =>
        ((ulong)_cpu.State->Cs.Base << 32) | ((uint)_cpu.Vcpu.Mmu.Tlb.CurrentSpace << BlockCache.ModeBits) | (uint)block->Mode;

    private void Activate(Block* block, ulong key)
    {
        HostFrame* frame = _cpu.Vcpu.Frame;
        _active = CurrentSpace(IsUser);
        _activeTable = _active.TableFor(block->Mode, _cpu.State->Cs.Base);
        _activeKey = key;
        frame->View = _active.View.Base;
        frame->JumpTable = _activeTable.Base;
    }

    // Lets the branch that left last, and the jump table, lead to a block. True when the block runs on the host.
    private bool Connect(Block* block)
    {
        if (_linkSlot != 0)
        {
            Link(block);
        }

        ulong key = KeyOf(block);
        if (key != _activeKey)
        {
            Activate(block, key);
        }

        if (!_activeTable!.LeadsTo(block))
        {
            _activeTable.SetTarget(block, IsGlobal(block));
        }

        if (block->RunsOnHost == 0)
        {
            Watch(_blocks[block->HostIndex], 0);
            return false;
        }

        return true;
    }
}
