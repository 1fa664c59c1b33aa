using Microsoft.Extensions.Logging;
using ToyVmm.Hardware;
using ToyVmm.Hardware.Devices;
using ToyVmm.VirtualMachines.Loading;

namespace ToyVmm.VirtualMachines;

/// <summary>
/// The drives of a machine: opens the images, plugs the drives in, and closes the images at the end. Hard disks and the CD-ROM are on
/// the ATA channels; a floppy is read by the BIOS through <see cref="BiosDisk"/>.
/// </summary>
internal sealed class DriveBay(ILogger logger, DiskMeter meter) : IDisposable
{
    private const int CdRomPlace = 2;       // the master of the second channel, where a PC has it

    private readonly List<FileDiskImage> _images = [];

    /// <summary>Plugs everything in: the image that is booted first, then the disks of the configuration, in the places that the CD-ROM leaves.</summary>
    /// <exception cref="DriveException">An image cannot be opened or is empty, or there are too many.</exception>
    public void Attach(Machine machine, MachineConfig config, BootDisk? boot)
    {
        Queue<int> places = new(Enumerable.Range(0, MachineConfig.AtaPlaces).Where(place => config.CdRom is null || place != CdRomPlace));
        if (boot is { Geometry.IsFloppy: true })
        {
            BiosDrive floppy = new(boot.DriveNumber, boot.Geometry, Metered(new MemoryDiskImage(boot.Image)));
            machine.Ports.Map(BiosDisk.DefaultPort, BiosDisk.PortCount, new BiosDisk(machine.Memory, [floppy]));
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
            machine.AttachAta(CdRomPlace, new AtapiCdRom(Open(disc, DiskAccess.ReadOnly), Serial(CdRomPlace)));
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

    private void AttachDisk(Machine machine, int place, IDiskImage image) => machine.AttachAta(place, new AtaDisk(Metered(image), Serial(place)));

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
