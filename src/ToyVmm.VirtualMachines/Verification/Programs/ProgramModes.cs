namespace ToyVmm.VirtualMachines.Verification.Programs;

/// <summary>What follows from a program's mode.</summary>
internal static class ProgramModes
{
    /// <summary>True for a body of 32-bit code.</summary>
    public static bool IsCode32(this ProgramMode mode) => mode is not (ProgramMode.User16 or ProgramMode.Virtual8086 or ProgramMode.Real);

    /// <summary>True where paging is on.</summary>
    public static bool IsPaged(this ProgramMode mode) => mode is not (ProgramMode.Flat or ProgramMode.Real);

    /// <summary>True for ring 0 and real mode.</summary>
    public static bool IsSupervisor(this ProgramMode mode) => mode is ProgramMode.Flat or ProgramMode.Paged or ProgramMode.Pae or ProgramMode.Real;

    /// <summary>The physical address of the body that runs: real and virtual-8086 mode have a copy below 1 MiB.</summary>
    public static uint Body(this ProgramMode mode) =>
        mode is ProgramMode.Real or ProgramMode.Virtual8086 ? ProgramLayout.LowBody : ProgramLayout.Body;
}
