using System.Globalization;
using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>Each guest does under QEMU what its head says: QEMU is the second opinion about what a PC does.</summary>
public sealed class QemuGuestTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(90);

    [RequiresToolTheory("qemu-system-i386")]
    [MemberData(nameof(GuestCatalog.QemuNames), MemberType = typeof(GuestCatalog))]
    public void A_guest_prints_and_exits_as_its_head_says(string name)
    {
        var guest = GuestCatalog.Find(name);
        var image = guest.ImagePath;
        var copy = Path.GetTempFileName();
        try
        {
            if (guest.Format is GuestFormat.Raw or GuestFormat.BootSector)
            {
                File.WriteAllBytes(copy, guest.Format == GuestFormat.Raw ? AsBootSector(File.ReadAllBytes(image)) : File.ReadAllBytes(image));
                image = copy;       // QEMU wants to write to a disk, and a raw image needs a boot sector's signature
            }

            var result = ToolProcess.Run("qemu-system-i386", Arguments(guest, image), Limit, guest.SerialInput ?? "");

            var context = $"standard error:\n{result.Errors}";
            if (guest.ExpectedSerial is { } expected)
            {
                Assert.Equal(expected, result.Output);
            }

            Assert.All(guest.ExpectedSerialParts, part => Assert.Contains(part, result.Output, StringComparison.Ordinal));
            Assert.True(guest.QemuStatus == result.Status, $"status {result.Status.ToString(CultureInfo.InvariantCulture)}, expected {guest.QemuStatus}; {context}");
        }
        finally
        {
            File.Delete(copy);
        }
    }

    [RequiresToolFact("qemu-system-i386", "sh", "nasm", "objcopy", "readelf", "nm")]
    public void A_multiboot_guest_also_starts_from_a_floppy()
    {
        var guest = GuestCatalog.Find("traps");
        var floppy = Path.GetTempFileName();
        try
        {
            var build = ToolProcess.Run("sh", [Path.Combine(GuestCatalog.Folder, "build.sh"), "--disk", guest.Name, floppy], Limit);
            Assert.True(build.Status == 0, build.Errors);
            var result = ToolProcess.Run(
                "qemu-system-i386",
                ["-display", "none", "-monitor", "none", "-serial", "stdio", "-no-reboot", "-drive", $"file={floppy},format=raw,if=floppy"],
                Limit);
            Assert.Equal((guest.ExpectedStatus, guest.ExpectedSerial), (result.Status, result.Output));
        }
        finally
        {
            File.Delete(floppy);
        }
    }

    private static List<string> Arguments(GuestImage guest, string image)
    {
        List<string> arguments =
        [
            "-display", "none", "-monitor", "none", "-serial", "stdio", "-no-reboot",
            "-m", guest.Memory ?? "64M", "-device", "isa-debug-exit,iobase=0xf4,iosize=4",
        ];
        if (guest.QemuCpu is { } cpu)
        {
            arguments.AddRange(["-cpu", cpu]);
        }

        if (guest.Format is GuestFormat.Multiboot or GuestFormat.MultibootFlat)
        {
            arguments.AddRange(["-kernel", image]);
            if (guest.Append is { } append)
            {
                arguments.AddRange(["-append", append]);
            }
        }
        else
        {
            arguments.AddRange(["-drive", $"file={image},format=raw"]);
        }

        return arguments;
    }

    /// <summary>A raw image at 0x7C00 is a boot sector without the signature.</summary>
    private static byte[] AsBootSector(byte[] raw)
    {
        Assert.True(raw.Length <= 510, $"a raw image of {raw.Length} bytes does not fit into a boot sector");
        var sector = new byte[512];
        raw.CopyTo(sector, 0);
        (sector[510], sector[511]) = (0x55, 0xAA);
        return sector;
    }
}
