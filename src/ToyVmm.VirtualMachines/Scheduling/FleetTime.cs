namespace ToyVmm.VirtualMachines.Scheduling;

/// <summary>Between the fleet's clock and the guests': exact, and such that a guest that sleeps until its own time T sees T when the fleet's clock says that it has come.</summary>
internal static class FleetTime
{
    /// <summary>The last value of the guest's clock that has come, rounded down.</summary>
    public static ulong ToGuest(ulong fleet, ulong fleetFrequency, ulong guestFrequency) =>
        fleetFrequency == guestFrequency ? fleet : Saturate((UInt128)fleet * guestFrequency / fleetFrequency);

    /// <summary>The first value of the fleet's clock at which the guest's time has come, rounded up.</summary>
    public static ulong FromGuest(ulong guest, ulong fleetFrequency, ulong guestFrequency) =>
        fleetFrequency == guestFrequency ? guest : Saturate((((UInt128)guest * fleetFrequency) + guestFrequency - 1) / guestFrequency);

    /// <summary>The sum, or the largest value.</summary>
    public static ulong Add(ulong time, ulong more) => more > ulong.MaxValue - time ? ulong.MaxValue : time + more;

    private static ulong Saturate(UInt128 value) => value > ulong.MaxValue ? ulong.MaxValue : (ulong)value;
}
