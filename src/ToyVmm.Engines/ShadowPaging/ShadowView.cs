using System.Runtime.InteropServices;
using ToyVmm.Hardware.Memory;

namespace ToyVmm.Engines.ShadowPaging;

/// <summary>
/// A window of 4 GiB of host addresses that mirrors the guest's linear addresses as one privilege level of one address space sees them: the
/// byte at <see cref="Base"/> + linear address is the guest's byte. The shadow page table <i>is</i> the set of host mappings in the
/// window; this class also remembers what is mapped, since the host cannot be asked.
/// </summary>
/// <remarks>
/// Like the interpreter's projection it holds a part of what the architectural TLB holds, never more (<see cref="ShadowPager"/> decides): a page
/// is mapped after an access to it has failed, and taken out when the TLB loses it. What is not mapped faults, and the interpreter performs the access.
/// </remarks>
internal sealed unsafe class ShadowView : IDisposable
{
    // BT and its kin reach 2^31 bits to either side of their effective address; whether that wraps around at 4 GiB is the CPU's affair.
    // Nothing is ever mapped in the guards, and an access at the very end of the window runs into one too.
    private const ulong Guard = 1UL << 29;
    private const ulong WindowSize = Guard + (1UL << 32) + Guard;

    private const int PageShift = 12;
    private const int PageCount = 1 << (32 - PageShift);

    // More pages than this are left to the host to fill in as they are touched.
    private const uint MostPopulated = 16;

    private readonly MappingBudget _budget;
    private readonly byte* _state = (byte*)NativeMemory.AllocZeroed(PageCount);
    private readonly uint* _frames = (uint*)NativeMemory.AllocZeroed(PageCount, sizeof(uint));

    // What was mapped with one call each; some of it may have been taken out since. Global pages stay when the others go.
    private readonly List<Run> _local = [];
    private readonly List<Run> _global = [];

    // Pages where what the host has mapped begins, ends, or changes its kind: its mappings, but for one.
    private int _edges;

    private ShadowView(MappingBudget budget, nint window)
    {
        _budget = budget;
        Base = window + (nint)Guard;
    }

    [Flags]
    private enum PageState : byte
    {
        None = 0,
        Readable = 1,
        Writable = 2,

        /// <summary>The page is in a local run.</summary>
        Local = 4,

        /// <summary>The page is in a global run.</summary>
        Global = 8,
    }

    /// <summary>Host address of the guest's linear address 0.</summary>
    public nint Base { get; private set; }

    /// <summary>The window and the guards on either side of it.</summary>
    public HostRange[] Ranges =>
    [
        new(HostRangeKind.Guard, Base - (nint)Guard, Guard), new(HostRangeKind.View, Base, 1UL << 32),
        new(HostRangeKind.Guard, (nint)((ulong)Base + (1UL << 32)), Guard),
    ];

    /// <summary>Makes an empty window; null where the host does not give the addresses.</summary>
    public static ShadowView? TryCreate(MappingBudget budget)
    {
        nint window = HostMemory.Reserve(unchecked((nuint)WindowSize));
        return window == 0 ? null : new ShadowView(budget, window);
    }

    /// <summary>True when an address that faulted lies in the window; gives the linear address.</summary>
    public bool Contains(nint hostAddress, out uint linear)
    {
        linear = (uint)(hostAddress - Base);
        return (ulong)(hostAddress - Base) < 1UL << 32;
    }

    /// <summary>True when the host's mappings in this process are used up: this view's must go before more can come.</summary>
    public bool IsOverBudget => _edges > 0 && _budget.IsSpent;

    /// <summary>Maps pages that are contiguous on both sides, or changes what may be done with them.</summary>
    /// <param name="run">The linear pages.</param>
    /// <param name="physical">The RAM behind the first.</param>
    /// <param name="backing">Where that lies in host memory.</param>
    /// <param name="writable">True when stores may go straight to them.</param>
    /// <param name="global">True when they survive MOV CR3.</param>
    public void Map(Run run, GuestPhysicalAddress physical, PageBacking backing, bool writable, bool global)
    {
        int protection = writable ? HostMemory.Read | HostMemory.Write : HostMemory.Read;
        bool populate = run.Count <= MostPopulated;
        if (_budget.IsSpent || !HostMemory.MapShared(AddressOf(run.First), Length(run.Count), protection, backing.Descriptor, (nint)backing.Offset, populate))
        {
            return;
        }

        // A page that was in a run of the other kind stays in that one too, and may be taken out earlier than it must: a fault brings it back.
        int before = Edges(run.First, run.End);
        PageState kind = global ? PageState.Global : PageState.Local;
        PageState allowed = writable ? PageState.Readable | PageState.Writable : PageState.Readable;
        bool isListed = true;
        uint frame = (uint)(physical.Value >> PageShift);
        for (uint page = run.First; page < run.End; page++)
        {
            PageState lists = StateOf(page) & (PageState.Local | PageState.Global);
            isListed &= (lists & kind) != 0;
            _state[page] = (byte)(lists | kind | allowed);
            _frames[page] = frame++;
        }

        Count(Edges(run.First, run.End) - before);
        if (!isListed)
        {
            (global ? _global : _local).Add(run);
        }
    }

    /// <summary>Takes pages out.</summary>
    public void Drop(Run pages)
    {
        bool any = false;
        for (uint page = pages.First; page < pages.End && !any; page++)
        {
            any = IsMapped(page);
        }

        if (any)
        {
            TakeOut(pages.First, pages.End, PageState.Local | PageState.Global);
        }
    }

