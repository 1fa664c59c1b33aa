using ToyVmm.Engines.Decoding;
using ToyVmm.Engines.ShadowPaging;
using ToyVmm.Hardware.Memory;

namespace ToyVmm.Engines.Translation;

/// <summary>
/// The guest's linear addresses as one privilege level sees them: the view for data, and a jump table for code: for each linear
/// address four bytes, the offset of its block in the code cache (0, where no block is known, leads to the dispatcher).
/// The table is sparse: it takes memory where the guest has code.
/// </summary>
internal sealed unsafe class AddressSpace : IDisposable
{
    private static readonly nuint TableSize = unchecked((nuint)(sizeof(uint) * (1UL << 32)));

    private readonly List<uint> _targets = [];
    private readonly List<uint> _globalTargets = [];

    private AddressSpace(ShadowView view, nint jumpTable)
    {
        View = view;
        JumpTable = jumpTable;
    }

    /// <summary>The window for data.</summary>
    public ShadowView View { get; }

    /// <summary>Host address of the jump table.</summary>
    public nint JumpTable { get; private set; }

    private uint* Table => (uint*)JumpTable;

    /// <summary>Makes an empty one; null where the host does not give the addresses.</summary>
    public static AddressSpace? TryCreate(GuestMemory memory)
    {
        ShadowView? view = ShadowView.TryCreate(memory);
        nint table = HostMemory.AllocateSparse(TableSize, HostMemory.Read | HostMemory.Write);
        if (view != null && table != 0)
        {
            return new AddressSpace(view, table);
        }

        view?.Dispose();
        if (table != 0)
        {
            HostMemory.Unmap(table, TableSize);
        }

        return null;
    }

    /// <summary>Lets indirect branches find a block.</summary>
    /// <param name="block">A translated block; its offset in CS is its linear address.</param>
    /// <param name="global">True when its page survives MOV CR3.</param>
    public void SetTarget(Block* block, bool global)
    {
        uint* slot = Table + block->Eip;
        if (*slot != (uint)block->Host)
        {
            *slot = (uint)block->Host;
            (global ? _globalTargets : _targets).Add(block->Eip);
        }
    }

    /// <summary>Forgets one address.</summary>
    public void Forget(uint eip)
    {
        if (Table[eip] != 0)
        {
            Table[eip] = 0;
        }
    }

    /// <summary>Forgets a page's addresses.</summary>
    public void ForgetPage(uint linear)
    {
        ForgetPage(_targets, linear >> 12);
        ForgetPage(_globalTargets, linear >> 12);
    }

    /// <summary>Forgets every address, or all but those in global pages.</summary>
    public void ForgetAll(bool keepGlobal)
    {
        ForgetAll(_targets);
        if (!keepGlobal)
        {
            ForgetAll(_globalTargets);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        View.Dispose();
        if (JumpTable != 0)
        {
            HostMemory.Unmap(JumpTable, TableSize);
            JumpTable = 0;
        }
    }

    private void ForgetAll(List<uint> targets)
    {
        foreach (uint eip in targets)
        {
            Forget(eip);
        }

        targets.Clear();
    }

    private void ForgetPage(List<uint> targets, uint page)
    {
        foreach (uint eip in targets)
        {
            // A block at the edge of the page before may run over into this one.
            const uint LongestInstruction = 15;
            if (eip >> 12 == page || (eip + LongestInstruction - 1) >> 12 == page)
            {
                Forget(eip);
            }
        }
    }
}
