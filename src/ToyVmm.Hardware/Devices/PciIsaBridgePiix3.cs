namespace ToyVmm.Hardware.Devices;

/// <summary>
/// The ISA bridge function of the 82371SB (PIIX3), 8086:7000 (data sheet 2.2): function 0 of the chip whose function 1 is the IDE
/// controller; multi-function scans begin with it. The board's ISA chips are always decoded; the registers are stored.
/// </summary>
public sealed class PciIsaBridgePiix3 : PciFunction
{
    /// <summary>Makes the function.</summary>
    public PciIsaBridgePiix3()
    {
        DefineHeader(0x8086, 0x7000, revision: 0x00, classCode: 0x06_01_00);
        DefineByte(0x04, 0x07, 0x08);       // PCICMD: I/O, memory and bus master always on; special cycles
        DefineByte(0x05, 0x00, 0x01);       // SERR# enable
        DefineByte(0x06, 0x00);             // PCISTS
        DefineByte(0x07, 0x02);             // medium DEVSEL
        DefineByte(0x0E, 0x80);             // header type: more functions follow
        DefineByte(0x4C, 0x4D, 0x7F);       // IORT
        DefineByte(0x4E, 0x03, 0xFF);       // XBCS
        DefineByte(0x4F, 0x00, 0x01);
        for (int route = 0x60; route <= 0x63; route++)
        {
            DefineByte(route, 0x80, 0x8F);  // PIRQRC[A:D]: not routed
        }

        DefineByte(0x69, 0x02, 0xFE);       // TOM
        DefineByte(0x70, 0x80, 0xEF);       // MBIRQ0
        DefineByte(0x76, 0x0C, 0x8F);       // MBDMA
        DefineByte(0x77, 0x0C, 0x8F);
        DefineByte(0x82, 0x00, 0x0F);       // DLC
        DefineByte(0xA0, 0x08, 0xFF);       // SMICNTL; there is no SMM
    }
}
