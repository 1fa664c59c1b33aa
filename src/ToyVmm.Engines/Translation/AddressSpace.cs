using ToyVmm.Engines.ShadowPaging;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;

namespace ToyVmm.Engines.Translation;

/// <summary>
/// The guest's linear addresses as one privilege level sees them: the view for data, and jump tables for code - one for each kind of segments
/// that is in use. Guests have flat ones, mostly, and so one table.
/// </summary>
internal sealed class AddressSpace : IDisposable
{
    /// <summary>What <see cref="Space"/> is before the first use.</summary>
    public const int NoSpace = int.MinValue;

    // Processes that differ in where CS begins share page tables, perhaps: a few of them keep their tables.
    private const int MostTables = 4;

    // The one used last stands at the end.
    private readonly List<JumpTable> _tables = [];

    private AddressSpace(ShadowView view, JumpTable table)
    {
        View = view;
        _tables.Add(table);
    }

    /// <summary>The window for data.</summary>
    public ShadowView View { get; }

    /// <summary>Pages of the host's memory that its jump tables take.</summary>
    public int JumpTablePages => _tables.Sum(table => table.HostPages);

    /// <summary>Which address space of the TLB it mirrors; as <see cref="AddressSpacePool"/> has it.</summary>
    public int Space { get; set; } = NoSpace;

    /// <summary>Of which address space the pages are that are not global.</summary>
    public int LocalSpace { get; set; }

    /// <summary>True for CPL 3.</summary>
    public bool User { get; set; }

    /// <summary>Makes an empty one; null where the host does not give the addresses.</summary>
    public static AddressSpace? TryCreate(MappingBudget budget)
    {
        ShadowView? view = ShadowView.TryCreate(budget);
        JumpTable? table = JumpTable.TryCreate();
        if (view != null && table != null)
        {
            return new AddressSpace(view, table);
        }

        view?.Dispose();
        table?.Dispose();
        return null;
    }

    /// <summary>The jump table of a kind of code.</summary>
    /// <param name="mode">The mode of the code.</param>
    /// <param name="codeBase">Where CS begins.</param>
    public JumpTable TableFor(DecodeMode mode, uint codeBase)
    {
        JumpTable last = _tables[^1];
        return last.IsFor(mode, codeBase) ? last : Change(mode, codeBase);
    }

    /// <summary>Forgets one offset in CS, wherever that begins.</summary>
    public void Forget(uint eip)
    {
        foreach (JumpTable table in _tables)
        {
            table.Forget(eip);
        }
    }

    /// <summary>The TLB lost some pages: takes them out of the view, and forgets their code and a block that runs over into them.</summary>
    public void ForgetPages(Run run)
    {
        View.Drop(run);
        foreach (JumpTable table in _tables)
        {
            table.ForgetPages(run);
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
        foreach (JumpTable table in _tables)
        {
            table.ForgetLocal();
        }
    }

    /// <summary>Forgets all code.</summary>
    public void ForgetTargets()
    {
        foreach (JumpTable table in _tables)
        {
            table.Clear();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        View.Dispose();
        foreach (JumpTable table in _tables)
        {
            table.Dispose();
        }
    }

    private JumpTable Change(DecodeMode mode, uint codeBase)
    {
        JumpTable? found = _tables.Find(candidate => candidate.IsFor(mode, codeBase));
        if (found is null)
        {
            // The first one waits for its first code.
            bool unused = _tables[0].Mode == DecodeMode.None;
            found = unused || _tables.Count == MostTables ? null : JumpTable.TryCreate();
            found ??= _tables[0];
            found.Become(mode, codeBase);
        }

        _ = _tables.Remove(found);
        _tables.Add(found);
        return found;
    }
}
