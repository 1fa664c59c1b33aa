using ToyVmm.Hardware.Memory;

namespace ToyVmm.VirtualMachines.Loading;

/// <summary>
/// Puts a guest image into guest memory and says how to enter it. Detects the format, explains each decision, and refuses what it
/// cannot load with the reason and the offset. Touches guest memory only: no device, no processor.
/// </summary>
public static class ImageLoader
{
    /// <summary>Tells an image's format from its bytes.</summary>
    /// <param name="image">The whole image file.</param>
    public static ImageDetection Detect(ReadOnlySpan<byte> image) => ImageDetector.Detect(image);

    /// <summary>Loads an image. No bytes make it throw; when the image is refused, guest memory is unchanged.</summary>
    /// <param name="image">The whole image file.</param>
    /// <param name="memory">The guest's memory, as it is at power-on.</param>
    /// <param name="options">What the user asks for.</param>
    public static LoadResult Load(ReadOnlyMemory<byte> image, GuestMemory memory, LoadOptions options)
    {
        ArgumentNullException.ThrowIfNull(memory);
        ArgumentNullException.ThrowIfNull(options);
        var context = new LoadContext(image, memory, options);
        ImageFormat format;
        if (options.Format is { } forced)
        {
            context.Explain($"The format is forced to {forced}.");
            format = forced;
        }
        else
        {
            ImageDetection detection = ImageDetector.Detect(image.Span);
            context.Explain(detection.Explanation);
            if (detection.Error is not null)
            {
                return context.Refuse(detection.Error);
            }

            format = detection.Format;
        }

        if (image.IsEmpty)
        {
            return context.Refuse("the image is empty", 0, "Give a file that holds code.");
        }

        if ((options.RealModeEntry == true && format is ImageFormat.Multiboot or ImageFormat.Elf or ImageFormat.LinuxKernel)
            || (options.RealModeEntry == false && format is ImageFormat.BootSector))
        {
            return context.Refuse($"{format} images fix their own entry mode", null, "Leave out --entry, or force the raw format.");
        }

        return format switch
        {
            ImageFormat.Raw => RawLoader.Load(context),
            ImageFormat.BootSector => BootSectorLoader.Load(context),
            ImageFormat.Multiboot => MultibootLoader.Load(context),
            ImageFormat.Elf => ElfLoader.Load(context),
            ImageFormat.LinuxKernel => LinuxLoader.Load(context),
            _ => throw new ArgumentOutOfRangeException(nameof(options), format, "unknown image format"),
        };
    }
}
