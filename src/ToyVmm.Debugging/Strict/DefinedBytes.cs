using ToyVmm.Hardware.Memory;

namespace ToyVmm.Debugging.Strict;

/// <summary>
/// Which bytes of RAM have got a value since power-on: a bit for each, in pages that are made when they are first written to. What lies outside RAM
/// (ROM, devices, the video memory) always has one.
/// </summary>
internal sealed class DefinedBytes
{
    private const int PageShift = 12;
    private const int PageSize = 1 << PageShift;
    private const int WordsInPage = PageSize / 64;

    // A page of which nothing was written is null here; one that is defined as a whole is this.
    private readonly ulong[] _whole = [];
    private readonly ulong[]?[] _pages;

    /// <summary>Makes the map of a machine whose RAM has just been switched on.</summary>
    /// <param name="ramSize">Bytes of RAM; what is added later counts as defined.</param>
    public DefinedBytes(uint ramSize) => _pages = new ulong[]?[ramSize >> PageShift];

    /// <summary>True where none of the bytes has a value.</summary>
    public bool IsUndefined(ulong physical, int length)
    {
        for (int n = 0; n < length; n++)
        {
            if (IsDefined(physical + (uint)n))
            {
                return false;
            }
        }

        return length > 0;
    }

    /// <summary>True where a byte has a value.</summary>
    public bool IsDefined(ulong physical)
    {
        ulong page = physical >> PageShift;
        if (page >= (ulong)_pages.Length || _pages[page] is not { } bits)
        {
            return page >= (ulong)_pages.Length;
        }

        uint offset = (uint)physical & (PageSize - 1);
        return bits.Length == 0 || ((bits[offset / 64] >> (int)(offset % 64)) & 1) != 0;
    }

    /// <summary>The bytes have a value, or - where one without is copied - have none again.</summary>
    public void Set(ulong physical, ulong length, bool defined)
    {
        while (length > 0)
        {
            ulong page = physical >> PageShift;
            uint offset = (uint)physical & (PageSize - 1);
            uint piece = (uint)Math.Min(length, PageSize - offset);
            if (page >= (ulong)_pages.Length)
            {
                return;
            }

            if (defined && piece == PageSize)
            {
                _pages[page] = _whole;
            }
            else if (_pages[page] is { } present ? present.Length > 0 || !defined : defined)
            {
                SetBits(page, offset, piece, defined);
            }

            physical += piece;
            length -= piece;
        }
    }

    private void SetBits(ulong page, uint offset, uint count, bool defined)
    {
        ulong[] bits = _pages[page] ??= new ulong[WordsInPage];
        if (bits.Length == 0)
        {
            bits = _pages[page] = new ulong[WordsInPage];
            Array.Fill(bits, ulong.MaxValue);
        }

        for (uint n = offset; n < offset + count; n++)
        {
            ulong bit = 1ul << (int)(n % 64);
            bits[n / 64] = defined ? bits[n / 64] | bit : bits[n / 64] & ~bit;
        }
    }
}
