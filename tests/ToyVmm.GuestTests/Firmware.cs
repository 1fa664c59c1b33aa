using ToyVmm.Hardware;
using ToyVmm.VirtualMachines;
using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>Other people's firmware, as tools/install-test-tools.sh unpacks it into .guests, and machines that start with it.</summary>
internal static class Firmware
{
    /// <summary>The firmware that the script unpacks last: tests ask for it.</summary>
    public const string VgaBiosFile = ".guests/usr/share/vgabios/vgabios.bin";

    /// <summary>SeaBIOS; it has no screen of its own.</summary>
    public static string SeaBios { get; } = InGuests("usr", "share", "seabios", "bios.bin");

    /// <summary>The LGPL'd VGA BIOS, which gives SeaBIOS its screen.</summary>
    public static string VgaBios { get; } = InGuests("usr", "share", "vgabios", "vgabios.bin");

    /// <summary>A machine whose drives SeaBIOS boots.</summary>
    public static VirtualMachine Create(MachineConfig drives, EngineKind engine) => VirtualMachine.CreateFromDrives(new VirtualMachineOptions
    {
        Engine = engine,
        Machine = drives with { Bios = File.ReadAllBytes(SeaBios), VgaBios = File.ReadAllBytes(VgaBios) },
    });

    /// <summary>Runs a machine until its screen shows a text.</summary>
    /// <returns>The screen.</returns>
    public static string RunUntilScreenShows(VirtualMachine vm, string text, ulong slice, ulong most)
    {
        ulong last = vm.InstructionsRetired + most;
        string screen;
        do
        {
            StopReason stop = vm.Run(new RunLimits { MaxInstructions = slice, Timeout = TimeSpan.FromMinutes(5) });
            screen = vm.Machine.Vga.ReadScreen().ToText();
            Assert.True(stop.Kind == StopKind.InstructionLimit, $"{stop.Detail}\n{screen}");
        }
        while (!screen.Contains(text, StringComparison.Ordinal) && vm.InstructionsRetired < last);
        Assert.Contains(text, screen, StringComparison.Ordinal);
        return screen;
    }

    /// <summary>A file below .guests.</summary>
    public static string InGuests(params string[] path) => Path.Combine([GuestCatalog.RepositoryRoot, ".guests", .. path]);
}
