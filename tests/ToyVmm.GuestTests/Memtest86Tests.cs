using ToyVmm.Hardware;
using ToyVmm.VirtualMachines;
using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>Debian's memtest86+: somebody else's program, unmodified, that boots as a Linux kernel does and owns the whole machine.</summary>
public sealed class Memtest86Tests
{
    private const ulong Slice = 50_000_000;
    private const ulong Limit = 4_000_000_000;

    // It waits five seconds for a key, and counts them by the clock: on a slow one they are fewer instructions.
    private const ulong SlowClock = 50_000_000;

    /// <summary>Where tools/install-test-tools.sh unpacks it, or where Debian's package installs it.</summary>
    private static readonly string[] s_places =
        [Path.Combine(GuestCatalog.RepositoryRoot, ".guests", "boot", "memtest86+ia32.bin"), "/boot/memtest86+ia32.bin"];

    [RequiresFileFact(".guests/boot/memtest86+ia32.bin", "/boot/memtest86+ia32.bin")]
    public void It_shows_its_screen_and_its_tests_find_no_error()
    {
        using VirtualMachine vm = VirtualMachine.Create(
            File.ReadAllBytes(s_places.First(File.Exists)),
            new VirtualMachineOptions { Machine = new MachineConfig { MemorySize = 8u << 20, InstructionsPerSecond = SlowClock } });
        string screen = "";
        bool tested = false;
        while (!tested && vm.InstructionsRetired < Limit)
        {
            StopReason stop = vm.Run(new RunLimits { MaxInstructions = Slice, Timeout = TimeSpan.FromSeconds(120) });
            screen = vm.Machine.Vga.ReadScreen().ToText();
            Assert.True(stop.Kind == StopKind.InstructionLimit, $"{stop.Detail}\n{screen}");
            tested = screen.Contains("Test #6", StringComparison.Ordinal);
        }

        Assert.Contains("Memtest86+ v", screen, StringComparison.Ordinal);
        Assert.True(tested, $"test #6 was not reached:\n{screen}");
        Assert.Matches(@"Errors:\s+0\b", screen);
    }
}
