using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;

namespace ToyVmm.Engines.Translation;

/// <summary>
/// Leads from guest code addresses to emitted code: for each offset in CS four bytes, the offset of its block in the code cache (0, where no block
/// is known, leads to the dispatcher). It is sparse: it takes memory where the guest has code.
/// </summary>
/// <remarks>
/// What an offset means depends on where CS begins, and emitted code depends on the segments (<see cref="DecodeMode"/>). A table is for one of
/// each, which cannot change while emitted code runs: loading a segment register is the interpreter's. Pages are linear ones.
/// </remarks>
internal sealed unsafe class JumpTable : IDisposable
{
    private const int PageShift = 12;
    private const int EntriesPerHostPageShift = 10;

    // A guest that runs code at every address it has would take four bytes of the host's memory for each, however little RAM it has.
    private const int MostHostPages = 4096;

    private static readonly nuint s_size = unchecked((nuint)(sizeof(uint) * (1UL << 32)));

    private readonly Dictionary<uint, CodePage> _pages = [];

    // Pages of the table that have become memory: its first entry's number, in units of a page's entries.
    private readonly HashSet<uint> _hostPages = [];

    private JumpTable(nint address) => Base = address;

    /// <summary>The host address of the entry of offset 0.</summary>
    public nint Base { get; private set; }

    /// <summary>Pages of the host's memory that the table takes.</summary>
    public int HostPages => _hostPages.Count;

    /// <summary>The mode of the code.</summary>
    public DecodeMode Mode { get; private set; }

    /// <summary>The linear address of offset 0.</summary>
    public uint CodeBase { get; private set; }

    private uint* Entries => (uint*)Base;

    /// <summary>Makes an empty one; null where the host does not give the addresses.</summary>
    public static JumpTable? TryCreate()
    {
        nint address = HostMemory.AllocateSparse(s_size, HostMemory.Read | HostMemory.Write);
        return address != 0 ? new JumpTable(address) : null;
    }

    /// <summary>True for the table of this code.</summary>
    public bool IsFor(DecodeMode mode, uint codeBase) => Mode == mode && CodeBase == codeBase;

    /// <summary>Forgets everything, and is for other code from now on.</summary>
    public void Become(DecodeMode mode, uint codeBase)
    {
        Clear();
        Mode = mode;
        CodeBase = codeBase;
    }

    /// <summary>True when branches find a block already.</summary>
    /// <param name="block">A translated block of this table's code.</param>
    public bool LeadsTo(Block* block) => Entries[block->Eip] == (uint)block->Host;

    /// <summary>Lets branches find a block.</summary>
    /// <param name="block">A translated block of this table's code.</param>
    /// <param name="global">True when its page survives MOV CR3.</param>
    public void SetTarget(Block* block, bool global)
    {
        uint hostPage = block->Eip >> EntriesPerHostPageShift;
        if (_hostPages.Add(hostPage) && _hostPages.Count > MostHostPages)
        {
            Release();
            _ = _hostPages.Add(hostPage);
        }

        uint linear = CodeBase + block->Eip;
        Entries[block->Eip] = (uint)block->Host;
        Note(linear >> PageShift, block->Eip, global);
        if (block->CrossesPage != 0)
        {
            Note((linear + (uint)block->Length - 1) >> PageShift, block->Eip, global);
        }
    }

    /// <summary>Forgets one offset.</summary>
    public void Forget(uint eip)
    {
        // A page of zeros need not become memory.
        if (Entries[eip] != 0)
        {
            Entries[eip] = 0;
        }
    }

    /// <summary>Forgets the blocks in linear pages, and one that runs over into them.</summary>
    public void ForgetPages(ShadowPaging.Run run)
    {
        for (uint page = run.First; page < run.End && _pages.Count > 0; page++)
        {
            if (_pages.Remove(page, out CodePage? code))
            {
                Forget(code);
            }
        }
    }

    /// <summary>Forgets every page that is not global.</summary>
    public void ForgetLocal()
    {
        foreach ((uint number, CodePage page) in _pages)
        {
            if (!page.IsGlobal)
            {
                Forget(page);
                _ = _pages.Remove(number);
            }
        }
    }

    /// <summary>Forgets everything.</summary>
    public void Clear()
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
        if (Base != 0)
        {
            HostMemory.Unmap(Base, s_size);
            Base = 0;
        }
    }

    // Forgets everything, and gives the memory back: it reads as zeros again.
    private void Release()
    {
        HostMemory.Discard(Base, s_size);
        _pages.Clear();
        _hostPages.Clear();
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

    // The offsets whose code lies in one linear page, or runs over into it.
    private sealed class CodePage
    {
        public bool IsGlobal { get; set; } = true;

        public HashSet<uint> Targets { get; } = [];
    }
}
