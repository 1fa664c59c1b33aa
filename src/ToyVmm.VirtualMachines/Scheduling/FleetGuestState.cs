namespace ToyVmm.VirtualMachines.Scheduling;

/// <summary>What a guest of a fleet does at the moment.</summary>
public enum FleetGuestState
{
    /// <summary>It could run and waits for its turn.</summary>
    Ready,

    /// <summary>It has a slice.</summary>
    Running,

    /// <summary>Its CPU sleeps until a time that is known.</summary>
    Asleep,

    /// <summary>Its CPU sleeps until something comes from outside.</summary>
    Waiting,

    /// <summary>It has used up what its caps allow in this period.</summary>
    Throttled,

    /// <summary>It has stopped and will be started again, after a while.</summary>
    Restarting,

    /// <summary>It has stopped for good; <see cref="FleetGuest.Stop"/> says why.</summary>
    Stopped,
}
