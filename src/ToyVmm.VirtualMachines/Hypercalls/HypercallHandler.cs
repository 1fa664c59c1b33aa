using System.Runtime.InteropServices;
using ToyVmm.Engines;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;
using ToyVmm.Hardware.Paging;

namespace ToyVmm.VirtualMachines.Hypercalls;

/// <summary>Performs the calls of <see cref="HypercallCatalog"/>. Everything is checked before anything changes.</summary>
internal sealed unsafe class HypercallHandler
{
    // What a call costs the host beside the exit (VirtualMachine.HypercallUnits).
    private const uint UnitsPerPage = 64;
    private const uint BytesPerUnit = 32;
    private const uint PageMask = GuestPhysicalAddress.PageSize - 1;

    private readonly VirtualMachine _vm;
    private readonly VirtualMachineOptions _options;
    private TableUpdate[] _updates = new TableUpdate[64];
    private ulong[] _words = new ulong[128];

    public HypercallHandler(VirtualMachine vm, VirtualMachineOptions options)
    {
        _vm = vm;
        _options = options;
        Clock = new ClockPage(vm);
    }

    /// <summary>The clock page.</summary>
    public ClockPage Clock { get; }

    /// <summary>Performs the call in the registers.</summary>
    /// <returns>Why the run ends, or null where the guest goes on.</returns>
    public StopReason? Call()
    {
        CpuState* s = _vm.Vcpu.State;
        Hypercall call = (Hypercall)s->Eax;
        if (call == Hypercall.Exit)
        {
            return new StopReason(StopKind.HypercallExit, s->Ebx, $"the guest exited with {s->Ebx}");
        }

        HypercallError error = call switch
        {
            Hypercall.Features or Hypercall.Yield or Hypercall.TraceMark => HypercallError.None,
            Hypercall.ConsoleWrite => WriteConsole(s->Ebx, s->Ecx),
            Hypercall.ClockPage => PlaceClock(s->Ebx),
            Hypercall.SetTimer => SetTimer(((ulong)s->Ecx << 32) | s->Ebx),
            Hypercall.MmuUpdate => UpdateTables(s->Ebx, s->Ecx),
            Hypercall.SetPageTable => SetPageTable(s->Ebx, s->Ecx),
            Hypercall.Balloon => Balloon(s->Ebx, s->Ecx, s->Edx),
            Hypercall.EventSend => Send(s->Ebx, s->Ecx),
            Hypercall.Share => Share(s->Ebx, s->Ecx, s->Edx, s->Esi),
            _ => HypercallError.NoSuchCall,
        };
        s->Eax = call == Hypercall.Features ? HypercallCatalog.AbiVersion : (uint)-(int)error;
        Clock.Update();
        if (call == Hypercall.TraceMark)
        {
            _options.MarkObserver?.Invoke(_vm, new TraceMark(s->Ebx, s->Ecx));
        }

        return call == Hypercall.Yield ? _vm.Yield() : null;
    }

    private GuestMemory Memory => _vm.Machine.Memory;

    // True where all of it is the guest's own RAM.
    private bool IsRam(uint address, ulong length)
    {
        if (length > 0 && length <= GuestPhysicalAddress.PageSize - (address & PageMask))
        {
            return IsOwnRam(address);
        }

        ulong end = address + length;
        if (end > Memory.RamSize)
        {
            return false;
        }

        for (ulong page = address & ~PageMask; page < end; page += GuestPhysicalAddress.PageSize)
        {
            if (!IsOwnRam(page))
            {
                return false;
            }
        }

        return true;
    }

    // RAM of the display is lent, and may be a device's the next moment.
    private bool IsOwnRam(ulong address)
    {
        const ulong Display = 0xA_0000;
        const ulong DisplayEnd = 0xC_0000;
        return address is < Display or >= DisplayEnd && Memory.KindAt(new GuestPhysicalAddress(address)) == PageKind.Ram;
    }

    private HypercallError WriteConsole(uint address, uint length)
    {
        if (!IsRam(address, length))
        {
            return HypercallError.BadAddress;
        }

        if (length > HypercallCatalog.MostConsoleBytes)
        {
            return HypercallError.InvalidArgument;
        }

        _vm.HypercallUnits += length / BytesPerUnit;
        byte[] bytes = new byte[length];
        _ = Memory.TryRead(new GuestPhysicalAddress(address), bytes);
        foreach (byte value in bytes)
        {
            _vm.TransmitSerial(value);
        }

        return HypercallError.None;
    }

