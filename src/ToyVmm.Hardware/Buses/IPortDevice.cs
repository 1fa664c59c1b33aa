namespace ToyVmm.Hardware.Buses;

/// <summary>
/// A chip that answers at I/O ports. It sees offsets into its own register file, never port numbers: the board decides where
/// it sits. No access may throw, whatever its offset, width or value.
/// </summary>
public interface IPortDevice
{
    /// <summary>
    /// The widest access in bytes (1, 2 or 4) that the chip takes whole. Wider ones, and unaligned ones, are split by the bus into
    /// halves at consecutive ports, as the ISA bus does for byte-wide chips.
    /// </summary>
    int MaximumWidth => 1;

    /// <summary>The guest executes IN.</summary>
    /// <param name="offset">The register, counted from the first port of the range.</param>
    /// <param name="width">Bytes: 1, 2 or 4, at most <see cref="MaximumWidth"/>.</param>
    /// <returns>The value; bits above <paramref name="width"/> are ignored.</returns>
    uint ReadPort(uint offset, int width);

    /// <summary>The guest executes OUT.</summary>
    /// <param name="offset">The register, counted from the first port of the range.</param>
    /// <param name="width">Bytes: 1, 2 or 4, at most <see cref="MaximumWidth"/>.</param>
    /// <param name="value">The value, zero above <paramref name="width"/>.</param>
    void WritePort(uint offset, int width, uint value);
}
