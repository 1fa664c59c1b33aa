namespace ToyVmm.Hardware.Buses;

/// <summary>A chip that answers at physical addresses. It sees offsets into its own range. No access may throw.</summary>
public interface IMmioDevice
{
    /// <summary>The guest loads.</summary>
    /// <param name="offset">Bytes from the start of the device's range.</param>
    /// <param name="width">Bytes: 1, 2, 4 or 8.</param>
    /// <returns>The value; bits above <paramref name="width"/> are ignored.</returns>
    ulong Read(uint offset, int width);

    /// <summary>The guest stores.</summary>
    /// <param name="offset">Bytes from the start of the device's range.</param>
    /// <param name="width">Bytes: 1, 2, 4 or 8.</param>
    /// <param name="value">The value, zero above <paramref name="width"/>.</param>
    void Write(uint offset, int width, ulong value);
}
