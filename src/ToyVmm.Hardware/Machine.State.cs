using ToyVmm.Hardware.Devices;
using ToyVmm.Hardware.Interrupts;
using ToyVmm.Hardware.Memory;
using ToyVmm.Hardware.State;

namespace ToyVmm.Hardware;

/// <content>The state of the whole board but for what RAM holds.</content>
public sealed partial class Machine : ISavedState
{
    // The pages of A0000-FFFFF, where the display and the chipset change what answers.
    private const uint ChangingFirst = VideoMemory;
    private const int ChangingPages = (int)((OneMebibyte - ChangingFirst) >> 12);

    /// <inheritdoc/>
    /// <remarks>
    /// Into a machine of the same configuration, drives included. Neither <see cref="MemoryMapChanged"/> nor <see cref="A20Gate.Changed"/> is told:
    /// whoever restores tells the engine once (<c>Vcpu.NotifyStateChanged</c>). The clock comes first, for the chips' times are checked with it.
    /// </remarks>
    void ISavedState.Transfer(StateTransfer state)
    {
        state.Section("clock"u8, 1, Clock);
        state.Section("memory"u8, 1, Memory);
        state.Section("board"u8, 1, new Wiring(this));
        state.Section("ports"u8, 1, Ports);
        state.Section("8259A pair"u8, 1, Pic);
        state.Section("local APIC"u8, 1, LocalApic);
        state.Section("I/O APIC"u8, 1, IoApic);
        state.Section("NMI"u8, 1, Nmi);
        state.Section("A20"u8, 1, A20);
        state.Section("8254"u8, 1, Pit);
        state.Section("MC146818"u8, 1, Rtc);
        state.Section("8042"u8, 1, KeyboardController);
        state.Section("PS/2 keyboard"u8, 1, Keyboard);
        state.Section("PS/2 mouse"u8, 1, Mouse);
        state.Section("VGA"u8, 1, Vga);
        state.Section("FERR#"u8, 1, CoprocessorError);
        state.Section("CF9"u8, 1, _resetControl);
        state.Section("port 92"u8, 1, _controlA);
        state.Section("port 61"u8, 1, _controlB);
        state.Section("DMA 1"u8, 1, _dma1);
        state.Section("DMA 2"u8, 1, _dma2);
        state.Section("DMA pages"u8, 1, _dmaPages);
        state.Section("ACPI PM"u8, 1, PowerManagement);
        state.Section("PCI"u8, 1, Pci);
        state.Section("first ATA channel"u8, 1, PrimaryAta);
        state.Section("second ATA channel"u8, 1, SecondaryAta);
        foreach (Serial16550 port in _serialPorts)
        {
            state.Section("16550A"u8, 1, port);
        }
    }

    private void TransferWiring(StateTransfer state)
    {
        uint memorySize = _config.MemorySize;
        state.Value(ref memorySize);
        state.Require(memorySize == _config.MemorySize, "the machine has as much memory as the one that was saved");
        int ports = _serialPorts.Length;
        state.Range(ref ports, ports, ports, "the number of serial ports");
        Request = new MachineRequest((MachineRequestKind)state.Choice((int)Request.Kind, (int)MachineRequestKind.Reset), state.Pass(Request.Code));
        state.Values(_romShadowed);
        _gate2.Transfer(state);
        ((ISavedState)_irq3).Transfer(state);
        ((ISavedState)_irq4).Transfer(state);
        TransferMemoryMap(state);
    }

    // What answers at a page follows from the configuration, except where chips move: the display's and the chipset's pages, the local APIC, the
    // VGA card's ROM. Those three are taken off the map and put where they were.
    private void TransferMemoryMap(StateTransfer state)
    {
        bool apicMapped = Mmio.IsMapped(LocalApic);
        bool romMapped = _vgaCard is not null && Mmio.IsMapped(_vgaCard);
        if (state.IsRestoring)
        {
            TakeOffMap(apicMapped, romMapped);
        }

        Span<byte> kinds = stackalloc byte[ChangingPages];
        for (int page = 0; page < ChangingPages; page++)
        {
            kinds[page] = (byte)Memory.KindAt(ChangingPage(page));
        }

        state.Bytes(kinds);
        state.Require(!kinds.ContainsAnyExceptInRange((byte)PageKind.Hole, (byte)PageKind.Mmio), "a page is a hole, RAM, ROM or a device");
        state.Value(ref _localApicBase);
        state.Value(ref apicMapped);
        byte under = state.Pass((byte)_underLocalApic);
        state.Require(under <= (byte)PageKind.Mmio);
        bool hasRomAddress = state.Pass(_vgaRomAddress is not null);
        uint romAddress = state.Pass(_vgaRomAddress ?? 0);
        state.Value(ref romMapped);
        if (state.IsRestoring && state.Error is null)
        {
            for (int page = 0; page < ChangingPages; page++)
            {
                Memory.SetKind(ChangingPage(page), GuestPhysicalAddress.PageSize, (PageKind)kinds[page]);
            }

            _vgaRomAddress = hasRomAddress ? romAddress : null;
            PutOnMap(state, apicMapped, romMapped, (PageKind)under);
        }
    }

