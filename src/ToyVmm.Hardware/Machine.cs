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
public sealed class Machine : IDisposable
{
    private readonly MachineConfig _config;

    /// <summary>Builds the board and switches it on.</summary>
    /// <exception cref="ArgumentException">The configuration is not one a PC can have.</exception>
    public Machine(MachineConfig config)
    {
        ArgumentNullException.ThrowIfNull(config);
        config.Validate();
        _config = config;
        Memory = new GuestMemory(config.MemorySize);
        Clock = new VirtualClock(config.InstructionsPerSecond);
        A20.Set(config.A20AtReset);
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

    /// <summary>The non-maskable interrupt.</summary>
    public NmiGate Nmi { get; } = new();

    /// <summary>The gate on address line 20.</summary>
    public A20Gate A20 { get; } = new();

    /// <summary>True when address bit 20 passes.</summary>
    public bool A20Enabled => A20.Enabled;

    /// <summary>The level of the CPU's INTR pin.</summary>
    public bool InterruptRequested => Pic.Output;

    /// <summary>What the guest asked of the machine; the run loop looks after every exit.</summary>
    public MachineRequest Request { get; private set; }

    /// <summary>The CPU acknowledges INTR.</summary>
    /// <returns>The vector.</returns>
    public byte AcknowledgeInterrupt() => Pic.Acknowledge();

    /// <summary>Returns the pending request and forgets it.</summary>
    public MachineRequest TakeRequest()
    {
        MachineRequest request = Request;
        Request = MachineRequest.None;
        return request;
    }

    /// <summary>The reset line: every chip to its power-on state. RAM, CMOS memory and the clock live on.</summary>
    public void Reset()
    {
        Request = MachineRequest.None;
        A20.Set(_config.A20AtReset);
    }

    /// <inheritdoc/>
    public void Dispose() => Memory.Dispose();
}
