namespace ToyVmm.VirtualMachines.Replay;

/// <summary>How a run is recorded.</summary>
public sealed record RecordingOptions
{
    /// <summary>Files of so many bytes are put into the recording; larger ones are named, with their hash, if their path is known.</summary>
    public long MostBytesInside { get; init; } = 4 << 20;

    /// <summary>What people call the image.</summary>
    public string Title { get; init; } = "";

    /// <summary>Where the image lies; null where it is no file.</summary>
    public string? ImagePath { get; init; }

    /// <summary>Where the initial RAM disk lies.</summary>
    public string? InitialRamDiskPath { get; init; }

    /// <summary>Where the snapshot lies that the machine was made from; null where it was not.</summary>
    public string? SnapshotPath { get; init; }

    /// <summary>The most instructions between two marks; the first lie closer together. At least 1.</summary>
    public ulong MarkDistance { get; init; } = 10_000_000;
}
