namespace ToyVmm.Hardware.Devices;

/// <summary>
/// The IDE function of the 82371SB (PIIX3), 8086:7010 (data sheet 2.3): tells software that two ATA channels sit at their legacy
/// ports. PROG-IF is 00h: compatibility mode, and no bus master - data moves by PIO.
/// </summary>
public sealed class PciIdePiix3 : PciFunction
{
    /// <summary>Makes the function.</summary>
    public PciIdePiix3()
    {
        DefineHeader(0x8086, 0x7010, revision: 0x00, classCode: 0x01_01_00);
        DefineByte(0x04, 0x01, 0x05);       // PCICMD: I/O space on; bus master can be set, without an effect
        DefineByte(0x06, 0x80);             // PCISTS: fast back-to-back
        DefineByte(0x07, 0x02);             // medium DEVSEL
        DefineByte(0x0D, 0x00, 0xF0);       // latency timer
        for (int timing = 0x40; timing <= 0x43; timing++)
        {
            DefineByte(timing, (byte)((timing & 1) == 0 ? 0x00 : 0x80), 0xFF);  // IDETIM: both channels decode; timing is stored only
        }

        DefineByte(0x44, 0x00, 0xFF);       // SIDETIM
    }
}
