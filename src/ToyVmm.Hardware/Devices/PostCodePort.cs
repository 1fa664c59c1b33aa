using ToyVmm.Hardware.Buses;

namespace ToyVmm.Hardware.Devices;

/// <summary>The diagnostic latch of a PC: firmware writes progress codes to it. Guests also write here merely to wait for a bus cycle. A read gives the last code.</summary>
public sealed class PostCodePort : ILatchDevice
{
    /// <summary>How many codes are kept.</summary>
    public const int Capacity = 64;

    private readonly Queue<byte> _codes = new(Capacity);

    /// <summary>The last code written; 0 before the first.</summary>
    public byte Last { get; private set; }

    /// <inheritdoc/>
    public byte Latched => Last;

    /// <summary>The last <see cref="Capacity"/> codes, oldest first. A code that repeats the one before is kept once.</summary>
    public IReadOnlyCollection<byte> History => _codes;

    /// <summary>Forgets all codes.</summary>
    public void Reset()
    {
        _codes.Clear();
        Last = 0;
    }

    /// <inheritdoc/>
    public uint ReadPort(uint offset, int width) => Last;

    /// <inheritdoc/>
    public void WritePort(uint offset, int width, uint value)
    {
        // Linux delays I/O with endless writes of one value; they must not push the history out.
        if (_codes.Count > 0 && Last == (byte)value)
        {
            return;
        }

        if (_codes.Count == Capacity)
        {
            _ = _codes.Dequeue();
        }

        Last = (byte)value;
        _codes.Enqueue(Last);
    }
}
