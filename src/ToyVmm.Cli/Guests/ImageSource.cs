using ToyVmm.VirtualMachines.Replay;
using ToyVmm.VirtualMachines.Snapshots;

namespace ToyVmm.Cli.Guests;

/// <summary>A guest image as the user names it: a file, an assembly source, or a built-in guest; or none, and the BIOS boots a drive.</summary>
/// <param name="Name">The name for people.</param>
/// <param name="Bytes">The image; null when the BIOS boots a drive.</param>
/// <param name="Origin">Where it comes from, one sentence.</param>
/// <param name="Snapshot">The snapshot to go on from, which then has the image too; null where a machine starts.</param>
/// <param name="Recording">The recorded run that is replayed, which then says what the machine is; null where one is not.</param>
internal sealed record ImageSource(string Name, byte[]? Bytes, string Origin, SnapshotFile? Snapshot = null, Recording? Recording = null)
{
    /// <summary>No image: what the BIOS finds on the drives.</summary>
    /// <param name="drive">The first drive that is given.</param>
    public static ImageSource OnDrive(string drive) => new(drive, null, $"No image: the BIOS boots a drive, {drive} or one after it.");

    /// <summary>A snapshot, checked.</summary>
    /// <exception cref="UserErrorException">It cannot be read, or is no whole snapshot.</exception>
    public static ImageSource FromSnapshot(string path)
    {
        try
        {
            SnapshotFile snapshot = SnapshotFile.Open(path);
            return new(path, null, snapshot.ToString(), snapshot);
        }
        catch (SnapshotException e)
        {
            throw ImageRefusal.Of(e);
        }
    }

    /// <summary>A recording, checked.</summary>
    /// <exception cref="UserErrorException">It cannot be read, or is no recording that can be replayed.</exception>
    public static ImageSource FromRecording(string path)
    {
        try
        {
            Recording recording = Recording.Open(path);
            return new(path, null, recording.ToString(), Recording: recording);
        }
        catch (RecordingException e)
        {
            throw ImageRefusal.Of(e);
        }
    }

    /// <summary>True for a file that says of itself that it is a recording.</summary>
    /// <param name="path">A path, or the name of a built-in guest.</param>
    public static bool IsRecording(string path)
    {
        try
        {
            return File.Exists(path) && Recording.IsRecording(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false; // who opens it as an image says what is wrong
        }
    }

    /// <summary>Finds and reads an image.</summary>
    /// <param name="name">A path, or the name of a built-in guest.</param>
    /// <exception cref="UserErrorException">There is nothing of that name, or it cannot be read or assembled.</exception>
    public static ImageSource Open(string name)
    {
        if (!File.Exists(name) && !Directory.Exists(name) && !name.Contains(Path.DirectorySeparatorChar, StringComparison.Ordinal)
            && BuiltInGuests.ReadImage(name) is { } image)
        {
            return new ImageSource(name, image, $"{name} is a built-in guest.");
        }

        if (!File.Exists(name) && !Directory.Exists(name))
        {
            throw UserErrorException.File($"there is no file and no built-in guest '{name}'; `toyvmm guests` lists the built-in ones");
        }

        return name.EndsWith(".asm", StringComparison.OrdinalIgnoreCase)
            ? new ImageSource(name, NasmAssembler.Assemble(name), $"{name} is assembled with nasm.")
            : new ImageSource(name, HostFile.ReadAll(name, "image"), $"{name} is a file.");
    }
}
