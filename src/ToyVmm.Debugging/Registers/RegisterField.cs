using ToyVmm.VirtualMachines;

namespace ToyVmm.Debugging.Registers;

/// <summary>A register or a part of one, by name: "eax", "al", "eflags.zf", "cr0.pg", "cs.dpl", "xmm0.q1".</summary>
/// <param name="Name">The name, in small letters.</param>
/// <param name="Register">The register that it is in.</param>
/// <param name="Shift">Its lowest bit there.</param>
/// <param name="Bits">How many bits it has.</param>
public sealed record RegisterField(string Name, Register Register, int Shift, int Bits)
{
    /// <summary>True where it is a whole register.</summary>
    public bool IsWhole => Shift == 0 && Bits == Register.Bits;

    private UInt128 Mask => Bits == 128 ? UInt128.MaxValue : (UInt128.One << Bits) - 1;

    /// <summary>Its value.</summary>
    /// <param name="machine">A machine that is not running.</param>
    public UInt128 Read(VirtualMachine machine) => (Register.Read(machine) >> Shift) & Mask;

    /// <summary>Changes it, and leaves the rest of its register.</summary>
    /// <param name="machine">A machine that is not running.</param>
    /// <param name="value">The value.</param>
    /// <returns>Null, or why it cannot be: nothing is changed then.</returns>
    public string? TryWrite(VirtualMachine machine, UInt128 value) =>
        (value & ~Mask) != 0 ? $"{Name} has {Bits} bit{(Bits == 1 ? "" : "s")}"
        : Register.TryWrite(machine, (Register.Read(machine) & ~(Mask << Shift)) | (value << Shift));
}