    private HypercallError PlaceClock(uint address)
    {
        if (address == HypercallCatalog.Nothing)
        {
            Clock.Place(null);
            return HypercallError.None;
        }

        if ((address & PageMask) != 0)
        {
            return HypercallError.InvalidArgument;
        }

        if (!IsRam(address, GuestPhysicalAddress.PageSize))
        {
            return HypercallError.BadAddress;
        }

        if (Memory.IsSharedWithGuest(new GuestPhysicalAddress(address)))
        {
            return HypercallError.InvalidArgument;
        }

        Clock.Place(new GuestPhysicalAddress(address));
        return HypercallError.None;
    }

    private HypercallError SetTimer(ulong nanoseconds)
    {
        if (Clock.Address is null)
        {
            return HypercallError.InvalidArgument;
        }

        Clock.SetTimer(nanoseconds);
        return HypercallError.None;
    }

    private HypercallError UpdateTables(uint address, uint count)
    {
        const int EntrySize = 16;
        if (count > HypercallCatalog.MostEntries || address % sizeof(ulong) != 0)
        {
            return HypercallError.InvalidArgument;
        }

        if (!IsRam(address, (ulong)count * EntrySize))
        {
            return HypercallError.BadAddress;
        }

        bool wide = _vm.Engine.HasWideTables;
        uint size = wide ? 8u : 4u;
        ulong reserved = !wide ? 0xFFFF_FFFF_0000_0000
            : ~((1ul << PaeWalker.PhysicalAddressBits) - 1) & ((_vm.Cpu.Efer & Efer.NXE) != 0 ? ulong.MaxValue >> 1 : ulong.MaxValue);
        if (count > _updates.Length)
        {
            _updates = new TableUpdate[count];
            _words = new ulong[2 * count];
        }

        Span<TableUpdate> updates = _updates.AsSpan(0, (int)count);
        Span<ulong> words = _words.AsSpan(0, 2 * (int)count);
        _ = Memory.TryRead(new GuestPhysicalAddress(address), MemoryMarshal.AsBytes(words));
        for (int n = 0; n < updates.Length; n++)
        {
            uint entry = (uint)words[2 * n];
            uint linear = (uint)(words[2 * n] >> 32);
            ulong value = words[(2 * n) + 1];
            if (entry % size != 0 || (value & reserved) != 0)
            {
                return HypercallError.InvalidArgument;
            }

            if (!IsRam(entry, size))
            {
                return HypercallError.BadAddress;
            }

            updates[n] = new TableUpdate(new GuestPhysicalAddress(entry), linear == HypercallCatalog.Nothing ? null : linear, value);
        }

        _vm.HypercallUnits += count;
        _vm.Engine.UpdateTables(updates);
        return HypercallError.None;
    }

    private HypercallError SetPageTable(uint address, uint recycled)
    {
        uint alignment = _vm.Engine.HasWideTables ? 32 : GuestPhysicalAddress.PageSize;
        if (address % alignment != 0 || recycled > 1)
        {
            return HypercallError.InvalidArgument;
        }

        if (!IsRam(address, alignment))
        {
            return HypercallError.BadAddress;
        }

        return _vm.Engine.TryLoadPageTable(address, recycled == 1 ? TableTrust.Recycled : TableTrust.Unchanged)
            ? HypercallError.None
            : HypercallError.InvalidArgument;
    }