    /// <summary>Makes it possible to have RAM as it is now again, in place (<see cref="GuestMemory.AddCheckpoint"/>).</summary>
    public void AddCheckpoint()
    {
        // What was given away shows where no device that moves lies in front of it.
        bool apicMapped = Mmio.IsMapped(LocalApic);
        bool romMapped = _vgaCard is not null && Mmio.IsMapped(_vgaCard);
        PageKind under = _underLocalApic;
        TakeOffMap(apicMapped, romMapped);
        try
        {
            Memory.AddCheckpoint();
        }
        finally
        {
            if (romMapped)
            {
                PutRomOnMap();
            }

            if (apicMapped)
            {
                PutApicOnMap(under);
            }
        }
    }

    /// <summary>Has RAM as it was at a checkpoint (<see cref="GuestMemory.ReturnTo"/>). The state of that moment must be restored next: it says where devices lie.</summary>
    /// <param name="index">Which; 0 is the oldest.</param>
    public void ReturnTo(int index)
    {
        TakeOffMap(Mmio.IsMapped(LocalApic), _vgaCard is not null && Mmio.IsMapped(_vgaCard));
        Memory.ReturnTo(index);
    }

    private void PutRomOnMap()
    {
        GuestPhysicalAddress rom = new(_vgaRomAddress!.Value);
        Mmio.Map(rom, _vgaCard!.RomSize, _vgaCard);
        Memory.SetKind(rom, _vgaCard.RomSize, PageKind.Mmio);
    }

    private void PutApicOnMap(PageKind under)
    {
        _underLocalApic = under;
        Mmio.Map(LocalApicAddress, LocalApic.Size, LocalApic);
        Memory.SetKind(LocalApicAddress, LocalApic.Size, PageKind.Mmio);
    }

    private void TakeOffMap(bool apicMapped, bool romMapped)
    {
        if (apicMapped)
        {
            _ = Mmio.Unmap(LocalApic);
            Memory.SetKind(LocalApicAddress, LocalApic.Size, _underLocalApic);
        }

        if (romMapped)
        {
            _ = Mmio.Unmap(_vgaCard!);
            Memory.SetKind(new GuestPhysicalAddress(_vgaRomAddress!.Value), _vgaCard!.RomSize, PageKind.Hole);
        }
    }

    private void PutOnMap(StateTransfer state, bool apicMapped, bool romMapped, PageKind under)
    {
        if (romMapped)
        {
            bool fits = _vgaCard is not null && _vgaRomAddress is { } at && at % _vgaCard.RomSize == 0 && IsHole(at, _vgaCard.RomSize);
            state.Require(fits, "the VGA card's ROM lies where nothing else is");
            if (fits)
            {
                PutRomOnMap();
            }
        }

        if (apicMapped)
        {
            bool free = Mmio.IsFree(LocalApicAddress, LocalApic.Size);
            state.Require(free, "the local APIC lies where no other device is");
            if (free)
            {
                // Elsewhere than at the changing pages, what lies under it is what the board has there.
                PutApicOnMap(LocalApicAddress.Value is >= ChangingFirst and < OneMebibyte ? under : Memory.KindAt(LocalApicAddress));
            }
        }
    }

    private GuestPhysicalAddress LocalApicAddress => new(_localApicBase & 0xFFFF_F000);

    private static GuestPhysicalAddress ChangingPage(int index) => new(ChangingFirst + ((uint)index << 12));

    // The board's own wires and map: a section like a chip's.
    private sealed class Wiring(Machine board) : ISavedState
    {
        public void Transfer(StateTransfer state) => board.TransferWiring(state);
    }
}
