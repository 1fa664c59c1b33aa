using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ToyVmm.Engines.Probing;
using ToyVmm.Engines.ShadowPaging;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;
using ToyVmm.Hardware.Paging;

namespace ToyVmm.Engines.Interpretation;

/// <summary>
/// How handlers reach memory when the fast path (a hit in the TLB's projection) does not: limit, alignment and watchpoint
/// checks, translation, accesses across a page edge, ROM, devices, and stores to pages that hold decoded code.
/// </summary>
public sealed unsafe partial class Interpreter
{
    private const uint PageMask = 0xFFFF_F000;
    private const uint OffsetMask = 0xFFF;

    // Three projections: for supervisor and user accesses, and one that never hits, for when every access must be checked. The last is always
    // the same and never freed: there is one.
    private static readonly TlbEntry* s_neverTlb = AllocateTlb(TlbEntry.Count);
    private TlbEntry* _tlbMemory = AllocateTlb(2 * TlbEntry.Count);

    // The lines filled since the last flush, so that a guest that loads CR3 all the time does not pay for all 2,048; full: it does.
    private readonly ushort[] _filledLines = new ushort[256];
    private int _filledCount;
    private readonly List<uint> _dropped = [];

    private ulong _writeFirst;
    private ulong _writeSecond;
    private int _writeFirstLength;
    private int _writeLength;

    /// <summary>Accesses that the fast path did not serve.</summary>
    internal ulong PageLookups { get; private set; }

    /// <summary>A page of all-ones: what an instruction fetch from nothing reads.</summary>
    internal byte* EmptyPage { get; private set; } = AllocateEmptyPage();

    private TlbEntry* SupervisorTlb => _tlbMemory;

    private TlbEntry* UserTlb => _tlbMemory + TlbEntry.Count;

    private static TlbEntry* NeverTlb => s_neverTlb;

    /// <summary>What the interpreter's own projection of the TLB holds of a page.</summary>
    /// <param name="linear">An address in the page.</param>
    /// <param name="user">True for CPL 3.</param>
    internal ShadowPage PeekProjection(uint linear, bool user)
    {
        TlbEntry* entry = (user ? UserTlb : SupervisorTlb) + ((linear >> 12) & (TlbEntry.Count - 1));
        uint page = linear & 0xFFFF_F000;
        bool readable = entry->ReadTag == page;
        bool writable = entry->WriteTag == page;
        ulong frame = readable || writable ? (ulong)((byte*)(entry->Addend + (nint)page) - Vcpu.Memory.RamBase) : 0;
        return new ShadowPage(Exists: true, readable, writable, frame < Vcpu.Memory.RamSize ? frame : 0);
    }

    private GuestMemory Memory => Vcpu.Memory;

    private byte* Staging => State->Staging;

    /// <summary>Host bytes to read an operand from: in guest memory, or staged. Null when the access faults or needs the monitor.</summary>
    /// <param name="linear">The linear address.</param>
    /// <param name="size">Bytes, 1 to 16.</param>
    internal byte* BeginRead(uint linear, int size) => BeginRead(linear, size, State->Cpl == 3);

    /// <summary>As <see cref="BeginRead(uint, int)"/>, with the privilege given.</summary>
    internal byte* BeginRead(uint linear, int size, bool user)
    {
        if (!TryTranslate(linear, size, write: false, user, out ulong first, out ulong second))
        {
            return null;
        }

        if (!CheckAlignment(linear, size, user))
        {
            return null;
        }

        if (!PassWatch(linear, size, first, second, write: false))
        {
            return null;
        }

        NoteDataAccess(linear, size, write: false);
        int firstLength = Math.Min(size, (int)(GuestPhysicalAddress.PageSize - (linear & OffsetMask)));
        byte* page = Memory.HostPage(new GuestPhysicalAddress(first));
        if (firstLength == size && page != null)
        {
            return page + (first & OffsetMask);
        }

        return StageRead(first, firstLength, 0) && (firstLength == size || StageRead(second, size - firstLength, firstLength))
            ? Staging
            : null;
    }

    /// <summary>
    /// Where to store an operand, after every check: in guest memory, or staged. <see cref="CommitWrite"/> must follow. Null when
    /// the access faults.
    /// </summary>
    internal byte* BeginWrite(uint linear, int size) => BeginWrite(linear, size, State->Cpl == 3);

    /// <summary>As <see cref="BeginWrite(uint, int)"/>, with the privilege given.</summary>
    internal byte* BeginWrite(uint linear, int size, bool user) => BeginWrite(linear, size, user, reads: false);

