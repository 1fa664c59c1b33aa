using ToyVmm.Engines.ShadowPaging;
using ToyVmm.Hardware.Memory;
using ToyVmm.Hardware.Paging;

namespace ToyVmm.Engines.Translation;

/// <summary>
/// The views of one virtual CPU and their jump tables: for each address space that the TLB holds (<see cref="Tlb.CurrentSpace"/>) one for CPL 3 and
/// one for the rest. The view that was not used for longest makes room for a new one.
/// </summary>
/// <remarks>
/// Where the guest has global pages (CR4.PGE) its kernel's are in every address space: supervisor accesses then share one view, so that a new
/// process finds the kernel mapped. That view loses what is not global (what the kernel touches of its processes) whenever the address space
/// changes; an address space that is entered again and again therefore gets one of its own.
/// </remarks>
internal sealed class AddressSpacePool : IDisposable
{
    private const int Shared = -1;

    // So many losses cost about as much as filling a view with a kernel's pages.
    private const int EntriesUntilOwn = 64;

    private readonly MappingBudget _budget;
    private readonly TranslationStatistics _statistics;
    private readonly int _most;
    private readonly List<AddressSpace> _spaces = [];

    // What the next look-up gives, by privilege, until the address space changes.
    private readonly AddressSpace?[] _current = new AddressSpace?[2];
    private readonly int[] _entries = new int[Tlb.SpaceCount];
    private bool _shares;

    private AddressSpacePool(MappingBudget budget, TranslationStatistics statistics, int most)
    {
        _budget = budget;
        _statistics = statistics;
        _most = most;
    }

    /// <summary>All of them.</summary>
    public IReadOnlyList<AddressSpace> All => _spaces;

    /// <summary>Makes a pool; null where the host does not give the addresses for one view.</summary>
    /// <param name="budget">The process's host mappings.</param>
    /// <param name="statistics">Where evictions are counted.</param>
    /// <param name="most">How many views, at least one.</param>
    public static AddressSpacePool? TryCreate(MappingBudget budget, TranslationStatistics statistics, int most)
    {
        AddressSpacePool pool = new(budget, statistics, most);
        return pool.TryAdd() is null ? null : pool;
    }

    /// <summary>The one for an address space of the TLB and a privilege.</summary>
    /// <param name="space">Which address space is current.</param>
    /// <param name="user">True for CPL 3.</param>
    public AddressSpace Get(int space, bool user)
    {
        int index = user ? 1 : 0;
        AddressSpace found = _current[index] ??= Find(space, user);
        if (found.User != user)
        {
            // The only view there is: it changes hands.
            found = _current[index] = Find(space, user);
        }

        return found;
    }

    /// <summary>The one for an address space and a privilege if there is one; for a look, which moves nothing.</summary>
    /// <param name="space">Which address space.</param>
    /// <param name="user">True for CPL 3.</param>
    public AddressSpace? Peek(int space, bool user)
    {
        int key = !user && IsShared(space) ? Shared : space;
        return _spaces.Find(candidate => candidate.Space == key && candidate.User == user && (key != Shared || candidate.LocalSpace == space));
    }

    /// <summary>MOV CR3.</summary>
    /// <param name="space">Which address space is current now.</param>
    /// <param name="known">False for one that has no entries in the TLB yet.</param>
    /// <param name="dropped">The linear pages (numbers) that lost their entries.</param>
    /// <param name="shares">True when supervisor accesses share a view.</param>
    public void Switch(int space, bool known, IReadOnlyCollection<uint> dropped, bool shares)
    {
        Array.Clear(_current);
        _shares = shares;
        _entries[space] = known ? _entries[space] + 1 : 0;
        if (IsShared(space) && _spaces.Find(candidate => candidate.Space == Shared) is { } common && (common.LocalSpace != space || !known))
        {
            common.ForgetLocal();
            common.LocalSpace = space;
        }

        foreach (AddressSpace candidate in _spaces)
        {
            if (candidate.Space == space && !known)
            {
                candidate.ForgetAll();
            }
        }

        Drop(space, dropped);
    }

    /// <summary>An address space, current or not, lost pages that are not global.</summary>
    /// <param name="space">Which.</param>
    /// <param name="dropped">The linear pages (numbers).</param>
    public void Drop(int space, IReadOnlyCollection<uint> dropped)
    {
        foreach (AddressSpace candidate in _spaces)
        {
            if (candidate.Space == space || (candidate.Space == Shared && candidate.LocalSpace == space))
            {
                ForgetPages(candidate, dropped);
            }
        }
    }

    // Pages that follow each other are one run, and one call to the host.
    private static void ForgetPages(AddressSpace space, IReadOnlyCollection<uint> pages)
    {
        Run run = default;
        foreach (uint page in pages)
        {
            if (run.Count > 0 && page == run.End)
            {
                run = new Run(run.First, run.Count + 1);
                continue;
            }

            if (run.Count > 0)
            {
                space.ForgetPages(run);
            }

            run = new Run(page, 1);
        }

        if (run.Count > 0)
        {
            space.ForgetPages(run);
        }
    }

    /// <summary>Everything was flushed.</summary>
    /// <param name="shares">True when supervisor accesses share a view.</param>
    public void Flush(bool shares)
    {
        Array.Clear(_current);
        _shares = shares;
        foreach (AddressSpace space in _spaces)
        {
            space.ForgetAll();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (AddressSpace space in _spaces)
        {
            space.Dispose();
        }
    }

    private bool IsShared(int space) => _shares && _entries[space] < EntriesUntilOwn;

    private AddressSpace Find(int space, bool user)
    {
        int key = !user && IsShared(space) ? Shared : space;
        int index = _spaces.FindIndex(candidate => candidate.Space == key && candidate.User == user);
        AddressSpace? found = index < 0 ? null : _spaces[index];
        if (found is null)
        {
            found = _spaces.Find(candidate => candidate.Space == AddressSpace.NoSpace) ?? (_spaces.Count < _most ? TryAdd() : null);
            if (found is null)
            {
                found = _spaces[0];
                found.ForgetAll();
                _statistics.ViewEvictions++;
            }

            found.Space = key;
            found.User = user;
            found.LocalSpace = space;
        }

        // The one used last stands at the end.
        _ = _spaces.Remove(found);
        _spaces.Add(found);
        return found;
    }

    private AddressSpace? TryAdd()
    {
        AddressSpace? space = AddressSpace.TryCreate(_budget);
        if (space is not null)
        {
            _spaces.Add(space);
        }

        return space;
    }
}
