using ToyVmm.VirtualMachines;

namespace ToyVmm.Debugging.Registers;

/// <summary>What a register belongs to.</summary>
public enum RegisterGroup
{
    /// <summary>EAX to EDI, EIP.</summary>
    General,

    /// <summary>EFLAGS.</summary>
    Flags,

    /// <summary>Selectors and their descriptor caches, CPL.</summary>
    Segment,

    /// <summary>CR0 to CR4, and the PDPTEs.</summary>
    Control,

    /// <summary>DR0 to DR7.</summary>
    Debug,

    /// <summary>GDTR, IDTR, LDTR and TR.</summary>
    DescriptorTables,

    /// <summary>Model-specific registers.</summary>
    Msr,

    /// <summary>The x87 unit.</summary>
    X87,

    /// <summary>MM0 to MM7, which are the significands of the x87 registers.</summary>
    Mmx,

    /// <summary>XMM0 to XMM7 and MXCSR.</summary>
    Sse,
}

/// <summary>Reads a register of a stopped machine.</summary>
/// <param name="machine">The machine.</param>
public delegate UInt128 RegisterReader(VirtualMachine machine);

/// <summary>Changes a register of a stopped machine.</summary>
/// <param name="machine">The machine.</param>
/// <param name="value">The value; it fits.</param>
/// <returns>Null, or why the CPU cannot hold the value: nothing is changed then.</returns>
public delegate string? RegisterWriter(VirtualMachine machine, UInt128 value);

/// <summary>
/// A register: one row of the <see cref="RegisterTable"/>. What shows registers - a prompt, gdb, a trace - goes through the table, so that a register that
/// is added there is seen everywhere.
/// </summary>
public sealed class Register
{
    private readonly RegisterReader _read;
    private readonly RegisterWriter? _write;

    internal Register(string name, int bits, RegisterGroup group, GdbRegister? gdb, RegisterReader read, RegisterWriter? write)
    {
        (Name, Bits, Group, Gdb) = (name, bits, group, gdb);
        (_read, _write) = (read, write);
    }

    /// <summary>Its name in small letters: "eax", "cs_base".</summary>
    public string Name { get; }

    /// <summary>How wide it is: 2 to 128.</summary>
    public int Bits { get; }

    /// <summary>What it belongs to.</summary>
    public RegisterGroup Group { get; }

    /// <summary>How gdb is told of it; null where it is not.</summary>
    public GdbRegister? Gdb { get; }

    /// <summary>False for a register that only follows from others.</summary>
    public bool CanWrite => _write is not null;

    /// <summary>Its value; no bit above <see cref="Bits"/> is set.</summary>
    /// <param name="machine">A machine that is not running.</param>
    public UInt128 Read(VirtualMachine machine) => _read(machine);

    /// <summary>Changes it, and keeps what the CPU itself keeps: reserved bits, what follows from the register, descriptor caches.</summary>
    /// <param name="machine">A machine that is not running.</param>
    /// <param name="value">The value.</param>
    /// <returns>Null, or why it cannot be: nothing is changed then.</returns>
    public string? TryWrite(VirtualMachine machine, UInt128 value)
    {
        ArgumentNullException.ThrowIfNull(machine);
        if (_write is null)
        {
            return $"{Name} follows from other registers and cannot be set";
        }

        if (Bits < 128 && value >> Bits != 0)
        {
            return $"{Name} has {Bits} bits";
        }

        string? problem = _write(machine, value);
        if (problem is null)
        {
            machine.Vcpu.NotifyStateChanged();
        }

        return problem;
    }

    /// <inheritdoc/>
    public override string ToString() => Name;
}

/// <summary>How gdb is told of a register: a "reg" element of a target description (gdb manual, appendix G).</summary>
/// <param name="Feature">The feature that it is described in.</param>
/// <param name="Type">Its type: one that gdb has, or one of that feature.</param>
/// <param name="Bits">How wide it is there: selectors and the x87 words have 32.</param>
/// <param name="Group">The group that "info registers" puts it in; null for the default.</param>
public sealed record GdbRegister(string Feature, string Type, int Bits, string? Group = null)
{
    /// <summary>The feature of the registers that every i386 has, in gdb's order.</summary>
    public const string Core = "org.gnu.gdb.i386.core";

    /// <summary>The feature of XMM0-XMM7 and MXCSR.</summary>
    public const string Sse = "org.gnu.gdb.i386.sse";

    /// <summary>The feature of everything else, which gdb shows without knowing what it is.</summary>
    public const string System = "org.toyvmm.i386.system";
}
