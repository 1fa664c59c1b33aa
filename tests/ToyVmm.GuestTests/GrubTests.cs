using ToyVmm.Hardware;
using ToyVmm.VirtualMachines;
using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>Debian's GRUB, on a disk as grub-install makes it (tools/make-grub-disk.sh), starts one of our guests from an ext2 file system.</summary>
public sealed class GrubTests
{
    private const string DiskFile = ".guests/grub/disk.img";

    private static readonly string s_disk = Firmware.InGuests("grub", "disk.img");
    private static readonly string? s_expected = GuestCatalog.Find("hello-multiboot").ExpectedSerial;

    [RequiresFileTheory(DiskFile, Also = Firmware.VgaBiosFile)]
    [MemberData(nameof(GuestRunner.EngineRows), MemberType = typeof(GuestRunner))]
    public void SeaBIOS_starts_GRUB_and_GRUB_the_guest(EngineKind engine)
    {
        ToolResult result = CommandLine.Run(
            "run", "--engine", GuestRunner.NameOf(engine), "--disk", s_disk + ",snapshot", "--bios", Firmware.SeaBios, "--vga-bios", Firmware.VgaBios, "--serial", "none", "--screen", "--json", "-");
        Assert.True(result.Status == 0, result.ToString());
        Assert.Contains("SeaBIOS (version", result.Output, StringComparison.Ordinal);
        Assert.Contains("Welcome to GRUB!", result.Output, StringComparison.Ordinal);
        Assert.Contains("GRUB starts a guest", result.Output, StringComparison.Ordinal);
        Assert.Contains("\"reason\": \"power_off\"", result.Output, StringComparison.Ordinal);
    }

    [RequiresFileTheory(DiskFile, Also = Firmware.VgaBiosFile)]
    [MemberData(nameof(GuestRunner.EngineRows), MemberType = typeof(GuestRunner))]
    public void The_guest_prints_what_it_prints_everywhere(EngineKind engine)
    {
        using VirtualMachine vm = Firmware.Create(new MachineConfig { Disks = [new DiskConfig(s_disk, DiskAccess.ReadOnly)] }, engine);
        StopReason stop = vm.Run(new RunLimits { MaxInstructions = 3_000_000_000, Timeout = TimeSpan.FromMinutes(3) });
        Assert.Equal((StopKind.PowerOff, s_expected), (stop.Kind, vm.SerialOutput));
    }

    /// <summary>Our own BIOS does for GRUB what SeaBIOS does.</summary>
    [RequiresFileTheory(DiskFile)]
    [MemberData(nameof(GuestRunner.EngineRows), MemberType = typeof(GuestRunner))]
    public void The_built_in_BIOS_starts_GRUB_too(EngineKind engine)
    {
        ToolResult result = CommandLine.Run("run", "--disk", s_disk + ",readonly", "-q", "--engine", GuestRunner.NameOf(engine));
        Assert.Equal((0, s_expected), (result.Status, result.Output));
    }

    [RequiresFileFact(DiskFile, Tool = "qemu-system-i386")]
    public void QEMU_gives_the_same()
    {
        ToolResult result = ToolProcess.Run(
            "qemu-system-i386",
            ["-accel", "tcg", "-display", "none", "-monitor", "none", "-serial", "stdio", "-no-reboot", "-snapshot", "-drive", $"file={s_disk},format=raw,if=ide"],
            TimeSpan.FromMinutes(3));
        Assert.Equal((0, s_expected), (result.Status, result.Output));
    }
}
