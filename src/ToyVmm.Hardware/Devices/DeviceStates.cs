namespace ToyVmm.Hardware.Devices;

/// <summary>A 16550's registers, read without what a read does to them.</summary>
/// <param name="InterruptEnable">IER.</param>
/// <param name="InterruptIdentification">IIR: the pending interrupt, and whether the FIFO is on.</param>
/// <param name="LineControl">LCR.</param>
/// <param name="ModemControl">MCR.</param>
/// <param name="LineStatus">LSR.</param>
/// <param name="ModemStatus">MSR.</param>
/// <param name="Scratch">SCR.</param>
/// <param name="Divisor">DLL and DLM.</param>
/// <param name="Received">Characters that wait for the guest.</param>
/// <param name="Trigger">How many of them raise the interrupt.</param>
public readonly record struct SerialState(
    byte InterruptEnable, byte InterruptIdentification, byte LineControl, byte ModemControl, byte LineStatus, byte ModemStatus, byte Scratch, ushort Divisor, int Received, int Trigger);

/// <summary>An 8042's registers, read without what a read does to them.</summary>
/// <param name="Status">The status register.</param>
/// <param name="Data">What a read of port 60 gives next.</param>
/// <param name="Command">The command byte.</param>
/// <param name="OutputPort">The output port.</param>
/// <param name="Waiting">Answers of the controller that wait for the output buffer.</param>
public readonly record struct KeyboardControllerState(byte Status, byte Data, byte Command, byte OutputPort, int Waiting);

/// <summary>The task file of a drive, read without acknowledging its interrupt.</summary>
/// <param name="Status">Status.</param>
/// <param name="Error">Error.</param>
/// <param name="Features">Features, as written last.</param>
/// <param name="Count">Sector Count; Interrupt Reason of a PACKET device.</param>
/// <param name="Low">LBA Low, or Sector Number.</param>
/// <param name="MiddleAndHigh">LBA Mid and High, or Cylinder; Byte Count of a PACKET device.</param>
/// <param name="Device">Device/Head.</param>
/// <param name="InterruptPending">INTRQ, before nIEN and the selection gate it.</param>
/// <param name="BytesLeft">Bytes of the data block that are still to be moved.</param>
/// <param name="Sense">Of a PACKET device, sense key, code and qualifier; null of a disk.</param>
public readonly record struct AtaDeviceState(
    byte Status, byte Error, byte Features, byte Count, byte Low, ushort MiddleAndHigh, byte Device, bool InterruptPending, int BytesLeft, (byte Key, byte Code, byte Qualifier)? Sense);
