using ToyVmm.Hardware;
using ToyVmm.VirtualMachines;
using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>Debian's memtest86+: somebody else's program, unmodified, that boots as a Linux kernel does and owns the whole machine.</summary>
public sealed class Memtest86Tests
{
    private const ulong Slice = 50_000_000;
    private const ulong Limit = 6_000_000_000;

    /// <summary>Where tools/install-test-tools.sh unpacks it, or where Debian's package installs it.</summary>
    private static readonly string[] s_places =
        [Path.Combine(GuestCatalog.RepositoryRoot, ".guests", "boot", "memtest86+ia32.bin"), "/boot/memtest86+ia32.bin"];

    [RequiresFileFact(".guests/boot/memtest86+ia32.bin", "/boot/memtest86+ia32.bin")]
    public void It_shows_its_screen_and_its_tests_find_no_error()
    {
        using VirtualMachine vm = VirtualMachine.Create(
            File.ReadAllBytes(s_places.First(File.Exists)),
            new VirtualMachineOptions { Machine = new MachineConfig { MemorySize = 4u << 20 } });
        string screen = "";
        bool tested = false;
        while (!tested && vm.InstructionsRetired < Limit)
        {
            StopReason stop = vm.Run(new RunLimits { MaxInstructions = Slice, Timeout = TimeSpan.FromSeconds(120) });
            screen = vm.Machine.Vga.ReadScreen().ToText();
            Assert.True(stop.Kind == StopKind.InstructionLimit, $"{stop.Detail}\n{screen}");
            tested = screen.Contains("#3", StringComparison.Ordinal) || screen.Contains("Pass complete", StringComparison.Ordinal);
        }

        Assert.Contains("Memtest86+ v", screen, StringComparison.Ordinal);
        Assert.True(tested, $"the third test was not reached:\n{screen}");
        Assert.Matches(@"Errors:\s+0\b", screen);
    }
}
