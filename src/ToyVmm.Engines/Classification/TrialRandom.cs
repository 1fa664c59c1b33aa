namespace ToyVmm.Engines.Classification;

/// <summary>Numbers from a seed (SplitMix64), the same on every host and runtime: a stored trial must come out again.</summary>
internal struct TrialRandom(ulong seed)
{
    private ulong _state = seed;

    /// <summary>A seed for a trial of an instruction form.</summary>
    /// <param name="form">The form's name; its number differs from version to version of the decoder.</param>
    /// <param name="trial">The trial.</param>
    public static ulong Seed(string form, int trial)
    {
        // FNV-1a.
        ulong hash = 0xCBF2_9CE4_8422_2325;
        foreach (char letter in form)
        {
            hash = (hash ^ letter) * 0x100_0000_01B3;
        }

        return hash + ((ulong)trial * 0xD6E8_FEB8_6659_FD93);
    }

    /// <summary>64 bits.</summary>
    public ulong Next()
    {
        ulong z = _state += 0x9E37_79B9_7F4A_7C15;
        z = (z ^ (z >> 30)) * 0xBF58_476D_1CE4_E5B9;
        z = (z ^ (z >> 27)) * 0x94D0_49BB_1331_11EB;
        return z ^ (z >> 31);
    }

    /// <summary>32 bits.</summary>
    public uint Word() => (uint)(Next() >> 32);

    /// <summary>0 to <paramref name="bound"/> - 1.</summary>
    public int Below(int bound) => (int)((Word() * (ulong)bound) >> 32);

    /// <summary>One of the items.</summary>
    public T Pick<T>(ReadOnlySpan<T> items) => items[Below(items.Length)];
}
