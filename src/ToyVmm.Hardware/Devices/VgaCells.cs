namespace ToyVmm.Hardware.Devices;

/// <summary>
/// The cells of display memory, each a byte of four planes, in pieces that are only there once something was stored in them: a machine in a text mode
/// uses an eighth, and one without a screen nothing.
/// </summary>
internal sealed class VgaCells
{
    /// <summary>Pieces; a bit of a 64-bit word each.</summary>
    public const int Pieces = 64;

    /// <summary>Cells of a piece.</summary>
    public const int PieceSize = 1 << PieceShift;

    private const int PieceShift = 10;
    private readonly uint[]?[] _pieces = new uint[]?[Pieces];

    // Pieces that others have too: they are copied before they are changed.
    private ulong _shared;

    /// <summary>Makes empty cells.</summary>
    public VgaCells()
    {
    }

    /// <summary>Makes cells that hold what others hold, and have their pieces as long as both do.</summary>
    /// <param name="origin">The others: they must not change any more.</param>
    public VgaCells(VgaCells origin)
    {
        origin._pieces.CopyTo(_pieces, 0);
        _shared = ulong.MaxValue;
    }

    /// <summary>What a cell holds.</summary>
    /// <param name="place">Its number.</param>
    public uint this[uint place]
    {
        get => Volatile.Read(ref _pieces[place >> PieceShift]) is { } piece ? piece[place & (PieceSize - 1)] : 0;

        set
        {
            if (this[place] != value)
            {
                Own((int)(place >> PieceShift))[place & (PieceSize - 1)] = value;
            }
        }
    }

    /// <summary>All cells, now.</summary>
    public uint[] ToArray()
    {
        uint[] all = new uint[Pieces * PieceSize];
        for (int index = 0; index < Pieces; index++)
        {
            Volatile.Read(ref _pieces[index])?.CopyTo(all, index * PieceSize);
        }

        return all;
    }

    /// <summary>A piece that holds something; empty where it holds nothing.</summary>
    public ReadOnlySpan<uint> Used(int index) => _pieces[index] is { } piece && piece.AsSpan().ContainsAnyExcept(0u) ? piece : [];

    /// <summary>Fills a piece.</summary>
    public void Fill(int index, ReadOnlySpan<uint> content)
    {
        if (!content.SequenceEqual(_pieces[index]))
        {
            content.CopyTo(Own(index));
        }
    }

    /// <summary>Empties a piece.</summary>
    public void Empty(int index) => Volatile.Write(ref _pieces[index], null);

    // A screen that is drawn meanwhile, on another thread, finds complete pieces.
    private uint[] Own(int index)
    {
        ref uint[]? piece = ref _pieces[index];
        if (piece is null || ((_shared >> index) & 1) != 0)
        {
            Volatile.Write(ref piece, piece is null ? new uint[PieceSize] : (uint[])piece.Clone());
            _shared &= ~(1ul << index);
        }

        return piece!;
    }
}
