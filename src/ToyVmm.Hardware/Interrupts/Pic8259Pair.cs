using ToyVmm.Hardware.Buses;
using ToyVmm.Hardware.State;

namespace ToyVmm.Hardware.Interrupts;

/// <summary>
/// The two 8259As of a PC/AT: the slave's INT drives the master's IR2, the master's drives the CPU's INTR. IRQ 0-7 are the
/// master's inputs, IRQ 8-15 the slave's; IRQ 2 itself is the cascade.
/// </summary>
public sealed class Pic8259Pair : ISavedState
{
    private const int Cascade = 2;
    private readonly CallbackLine _cpuInterrupt;
    private readonly CallbackLine[] _lines = new CallbackLine[16];

    /// <summary>Makes the pair in its power-on state.</summary>
    public Pic8259Pair()
    {
        _cpuInterrupt = new CallbackLine(high => OutputChanged?.Invoke(high));
        Master = new Pic8259(_cpuInterrupt);
        Slave = new Pic8259(Master.Line(Cascade));
        for (int irq = 0; irq < 16; irq++)
        {
            int captured = irq;
            IInterruptLine input = irq < 8 ? Master.Line(irq) : Slave.Line(irq - 8);
            _lines[irq] = new CallbackLine(high =>
            {
                input.SetLevel(high);
                LineChanged?.Invoke(captured, high);
            });
        }

        EdgeLevelControl = new EdgeLevelControlRegisters(this);
    }

    /// <summary>The chip whose output reaches the CPU.</summary>
    public Pic8259 Master { get; }

    /// <summary>The chip at the master's IR2.</summary>
    public Pic8259 Slave { get; }

    /// <summary>The chipset's two ELCR registers (82371SB data sheet, 4.2.5): offset 0 for the master, 1 for the slave.</summary>
    public IPortDevice EdgeLevelControl { get; }

    /// <summary>The level of INTR.</summary>
    public bool Output => _cpuInterrupt.Level;

    /// <summary>Told when INTR changes: it ends at the local APIC's LINT0 and at pin 0 of the I/O APIC.</summary>
    public Action<bool>? OutputChanged { get; set; }

    /// <summary>Told of the wires of <see cref="Line"/>, which end at the I/O APIC too: the IRQ and its new level.</summary>
    public Action<int, bool>? LineChanged { get; set; }

    /// <summary>The wire of an ISA interrupt request.</summary>
    /// <param name="irq">0 to 15, but not 2.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such wire.</exception>
    public IInterruptLine Line(int irq)
    {
        if (irq is < 0 or > 15 or Cascade)
        {
            throw new ArgumentOutOfRangeException(nameof(irq), irq, "the request lines are IRQ 0 to 15 without the cascade IRQ 2");
        }

        return _lines[irq];
    }

    /// <summary>The CPU acknowledges an interrupt.</summary>
    /// <returns>The vector. When the request has gone meanwhile it is the spurious one: input 7 of the chip that was asked.</returns>
    public byte Acknowledge()
    {
        byte vector = Master.Acknowledge(out int input);

        // A spurious acknowledge reports input 7, so the cascade lines name the slave only when its request was really taken.
        bool fromSlave = input == Cascade && (Master.SlaveInputs & (1 << Cascade)) != 0;
        return fromSlave ? Slave.Acknowledge(out _) : vector;
    }

    /// <summary>Both chips back to the power-on state.</summary>
    public void Reset()
    {
        Master.Reset();
        Slave.Reset();
    }

    /// <inheritdoc/>
    void ISavedState.Transfer(StateTransfer state)
    {
        _cpuInterrupt.Transfer(state);
        foreach (CallbackLine line in _lines)
        {
            line.Transfer(state);
        }

        state.Section("8259A master"u8, 1, Master);
        state.Section("8259A slave"u8, 1, Slave);
    }

    private sealed class EdgeLevelControlRegisters(Pic8259Pair pair) : IPortDevice
    {
        // The timer, keyboard and cascade, and the clock and coprocessor, are always edge-triggered.
        private const byte MasterWritable = 0xF8;
        private const byte SlaveWritable = 0xDE;

        public uint ReadPort(uint offset, int width) => (offset & 1) == 0 ? pair.Master.EdgeLevelControl : pair.Slave.EdgeLevelControl;

        public void WritePort(uint offset, int width, uint value)
        {
            if ((offset & 1) == 0)
            {
                pair.Master.SetEdgeLevelControl((byte)(value & MasterWritable));
            }
            else
            {
                pair.Slave.SetEdgeLevelControl((byte)(value & SlaveWritable));
            }
        }
    }
}
