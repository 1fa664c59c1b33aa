using ToyVmm.Hardware.Buses;
using ToyVmm.Hardware.Devices;
using ToyVmm.Hardware.Interrupts;
using ToyVmm.Hardware.Memory;
using ToyVmm.Hardware.Time;

namespace ToyVmm.Hardware;

/// <summary>
/// The board of an i686-class PC: memory, buses, clock, interrupt controllers and devices, and the wires between them. It is the
/// only place that knows port numbers, addresses and IRQ numbers. The CPU is not part of it: an engine runs beside the board.
/// </summary>
/// <remarks>
/// A run loop advances <see cref="Clock"/> before each access to <see cref="Ports"/> or <see cref="Mmio"/>, and afterwards looks at
/// <see cref="Request"/>, <see cref="InterruptRequested"/> and <see cref="NmiGate.Pending"/>.
/// </remarks>
public sealed partial class Machine : IDisposable
{
    // Firmware writes progress codes to it, and guests write to it merely to wait for a bus cycle.
    private const ushort PostCodePort = 0x80;
    private const uint OneMebibyte = 1u << 20;
    private const uint VideoMemory = 0xA_0000;
    private const ulong ApicGlobalEnable = 1 << 11;  // IA32_APIC_BASE
    private const ulong ApicBootstrap = 1 << 8;
    private const uint LowBiosLimit = 0x2_0000;     // at most E0000-FFFFF shows below 1 MiB

    private readonly MachineConfig _config;
    private readonly Serial16550[] _serialPorts;
    private readonly ResetControl _resetControl;
    private readonly SystemControlPortA _controlA;
    private readonly SystemControlPortB _controlB;
    private readonly CallbackLine _gate2;
    private readonly SharedLine _irq3;
    private readonly SharedLine _irq4;
    private readonly Dma8237 _dma1 = new();
    private readonly Dma8237 _dma2 = new(addressShift: 1);
    private readonly RegisterFile _dmaPages = new(16);
    private readonly bool[] _romShadowed = new bool[LowBiosLimit >> 12]; // pages of E0000-FFFFF where PAM shows RAM
    private readonly PciVga? _vgaCard;
    private uint? _vgaRomAddress;
    private uint _lowBiosFirst = OneMebibyte;
    private ulong _localApicBase;
    private PageKind _underLocalApic;

