using ToyVmm.Cli.Guests;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Scheduling;

namespace ToyVmm.Cli.Fleets;

/// <summary>Several guests to run, as the command line or a fleet file says.</summary>
internal sealed record FleetPlan
{
    /// <summary>The guests, in their order.</summary>
    public required IReadOnlyList<FleetMember> Members { get; init; }

    /// <summary>How they share the host.</summary>
    public FleetOptions Options { get; init; } = new();

    /// <summary>The limit on host time for all together, or null.</summary>
    public TimeSpan? Timeout { get; init; }

    /// <summary>The file for the report; "-" is standard output; null is none.</summary>
    public string? Json { get; init; }

    /// <summary>True to fingerprint each guest's run.</summary>
    public bool TraceHash { get; init; }

    /// <summary>True for no verdicts, no table.</summary>
    public bool Quiet { get; init; }

    /// <summary>0, 1 (-v) or 2 (-vv).</summary>
    public int Verbosity { get; init; }
}

/// <summary>One guest of a fleet.</summary>
internal sealed record FleetMember
{
    /// <summary>What it is called.</summary>
    public required string Name { get; init; }

    /// <summary>What it runs.</summary>
    public required ImageSource Image { get; init; }

    /// <summary>Its machine.</summary>
    public required VirtualMachineOptions Options { get; init; }

    /// <summary>Its share.</summary>
    public uint Weight { get; init; } = 100;

    /// <summary>What it may use in a period.</summary>
    public GuestCaps Caps { get; init; } = new();

    /// <summary>What it may use over its whole life.</summary>
    public GuestLimits Limits { get; init; } = new();

    /// <summary>Whether it is started again.</summary>
    public RestartPolicy Restart { get; init; } = new();

    /// <summary>The guests that it is connected with.</summary>
    public IReadOnlyList<string> Connect { get; init; } = [];

    /// <summary>The exit statuses that are successes.</summary>
    public IReadOnlyList<int> SuccessStatuses { get; init; } = [0];

    /// <summary>The file that COM1 goes to, or null.</summary>
    public string? SerialFile { get; init; }

    /// <summary>True when COM1 goes to standard output, line by line.</summary>
    public bool SerialToOutput { get; init; } = true;

    /// <summary>Names that differ, from names that may not: the second "hello" is "hello-2".</summary>
    public static IReadOnlyList<string> UniqueNames(IReadOnlyList<string> names)
    {
        HashSet<string> taken = [];
        List<string> unique = [];
        foreach (string name in names)
        {
            string candidate = name;
            for (int n = 2; taken.Contains(candidate) || (n > 2 && names.Contains(candidate)); n++)
            {
                candidate = $"{name}-{n}";
            }

            _ = taken.Add(candidate);
            unique.Add(candidate);
        }

        return unique;
    }
}