    private byte* BeginWrite(uint linear, int size, bool user, bool reads)
    {
        if (!TryTranslate(linear, size, write: true, user, out _writeFirst, out _writeSecond))
        {
            return null;
        }

        if (!CheckAlignment(linear, size, user))
        {
            return null;
        }

        if ((reads && !PassWatch(linear, size, _writeFirst, _writeSecond, write: false)) || !PassWatch(linear, size, _writeFirst, _writeSecond, write: true))
        {
            return null;
        }

        NoteDataAccess(linear, size, write: true);
        _writeFirstLength = Math.Min(size, (int)(GuestPhysicalAddress.PageSize - (linear & OffsetMask)));
        _writeLength = size;
        GuestPhysicalAddress target = new(_writeFirst);
        bool direct = _writeFirstLength == size && Memory.IsPlainRam(target);
        return direct ? Memory.HostPage(target) + (_writeFirst & OffsetMask) : Staging;
    }

    /// <summary>As <see cref="BeginWrite(uint, int)"/>, with the operand's old value at the pointer (read, modify, write).</summary>
    internal byte* BeginUpdate(uint linear, int size)
    {
        byte* target = BeginWrite(linear, size, State->Cpl == 3, reads: true);
        if (target == null || target != Staging)
        {
            return target;
        }

        return StageRead(_writeFirst, _writeFirstLength, 0)
            && (_writeFirstLength == size || StageRead(_writeSecond, size - _writeFirstLength, _writeFirstLength))
            ? Staging
            : null;
    }

    /// <summary>Stores what was staged. Cannot fault.</summary>
    /// <param name="target">What <see cref="BeginWrite(uint, int)"/> or <see cref="BeginUpdate"/> returned.</param>
    /// <returns>False when the store is for a device: the engine must leave behind this instruction.</returns>
    internal bool CommitWrite(byte* target)
    {
        if (target != Staging)
        {
            return true;
        }

        bool goOn = CommitPart(_writeFirst, 0, _writeFirstLength);
        if (_writeFirstLength < _writeLength)
        {
            goOn &= CommitPart(_writeSecond, _writeFirstLength, _writeLength - _writeFirstLength);
        }

        return goOn;
    }

    /// <summary>Translates every page that an access of at most a page's length touches; the last byte's page into <paramref name="second"/>.</summary>
    internal bool TryTranslate(uint linear, int size, bool write, bool user, out ulong first, out ulong second)
    {
        second = 0;
        PageAccess access = (write ? PageAccess.Write : 0) | (user ? PageAccess.User : 0);
        if (!TranslatePage(linear, access, out first))
        {
            return false;
        }

        uint last = linear + (uint)size - 1;
        return ((linear ^ last) & PageMask) == 0 || TranslatePage(last & PageMask, access, out second);
    }

    /// <summary>Translates the page of an instruction to be fetched at the current privilege.</summary>
    /// <returns>False with the page fault pending.</returns>
    internal bool TryTranslateFetch(uint linear, out ulong physical) =>
        TranslatePage(linear, State->Cpl == 3 ? PageAccess.Fetch | PageAccess.User : PageAccess.Fetch, out physical);

    /// <summary>Empties the projections: after any architectural flush of everything, a change of A20, WP or the memory map.</summary>
    internal void FlushTlbProjection()
    {
        Translated?.Flush();
        EmptyOwnProjection();
    }

    // MOV CR3.
    private void SwitchAddressSpace(TableTrust trust = TableTrust.None)
    {
        _dropped.Clear();
        bool known = Vcpu.Mmu.SwitchSpace(_dropped, trust);
        Tell(new MicroStep(MicroStepKind.AddressSpaceEntered, State->Cr3, Selector: known ? 1u : 0, Detail: (uint)_dropped.Count));
        Translated?.Switch(known, _dropped);
        EmptyOwnProjection();
    }

    private void EmptyOwnProjection()
    {
        bool all = _filledCount == _filledLines.Length;
        int count = all ? 2 * TlbEntry.Count : _filledCount;
        for (int n = 0; n < count; n++)
        {
            TlbEntry* entry = _tlbMemory + (all ? n : _filledLines[n]);
            entry->ReadTag = TlbEntry.None;
            entry->WriteTag = TlbEntry.None;
        }

        _filledCount = 0;
        _blocks.ForgetTranslations();
    }