    /// <summary>Builds the board and switches it on.</summary>
    /// <param name="config">What it is built from.</param>
    /// <param name="image">RAM to go on from; its size is the one that counts. Null for new RAM.</param>
    /// <exception cref="ArgumentException">The configuration is not one a PC can have.</exception>
    /// <exception cref="IOException">The host refuses to have the image's pages once more.</exception>
    public Machine(MachineConfig config, MemoryImage? image = null)
    {
        ArgumentNullException.ThrowIfNull(config);
        config.Validate();
        _config = config;
        Memory = image is null
            ? new GuestMemory(config.MemorySize, shared: true, config.MaximumMemory, config.MemoryLimit / GuestPhysicalAddress.PageSize)
            : new GuestMemory(image) { PageLimit = config.MemoryLimit / GuestPhysicalAddress.PageSize };
        Clock = new VirtualClock(config.InstructionsPerSecond);
        A20.Set(config.A20AtReset);

        LocalApic = new LocalApic(Clock, RequestReset);
        IoApic = new IoApic(LocalApic);
        Pic.OutputChanged = high =>
        {
            LocalApic.Lint0.SetLevel(high);
            IoApic.Line(0).SetLevel(high);
        };

        // IRQ n is pin n, but IRQ0 is pin 2: pin 0 has the 8259A (MADT and MP table tell it).
        Pic.LineChanged = (irq, high) => IoApic.Line(irq == 0 ? 2 : irq).SetLevel(high);
        Pit = new Pit8254(Clock, Pic.Line(0));
        Pit.SetGate(2, false);
        Rtc = new RtcMc146818(Clock, Pic.Line(8), Nmi, config.StartTime);
        Keyboard = new Ps2Keyboard(Clock);
        Mouse = new Ps2Mouse(Clock);
        KeyboardController = new Keyboard8042(Clock, Pic.Line(1), Pic.Line(12), A20, RequestReset, Keyboard, Mouse);
        GuestPhysicalAddress videoMemory = new(VideoMemory);
        Memory.SetKind(videoMemory, Vga.MemorySize, PageKind.Mmio);
        VgaAperture aperture = new(Memory, videoMemory, (first, length) => MemoryMapChanged?.Invoke(first, length)) { IsAsleep = image is not null };
        Vga = new Vga(Clock, aperture);
        aperture.IsAsleep = false;
        Mmio.Map(videoMemory, Vga.MemorySize, Vga);
        CoprocessorError = new CoprocessorErrorLatch(Pic.Line(13), () => CoprocessorErrorIgnored?.Invoke());
        DebugConsole = new DebugConsole(value => DebugConsoleWritten?.Invoke(value));
        _resetControl = new ResetControl(RequestReset);
        _controlA = new SystemControlPortA(A20, RequestReset);
        _gate2 = new CallbackLine(high => Pit.SetGate(2, high));
        _controlB = new SystemControlPortB(Clock, _gate2, () => Pit.Output(2));
        PowerManagement = new PowerManagementPiix4(Clock, Pic.Line(9), () => Ask(new MachineRequest(MachineRequestKind.PowerOff)));

        // COM1 and COM3 share IRQ4, COM2 and COM4 share IRQ3: an OR of their requests.
        _irq4 = new SharedLine(Pic.Line(4));
        _irq3 = new SharedLine(Pic.Line(3));
        _serialPorts = MakeSerialPorts(config.SerialPorts);
        PrimaryAta = new AtaChannel(Pic.Line(14));
        SecondaryAta = new AtaChannel(Pic.Line(15));
        Pci.Add(0, 0, new PciHostBridge82441(MapShadow));
        Pci.Add(1, 0, new PciIsaBridgePiix3());
        Pci.Add(1, 1, new PciIdePiix3());
        if (config.VgaBios is { } vgaBios)
        {
            _vgaCard = new PciVga(vgaBios, MoveVgaRom);
            Pci.Add(2, 0, _vgaCard);
        }

        MapPorts();
        MapApics();
        MapBios(isNew: image is null);
        StoreEquipment();
    }

    /// <summary>The physical memory.</summary>
    public GuestMemory Memory { get; }

    /// <summary>The I/O ports.</summary>
    public PortBus Ports { get; } = new();

    /// <summary>The devices in the physical address space.</summary>
    public MmioBus Mmio { get; } = new();

    /// <summary>The one clock.</summary>
    public VirtualClock Clock { get; }

    /// <summary>The interrupt controllers.</summary>
    public Pic8259Pair Pic { get; } = new();

    /// <summary>The processor's local APIC.</summary>
    public LocalApic LocalApic { get; }

    /// <summary>The I/O APIC.</summary>
    public IoApic IoApic { get; }

    /// <summary>The non-maskable interrupt.</summary>
    public NmiGate Nmi { get; } = new();

    /// <summary>The gate on address line 20.</summary>
    public A20Gate A20 { get; } = new();

    /// <summary>The interval timer: counter 0 at IRQ0, counter 2 at the speaker.</summary>
    public Pit8254 Pit { get; }

    /// <summary>The real-time clock and CMOS memory, at IRQ8.</summary>
    public RtcMc146818 Rtc { get; }

    /// <summary>The keyboard controller, at IRQ1, and for its auxiliary port at IRQ12.</summary>
    public Keyboard8042 KeyboardController { get; }

    /// <summary>The keyboard: press its keys here.</summary>
    public Ps2Keyboard Keyboard { get; }

    /// <summary>The mouse, at the controller's auxiliary port.</summary>
    public Ps2Mouse Mouse { get; }

    /// <summary>The first ATA channel, at IRQ14.</summary>
    public AtaChannel PrimaryAta { get; }

    /// <summary>The second ATA channel, at IRQ15.</summary>
    public AtaChannel SecondaryAta { get; }

