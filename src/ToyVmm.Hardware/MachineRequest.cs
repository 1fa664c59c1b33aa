namespace ToyVmm.Hardware;

/// <summary>What a guest asked of the machine as a whole.</summary>
public enum MachineRequestKind
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>Power off (port 0x604, the S5 state of ACPI).</summary>
    PowerOff,

    /// <summary>End the run with a code (port 0xF4).</summary>
    DebugExit,

    /// <summary>Reset the machine (8042 command 0xFE, port 0x92 bit 0, port 0xCF9).</summary>
    Reset,
}

/// <summary>A request that waits for the run loop.</summary>
/// <param name="Kind">What is asked for.</param>
/// <param name="Code">The byte written to the debug exit port; otherwise 0.</param>
public readonly record struct MachineRequest(MachineRequestKind Kind, byte Code = 0)
{
    /// <summary>No request.</summary>
    public static MachineRequest None => default;
}
