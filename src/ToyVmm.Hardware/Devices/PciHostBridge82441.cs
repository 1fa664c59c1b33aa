namespace ToyVmm.Hardware.Devices;

/// <summary>
/// The 82441FX (PMC) host bridge, 8086:1237, as a PCI function. Of its registers the programmable attribute map PAM0-PAM6 (data
/// sheet 3.2.18) acts: it says for each part of C0000-FFFFF whether DRAM answers reads and writes. The rest is stored.
/// </summary>
public sealed class PciHostBridge82441 : PciFunction
{
    private const int Pam0 = 0x59;

    private readonly Action<uint, uint, bool, bool> _mapChanged;

    /// <summary>Makes the bridge.</summary>
    /// <param name="mapChanged">
    /// Told of each segment that PAM may have changed: its first address, its length, whether DRAM answers reads and whether it answers writes.
    /// </param>
    public PciHostBridge82441(Action<uint, uint, bool, bool> mapChanged)
    {
        _mapChanged = mapChanged;
        DefineHeader(0x8086, 0x1237, revision: 0x02, classCode: 0x06_00_00);
        DefineByte(0x04, 0x06, 0x40);       // PCICMD: memory and bus master always on; parity response
        DefineByte(0x05, 0x00, 0x01);       // SERR# enable
        DefineByte(0x06, 0x80);             // PCISTS: fast back-to-back
        DefineByte(0x07, 0x02);             // medium DEVSEL
        DefineByte(0x0D, 0x00, 0xF8);       // latency timer
        DefineByte(0x50, 0x00, 0xFF);       // PMCCFG
        DefineByte(0x51, 0x01, 0xCF);
        DefineByte(0x52, 0x00, 0xFF);       // DETURBO
        DefineByte(0x53, 0x80, 0xFF);       // DBC
        DefineByte(0x54, 0x00, 0xFF);       // AXC
        DefineByte(0x55, 0x00, 0xFF);       // DRT
        DefineByte(0x56, 0x00, 0xFF);
        DefineByte(0x57, 0x01, 0xFF);       // DRAMC
        DefineByte(0x58, 0x10, 0xFF);       // DRAMT
        for (int pam = Pam0; pam <= 0x5F; pam++)
        {
            DefineByte(pam, 0x00, pam == Pam0 ? (byte)0x30 : (byte)0x33);
        }

        for (int row = 0x60; row <= 0x67; row++)
        {
            DefineByte(row, 0x01, 0xFF);    // DRB: row boundaries
        }

        DefineByte(0x68, 0x00, 0xFF);       // FDHC
        DefineByte(0x70, 0x00, 0xFF);       // MTT
        DefineByte(0x71, 0x10, 0xFF);       // CLT
        DefineByte(0x72, 0x02, 0x78);       // SMRAM; there is no SMM
        DefineByte(0x93, 0x00, 0x0F);       // TRC
    }

    /// <inheritdoc/>
    protected override void ConfigurationWritten(int register)
    {
        if (register is not (0x58 or 0x5C))
        {
            return;
        }

        // PAM0 high half: F0000-FFFFF. PAM1-PAM6: two segments of 16 KiB each from C0000 to EFFFF.
        for (int pam = Math.Max(Pam0, register); pam < register + 4; pam++)
        {
            if (pam == Pam0)
            {
                Report(0xF_0000, 0x1_0000, ByteAt(pam) >> 4);
            }
            else
            {
                uint first = 0xC_0000 + ((uint)(pam - Pam0 - 1) * 0x8000);
                Report(first, 0x4000, ByteAt(pam) & 3);
                Report(first + 0x4000, 0x4000, ByteAt(pam) >> 4);
            }
        }
    }

    private void Report(uint first, uint length, int attribute) => _mapChanged(first, length, (attribute & 1) != 0, (attribute & 2) != 0);
}
