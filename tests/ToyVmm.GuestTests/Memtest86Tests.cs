using System.Diagnostics;
using System.Text.RegularExpressions;
using ToyVmm.Hardware;
using ToyVmm.VirtualMachines;
using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>Debian's memtest86+: somebody else's program, unmodified, that boots as a Linux kernel does and owns the whole machine.</summary>
public sealed partial class Memtest86Tests
{
    private const ulong Slice = 250_000_000;
    private const ulong Limit = 20_000_000_000;

    // The program moves itself to a place above 4 MiB: this is the least in which it starts.
    private const uint Memory = 5u << 20;

    // It waits for a key at the beginning, and for minutes between writing memory and looking whether bits have faded. It counts seconds by
    // the TSC: on a slow clock they are fewer instructions, and the tests themselves are the same.
    private const ulong SlowClock = 1_000_000;

    /// <summary>Where tools/install-test-tools.sh unpacks it, or where Debian's package installs it.</summary>
    private static readonly string[] s_places =
        [Path.Combine(GuestCatalog.RepositoryRoot, ".guests", "boot", "memtest86+ia32.bin"), "/boot/memtest86+ia32.bin"];

    /// <summary>On the host's default engine alone: the interpreter takes half a minute for it.</summary>
    [RequiresFileFact(".guests/boot/memtest86+ia32.bin", "/boot/memtest86+ia32.bin")]
    public void One_complete_pass_finds_no_error()
    {
        using VirtualMachine vm = VirtualMachine.Create(
            File.ReadAllBytes(s_places.First(File.Exists)),
            new VirtualMachineOptions { Machine = new MachineConfig { MemorySize = Memory, InstructionsPerSecond = SlowClock } });
        string screen = "";
        bool passed = false;
        while (!passed && vm.InstructionsRetired < Limit)
        {
            StopReason stop = vm.Run(new RunLimits { MaxInstructions = Slice, Timeout = TimeSpan.FromMinutes(5) });
            screen = vm.Machine.Vga.ReadScreen().ToText();
            Assert.True(stop.Kind == StopKind.InstructionLimit, $"{stop.Detail}\n{screen}");
            passed = CompletedPass().IsMatch(screen);
        }

        Assert.Contains("Memtest86+ v", screen, StringComparison.Ordinal);
        Assert.True(passed, $"the pass was not completed:\n{screen}");
        Assert.Matches(@"Errors:\s+0\b", screen);
    }

    /// <summary>QEMU, the second opinion, on as slow a clock: an instruction is 2^10 ns, and sleep takes no time. The screen comes through COM1.</summary>
    [RequiresFileFact(".guests/boot/memtest86+ia32.bin", "/boot/memtest86+ia32.bin", Tool = "qemu-system-i386")]
    public void QEMU_completes_the_pass_too()
    {
        string log = Path.GetTempFileName();
        ProcessStartInfo start = new(
            "qemu-system-i386",
            [
                "-accel", "tcg", "-icount", "shift=10,sleep=off", "-m", $"{Memory >> 20}", "-kernel", s_places.First(File.Exists), "-append", "console=ttyS0",
                "-display", "none", "-monitor", "none", "-nic", "none", "-no-reboot", "-serial", $"file:{log}",
            ])
        { RedirectStandardError = true };
        using Process qemu = Process.Start(start)!;
        try
        {
            Stopwatch watch = Stopwatch.StartNew();
            string screen = "";
            while (!CompletedPass().IsMatch(screen) && watch.Elapsed < TimeSpan.FromMinutes(5) && !qemu.HasExited)
            {
                Thread.Sleep(500);
                screen = File.ReadAllText(log);
            }

            Assert.Matches(CompletedPass(), screen);
            Assert.DoesNotMatch(@"Errors:\s+[1-9]", screen);
        }
        finally
        {
            qemu.Kill();
            qemu.WaitForExit();
            File.Delete(log);
        }
    }

    // The count of passes beside the count of errors; the line below has the big banner.
    [GeneratedRegex(@"Pass:\s+[1-9][0-9]*\s+Errors:")]
    private static partial Regex CompletedPass();
}
