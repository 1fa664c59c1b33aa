namespace ToyVmm.VirtualMachines.Scheduling;

/// <summary>What a guest has used in the present period.</summary>
internal sealed class CapMeter(GuestCaps caps)
{
    private ulong _period;
    private ulong _instructions;
    private ulong _exits;

    public ulong InstructionsLeft => caps.Instructions - _instructions;

    public ulong ExitsLeft => caps.Exits - _exits;

    public bool IsUsedUp => InstructionsLeft == 0 || ExitsLeft == 0;

    /// <summary>When the next period begins, in ticks since the guest was made.</summary>
    public ulong NextPeriod => (_period + 1) * caps.Period;

    /// <summary>A slice begins.</summary>
    /// <param name="age">Ticks of the fleet's clock since the guest was made.</param>
    public void Begin(ulong age)
    {
        if (age / caps.Period != _period)
        {
            _period = age / caps.Period;
            (_instructions, _exits) = (0, 0);
        }
    }

    public void Use(ulong instructions, ulong exits)
    {
        _instructions += instructions;
        _exits += exits;
    }

    public void Reset() => (_period, _instructions, _exits) = (0, 0, 0);
}
