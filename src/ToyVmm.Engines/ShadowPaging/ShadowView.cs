using System.Runtime.InteropServices;
using ToyVmm.Engines.Translation;
using ToyVmm.Hardware.Memory;

namespace ToyVmm.Engines.ShadowPaging;

/// <summary>
/// A window of 4 GiB of host addresses that mirrors the guest's linear addresses as one privilege level sees them: the byte at
/// <see cref="Base"/> + linear address is the guest's byte. The shadow page table <i>is</i> the set of host mappings in the
/// window; this class also remembers what is mapped, since the host cannot be asked.
/// </summary>
/// <remarks>
/// Like the interpreter's projection it holds a part of what the architectural TLB holds, never more: a page is mapped after
/// the TLB has an entry for it, and taken out with that entry.
/// </remarks>
internal sealed unsafe class ShadowView : IDisposable
{
    // BT and its kin reach 2^31 bits to either side of their effective address; whether that wraps around at 4 GiB is the CPU's affair.
    // Nothing is ever mapped in the guards, and an access at the very end of the window runs into one too.
    private const ulong Guard = 1UL << 29;
    private const ulong WindowSize = Guard + (1UL << 32) + Guard;

    private const int PageCount = 1 << 20;

    // Below vm.max_map_count (65,530), which one process shares with everything else in it.
    private const int MostPages = 16_384;

    private readonly GuestMemory _memory;
    private readonly byte* _state = (byte*)NativeMemory.AllocZeroed(PageCount);
    private readonly uint* _physical = (uint*)NativeMemory.AllocZeroed(PageCount, sizeof(uint));
    private readonly List<uint> _mapped = [];

    private ShadowView(GuestMemory memory, nint window)
    {
        _memory = memory;
        Base = window + (nint)Guard;
    }

    [Flags]
    private enum PageState : byte
    {
        None = 0,
        Readable = 1,
        Writable = 2,
        Global = 4,

        /// <summary>The page is in the list of mapped pages (it may have been taken out of the window since).</summary>
        Listed = 8,
    }

    /// <summary>Host address of the guest's linear address 0.</summary>
    public nint Base { get; private set; }

    /// <summary>Makes an empty window; null where the host does not give the addresses.</summary>
    public static ShadowView? TryCreate(GuestMemory memory)
    {
        nint window = HostMemory.Reserve(unchecked((nuint)WindowSize));
        return window == 0 ? null : new ShadowView(memory, window);
    }

    /// <summary>True when an address that faulted lies in the window; gives the linear address.</summary>
    public bool Contains(nint hostAddress, out uint linear)
    {
        linear = (uint)(hostAddress - Base);
        return (ulong)(hostAddress - Base) < 1UL << 32;
    }

    /// <summary>Maps a page, or changes what may be done with it.</summary>
    /// <param name="linear">Its linear address.</param>
    /// <param name="physical">The RAM page behind it.</param>
    /// <param name="writable">True when stores may go straight to it.</param>
    /// <param name="global">True when it survives MOV CR3.</param>
    public void Map(uint linear, GuestPhysicalAddress physical, bool writable, bool global)
    {
        uint page = linear >> 12;
        if (((PageState)_state[page] & PageState.Listed) == 0)
        {
            if (_mapped.Count >= MostPages)
            {
                Clear();
            }

            _mapped.Add(page);
        }

        int protection = writable ? HostMemory.Read | HostMemory.Write : HostMemory.Read;
        nint address = Base + (nint)((ulong)page << 12);
        if (HostMemory.MapShared(address, HostMemory.PageSize, protection, _memory.RamDescriptor, (nint)physical.Value, populate: true))
        {
            _physical[page] = (uint)physical.Value;
            _state[page] = (byte)(PageState.Listed | PageState.Readable | (writable ? PageState.Writable : 0) | (global ? PageState.Global : 0));
        }
    }

    /// <summary>Takes one page out.</summary>
    public void Drop(uint linear)
    {
        uint page = linear >> 12;
        if (((PageState)_state[page] & PageState.Readable) != 0)
        {
            _state[page] = (byte)PageState.Listed;
            Decommit(page, 1);
        }
    }

    /// <summary>Takes the permission to write out of every place where a physical page is mapped.</summary>
    public void Protect(GuestPhysicalAddress physical)
    {
        foreach (uint page in _mapped)
        {
            if (((PageState)_state[page] & PageState.Writable) != 0 && _physical[page] == ((uint)physical.Value & 0xFFFF_F000))
            {
                _state[page] &= unchecked((byte)~PageState.Writable);
                _ = HostMemory.Protect(Base + (nint)((ulong)page << 12), HostMemory.PageSize, HostMemory.Read);
            }
        }
    }

    /// <summary>Takes every page out; with <paramref name="keepGlobal"/>, all but the global ones.</summary>
    public void Clear(bool keepGlobal = false)
    {
        if (_mapped.Count == 0)
        {
            return;
        }

        _mapped.Sort();
        int kept = 0;
        int n = 0;
        while (n < _mapped.Count)
        {
            uint page = _mapped[n];
            if (keepGlobal && ((PageState)_state[page] & PageState.Global) != 0)
            {
                _mapped[kept++] = page;
                n++;
                continue;
            }

            // Everything from here to the last page before a global one goes in one call.
            uint last = page;
            while (n < _mapped.Count && !(keepGlobal && ((PageState)_state[_mapped[n]] & PageState.Global) != 0))
            {
                last = _mapped[n++];
                _state[last] = 0;
            }

            Decommit(page, last - page + 1);
        }

        _mapped.RemoveRange(kept, _mapped.Count - kept);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Base != 0)
        {
            HostMemory.Unmap(Base - (nint)Guard, unchecked((nuint)WindowSize));
            NativeMemory.Free(_state);
            NativeMemory.Free(_physical);
            Base = 0;
        }
    }

    private void Decommit(uint page, uint count)
    {
        if (!HostMemory.Decommit(Base + (nint)((ulong)page << 12), (nuint)count << 12))
        {
            throw new InvalidOperationException("the host refused to take a mapping out of a view (vm.max_map_count may be too low)");
        }
    }
}