    /// <summary>The serial ports, COM1 first.</summary>
    public IReadOnlyList<Serial16550> SerialPorts => _serialPorts;

    /// <summary>The display.</summary>
    public Vga Vga { get; }

    /// <summary>The way of x87 errors to IRQ13.</summary>
    public CoprocessorErrorLatch CoprocessorError { get; }

    /// <summary>Called when the board asserts IGNNE#.</summary>
    public Action? CoprocessorErrorIgnored { get; set; }

    /// <summary>The debug console at port 0xE9; its bytes go to <see cref="DebugConsoleWritten"/>.</summary>
    public DebugConsole DebugConsole { get; }

    /// <summary>Takes the bytes of the debug console.</summary>
    public Action<byte>? DebugConsoleWritten { get; set; }

    /// <summary>The ACPI power-management registers; their SCI is IRQ9.</summary>
    public PowerManagementPiix4 PowerManagement { get; }

    /// <summary>The PCI bus.</summary>
    public PciConfigurationPorts Pci { get; } = new();

    /// <summary>True when address bit 20 passes.</summary>
    public bool A20Enabled => A20.Enabled;

    /// <summary>The level of the CPU's INTR pin.</summary>
    public bool InterruptRequested => ExternalInterrupt || LocalApic.InterruptRequested;

    /// <summary>True when an unmasked NMI waits; <see cref="TakeNmi"/> takes it.</summary>
    public bool NmiPending => LocalApic.NmiRequested || (Nmi.Pending && LocalApic.PassesNmi);

    /// <summary>What the guest asked of the machine; the run loop looks after every exit. The first request stands until it is taken.</summary>
    public MachineRequest Request { get; private set; }

    /// <summary>Called when pages change between RAM, ROM and devices (chipset shadowing, display memory, the local APIC): engines must forget what they know of the range's pages.</summary>
    public Action<GuestPhysicalAddress, uint>? MemoryMapChanged { get; set; }

    /// <summary>Plugs a device into an ATA channel before the machine runs, and tells CMOS setup of a hard disk.</summary>
    /// <param name="place">0 and 1: master and slave of the first channel; 2 and 3: of the second.</param>
    /// <param name="device">The disk or CD-ROM drive.</param>
    /// <exception cref="ArgumentException">The place is taken, or does not exist.</exception>
    public void AttachAta(int place, AtaDevice device)
    {
        (place < 2 ? PrimaryAta : SecondaryAta).Attach(place < 2 ? place : place - 2, device);
        if (device is AtaDisk disk)
        {
            StoreHardDisk(place, disk.DefaultGeometry);
        }
    }

    /// <summary>The user moves the mouse, turns its wheel, presses or releases buttons.</summary>
    /// <param name="deltaX">To the right, in counts of a quarter of a millimetre.</param>
    /// <param name="deltaY">Away from the user: up.</param>
    /// <param name="wheel">Steps of the wheel towards the user: down.</param>
    /// <param name="buttons">The buttons that are down from now on.</param>
    public void MoveMouse(int deltaX, int deltaY, int wheel, MouseButtons buttons) => Mouse.Move(new MouseEvent(deltaX, deltaY, wheel, buttons));

    /// <summary>The CPU acknowledges INTR.</summary>
    /// <returns>The vector.</returns>
    public byte AcknowledgeInterrupt() => ExternalInterrupt || (!LocalApic.InterruptRequested && LocalApic.PassesExternalInterrupts)
        ? Pic.Acknowledge()
        : LocalApic.Acknowledge();

    /// <summary>The CPU takes the NMI that <see cref="NmiPending"/> told of.</summary>
    /// <returns>False when none waits.</returns>
    public bool TakeNmi() => LocalApic.TakeNmi() || (LocalApic.PassesNmi && Nmi.Take());

