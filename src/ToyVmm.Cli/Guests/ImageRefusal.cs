using ToyVmm.Cli.Hosting;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Replay;
using ToyVmm.VirtualMachines.Snapshots;

namespace ToyVmm.Cli.Guests;

/// <summary>Builds a machine for an image, and tells the user why when that is refused.</summary>
internal static class ImageRefusal
{
    /// <summary>What the user is told of a snapshot that cannot be used.</summary>
    public static UserErrorException Of(SnapshotException e) =>
        new(e.Problem == SnapshotProblem.Unreadable ? ExitStatus.BadFile : ExitStatus.BadImage, e.Message);

    /// <summary>What the user is told of a run that cannot be recorded, or a recording that cannot be replayed.</summary>
    public static UserErrorException Of(RecordingException e) => new(
        e.Problem switch { RecordingProblem.Unreadable => ExitStatus.BadFile, RecordingProblem.NotRecordable => ExitStatus.Usage, _ => ExitStatus.BadImage }, e.Message);

    /// <summary>Builds the machine.</summary>
    /// <exception cref="UserErrorException">The image is refused, or the host lacks memory.</exception>
    public static VirtualMachine Create(ImageSource image, VirtualMachineOptions options, HostConsole console)
    {
        try
        {
            return image.Recording is { } recording ? recording.CreateMachine(options) : image.Snapshot is { } snapshot ? snapshot.CreateMachine(options) : image.Bytes is { } bytes ? VirtualMachine.Create(bytes, options) : VirtualMachine.CreateFromDrives(options);
        }
        catch (InvalidImageException e)
        {
            foreach (string line in e.Explanation)
            {
                console.Error.WriteLine(line);
            }

            throw new UserErrorException(ExitStatus.BadImage, $"{image.Name}: {e.Message}");
        }
        catch (SnapshotException e)
        {
            throw Of(e);
        }
        catch (RecordingException e)
        {
            throw Of(e);
        }
        catch (DriveException e)
        {
            throw UserErrorException.File($"cannot use the disk {e.Path}: {e.Message}");
        }
        catch (OutOfMemoryException)
        {
            throw UserErrorException.Usage($"the host cannot give {options.Machine.MemorySize >> 20} MiB to the guest; use a smaller --memory");
        }
    }
}
