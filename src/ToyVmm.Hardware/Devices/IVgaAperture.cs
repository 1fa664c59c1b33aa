namespace ToyVmm.Hardware.Devices;

/// <summary>
/// Where display memory can lie open to the CPU. While the VGA's logic does nothing but put each byte of the window into a place of
/// its own - text modes, mode 13h - the board lets ordinary memory answer there, and the guest pays nothing for its stores.
/// Offsets count from the start of the display's 128 KiB (A0000 on a PC).
/// </summary>
public interface IVgaAperture
{
    /// <summary>From now on memory answers in this range, and holds <paramref name="content"/>. Ranges are whole pages.</summary>
    /// <param name="offset">The first byte.</param>
    /// <param name="content">What the guest finds there.</param>
    void Open(uint offset, ReadOnlySpan<byte> content);

    /// <summary>From now on the VGA answers in this range again.</summary>
    /// <param name="offset">The first byte.</param>
    /// <param name="length">Bytes.</param>
    void Close(uint offset, uint length);

    /// <summary>Copies out what the memory of an open range holds; may be called from a thread that only looks.</summary>
    /// <param name="offset">The first byte.</param>
    /// <param name="destination">Where to.</param>
    void Read(uint offset, Span<byte> destination);

    /// <summary>Stores into the memory of an open range.</summary>
    /// <param name="offset">The first byte.</param>
    /// <param name="source">What.</param>
    void Write(uint offset, ReadOnlySpan<byte> source);
}
