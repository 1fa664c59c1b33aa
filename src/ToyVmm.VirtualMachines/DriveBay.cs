using Microsoft.Extensions.Logging;
using ToyVmm.Hardware;
using ToyVmm.Hardware.Devices;
using ToyVmm.Hardware.State;
using ToyVmm.VirtualMachines.Loading;

namespace ToyVmm.VirtualMachines;

/// <summary>
/// The drives of a machine: opens the images, plugs the drives in, and closes the images at the end. Hard disks and the CD-ROM are on
/// the ATA channels; a floppy is read by the BIOS through <see cref="BiosDisk"/>.
/// </summary>
internal sealed class DriveBay(ILogger logger, DiskMeter meter) : IDisposable, ISavedState
{
    private const int CdRomPlace = 2;       // the master of the second channel, where a PC has it

    private readonly List<FileDiskImage> _images = [];
    private readonly List<IDiskImage> _drives = [];
    private BiosDisk? _biosDisk;

    /// <summary>Plugs everything in: the image that is booted first, then the disks of the configuration, in the places that the CD-ROM leaves.</summary>
    /// <exception cref="DriveException">An image cannot be opened or is empty, or there are too many.</exception>
    public void Attach(Machine machine, MachineConfig config, BootDisk? boot)
    {
        Queue<int> places = new(Enumerable.Range(0, MachineConfig.AtaPlaces).Where(place => config.CdRom is null || place != CdRomPlace));
        if (boot is { Geometry.IsFloppy: true })
        {
            MemoryDiskImage image = new(boot.Image);
            _drives.Add(image);
            _biosDisk = new BiosDisk(machine.Memory, [new BiosDrive(boot.DriveNumber, boot.Geometry, Metered(image))]);
            machine.Ports.Map(BiosDisk.DefaultPort, BiosDisk.PortCount, _biosDisk);
        }
        else if (boot is not null)
        {
            AttachDisk(machine, places.Dequeue(), new MemoryDiskImage(boot.Image));
        }

        foreach (DiskConfig disk in config.Disks)
        {
            if (!places.TryDequeue(out int place))
            {
                throw new DriveException(disk.Path, $"there is no place for this disk: the booted image and the drives take {MachineConfig.AtaPlaces} already");
            }

            AttachDisk(machine, place, Open(disk.Path, disk.Access));
        }

        if (config.CdRom is { } disc)
        {
            IDiskImage image = Open(disc, DiskAccess.ReadOnly);
            _drives.Add(image);
            machine.AttachAta(CdRomPlace, new AtapiCdRom(image, Serial(CdRomPlace)));
        }
    }

    /// <summary>What was written to the drives and is not in their images.</summary>
    public IEnumerable<ICheckpoints> Written => _drives.Select(drive => drive.Written).OfType<ICheckpoints>();

    /// <summary>Makes sure that what was written is in the images' files. What fails is reported as the guest's own flush would be.</summary>
    public void Flush()
    {
        foreach (IDiskImage drive in _drives)
        {
            _ = drive.TryFlush();
        }
    }

    /// <inheritdoc/>
    /// <remarks>The floppy's registers, and what was written to the drives and is not in their images. The ATA drives' registers are their channels'.</remarks>
    void ISavedState.Transfer(StateTransfer state)
    {
        int count = _drives.Count;
        state.Range(ref count, count, count, "the number of drives");
        bool hasFloppy = _biosDisk is not null;
        state.Require(state.Pass(hasFloppy) == hasFloppy, "the machine has a floppy where the one that was saved had one");
        if (_biosDisk is not null)
        {
            state.Section("floppy"u8, 1, _biosDisk);
        }

        foreach (IDiskImage drive in _drives)
        {
            if (drive is ISavedState saved)
            {
                state.Section("written sectors"u8, 1, saved);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (FileDiskImage image in _images)
        {
            image.Dispose();
        }
    }

    private void AttachDisk(Machine machine, int place, IDiskImage image)
    {
        _drives.Add(image);
        machine.AttachAta(place, new AtaDisk(Metered(image), Serial(place)));
    }

    private MeteredDiskImage Metered(IDiskImage image) => new(image, meter);

    private static string Serial(int place) => $"TOYVMM-{place + 1:d4}";

    private FileDiskImage Open(string path, DiskAccess access)
    {
        FileDiskImage image;
        try
        {
            image = new FileDiskImage(path, access);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new DriveException(path, e is FileNotFoundException or DirectoryNotFoundException ? "there is no such file" : e.Message, e);
        }

        _images.Add(image);
        image.HostError += (sector, error) =>
        {
            if (sector < 0)
            {
                LogMessages.FlushError(logger, path, error.Message);
            }
            else
            {
                LogMessages.DiskError(logger, path, sector, error.Message);
            }
        };
        return image.SectorCount > 0 ? image : throw new DriveException(path, "the file is empty");
    }
}
