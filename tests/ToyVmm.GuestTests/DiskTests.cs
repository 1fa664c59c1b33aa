using ToyVmm.Hardware;
using ToyVmm.VirtualMachines;
using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>Disks end to end: what a guest writes is in the file, or is not, as --disk says.</summary>
public sealed class DiskTests
{
    private const int WrittenSector = 1;
    private const int Ok = 1;                               // (INT 13h status << 1) | 1
    private const int Failed = (0x20 << 1) | 1;

    // A boot sector that writes itself to sector 2 of track 0 of the second hard disk, and ends with the status of INT 13h.
    private static readonly byte[] s_writer = BootSector(
        0xB8, 0x01, 0x03,           // mov ax, 0x0301
        0xBB, 0x00, 0x7C,           // mov bx, 0x7C00
        0xB9, 0x02, 0x00,           // mov cx, 2
        0xBA, 0x81, 0x00,           // mov dx, 0x0081
        0xCD, 0x13,                 // int 0x13
        0x88, 0xE0,                 // mov al, ah
        0xE6, 0xF4);                // out 0xF4, al

    [Theory]
    [InlineData(DiskAccess.ReadWrite, Ok, true)]
    [InlineData(DiskAccess.Snapshot, Ok, false)]
    [InlineData(DiskAccess.ReadOnly, Failed, false)]
    public void A_write_goes_where_the_access_says(DiskAccess access, int status, bool written)
    {
        foreach (EngineKind engine in GuestRunner.Engines)
        {
            using TemporaryFile disk = CommandLine.File(new byte[8 * 512], ".img");
            MachineConfig machine = new() { Disks = [new DiskConfig(disk.Path, access)] };
            using (VirtualMachine vm = VirtualMachine.Create(s_writer, new VirtualMachineOptions { Engine = engine, Machine = machine }))
            {
                Assert.Equal(status, vm.Run(new RunLimits { MaxInstructions = 50_000_000 }).ExitStatus);
            }

            byte[] expected = new byte[8 * 512];
            if (written)
            {
                s_writer.CopyTo(expected, WrittenSector * 512);
            }

            Assert.Equal(expected, File.ReadAllBytes(disk.Path));
        }
    }

    [Theory]
    [InlineData("", true)]
    [InlineData(",", true)]
    [InlineData(",snapshot", false)]
    public void The_command_line_takes_disks(string access, bool written)
    {
        using TemporaryFile image = CommandLine.File(s_writer, ".img");
        using TemporaryFile disk = CommandLine.File(new byte[8 * 512], ".img");
        ToolResult result = CommandLine.Run("run", image.Path, "--disk", disk.Path + access, "--cdrom", image.Path);
        Assert.True(result.Status == Ok, result.ToString());
        Assert.Equal(written ? 0x55 : 0, File.ReadAllBytes(disk.Path)[(WrittenSector * 512) + 510]);
    }

    [Fact]
    public void A_read_only_disk_refuses_in_the_guest()
    {
        using TemporaryFile image = CommandLine.File(s_writer, ".img");
        using TemporaryFile disk = CommandLine.File(new byte[8 * 512], ".img");
        Assert.Equal(Failed, CommandLine.Run("run", image.Path, "--disk", disk.Path + ",readonly").Status);
    }

    [Fact]
    public void Bad_disks_are_refused_with_a_reason()
    {
        using TemporaryFile disk = CommandLine.File(new byte[512], ".img");
        using TemporaryFile empty = CommandLine.File([], ".img");
        Refused(66, "no-such-file.img: there is no such file", "--disk", "no-such-file.img");
        Refused(66, "there is no such file", "--cdrom", "no-such-file.iso");
        Refused(66, "the file is empty", "--disk", empty.Path);
        Refused(64, "'often' is neither snapshot nor readonly", "--disk", disk.Path + ",often");
        Refused(64, "there is no file name", "--disk", ",snapshot");
        string[] four = ["--disk", disk.Path + ",snapshot", "--disk", disk.Path + ",snapshot", "--disk", disk.Path + ",snapshot", "--disk", disk.Path + ",snapshot"];
        Refused(64, "two ATA channels take 4 devices", [.. four, "--cdrom", disk.Path]);
    }

    [Fact]
    public void The_booted_disk_takes_a_place_too()
    {
        using TemporaryFile disk = CommandLine.File(new byte[512], ".img");
        MachineConfig machine = new() { Disks = [.. Enumerable.Repeat(new DiskConfig(disk.Path, DiskAccess.ReadOnly), 4)] };
        DriveException refused = Assert.Throws<DriveException>(() => VirtualMachine.Create(s_writer, new VirtualMachineOptions { Machine = machine }));
        Assert.Equal(disk.Path, refused.Path);
    }

    [Fact]
    public void A_disk_without_an_image_is_booted()
    {
        using TemporaryFile disk = CommandLine.File(s_writer, ".img");
        using TemporaryFile second = CommandLine.File(new byte[8 * 512], ".img");
        ToolResult result = CommandLine.Run("run", "--disk", disk.Path, "--disk", second.Path, "-v");
        Assert.True(result.Status == Ok, result.ToString());
        Assert.Contains($"the BIOS boots a drive, {disk.Path}", result.Errors, StringComparison.Ordinal);
        Assert.Equal(0x55, File.ReadAllBytes(second.Path)[(WrittenSector * 512) + 510]);
    }

