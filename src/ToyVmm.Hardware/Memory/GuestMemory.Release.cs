namespace ToyVmm.Hardware.Memory;

/// <content>What is left of RAM when the machine never runs again.</content>
public sealed unsafe partial class GuestMemory
{
    /// <summary>Gives the machine's own pages back to the host, for a machine that never runs again. What another machine has of it stays.</summary>
    public void ReleaseAll()
    {
        if (_pages is null)
        {
            return;
        }

        for (uint page = 0; page < Capacity >> PageShift; page++)
        {
            if (!IsBorrowed(page) && !_lent.Contains(page) && !_pages.IsForeign(page) && _pages.IsAllocated(page))
            {
                Disown(page);
            }
        }
    }
}