    private HypercallError Balloon(uint address, uint count, uint deflate)
    {
        if (count > HypercallCatalog.MostEntries || deflate > 1)
        {
            return HypercallError.InvalidArgument;
        }

        ulong length = (ulong)count * sizeof(uint);
        if (!IsRam(address, length))
        {
            return HypercallError.BadAddress;
        }

        uint[] pages = new uint[count];
        _ = Memory.TryRead(new GuestPhysicalAddress(address), MemoryMarshal.AsBytes(pages.AsSpan()));
        HashSet<uint> seen = [];
        foreach (uint page in pages)
        {
            bool mayMove = deflate == 1 ? Memory.IsGivenAway(page) : MayGiveAway(page, address, length);
            if (!seen.Add(page) || !mayMove)
            {
                return HypercallError.InvalidArgument;
            }
        }

        if (deflate == 1 && Memory.OwnedPages + (ulong)count > Memory.PageLimit)
        {
            return HypercallError.NoMemory;
        }

        _vm.HypercallUnits += (ulong)count * UnitsPerPage;
        bool isWhole = true;
        foreach (uint page in pages)
        {
            GuestPhysicalAddress moved = new((ulong)page * GuestPhysicalAddress.PageSize);
            if (deflate == 1)
            {
                isWhole &= Memory.TryTakeBack(moved);
            }
            else
            {
                Memory.GiveAway(moved);
            }
        }

        _vm.NotifyMemoryMapChanged();
        return isWhole ? HypercallError.None : HypercallError.NoMemory;
    }

    private bool MayGiveAway(uint page, uint numbers, ulong numbersLength)
    {
        ulong address = (ulong)page * GuestPhysicalAddress.PageSize;
        bool holdsNumbers = address + PageMask >= numbers && address < numbers + numbersLength;
        return address < Memory.RamSize && IsRam((uint)address, GuestPhysicalAddress.PageSize) && MayMove(new GuestPhysicalAddress(address)) && !holdsNumbers;
    }

    // A page that nobody else counts on.
    private bool MayMove(GuestPhysicalAddress page) => Clock.Address != page && !Memory.IsSharedWithGuest(page);

    private HypercallError Share(uint address, uint guest, uint what, uint tag)
    {
        const uint Withdraw = 0;
        const uint Write = 2;
        const uint Accept = 3;
        if ((address & PageMask) != 0 || what > Accept)
        {
            return HypercallError.InvalidArgument;
        }

        if (_options.Network is not { } network || !network.Connects(_vm.GuestNumber, guest))
        {
            return HypercallError.NotPermitted;
        }

        GuestPhysicalAddress page = new(address);
        if (what == Withdraw)
        {
            // An offer to a guest that is another one by now is no more; the page still has to come back.
            bool isOrphan = Memory.IsSharedWithGuest(page) && !Memory.IsForeign(page) && !network.Pages.IsOffered(_vm.GuestNumber, page);
            if (!network.Pages.TryWithdraw(_vm.GuestNumber, guest, tag, page) && !isOrphan)
            {
                return HypercallError.InvalidArgument;
            }

            Memory.Unlend(page);
            return HypercallError.None;
        }

        if (!IsRam(address, GuestPhysicalAddress.PageSize))
        {
            return HypercallError.BadAddress;
        }

        if (!MayMove(page))
        {
            return HypercallError.InvalidArgument;
        }

        return what == Accept ? AcceptPage(network, page, guest, tag) : OfferPage(network, page, guest, tag, what == Write);
    }

    private HypercallError OfferPage(IGuestNetwork network, GuestPhysicalAddress page, uint guest, uint tag, bool writable)
    {
        if (Memory.Lend(page) is not { } lent)
        {
            return HypercallError.NoMemory;
        }

        if (network.Pages.TryOffer(_vm.GuestNumber, guest, tag, new PageExchange.Offer(page, lent, writable)))
        {
            return HypercallError.None;
        }

        lent.Release();
        Memory.Unlend(page);
        return HypercallError.InvalidArgument;
    }

    private HypercallError AcceptPage(IGuestNetwork network, GuestPhysicalAddress page, uint guest, uint tag)
    {
        if (!Memory.IsShared)
        {
            return HypercallError.NoMemory;
        }

        if (network.Pages.Accept(guest, _vm.GuestNumber, tag) is not { } offer)
        {
            return HypercallError.TryAgain;
        }

        bool isThere = Memory.TryAccept(page, offer.Page, offer.Writable);
        offer.Page.Release();
        _vm.NotifyMemoryMapChanged();
        return isThere ? HypercallError.None : HypercallError.NoMemory;
    }

    private HypercallError Send(uint guest, uint port)
    {
        if (port is < HypercallCatalog.FirstEventPort or >= HypercallCatalog.EventPorts)
        {
            return HypercallError.InvalidArgument;
        }

        if (_options.Network is not { } network || !network.Connects(_vm.GuestNumber, guest))
        {
            return HypercallError.NotPermitted;
        }

        network.Ring(guest, (int)port);
        return HypercallError.None;
    }
}
