using System.Diagnostics.CodeAnalysis;

namespace ToyVmm.VirtualMachines.Loading;

/// <summary>What became of an image: it is loaded, or it is refused, and in both cases why.</summary>
/// <remarks>A malformed image is a value, not an exception. When it is refused, guest memory is unchanged.</remarks>
public sealed record LoadResult
{
    private LoadResult(LoadedImage? image, LoadError? error, IReadOnlyList<string> explanation)
    {
        Image = image;
        Error = error;
        Explanation = explanation;
    }

    /// <summary>The loaded image; null when it was refused.</summary>
    public LoadedImage? Image { get; }

    /// <summary>Why the image was refused; null when it is loaded.</summary>
    public LoadError? Error { get; }

    /// <summary>What was found and decided up to the end or the refusal, one sentence each, in order.</summary>
    public IReadOnlyList<string> Explanation { get; }

    /// <summary>True when the image is loaded.</summary>
    [MemberNotNullWhen(true, nameof(Image))]
    [MemberNotNullWhen(false, nameof(Error))]
    public bool Succeeded => Image is not null;

    internal static LoadResult Loaded(LoadedImage image) => new(image, null, image.Explanation);

    internal static LoadResult Refused(LoadError error, IReadOnlyList<string> explanation) => new(null, error, explanation);
}

/// <summary>An image that lies in guest memory (or, for a boot sector, waits on a disk) and how to enter it.</summary>
/// <param name="Format">What it was loaded as.</param>
/// <param name="Entry">The processor state to start with.</param>
/// <param name="Explanation">What was found and decided, one sentence each, in order.</param>
/// <param name="Disk">The disk to attach for <see cref="ImageFormat.BootSector"/>; null for the other formats.</param>
public sealed record LoadedImage(ImageFormat Format, EntryState Entry, IReadOnlyList<string> Explanation, BootDisk? Disk = null)
{
    /// <summary>What was put into guest memory, zeros included: everything that has a value before the guest starts.</summary>
    public IReadOnlyList<LoadedRange> Ranges { get; init; } = [];
}

/// <summary>A piece of guest memory that a loader has filled.</summary>
/// <param name="Base">The first byte, guest-physical.</param>
/// <param name="Length">Bytes.</param>
public readonly record struct LoadedRange(uint Base, uint Length);

/// <summary>Why an image is refused.</summary>
/// <param name="What">What is wrong, with the numbers involved.</param>
/// <param name="Offset">The byte of the image at which it is wrong; null when no single byte is to blame.</param>
/// <param name="Advice">What the user can do about it.</param>
public sealed record LoadError(string What, long? Offset, string Advice)
{
    /// <summary>The error as one line for the user.</summary>
    public override string ToString() =>
        Offset is { } offset ? $"{What} (at image offset 0x{offset:X}). {Advice}" : $"{What}. {Advice}";
}
