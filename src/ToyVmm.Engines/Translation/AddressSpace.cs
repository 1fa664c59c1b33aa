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
    /// <summary>What <see cref="Space"/> is before the first use.</summary>
    public const int NoSpace = int.MinValue;

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

    /// <summary>Which address space of the TLB it mirrors; as <see cref="AddressSpacePool"/> has it.</summary>
    public int Space { get; set; } = NoSpace;

    /// <summary>Of which address space the pages are that are not global.</summary>
    public int LocalSpace { get; set; }

    /// <summary>True for CPL 3.</summary>
    public bool User { get; set; }

    /// <summary>Makes an empty one; null where the host does not give the addresses.</summary>
    public static AddressSpace? TryCreate(GuestMemory memory, MappingBudget budget)
    {
        ShadowView? view = ShadowView.TryCreate(memory, budget);
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

    /// <summary>The TLB lost some pages: takes them out of the view, and forgets their addresses and those of a block that runs over into them.</summary>
    public void ForgetPages(Run run)
    {
        View.Drop(run);
        for (uint page = run.First; page < run.End && _pages.Count > 0; page++)
        {
            if (_pages.Remove(page, out CodePage? code))
            {
                Forget(code);
            }
        }
    }

    /// <summary>Forgets every page.</summary>
    public void ForgetAll()
    {
        View.Clear();
        ForgetTargets();
    }

    /// <summary>Forgets every page that is not global.</summary>
    public void ForgetLocal()
    {
        View.ClearLocal();
        foreach ((uint number, CodePage page) in _pages)
        {
            if (!page.IsGlobal)
            {
                Forget(page);
                _ = _pages.Remove(number);
            }
        }
    }

    /// <summary>Forgets every code address.</summary>
    public void ForgetTargets()
    {
        foreach (CodePage page in _pages.Values)
        {
            Forget(page);
        }

        _pages.Clear();
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
