using ToyVmm.Hardware;

namespace ToyVmm.VirtualMachines.Advising;

/// <summary>Finds out what an access to a device is for, from the device's state before it. Reads registers whose reading changes nothing.</summary>
/// <param name="machine">The board.</param>
internal sealed class ExitPurposes(Machine machine)
{
    /// <summary>COM1's line status register.</summary>
    public const ushort LineStatus = 0x3FD;

    private const uint LocalApicTimer = 0x320;
    private const uint LocalApicInService = 0x100;
    private byte _cmosIndex;

    /// <summary>The purpose of IN or OUT.</summary>
    /// <param name="port">The port.</param>
    /// <param name="isWrite">True for OUT.</param>
    /// <param name="value">For OUT: the value.</param>
    public ExitPurpose OfPort(ushort port, bool isWrite, uint value)
    {
        switch (port)
        {
            case 0x3F8 when isWrite && !DivisorLatchOpen:
            case 0xE9 when isWrite:
                return ExitPurpose.ConsoleOutput;
            case LineStatus when !isWrite:
                return ExitPurpose.ConsolePoll;
            case >= 0x40 and <= 0x42 when !isWrite:
            case 0x42:
                return ExitPurpose.Clock;
            case 0x40:
                return ExitPurpose.Timer;
            case 0x43 when isWrite:
                return OfTimerCommand((byte)value);
            case 0x61:
                // Gate and output of channel 2 make a stopwatch; with the speaker on (bit 1) they make a tone.
                return isWrite && (value & 2) != 0 ? ExitPurpose.None : ExitPurpose.Clock;
            case 0x70 when isWrite:
                _cmosIndex = (byte)(value & 0x7F);
                return IsClockRegister ? ExitPurpose.Clock : ExitPurpose.None;
            case 0x71 when !isWrite && IsClockRegister:
            case >= 0x608 and <= 0x60B when !isWrite:
                return ExitPurpose.Clock;
            case 0x20 or 0x21 or 0xA0 or 0xA1 when (machine.Pic.Master.InService & 1) != 0:
                return ExitPurpose.Timer;
            case 0x80 when isWrite:
                return ExitPurpose.Delay;
            default:
                return ExitPurpose.None;
        }
    }

    /// <summary>The purpose of an access to a device in memory.</summary>
    /// <param name="address">The guest-physical address.</param>
    /// <param name="isWrite">True for a store.</param>
    /// <param name="place">What it is told apart by: the page, or a register of the local APIC.</param>
    public ExitPurpose OfDevice(ulong address, bool isWrite, out uint place)
    {
        const ulong PageMask = 0xFFFF_F000;
        ulong apic = Hardware.Interrupts.LocalApic.DefaultAddress;
        bool isApic = (address & ~0xFFFul) == apic;
        place = (uint)(address & (isApic ? 0xFFFF_FFF0 : PageMask));
        return (isApic, place - (uint)apic) switch
        {
            (true, LocalApicTimer or 0x380 or 0x3E0) when isWrite => ExitPurpose.Timer,
            (true, 0xB0) when isWrite && LocalTimerInService => ExitPurpose.Timer,
            (true, 0x390) when !isWrite => ExitPurpose.Clock,
            _ => ExitPurpose.None,
        };
    }

    // LCR bit 7: ports 0x3F8 and 0x3F9 are the divisor's.
    private bool DivisorLatchOpen => machine.SerialPorts.Count == 0 || (machine.SerialPorts[0].ReadPort(3, 1) & 0x80) != 0;

    // Seconds to year, status A with its "update in progress", century (MC146818 data sheet; IBM PC AT).
    private bool IsClockRegister => _cmosIndex is <= 0x0A or 0x32;

    private bool LocalTimerInService
    {
        get
        {
            uint vector = (uint)machine.LocalApic.Read(LocalApicTimer, 4) & 0xFF;
            return ((machine.LocalApic.Read(LocalApicInService + (vector / 32 * 0x10), 4) >> (int)(vector % 32)) & 1) != 0;
        }
    }

    // 8254 data sheet, "Control word format": bits 7-6 choose the channel (3: read-back), bits 5-4 = 0 latch its count.
    private static ExitPurpose OfTimerCommand(byte command) =>
        command >> 6 is 2 or 3 || (command & 0x30) == 0 ? ExitPurpose.Clock
        : command >> 6 == 0 ? ExitPurpose.Timer
        : ExitPurpose.None;
}
