using ToyVmm.VirtualMachines.Hypercalls;

namespace ToyVmm.VirtualMachines.Scheduling;

/// <summary>A guest of a fleet: how it is made, and what it may have.</summary>
public sealed record FleetGuestOptions
{
    /// <summary>What it is called; no two guests of a fleet have the same name.</summary>
    public required string Name { get; init; }

    /// <summary>
    /// Makes the machine: at the start of the fleet, and at each restart. What the seat says belongs into its options (<see cref="FleetSeat.Apply"/>).
    /// <see cref="VirtualMachineOptions.Pace"/> must not be true: a guest of a fleet never makes the host wait.
    /// </summary>
    public required Func<FleetSeat, VirtualMachine> Create { get; init; }

    /// <summary>The names of the guests that it may send events to, and share pages with; where either of two names the other they are connected.</summary>
    public IReadOnlyList<string> Connect { get; init; } = [];

    /// <summary>Its share in proportion to the other guests' that want to run: 1 to <see cref="FairQueueMember.LargestWeight"/>.</summary>
    public uint Weight { get; init; } = 100;

    /// <summary>What it may use in a period; then it waits for the next one.</summary>
    public GuestCaps Caps { get; init; } = new();

    /// <summary>What it may use over its whole life, restarts included; then it is stopped, and not started again.</summary>
    public GuestLimits Limits { get; init; } = new();

    /// <summary>Whether it is started again.</summary>
    public RestartPolicy Restart { get; init; } = new();

    /// <summary>The exit statuses (<see cref="StopReason.ExitStatus"/>) that are successes.</summary>
    public IReadOnlyList<int> SuccessStatuses { get; init; } = [0];
}

/// <summary>A guest's place in a fleet, as its machine has to know it.</summary>
/// <param name="Number">Its number.</param>
/// <param name="Limits">What it may still use up.</param>
/// <param name="Network">How it reaches the guests that it is connected with.</param>
public sealed record FleetSeat(uint Number, ResourceLimits Limits, IGuestNetwork Network)
{
    /// <summary>Options with that in them.</summary>
    public VirtualMachineOptions Apply(VirtualMachineOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        return options with { GuestNumber = Number, Limits = Limits, Network = Network };
    }
}

/// <summary>What a guest may use in a period of the fleet's clock. A slice counts to the period in which it begins.</summary>
public sealed record GuestCaps
{
    /// <summary>Instructions.</summary>
    public ulong Instructions { get; init; } = ulong.MaxValue;

    /// <summary>Exits (<see cref="VirtualMachine.ExitsHandled"/>).</summary>
    public ulong Exits { get; init; } = ulong.MaxValue;

    /// <summary>The length of a period in ticks of the fleet's clock, not zero.</summary>
    public ulong Period { get; init; } = 10_000_000;
}

/// <summary>What a guest may use over its whole life, restarts included.</summary>
public sealed record GuestLimits
{
    /// <summary>Instructions; then <see cref="StopKind.InstructionLimit"/>.</summary>
    public ulong Instructions { get; init; } = ulong.MaxValue;

    /// <summary>Exits; then <see cref="StopKind.ExitLimit"/>.</summary>
    public ulong Exits { get; init; } = ulong.MaxValue;

    /// <summary>Host time in which it runs; then <see cref="StopKind.TimeLimit"/>. The only limit that is not exact.</summary>
    public TimeSpan HostTime { get; init; } = TimeSpan.MaxValue;

    /// <summary>Disk writes and serial output.</summary>
    public ResourceLimits Resources { get; init; } = new();
}

/// <summary>When a guest that has stopped is started again.</summary>
public enum RestartMode
{
    /// <summary>Never.</summary>
    Never,

    /// <summary>When its exit status is none of <see cref="FleetGuestOptions.SuccessStatuses"/>.</summary>
    OnFailure,

    /// <summary>Always.</summary>
    Always,
}

/// <summary>Whether and how a guest is started again. One that was stopped by a limit, or by the user, is not: its own doings did not end it.</summary>
public sealed record RestartPolicy
{
    /// <summary>When.</summary>
    public RestartMode Mode { get; init; }

    /// <summary>How often at most.</summary>
    public uint Most { get; init; } = 10;

    /// <summary>The pause before the first restart, in ticks of the fleet's clock; each further one is twice as long.</summary>
    public ulong BackOff { get; init; } = 10_000_000;

    /// <summary>The longest pause.</summary>
    public ulong LongestBackOff { get; init; } = 1_000_000_000;

    /// <summary>The pause before a restart.</summary>
    /// <param name="restarts">How many there were before it.</param>
    public ulong PauseAfter(uint restarts)
    {
        UInt128 pause = (UInt128)BackOff << (int)Math.Min(restarts, 63);
        return pause < LongestBackOff ? (ulong)pause : Math.Max(LongestBackOff, BackOff);
    }
}
