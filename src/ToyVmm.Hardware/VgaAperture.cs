using ToyVmm.Hardware.Devices;
using ToyVmm.Hardware.Memory;

namespace ToyVmm.Hardware;

/// <summary>The RAM that a PC has behind its display's addresses, lent to the VGA where plain memory can answer for it.</summary>
/// <param name="memory">The guest's memory.</param>
/// <param name="first">Where the display's addresses begin.</param>
/// <param name="changed">Told of every change of what answers.</param>
internal sealed class VgaAperture(GuestMemory memory, GuestPhysicalAddress first, Action<GuestPhysicalAddress, uint> changed) : IVgaAperture
{
    /// <summary>True while the display is switched on over memory that has its content already: what it says of itself does not count yet.</summary>
    public bool IsAsleep { get; set; }

    /// <inheritdoc/>
    public void Open(uint offset, ReadOnlySpan<byte> content)
    {
        if (IsAsleep)
        {
            return;
        }

        _ = memory.TryWrite(first + offset, content);
        SetKind(offset, (uint)content.Length, PageKind.Ram);
    }

    /// <inheritdoc/>
    public void Close(uint offset, uint length) => SetKind(offset, length, PageKind.Mmio);

    /// <inheritdoc/>
    public void Read(uint offset, Span<byte> destination) => _ = memory.TryRead(first + offset, destination);

    /// <inheritdoc/>
    public void Write(uint offset, ReadOnlySpan<byte> source) => _ = memory.TryWrite(first + offset, source);

    private void SetKind(uint offset, uint length, PageKind kind)
    {
        memory.SetKind(first + offset, length, kind);
        changed(first + offset, length);
    }
}
