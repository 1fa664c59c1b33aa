namespace ToyVmm.VirtualMachines.Symbols;

/// <summary>Something that begins at an address.</summary>
internal interface IAddressed
{
    /// <summary>The address.</summary>
    uint Start { get; }
}

/// <summary>Finds the last of what begins at or below an address.</summary>
internal static class AddressSearch
{
    /// <summary>How many begin at or below the address: the last of them is the one before that index.</summary>
    /// <param name="sorted">In the order of their addresses; several may begin at one.</param>
    /// <param name="address">The address.</param>
    public static int CountUpTo<T>(ReadOnlySpan<T> sorted, uint address)
        where T : struct, IAddressed
    {
        int low = 0;
        int high = sorted.Length;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (sorted[middle].Start <= address)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }

        return low;
    }
}