    [Fact]
    public void Nothing_to_boot_is_a_usage_error()
    {
        using TemporaryFile file = CommandLine.File(new byte[512], ".img");
        RefusedWithoutImage("there is nothing to run");
        RefusedWithoutImage("there is nothing to run", "--bios", file.Path);
        RefusedWithoutImage("does not boot from a CD-ROM", "--cdrom", file.Path);
        RefusedWithoutImage("--append is about an image, and there is none", "--disk", file.Path, "--append", "quiet");
        RefusedWithoutImage("--entry is about an image, and there is none", "--disk", file.Path, "--entry", "real");
        RefusedWithoutImage("a VGA BIOS that begins with 00 00", "--disk", file.Path, "--bios", file.Path, "--vga-bios", file.Path);
    }

    /// <summary>Somebody else's BIOS finds the disk by PCI, CMOS and IDENTIFY, and boots it.</summary>
    [RequiresFileTheory("/usr/share/seabios/bios.bin")]
    [MemberData(nameof(GuestRunner.EngineRows), MemberType = typeof(GuestRunner))]
    public void SeaBIOS_boots_the_disk(EngineKind engine)
    {
        GuestImage guest = GuestCatalog.Find("disk");
        MachineConfig machine = new() { Bios = File.ReadAllBytes("/usr/share/seabios/bios.bin") };
        using VirtualMachine vm = VirtualMachine.Create(File.ReadAllBytes(guest.ImagePath), new VirtualMachineOptions { Engine = engine, Machine = machine });
        StopReason stop = vm.Run(new RunLimits { MaxInstructions = 500_000_000, Timeout = TimeSpan.FromSeconds(60) });
        Assert.Equal((StopKind.PowerOff, guest.ExpectedSerial), (stop.Kind, vm.SerialOutput));
    }

    /// <summary>And a CD: the "no emulation" boot of El Torito, by READ(10) packets. (The floppy that is given as the image is not seen by SeaBIOS.)</summary>
    [RequiresFileTheory("/usr/share/seabios/bios.bin")]
    [MemberData(nameof(GuestRunner.EngineRows), MemberType = typeof(GuestRunner))]
    public void SeaBIOS_boots_the_disc(EngineKind engine)
    {
        using TemporaryFile disc = CommandLine.File(BootableDisc([0xB0, 0x05, 0xE6, 0xF4]), ".iso");      // mov al, 5; out 0xF4, al
        byte[] floppy = new byte[1440 * 1024];
        (floppy[510], floppy[511]) = (0x55, 0xAA);
        MachineConfig machine = new() { Bios = File.ReadAllBytes("/usr/share/seabios/bios.bin"), CdRom = disc.Path };
        using VirtualMachine vm = VirtualMachine.Create(floppy, new VirtualMachineOptions { Engine = engine, Machine = machine });
        StopReason stop = vm.Run(new RunLimits { MaxInstructions = 500_000_000, Timeout = TimeSpan.FromSeconds(60) });
        Assert.Equal(11, stop.ExitStatus);
    }

    private static void RefusedWithoutImage(string reason, params string[] options)
    {
        ToolResult result = CommandLine.Run(["run", .. options]);
        Assert.True(result.Status == 64, result.ToString());
        Assert.Contains(reason, result.Errors, StringComparison.Ordinal);
    }

    private static void Refused(int status, string reason, params string[] options)
    {
        ToolResult result = CommandLine.Run(["run", "hello", .. options]);
        Assert.True(status == result.Status, result.ToString());
        Assert.Contains(reason, result.Errors, StringComparison.Ordinal);
    }

    // The least that is a bootable ISO 9660 disc: volume descriptors at block 16, the boot catalog at 19, the boot image at 20
    // (El Torito 1.0, chapter 2).
    private static byte[] BootableDisc(ReadOnlySpan<byte> code)
    {
        byte[] disc = new byte[24 * 2048];
        Span<byte> primary = disc.AsSpan(16 * 2048);
        "\u0001CD001\u0001"u8.CopyTo(primary);
        primary[80] = primary[87] = 24;             // blocks, in both byte orders
        Span<byte> boot = disc.AsSpan(17 * 2048);
        "\0CD001\u0001EL TORITO SPECIFICATION"u8.CopyTo(boot);
        boot[0x47] = 19;
        Span<byte> end = disc.AsSpan(18 * 2048);
        end[0] = 0xFF;
        "CD001\u0001"u8.CopyTo(end[1..]);
        Span<byte> catalog = disc.AsSpan(19 * 2048);
        (catalog[0], catalog[30], catalog[31]) = (1, 0x55, 0xAA);
        (catalog[28], catalog[29]) = (0xAA, 0x55);  // the words of the entry add up to zero
        (catalog[32], catalog[38], catalog[40]) = (0x88, 4, 20);
        code.CopyTo(disc.AsSpan(20 * 2048));
        return disc;
    }

    private static byte[] BootSector(params ReadOnlySpan<byte> code)
    {
        byte[] sector = new byte[512];
        code.CopyTo(sector);
        (sector[510], sector[511]) = (0x55, 0xAA);
        return sector;
    }
}
