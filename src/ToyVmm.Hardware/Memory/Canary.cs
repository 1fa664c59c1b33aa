namespace ToyVmm.Hardware.Memory;

/// <summary>
/// Host memory that nobody has business in, beside memory that a guest's accesses reach: filled with a pattern that follows from its
/// address, so that a stray store shows, and a copy from elsewhere too (Cowan et al., "StackGuard", 1998).
/// </summary>
public static unsafe class Canary
{
    /// <summary>Bytes on each side of what is guarded: one page of the host.</summary>
    public const int Size = 4096;

    private const ulong Pattern = 0x9E37_79B9_7F4A_7C15;

    /// <summary>Fills <see cref="Size"/> bytes.</summary>
    /// <param name="address">The first, at an address that is a multiple of 8.</param>
    public static void Fill(byte* address)
    {
        for (int offset = 0; offset < Size; offset += sizeof(ulong))
        {
            *(ulong*)(address + offset) = Word(address + offset);
        }
    }

    /// <summary>True where all of it is as <see cref="Fill"/> has left it.</summary>
    /// <param name="address">What was filled.</param>
    public static bool IsIntact(byte* address)
    {
        ulong difference = 0;
        for (int offset = 0; offset < Size; offset += sizeof(ulong))
        {
            difference |= *(ulong*)(address + offset) ^ Word(address + offset);
        }

        return difference == 0;
    }

    private static ulong Word(byte* address) => Pattern * (ulong)address;
}
