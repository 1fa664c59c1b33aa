namespace ToyVmm.Debugging.Strict;

/// <summary>What a strict run looks for.</summary>
[Flags]
public enum StrictChecks
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>Decisions by flags that the instruction before has left undefined.</summary>
    Flags = 1,

    /// <summary>Accesses through translations that the page tables no longer bear out: a missing INVLPG or CR3 load.</summary>
    Tlb = 2,

    /// <summary>Reserved bits that this CPU model ignores.</summary>
    Reserved = 4,

    /// <summary>Decisions by memory that nothing has written since power-on.</summary>
    Memory = 8,

    /// <summary>Interrupt handlers that return without an end of interrupt.</summary>
    Eoi = 16,

    /// <summary>Device interrupts that come as the CPU's own exceptions.</summary>
    Vectors = 32,

    /// <summary>Memory above 1 MiB while address line 20 is held low.</summary>
    A20 = 64,

    /// <summary>A mode switch without the jump behind it.</summary>
    Mode = 128,

    /// <summary>All of them.</summary>
    All = Flags | Tlb | Reserved | Memory | Eoi | Vectors | A20 | Mode,
}

/// <summary>The names of the checks.</summary>
public static class StrictCheckNames
{
    /// <summary>Each check with the name that users write, in the order of the documentation.</summary>
    public static IReadOnlyList<(string Name, StrictChecks Check)> All { get; } =
    [
        ("flags", StrictChecks.Flags),
        ("tlb", StrictChecks.Tlb),
        ("reserved", StrictChecks.Reserved),
        ("memory", StrictChecks.Memory),
        ("eoi", StrictChecks.Eoi),
        ("vectors", StrictChecks.Vectors),
        ("a20", StrictChecks.A20),
        ("mode", StrictChecks.Mode),
        ("all", StrictChecks.All),
    ];

    /// <summary>The name of one check.</summary>
    public static string Name(StrictChecks check) => All.First(entry => entry.Check == check).Name;

    /// <summary>Reads a name.</summary>
    /// <param name="name">The name.</param>
    /// <param name="check">Receives the check.</param>
    /// <returns>False where there is no such check.</returns>
    public static bool TryParse(string name, out StrictChecks check)
    {
        foreach ((string known, StrictChecks value) in All)
        {
            if (known == name)
            {
                check = value;
                return true;
            }
        }

        check = StrictChecks.None;
        return false;
    }
}
