namespace ToyVmm.Hardware.Devices;

/// <summary>The font of 8 x 16 dots that a VGA's BIOS loads for text. It is a resource: guest-images/bios/fonts.md says whose work it is.</summary>
internal static class VgaFont
{
    /// <summary>Rows a character.</summary>
    public const int Height = 16;

    private static readonly byte[] s_glyphs = Load();

    /// <summary>256 characters of 16 bytes; bit 7 is the leftmost dot.</summary>
    public static ReadOnlySpan<byte> Glyphs => s_glyphs;

    private static byte[] Load()
    {
        using Stream stream = typeof(VgaFont).Assembly.GetManifestResourceStream("font16.bin")
            ?? throw new InvalidOperationException("the VGA's font is missing from the build");
        byte[] glyphs = new byte[256 * Height];
        stream.ReadExactly(glyphs);
        return glyphs;
    }
}