    /// <summary>INVLPG.</summary>
    internal void InvalidatePage(uint linear)
    {
        bool mayBeLarge = Vcpu.Mmu.Tlb.MayBeLarge(linear);
        Vcpu.Mmu.Tlb.FlushPage(linear);
        DropFromProjection(linear, mayBeLarge);
        _blocks.ForgetTranslations();
        Tell(new MicroStep(MicroStepKind.PageInvalidated, linear));
    }

    /// <summary>Takes the write permission for a physical page (any address in it) out of the projections: it holds decoded code now.</summary>
    internal void ProtectCodePage(GuestPhysicalAddress page)
    {
        Translated?.Protect(page);
        byte* host = Memory.HostPage(page);
        TlbEntry* end = _tlbMemory + (2 * TlbEntry.Count);
        for (TlbEntry* entry = SupervisorTlb; entry < end; entry++)
        {
            if (entry->WriteTag != TlbEntry.None && (byte*)entry->Addend + entry->WriteTag == host)
            {
                entry->WriteTag = TlbEntry.None;
            }
        }
    }

    /// <summary>Takes the write permission for all of RAM out of the projections: every page's next store must be noticed.</summary>
    internal void ProtectAllPages()
    {
        Translated?.Protect();
        TlbEntry* end = _tlbMemory + (2 * TlbEntry.Count);
        for (TlbEntry* entry = SupervisorTlb; entry < end; entry++)
        {
            entry->WriteTag = TlbEntry.None;
        }
    }

    private static TlbEntry* AllocateTlb(int count)
    {
        TlbEntry* memory = (TlbEntry*)NativeMemory.AlignedAlloc((nuint)(count * sizeof(TlbEntry)), 64);
        new Span<TlbEntry>(memory, count).Fill(new TlbEntry { ReadTag = TlbEntry.None, WriteTag = TlbEntry.None });
        return memory;
    }

    private static byte* AllocateEmptyPage()
    {
        byte* page = (byte*)NativeMemory.Alloc(GuestPhysicalAddress.PageSize);
        new Span<byte>(page, (int)GuestPhysicalAddress.PageSize).Fill(0xFF);
        return page;
    }

    private void DisposeTlb()
    {
        NativeMemory.Free(EmptyPage);
        EmptyPage = null;
        NativeMemory.AlignedFree(_tlbMemory);
        _tlbMemory = null;
    }

    private bool TranslatePage(uint linear, PageAccess access, out ulong physical)
    {
        PageLookups++;
        bool mayBeLarge = Vcpu.Mmu.Tlb.MayBeLarge(linear);
        bool wasCached = Vcpu.Mmu.Tlb.TryGet(linear, out ulong cachedPage, out TlbRights cachedRights);
        if (!Vcpu.Mmu.Translate(linear, access, out physical, out TlbRights rights, out uint error))
        {
            // A page fault takes the page's entry out of the TLB (SDM 3A 4.10.4.1), for instruction fetches too.
            DropFromProjection(linear, mayBeLarge);
            if (wasCached || mayBeLarge)
            {
                _blocks.ForgetTranslations();
            }

            return RaisePageFault(linear, error);
        }

        const TlbRights Matter = TlbRights.User | TlbRights.NoExecute | TlbRights.Global;
        bool moved = ((cachedPage & Vcpu.Mmu.PhysicalMask) ^ physical) >> 12 != 0;
        ulong? replacedLarge = Vcpu.Mmu.Tlb.TakeReplacedLarge();
        if (wasCached && (moved || ((cachedRights ^ rights) & Matter) != 0 || replacedLarge is not null))
        {
            ReplaceTranslation(linear, cachedPage, replacedLarge);
        }

        Project(linear, physical, rights, (access & PageAccess.User) != 0);
        return true;
    }

    // A stale entry lacked a right, and the tables, changed meanwhile, have given another one: no older copy of it may live on, also
    // not in the links between blocks and in the block that is running. Where it was a large page's, that goes for all that was cached of it.
    private void ReplaceTranslation(uint linear, ulong oldPage, ulong? large)
    {
        const int LargePart = 1 << 21;
        DropFromProjection(linear, large is not null);
        _blocks.ForgetTranslations();
        _blocks.CodeWritten(new GuestPhysicalAddress(oldPage & Vcpu.Mmu.PhysicalMask), (int)GuestPhysicalAddress.PageSize);
        for (ulong offset = 0; large is not null && offset < LargePart; offset += GuestPhysicalAddress.PageSize)
        {
            _blocks.CodeWritten(new GuestPhysicalAddress((large.Value + offset) & Vcpu.Mmu.PhysicalMask), (int)GuestPhysicalAddress.PageSize);
        }
    }

