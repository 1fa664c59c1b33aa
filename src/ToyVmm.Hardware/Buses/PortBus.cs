using ToyVmm.Hardware.State;

namespace ToyVmm.Hardware.Buses;

/// <summary>
/// The 64 KiB I/O address space (SDM 1 19.3). Each port belongs to at most one device. An access that a device does not take
/// whole is split into halves, lower port first, down to bytes: so a word written to two byte-wide chips reaches both.
/// Ports that nobody answers read as all-ones, as a bus with pull-ups does.
/// </summary>
public sealed unsafe class PortBus : ISavedState
{
    private const int PortCount = 0x1_0000;

    // Most ports are nobody's: a table for each group of ports that has a device.
    private const int GroupShift = 6;
    private const int GroupSize = 1 << GroupShift;
    private readonly Mapping?[]?[] _groups = new Mapping?[]?[PortCount / GroupSize];
    private readonly LatchTable _latches = new();
    private readonly List<ushort> _latchPorts = [];

    /// <summary>Called for an access that found no device at any of its ports.</summary>
    public Action<UnmappedAccess>? UnmappedAccess { get; set; }

    /// <summary>
    /// Two tables of 64 Ki bytes, one behind the other, at one address as long as the bus lives. The first has a zero for each port that is a latch
    /// (<see cref="MapLatch"/>), the second what it holds.
    /// </summary>
    public byte* Latches => _latches.Address;

    /// <summary>Puts a latch at a port: a byte that reads as what was written to it last, 0 at first, and has no effect.</summary>
    /// <param name="port">The port.</param>
    public void MapLatch(ushort port)
    {
        Map(port, 1, new Latch(_latches, port));
        _latches.Mark(port, 1, areLatches: true);
        _latchPorts.Add(port);
    }

    /// <summary>Gives a range of ports to a device.</summary>
    /// <param name="first">The first port; see <paramref name="firstOffset"/>.</param>
    /// <param name="count">The number of ports.</param>
    /// <param name="device">Who answers.</param>
    /// <param name="firstOffset">The offset that the device sees for <paramref name="first"/>: not zero for the later parts of a device whose ports have gaps.</param>
    /// <exception cref="ArgumentOutOfRangeException">The range is empty or passes port 0xFFFF.</exception>
    /// <exception cref="InvalidOperationException">A port of the range has a device already.</exception>
    public void Map(ushort first, int count, IPortDevice device, uint firstOffset = 0)
    {
        ArgumentNullException.ThrowIfNull(device);
        if (count <= 0 || first + count > PortCount)
        {
            throw new ArgumentOutOfRangeException(nameof(count), count, $"ports from 0x{first:x} do not fit the 64 KiB I/O space");
        }

        for (int port = first; port < first + count; port++)
        {
            if (At(port) is { } taken)
            {
                throw new InvalidOperationException($"port 0x{port:x} belongs to {taken.Device.GetType().Name} already; {device.GetType().Name} cannot have it");
            }
        }

        Set(first, count, new Mapping(device, first, firstOffset));
    }

    /// <summary>Takes a range of ports away from whoever has them (PCI functions move their I/O ranges).</summary>
    /// <param name="first">The first port.</param>
    /// <param name="count">The number of ports.</param>
    public void Unmap(ushort first, int count)
    {
        Set(first, count, null);
        _latches.Mark(first, count, areLatches: false);
        _ = _latchPorts.RemoveAll(port => port >= first && port < first + count);
    }

    /// <inheritdoc/>
    /// <remarks>What the latches hold. What lies at which port is the board's.</remarks>
    void ISavedState.Transfer(StateTransfer state)
    {
        foreach (ushort port in _latchPorts)
        {
            state.Value(ref _latches.Value(port));
        }
    }

    /// <summary>Who has a port; null for nobody. For reports: nothing is accessed.</summary>
    /// <param name="port">The port.</param>
    public IPortDevice? DeviceAt(ushort port) => At(port)?.Device;

    /// <summary>The guest executes IN.</summary>
    /// <param name="port">The port.</param>
    /// <param name="width">Bytes: 1, 2 or 4.</param>
    /// <returns>The value, zero-extended.</returns>
    public uint Read(ushort port, int width)
    {
        if (AnswersWhole(port, width) is { } mapping)
        {
            return mapping.Device.ReadPort(mapping.OffsetOf(port), width) & AllOnes(width);
        }

        if (NobodyAnswers(port, width))
        {
            UnmappedAccess?.Invoke(new UnmappedAccess(port, width, IsWrite: false, AllOnes(width)));
            return AllOnes(width);
        }

        int half = width / 2;
        uint low = Read(port, half);
        return low | (ReadUpperHalf(port, half) << (8 * half));
    }

    /// <summary>The guest executes OUT.</summary>
    /// <param name="port">The port.</param>
    /// <param name="width">Bytes: 1, 2 or 4.</param>
    /// <param name="value">The value; bits above <paramref name="width"/> are ignored.</param>
    public void Write(ushort port, int width, uint value)
    {
        value &= AllOnes(width);
        if (AnswersWhole(port, width) is { } mapping)
        {
            mapping.Device.WritePort(mapping.OffsetOf(port), width, value);
            return;
        }

        if (NobodyAnswers(port, width))
        {
            UnmappedAccess?.Invoke(new UnmappedAccess(port, width, IsWrite: true, value));
            return;
        }

        int half = width / 2;
        Write(port, half, value);
        if (port + half < PortCount)
        {
            Write((ushort)(port + half), half, value >> (8 * half));
        }
    }

    /// <summary>The machine is gone, and with it <see cref="Latches"/>.</summary>
    internal void Release() => _latches.Release();

    private Mapping? At(int port) => _groups[port >> GroupShift]?[port & (GroupSize - 1)];

    private void Set(int first, int count, Mapping? mapping)
    {
        for (int port = first; port < first + count; port++)
        {
            (_groups[port >> GroupShift] ??= new Mapping?[GroupSize])[port & (GroupSize - 1)] = mapping;
        }
    }

    // Addresses past 0xFFFF do not exist; SDM 1 19.3 leaves their behaviour to the implementation, and nobody answers there.
    private uint ReadUpperHalf(ushort port, int half) =>
        port + half < PortCount ? Read((ushort)(port + half), half) : AllOnes(half);

    private static uint AllOnes(int width) => uint.MaxValue >> (32 - (8 * width));

    // A byte can always be taken whole; a wider access must be aligned and lie within one device that accepts the width.
    private Mapping? AnswersWhole(ushort port, int width)
    {
        Mapping? mapping = At(port);
        if (mapping is null || width == 1)
        {
            return mapping;
        }

        bool whole = width <= mapping.Device.MaximumWidth && (port & (width - 1)) == 0 && ReferenceEquals(At(port + width - 1)?.Device, mapping.Device);
        return whole ? mapping : null;
    }

    private bool NobodyAnswers(ushort port, int width)
    {
        for (int at = port; at < port + width && at < PortCount; at++)
        {
            if (At(at) is not null)
            {
                return false;
            }
        }

        return true;
    }

    private sealed record Mapping(IPortDevice Device, ushort First, uint FirstOffset)
    {
        public uint OffsetOf(ushort port) => FirstOffset + (uint)(port - First);
    }

    private sealed class Latch(LatchTable latches, int port) : IPortDevice
    {
        public uint ReadPort(uint offset, int width) => latches.Value(port);

        public void WritePort(uint offset, int width, uint value) => latches.Value(port) = (byte)value;
    }
}
