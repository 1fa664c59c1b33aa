namespace ToyVmm.Hardware.Devices;

/// <summary>What is at the other end of a serial cable: a terminal, a file, another machine.</summary>
public interface ISerialPeer
{
    /// <summary>A character has left the guest.</summary>
    void Transmit(byte value);
}
