using System.Diagnostics;
using System.Text;
using ToyVmm.Hardware;
using ToyVmm.Hardware.Devices;
using ToyVmm.VirtualMachines;
using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>
/// Debian's iPXE image: a CD that isolinux boots, which goes to protected mode and back for every BIOS call, scans PCI and finds no network
/// card. Ctrl-B brings its prompt.
/// </summary>
public sealed class NetworkBootTests
{
    private const string DiscFile = ".guests/usr/lib/ipxe/ipxe.iso";
    private const string Invitation = "Press Ctrl-B";
    private const string Prompt = "iPXE>";

    // iPXE measures time by polling the PIT and then waits by it: on a slow clock these are fewer instructions.
    private const ulong SlowClock = 20_000_000;

    private static readonly string s_disc = Firmware.InGuests("usr", "lib", "ipxe", "ipxe.iso");

    [RequiresFileTheory(DiscFile, Also = Firmware.VgaBiosFile)]
    [MemberData(nameof(GuestRunner.EngineRows), MemberType = typeof(GuestRunner))]
    public void It_reaches_its_prompt_and_takes_a_command(EngineKind engine)
    {
        using VirtualMachine vm = Firmware.Create(new MachineConfig { CdRom = s_disc, InstructionsPerSecond = SlowClock }, engine);

        // It sleeps while it waits for the key, and sleep takes no instructions: the key is pressed before, and the BIOS keeps it.
        _ = Firmware.RunUntilScreenShows(vm, "iPXE initialising devices", SlowClock / 20, 4_000_000_000);
        vm.Machine.Keyboard.KeyEvent(Ps2Key.LeftControl, pressed: true);
        vm.Machine.Keyboard.KeyEvent(Ps2Key.B, pressed: true);
        vm.Machine.Keyboard.KeyEvent(Ps2Key.B, pressed: false);
        vm.Machine.Keyboard.KeyEvent(Ps2Key.LeftControl, pressed: false);
        _ = Firmware.RunUntilScreenShows(vm, Prompt, SlowClock / 2, 1_000_000_000);
        _ = vm.Machine.Keyboard.Type("echo here is${space} ToyVmm\n");
        string screen = Firmware.RunUntilScreenShows(vm, "here is ToyVmm", SlowClock / 2, 1_000_000_000);
        Assert.Contains("Open Source Network Boot Firmware", screen, StringComparison.Ordinal);
    }

    /// <summary>QEMU reaches the same prompt in the same way; its monitor presses the keys and shows the screen.</summary>
    [RequiresFileFact(DiscFile, Tool = "qemu-system-i386")]
    public void QEMU_reaches_the_same_prompt()
    {
        using TemporaryFile memory = new(".bin");
        ProcessStartInfo start = new("qemu-system-i386")
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            ArgumentList = { "-accel", "tcg", "-display", "none", "-monitor", "stdio", "-serial", "none", "-nic", "none", "-no-reboot", "-cdrom", s_disc },
        };
        using Process qemu = Process.Start(start) ?? throw new InvalidOperationException("qemu-system-i386 did not start");
        Task<string> monitor = qemu.StandardOutput.ReadToEndAsync();
        Stopwatch watch = Stopwatch.StartNew();
        string screen = "";
        while (!screen.Contains(Prompt, StringComparison.Ordinal) && watch.Elapsed < TimeSpan.FromMinutes(3) && !qemu.HasExited)
        {
            if (screen.Contains(Invitation, StringComparison.Ordinal))
            {
                qemu.StandardInput.Write("sendkey ctrl-b\n");
            }

            qemu.StandardInput.Write($"pmemsave 0xb8000 4000 \"{memory.Path}\"\n");
            qemu.StandardInput.Flush();
            Thread.Sleep(300);
            screen = File.Exists(memory.Path) ? Characters(File.ReadAllBytes(memory.Path)) : "";
        }

        qemu.StandardInput.Write("quit\n");
        qemu.StandardInput.Close();
        if (!qemu.WaitForExit(TimeSpan.FromSeconds(10)))
        {
            qemu.Kill();
        }

        Assert.True(screen.Contains(Prompt, StringComparison.Ordinal), $"{screen}\n{monitor.Result}");
    }

    // Text memory: a character and an attribute each.
    private static string Characters(byte[] text) => Encoding.Latin1.GetString([.. text.Where((_, index) => index % 2 == 0)]);
}