    // What the fast path may do with this page from now on.
    private void Project(uint linear, ulong physical, TlbRights rights, bool user)
    {
        byte* host = Memory.HostPage(new GuestPhysicalAddress(physical));
        if (host == null || IsWatched(linear, physical))
        {
            return;
        }

        uint page = linear & PageMask;
        TlbEntry* entry = (user ? UserTlb : SupervisorTlb) + ((linear >> 12) & (TlbEntry.Count - 1));
        if (entry->ReadTag == TlbEntry.None && _filledCount < _filledLines.Length)
        {
            _filledLines[_filledCount++] = (ushort)(entry - _tlbMemory);
        }

        entry->Addend = (nint)host - (nint)page;
        entry->ReadTag = page;
        bool writable = Vcpu.MayStoreDirectly(new GuestPhysicalAddress(physical), rights, user ? PageAccess.User : 0);
        entry->WriteTag = writable ? page : TlbEntry.None;
    }

    // One page; of a large page the TLB has lost all pieces.
    private void DropFromProjection(uint linear, bool mayBeLarge)
    {
        if (mayBeLarge)
        {
            const uint LargestPage = 1024;
            Translated?.Drop(new Run((linear >> 12) & ~(LargestPage - 1), LargestPage));
            EmptyOwnProjection();
            return;
        }

        Translated?.Drop(new Run(linear >> 12, 1));
        uint index = (linear >> 12) & (TlbEntry.Count - 1);
        SupervisorTlb[index].ReadTag = TlbEntry.None;
        SupervisorTlb[index].WriteTag = TlbEntry.None;
        UserTlb[index].ReadTag = TlbEntry.None;
        UserTlb[index].WriteTag = TlbEntry.None;
    }

    private bool CheckAlignment(uint linear, int size, bool user)
    {
        bool misaligned = user && (linear & (uint)(size - 1)) != 0 && (State->OtherFlags & Eflags.AC) != 0 && (State->Cr0 & Cr0.AM) != 0;
        return !misaligned || Raise(Vector.AlignmentCheck, 0);
    }

    private bool StageRead(ulong physical, int length, int at)
    {
        GuestPhysicalAddress address = new(physical);
        if (Memory.KindAt(address) is PageKind.Ram or PageKind.Rom)
        {
            return Memory.TryRead(address, new Span<byte>(Staging + at, length));
        }

        // A device: ask for naturally sized pieces, as the bus would see them.
        for (int done = 0; done < length;)
        {
            int piece = BusPiece(physical + (uint)done, length - done);
            VmExit request = new(ExitReason.Mmio, IsWrite: false, piece, physical + (uint)done);
            if (!Vcpu.Io.TryRead(request, out ulong value))
            {
                RequestedExit = request;
                return false;
            }

            Tell(new MicroStep(MicroStepKind.DeviceRead, request.Address, value, piece));
            new ReadOnlySpan<byte>(&value, piece).CopyTo(new Span<byte>(Staging + at + done, piece));
            done += piece;
        }

        return true;
    }

    private bool CommitPart(ulong physical, int from, int length)
    {
        GuestPhysicalAddress address = new(physical);
        if (Memory.KindAt(address) is PageKind.Ram or PageKind.Rom)
        {
            StoreToMemory(physical, new ReadOnlySpan<byte>(Staging + from, length));
            return true;
        }

        for (int done = 0; done < length;)
        {
            int piece = BusPiece(physical + (uint)done, length - done);
            ulong value = 0;
            new ReadOnlySpan<byte>(Staging + from + done, piece).CopyTo(new Span<byte>(&value, 8));
            Vcpu.Io.Post(new VmExit(ExitReason.Mmio, IsWrite: true, piece, physical + (uint)done, value));
            Tell(new MicroStep(MicroStepKind.DeviceWritten, physical + (uint)done, value, piece));
            done += piece;
        }

        return false;
    }

    private void StoreToMemory(ulong physical, ReadOnlySpan<byte> bytes)
    {
        GuestPhysicalAddress address = new(physical);
        if (bytes.Length > 0 && Memory.KindAt(address) == PageKind.Ram)
        {
            _ = Memory.TryWrite(address, bytes);
        }
    }

    private static int BusPiece(ulong physical, int length)
    {
        int piece = length >= 4 ? 4 : length >= 2 ? 2 : 1;
        while ((physical & (uint)(piece - 1)) != 0)
        {
            piece >>= 1;
        }

        return piece;
    }
}
