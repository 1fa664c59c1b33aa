namespace ToyVmm.Hardware.Devices;

/// <summary>Why a PACKET command failed: sense key, additional sense code and its qualifier (SPC-2 tables 107 and 108).</summary>
/// <param name="Key">The sense key.</param>
/// <param name="Code">The additional sense code.</param>
/// <param name="Qualifier">The additional sense code qualifier.</param>
internal readonly record struct AtapiSense(byte Key, byte Code, byte Qualifier)
{
    public static AtapiSense None => default;

    /// <summary>NOT READY: medium not present.</summary>
    public static AtapiSense NoMedium => new(0x2, 0x3A, 0x00);

    /// <summary>MEDIUM ERROR: unrecovered read error.</summary>
    public static AtapiSense ReadError => new(0x3, 0x11, 0x00);

    /// <summary>ILLEGAL REQUEST: invalid command operation code.</summary>
    public static AtapiSense InvalidCommand => new(0x5, 0x20, 0x00);

    /// <summary>ILLEGAL REQUEST: logical block address out of range.</summary>
    public static AtapiSense OutOfRange => new(0x5, 0x21, 0x00);

    /// <summary>ILLEGAL REQUEST: invalid field in the packet.</summary>
    public static AtapiSense InvalidField => new(0x5, 0x24, 0x00);

    /// <summary>ILLEGAL REQUEST: saving parameters not supported.</summary>
    public static AtapiSense NoSavedPages => new(0x5, 0x39, 0x00);

    /// <summary>ILLEGAL REQUEST: medium removal prevented.</summary>
    public static AtapiSense RemovalPrevented => new(0x5, 0x53, 0x02);

    /// <summary>UNIT ATTENTION: not ready to ready change, the medium may have changed.</summary>
    public static AtapiSense MediumChanged => new(0x6, 0x28, 0x00);

    /// <summary>UNIT ATTENTION: power on or reset occurred.</summary>
    public static AtapiSense PowerOn => new(0x6, 0x29, 0x00);
}
