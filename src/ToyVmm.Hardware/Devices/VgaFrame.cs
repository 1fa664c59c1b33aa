namespace ToyVmm.Hardware.Devices;

/// <summary>A picture as the monitor shows it: every dot of every scan line, so lines and dots that a mode doubles are there twice.</summary>
public sealed class VgaFrame
{
    private readonly uint[] _pixels;

    internal VgaFrame(int width, int height, uint[] pixels)
    {
        Width = width;
        Height = height;
        _pixels = pixels;
    }

    /// <summary>Dots in a line.</summary>
    public int Width { get; }

    /// <summary>Lines.</summary>
    public int Height { get; }

    /// <summary>The dots, line by line from the top: red in bits 23-16, green in bits 15-8, blue in bits 7-0.</summary>
    public ReadOnlySpan<uint> Pixels => _pixels;

    /// <summary>One dot.</summary>
    /// <param name="x">From the left.</param>
    /// <param name="y">From the top.</param>
    public uint this[int x, int y] => _pixels[(y * Width) + x];
}
