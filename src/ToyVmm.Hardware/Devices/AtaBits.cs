namespace ToyVmm.Hardware.Devices;

/// <summary>The Status register (ATA/ATAPI-6 7.15).</summary>
[Flags]
internal enum AtaStatus : byte
{
    None = 0,

    /// <summary>ERR; for PACKET devices CHK.</summary>
    Error = 0x01,

    /// <summary>DRQ: a data block waits to be moved.</summary>
    DataRequest = 0x08,

    /// <summary>DSC of ATA-1 to ATA-3: the heads are where they should be. PACKET devices have SERV here.</summary>
    SeekComplete = 0x10,

    /// <summary>DF: the device is broken, or here: the host's file is.</summary>
    DeviceFault = 0x20,

    /// <summary>DRDY.</summary>
    Ready = 0x40,

    /// <summary>BSY: the device owns the registers.</summary>
    Busy = 0x80,
}

/// <summary>The Error register (ATA/ATAPI-6 7.9). A PACKET device has its sense key in the upper half.</summary>
[Flags]
internal enum AtaError : byte
{
    None = 0,

    /// <summary>The code of a passed diagnostic (ATA/ATAPI-6 table 26); not an error.</summary>
    DiagnosticPassed = 0x01,

    /// <summary>ABRT: the command is not known, or not possible.</summary>
    Aborted = 0x04,

    /// <summary>IDNF: there is no such sector.</summary>
    IdNotFound = 0x10,

    /// <summary>UNC when reading: the data cannot be had. WP when writing: the medium is write-protected.</summary>
    UncorrectableOrProtected = 0x40,
}