    /// <summary>The CPU's IA32_APIC_BASE (SDM 3A 11.4.4) says where the local APIC lies, and with bit 11 whether there is one.</summary>
    /// <param name="value">The register. Where another device lies already, the APIC stays out of reach.</param>
    public void SetLocalApicBase(ulong value)
    {
        if (value == _localApicBase)
        {
            return;
        }

        GuestPhysicalAddress old = new(_localApicBase & 0xFFFF_F000);
        if (Mmio.Unmap(LocalApic))
        {
            Memory.SetKind(old, LocalApic.Size, _underLocalApic);
            MemoryMapChanged?.Invoke(old, LocalApic.Size);
        }

        _localApicBase = value;
        GuestPhysicalAddress address = new(value & 0xFFFF_F000);
        bool enabled = (value & ApicGlobalEnable) != 0;
        LocalApic.SetPresent(enabled);
        if (enabled && Mmio.IsFree(address, LocalApic.Size))
        {
            _underLocalApic = Memory.KindAt(address);
            Mmio.Map(address, LocalApic.Size, LocalApic);
            Memory.SetKind(address, LocalApic.Size, PageKind.Mmio);
            MemoryMapChanged?.Invoke(address, LocalApic.Size);
        }
    }

    /// <summary>Returns the pending request and forgets it.</summary>
    public MachineRequest TakeRequest()
    {
        MachineRequest request = Request;
        Request = MachineRequest.None;
        return request;
    }

    /// <summary>The reset line: every chip to its power-on state, the BIOS image restored. RAM, CMOS memory and the clock live on.</summary>
    public void Reset()
    {
        Request = MachineRequest.None;
        Pic.Reset();
        LocalApic.Reset();
        IoApic.Reset();
        SetLocalApicBase(LocalApic.DefaultAddress | ApicGlobalEnable | ApicBootstrap);
        Nmi.Reset();
        A20.Set(_config.A20AtReset);
        Pit.Reset();
        Rtc.Reset();
        KeyboardController.Reset();
        Vga.Reset();
        Pci.Reset();
        PrimaryAta.Reset();
        SecondaryAta.Reset();
        Ports.Write(PostCodePort, 1, 0);
        _resetControl.Reset();
        _controlA.Reset();
        _controlB.Reset();
        PowerManagement.Reset();
        _dma1.Reset();
        _dma2.Reset();
        _dmaPages.Reset();
        foreach (Serial16550 port in _serialPorts)
        {
            port.Reset();
        }

        RestoreLowBios();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Memory.Dispose();
        Ports.Release();
    }

    // The 8259A's INTR, where an APIC lets it pass.
    private bool ExternalInterrupt => Pic.Output && (LocalApic.PassesExternalInterrupts || IoApic.PassesExternalInterrupts);

    private void Ask(MachineRequest request)
    {
        if (Request.Kind == MachineRequestKind.None)
        {
            Request = request;
        }
    }

    private void RequestReset() => Ask(new MachineRequest(MachineRequestKind.Reset));

    private Serial16550[] MakeSerialPorts(int count)
    {
        Serial16550[] ports = new Serial16550[count];
        for (int index = 0; index < count; index++)
        {
            ports[index] = new Serial16550(Clock, (index % 2 == 0 ? _irq4 : _irq3).AddInput());
        }

        return ports;
    }

