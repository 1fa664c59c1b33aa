namespace ToyVmm.Hardware.Devices;

/// <summary>
/// The cells of display memory, each a byte of four planes, in pieces that are only there once something was stored in them: a machine in a text mode
/// uses an eighth, and one without a screen nothing.
/// </summary>
internal sealed class VgaCells
{
    /// <summary>Pieces; a bit of a 64-bit word each.</summary>
    public const int Pieces = 64;

    private const int PieceShift = 10;
    private const int PieceSize = 1 << PieceShift;
    private readonly uint[]?[] _pieces = new uint[]?[Pieces];

    /// <summary>What a cell holds.</summary>
    /// <param name="place">Its number.</param>
    public uint this[uint place]
    {
        get => Volatile.Read(ref _pieces[place >> PieceShift]) is { } piece ? piece[place & (PieceSize - 1)] : 0;

        set
        {
            ref uint[]? piece = ref _pieces[place >> PieceShift];
            if (piece is not null || value != 0)
            {
                // A screen that is drawn meanwhile, on another thread, finds a complete piece.
                if (piece is null)
                {
                    Volatile.Write(ref piece, new uint[PieceSize]);
                }

                piece![place & (PieceSize - 1)] = value;
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

    /// <summary>A piece to fill.</summary>
    public Span<uint> Fill(int index) => _pieces[index] ??= new uint[PieceSize];

    /// <summary>Empties a piece.</summary>
    public void Empty(int index) => _pieces[index]?.AsSpan().Clear();
}
