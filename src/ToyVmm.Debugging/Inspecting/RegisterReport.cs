using ToyVmm.Debugging.Monitoring;
using ToyVmm.Debugging.Registers;
using ToyVmm.VirtualMachines;

namespace ToyVmm.Debugging.Inspecting;

/// <summary>The registers for people: all of them, and those that are made of flags with the names of the flags that are set.</summary>
internal static class RegisterReport
{
    private static readonly string[] s_flags = ["eflags", "cr0", "cr4", "efer"];

    /// <summary>All registers, in the layout of QEMU's "info registers", and the flags by name.</summary>
    public static InspectionText All(VirtualMachine machine)
    {
        InspectionWriter text = new InspectionWriter().Add(RegisterText.Describe(machine.Vcpu)).Add("\n");
        foreach (string name in s_flags)
        {
            _ = text.Write($"{name.ToUpperInvariant()}: {Flags(machine, name)}").End();
        }

        return text.ToText();
    }

    /// <summary>The fields of a register that are not zero: "ZF IF IOPL=3".</summary>
    /// <param name="machine">The machine.</param>
    /// <param name="register">The register's name.</param>
    public static string Flags(VirtualMachine machine, string register)
    {
        List<string> set = [];
        foreach (string name in RegisterTable.Names)
        {
            if (name.StartsWith(register + ".", StringComparison.Ordinal) && RegisterTable.Find(name) is { } field && field.Read(machine) is var value && value != 0)
            {
                set.Add(name[(register.Length + 1)..].ToUpperInvariant() + (field.Bits == 1 ? "" : FormattableString.Invariant($"={value}")));
            }
        }

        return set.Count == 0 ? "-" : string.Join(' ', set.OrderBy(flag => (int)RegisterTable.Find($"{register}.{flag.Split('=')[0]}")!.Shift));
    }
}