    private void MapPorts()
    {
        Ports.Map(0x000, 16, _dma1);
        Ports.Map(0x020, 2, Pic.Master);
        Ports.Map(0x040, 4, Pit);
        Ports.Map(0x060, 1, KeyboardController);
        Ports.Map(0x061, 1, _controlB);
        Ports.Map(0x064, 1, KeyboardController, firstOffset: 4);
        Ports.Map(0x070, 2, Rtc);
        Ports.MapLatch(PostCodePort);
        Ports.Map(0x081, 15, _dmaPages, firstOffset: 1);
        Ports.Map(0x092, 1, _controlA);
        Ports.Map(0x0A0, 2, Pic.Slave);
        Ports.Map(0x0C0, 32, _dma2);
        Ports.Map(0x0E9, 1, DebugConsole);
        Ports.Map(0x0F0, 1, CoprocessorError);
        Ports.Map(0x0F4, 4, new DebugExitPort(code => Ask(new MachineRequest(MachineRequestKind.DebugExit, code))));
        Ports.Map(0x170, 8, SecondaryAta.CommandBlock);
        Ports.Map(0x1F0, 8, PrimaryAta.CommandBlock);
        Ports.Map(0x376, 1, SecondaryAta.ControlBlock);
        Ports.Map(0x3B4, 2, Vga, firstOffset: 0x04);
        Ports.Map(0x3BA, 1, Vga, firstOffset: 0x0A);
        Ports.Map(0x3C0, 16, Vga, firstOffset: 0x10);
        Ports.Map(0x3D4, 2, Vga, firstOffset: 0x24);
        Ports.Map(0x3DA, 1, Vga, firstOffset: 0x2A);
        Ports.Map(0x3F6, 1, PrimaryAta.ControlBlock);
        Ports.Map(0x4D0, 2, Pic.EdgeLevelControl);
        Ports.Map(0x600, PowerManagementPiix4.PortCount, PowerManagement);
        Ports.Map(0xCF8, 1, Pci.Address);
        Ports.Map(0xCF9, 1, _resetControl);
        Ports.Map(0xCFA, 2, Pci.Address, firstOffset: 2);
        Ports.Map(0xCFC, 4, Pci.Data);

        ReadOnlySpan<ushort> serialBases = [0x3F8, 0x2F8, 0x3E8, 0x2E8];
        for (int index = 0; index < _serialPorts.Length; index++)
        {
            Ports.Map(serialBases[index], 8, _serialPorts[index]);
        }
    }

    private void MapApics()
    {
        SetLocalApicBase(LocalApic.DefaultAddress | ApicGlobalEnable | ApicBootstrap);
        GuestPhysicalAddress address = new(IoApic.DefaultAddress);
        Mmio.Map(address, IoApic.Size, IoApic);
        Memory.SetKind(address, IoApic.Size, PageKind.Mmio);
    }

    // The image ends at 4 GiB, where the CPU starts; its last part, up to 128 KiB, shows below 1 MiB too.
    private void MapBios(bool isNew)
    {
        if (_config.Bios is not { } bios)
        {
            return;
        }

        uint padded = ((uint)bios.Length + 4095) & ~4095u;
        _lowBiosFirst = OneMebibyte - Math.Min(padded, LowBiosLimit);
        if (!isNew)
        {
            return;
        }

        byte[] image = new byte[padded];
        bios.Span.CopyTo(image.AsSpan((int)padded - bios.Length));
        Memory.MapRom(new GuestPhysicalAddress(0x1_0000_0000UL - padded), image);
        Memory.MapRom(new GuestPhysicalAddress(_lowBiosFirst), image.AsSpan((int)(padded - (OneMebibyte - _lowBiosFirst))));
    }

    private void RestoreLowBios()
    {
        if (_config.Bios is { } bios)
        {
            int length = Math.Min(bios.Length, (int)LowBiosLimit);
            _ = Memory.TryWrite(new GuestPhysicalAddress(OneMebibyte - (uint)length), bios.Span[^length..]);
        }
    }

    // PAM decides whether the BIOS area behaves as RAM. RAM holds a copy of the image, so "read ROM, write RAM" - the setting with which
    // firmware copies itself - is RAM too. Outside the image the area always is RAM.
    private void MapShadow(uint first, uint length, bool readable, bool writable)
    {
        for (uint page = Math.Max(first, _lowBiosFirst); page < first + length; page += 4096)
        {
            ref bool shadowed = ref _romShadowed[(page - (OneMebibyte - LowBiosLimit)) >> 12];
            if (shadowed != writable)
            {
                shadowed = writable;
                Memory.SetKind(new GuestPhysicalAddress(page), 4096, writable ? PageKind.Ram : PageKind.Rom);
                MemoryMapChanged?.Invoke(new GuestPhysicalAddress(page), 4096);
            }
        }
    }

