using System.Globalization;
using ToyVmm.Debugging.Registers;
using ToyVmm.VirtualMachines;

namespace ToyVmm.Debugging.Terminal;

/// <summary>Which registers have changed since the guest stood still the last time.</summary>
internal sealed class RegisterChanges
{
    // EIP always changes and is shown anyway; the time does too; MM0-MM7 are ST0-ST7 in another order.
    private static readonly Register[] s_watched =
        [.. RegisterTable.All.Where(register => register.Name is not ("eip" or "tsc") && register.Group != RegisterGroup.Mmx)];

    private readonly VirtualMachine _machine;
    private UInt128[] _last;

    public RegisterChanges(VirtualMachine machine)
    {
        _machine = machine;
        _last = Read();
    }

    /// <summary>The names of those that had changed when <see cref="Take"/> was called last.</summary>
    public IReadOnlySet<string> ChangedNames { get; private set; } = new HashSet<string>();

    /// <summary>Looks, and remembers what is there for the next time.</summary>
    /// <returns>Register, old and new value.</returns>
    public IReadOnlyList<(Register Register, UInt128 Old, UInt128 New)> Take()
    {
        UInt128[] now = Read();
        List<(Register, UInt128, UInt128)> changes = [];
        for (int n = 0; n < now.Length; n++)
        {
            if (now[n] != _last[n])
            {
                changes.Add((s_watched[n], _last[n], now[n]));
            }
        }

        _last = now;
        ChangedNames = changes.Select(change => change.Item1.Name).ToHashSet();
        return changes;
    }

    /// <summary>A register's value in the digits of its width.</summary>
    public static string Digits(Register register, UInt128 value) => value.ToString("x" + ((register.Bits + 3) / 4).ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);

    private UInt128[] Read() => Array.ConvertAll(s_watched, register => register.Read(_machine));
}
