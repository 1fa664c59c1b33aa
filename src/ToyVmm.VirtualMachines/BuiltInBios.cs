namespace ToyVmm.VirtualMachines;

/// <summary>The BIOS of our own, from guest-images/bios, that boots disk images.</summary>
public static class BuiltInBios
{
    /// <summary>The image, which ends at 1 MiB and at 4 GiB.</summary>
    public static byte[] Read()
    {
        using Stream stream = typeof(BuiltInBios).Assembly.GetManifestResourceStream("bios.bin")
            ?? throw new InvalidOperationException("the built-in BIOS is missing from the build");
        byte[] image = new byte[stream.Length];
        stream.ReadExactly(image);
        return image;
    }
}