    // The VGA card's ROM answers where its address register says, unless memory or another device is there.
    private void MoveVgaRom(uint? address)
    {
        if (_vgaCard is not { } card || address == _vgaRomAddress)
        {
            return;
        }

        if (_vgaRomAddress is { } old && Mmio.Unmap(card))
        {
            Memory.SetKind(new GuestPhysicalAddress(old), card.RomSize, PageKind.Hole);
            MemoryMapChanged?.Invoke(new GuestPhysicalAddress(old), card.RomSize);
        }

        _vgaRomAddress = address;
        if (address is { } first && IsHole(first, card.RomSize))
        {
            Mmio.Map(new GuestPhysicalAddress(first), card.RomSize, card);
            Memory.SetKind(new GuestPhysicalAddress(first), card.RomSize, PageKind.Mmio);
            MemoryMapChanged?.Invoke(new GuestPhysicalAddress(first), card.RomSize);
        }
    }

    private bool IsHole(uint first, uint length)
    {
        for (uint offset = 0; offset < length; offset += 4096)
        {
            if (Memory.KindAt(new GuestPhysicalAddress(first + offset)) != PageKind.Hole)
            {
                return false;
            }
        }

        return Mmio.IsFree(new GuestPhysicalAddress(first), length);
    }

    // The CMOS bytes that an AT BIOS's setup program keeps (IBM AT technical reference, "CMOS RAM address map").
    private void StoreEquipment()
    {
        uint extendedKib = Math.Min((_config.MemorySize - OneMebibyte) >> 10, 0xFFFF);
        uint above16Mib = _config.MemorySize > 16 * OneMebibyte ? (_config.MemorySize - (16 * OneMebibyte)) >> 16 : 0;
        Rtc.SetMemory(0x10, 0x00);                          // no floppy drives
        Rtc.SetMemory(0x14, 0x02);                          // equipment: no floppy, a coprocessor, a display with its own BIOS
        Rtc.SetMemory(0x15, 640 & 0xFF);                    // base memory in KiB
        Rtc.SetMemory(0x16, 640 >> 8);
        Rtc.SetMemory(0x17, (byte)extendedKib);             // extended memory in KiB, as found by setup
        Rtc.SetMemory(0x18, (byte)(extendedKib >> 8));
        Rtc.SetMemory(0x30, (byte)extendedKib);             // and as found by the power-on test
        Rtc.SetMemory(0x31, (byte)(extendedKib >> 8));
        Rtc.SetMemory(0x34, (byte)above16Mib);              // memory above 16 MiB in units of 64 KiB
        Rtc.SetMemory(0x35, (byte)(above16Mib >> 8));
        Rtc.SetMemory(0x38, 0x11);                          // boot order: at last a floppy, whose signature is not checked ...
        Rtc.SetMemory(0x3D, 0x32);                          // ... first the hard disk, then the CD-ROM
        Rtc.StoreChecksum();
    }

    // The type of the first two disks, "user-defined" (47), with their geometry. How a BIOS translates it for INT 13h stands in 0x39, two
    // bits a disk: 0 not at all, where 1024 cylinders are enough; 1 by LBA assist.
    private void StoreHardDisk(int place, AtaGeometry geometry)
    {
        if (place < 2)
        {
            Rtc.SetMemory(0x12, (byte)(Rtc.Memory(0x12) | (place == 0 ? 0xF0 : 0x0F)));
            Rtc.SetMemory(0x19 + place, 47);
            int first = place == 0 ? 0x1B : 0x24;
            Rtc.SetMemory(first, (byte)geometry.Cylinders);
            Rtc.SetMemory(first + 1, (byte)(geometry.Cylinders >> 8));
            Rtc.SetMemory(first + 2, (byte)geometry.Heads);
            Rtc.SetMemory(first + 3, 0xFF);                 // no write precompensation
            Rtc.SetMemory(first + 4, 0xFF);
            Rtc.SetMemory(first + 5, 0xC0);                 // control byte: no retries by the controller
            Rtc.SetMemory(first + 6, (byte)geometry.Cylinders);             // landing zone
            Rtc.SetMemory(first + 7, (byte)(geometry.Cylinders >> 8));
            Rtc.SetMemory(first + 8, (byte)geometry.SectorsPerTrack);
        }

        int translation = geometry.Cylinders <= 1024 ? 0 : 1;
        Rtc.SetMemory(0x39, (byte)(Rtc.Memory(0x39) | (translation << (2 * place))));
        Rtc.StoreChecksum();
    }
}
