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

    private readonly Dictionary<uint, CodePage> _pages = [];

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

    /// <summary>True when indirect branches find a block already.</summary>
    /// <param name="block">A translated block; its offset in CS is its linear address.</param>
    public bool LeadsTo(Block* block) => Table[block->Eip] == (uint)block->Host;

    /// <summary>Lets indirect branches find a block.</summary>
    /// <param name="block">A translated block.</param>
    /// <param name="global">True when its page survives MOV CR3.</param>
    public void SetTarget(Block* block, bool global)
    {
        Table[block->Eip] = (uint)block->Host;
        Note(block->Eip >> 12, block->Eip, global);
        if (block->CrossesPage != 0)
        {
            Note((block->Eip >> 12) + 1, block->Eip, global);
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

    /// <summary>Forgets a page's addresses, and those of a block that runs over into it.</summary>
    public void ForgetPage(uint linear)
    {
        if (_pages.Remove(linear >> 12, out CodePage? page))
        {
            Forget(page);
        }
    }

    /// <summary>Forgets every address, or all but those in global pages.</summary>
    public void ForgetAll(bool keepGlobal)
    {
        foreach ((uint number, CodePage page) in _pages)
        {
            if (!keepGlobal || !page.IsGlobal)
            {
                Forget(page);
                _ = _pages.Remove(number);
            }
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

    private void Note(uint number, uint eip, bool global)
    {
        if (!_pages.TryGetValue(number, out CodePage? page))
        {
            page = new CodePage();
            _pages.Add(number, page);
        }

        page.IsGlobal &= global;
        _ = page.Targets.Add(eip);
    }

    private void Forget(CodePage page)
    {
        foreach (uint eip in page.Targets)
        {
            Forget(eip);
        }
    }

    // The addresses in one linear page (or running over into it) that the table leads from.
    private sealed class CodePage
    {
        public bool IsGlobal { get; set; } = true;

        public HashSet<uint> Targets { get; } = [];
    }
}
