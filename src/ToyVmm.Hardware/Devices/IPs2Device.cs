namespace ToyVmm.Hardware.Devices;

/// <summary>What hangs on a PS/2 cable: a keyboard or a mouse. The controller takes bytes when it is ready for them.</summary>
public interface IPs2Device
{
    /// <summary>True when a byte waits to be sent.</summary>
    bool HasData { get; }

    /// <summary>Set by the controller: called when <see cref="HasData"/> becomes true.</summary>
    Action? DataReady { get; set; }

    /// <summary>The next byte for the host; only when <see cref="HasData"/>.</summary>
    byte Send();

    /// <summary>A byte from the host.</summary>
    void Receive(byte value);

    /// <summary>Power-on.</summary>
    void Reset();
}
