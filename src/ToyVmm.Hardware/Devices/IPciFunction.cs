namespace ToyVmm.Hardware.Devices;

/// <summary>The configuration space of one PCI function: 64 registers of 32 bits (PCI 2.1, chapter 6). No access may throw.</summary>
public interface IPciFunction
{
    /// <summary>Reads a register.</summary>
    /// <param name="register">The byte offset of a doubleword: 0, 4, ... 252.</param>
    uint ReadConfiguration(int register);

    /// <summary>Writes some bytes of a register.</summary>
    /// <param name="register">The byte offset of a doubleword.</param>
    /// <param name="value">The value, in place.</param>
    /// <param name="byteMask">All-ones in the bytes that are written, zero in the others.</param>
    void WriteConfiguration(int register, uint value, uint byteMask);

    /// <summary>The RST# pin.</summary>
    void Reset();
}