    /// <summary>Takes the permission to write out of every place where a physical page is mapped.</summary>
    public void Protect(GuestPhysicalAddress physical)
    {
        Protect(_local, (uint)(physical.Value >> PageShift));
        Protect(_global, (uint)(physical.Value >> PageShift));
    }

    /// <summary>Takes the permission to write out of every page; they stay readable.</summary>
    public void Protect()
    {
        foreach (List<Run> runs in (ReadOnlySpan<List<Run>>)[_local, _global])
        {
            foreach (Run run in runs)
            {
                for (uint page = run.First; page < run.End; page++)
                {
                    if ((StateOf(page) & PageState.Writable) == 0)
                    {
                        continue;
                    }

                    uint first = page;
                    while (page < run.End && (StateOf(page) & PageState.Writable) != 0)
                    {
                        page++;
                    }

                    Protect(new Run(first, page - first));
                }
            }
        }
    }

    /// <summary>Takes a physical page out of every place where it is mapped.</summary>
    public void DropFrame(GuestPhysicalAddress physical)
    {
        foreach (List<Run> runs in (ReadOnlySpan<List<Run>>)[_local, _global])
        {
            foreach (Run run in runs)
            {
                for (uint page = run.First; page < run.End; page++)
                {
                    if (_frames[page] == (uint)(physical.Value >> PageShift) && IsMapped(page))
                    {
                        TakeOut(page, page + 1, PageState.Local | PageState.Global);
                    }
                }
            }
        }
    }

    /// <summary>Takes every page out.</summary>
    public void Clear()
    {
        if (_local.Count + _global.Count == 0)
        {
            return;
        }

        foreach (List<Run> runs in (ReadOnlySpan<List<Run>>)[_local, _global])
        {
            foreach (Run run in runs)
            {
                new Span<byte>(_state + run.First, (int)run.Count).Clear();
            }

            runs.Clear();
        }

        Decommit(0, PageCount);
        Count(-_edges);
    }

    /// <summary>Takes every page out but the global ones.</summary>
    public void ClearLocal()
    {
        _local.Sort((x, y) => x.First.CompareTo(y.First));
        for (int n = 0; n < _local.Count;)
        {
            uint first = _local[n].First;
            uint end = first;
            while (n < _local.Count && IsEmpty(end, _local[n].First))
            {
                end = Math.Max(end, _local[n++].End);
            }

            TakeOut(first, end, PageState.Global);
        }

        _local.Clear();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Base != 0)
        {
            HostMemory.Unmap(Base - (nint)Guard, unchecked((nuint)WindowSize));
            NativeMemory.Free(_state);
            NativeMemory.Free(_frames);
            _budget.Change(-_edges);
            Base = 0;
        }
    }

    private static nuint Length(uint pages) => (nuint)pages << PageShift;

    private nint AddressOf(uint page) => Base + (nint)((ulong)page << PageShift);

    private bool IsMapped(uint page) => (StateOf(page) & PageState.Readable) != 0;

    private PageState StateOf(uint page) => (PageState)_state[page];

    private void Count(int edges)
    {
        _edges += edges;
        _budget.Change(edges);
    }

    private int Edges(uint first, uint end)
    {
        int edges = 0;
        for (uint page = first; page <= end; page++)
        {
            bool isEdge = page != 0 && page != PageCount && ((StateOf(page - 1) ^ StateOf(page)) & (PageState.Readable | PageState.Writable)) == 0
                ? IsMapped(page) && _frames[page] != _frames[page - 1] + 1
                : (page != 0 && IsMapped(page - 1)) || (page != PageCount && IsMapped(page));
            edges += isEdge ? 1 : 0;
        }

        return edges;
    }

    private void TakeOut(uint first, uint end, PageState keep)
    {
        int before = Edges(first, end);
        for (uint page = first; page < end; page++)
        {
            _state[page] &= (byte)keep;
        }

        Count(Edges(first, end) - before);
        Decommit(first, end);
    }

    private void Protect(List<Run> runs, uint frame)
    {
        foreach (Run run in runs)
        {
            for (uint page = run.First; page < run.End; page++)
            {
                if (_frames[page] == frame && (StateOf(page) & PageState.Writable) != 0)
                {
                    Protect(new Run(page, 1));
                }
            }
        }
    }

    // Pages of one stretch that may all be written to. Where the host refuses, for want of mappings, they go altogether.
    private void Protect(Run pages)
    {
        if (!HostMemory.Protect(AddressOf(pages.First), Length(pages.Count), HostMemory.Read))
        {
            TakeOut(pages.First, pages.End, PageState.Local | PageState.Global);
            return;
        }

        int before = Edges(pages.First, pages.End);
        for (uint page = pages.First; page < pages.End; page++)
        {
            _state[page] &= unchecked((byte)~PageState.Writable);
        }

        Count(Edges(pages.First, pages.End) - before);
    }

    // True where nothing is known of the pages between two runs, so that they can go in one call.
    private bool IsEmpty(uint from, uint to)
    {
        const uint Widest = 4096;
        return to <= from || (to - from <= Widest && new ReadOnlySpan<byte>(_state + from, (int)(to - from)).IndexOfAnyExcept((byte)0) < 0);
    }

    private void Decommit(uint first, uint end)
    {
        if (!HostMemory.Decommit(AddressOf(first), Length(end - first)))
        {
            throw new InvalidOperationException("the host refused to take a mapping out of a view (vm.max_map_count may be too low)");
        }
    }
}

/// <summary>Consecutive linear pages.</summary>
/// <param name="First">The number of the first.</param>
/// <param name="Count">How many.</param>
internal readonly record struct Run(uint First, uint Count)
{
    /// <summary>The number of the page behind the last.</summary>
    public uint End => First + Count;
}
