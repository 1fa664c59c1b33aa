using System.Text;
using System.Text.RegularExpressions;
using ToyVmm.Hardware;
using ToyVmm.VirtualMachines;
using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>An unmodified Debian kernel boots into user space, does a shell script's work there, and powers the machine off by ACPI.</summary>
public sealed partial class LinuxBootTests
{
    // What the kernel does first is test its own ciphers, for half of the boot: once is enough.
    private const string WithoutCipherTests = "console=ttyS0 quiet cryptomgr.notests";
    private const string Prompt = "shell# ";

    /// <summary>On the host's default engine alone, since the kernel's tests of its ciphers are long; <see cref="LockStepTests"/> has them on both.</summary>
    [RequiresFileFact(LinuxGuest.LastFile)]
    public void Debians_kernel_runs_a_script_and_keeps_a_file_on_a_disk()
    {
        using TemporaryFile disk = LinuxGuest.CopyDisk();
        ToolResult result = ToolProcess.Run(
            "dotnet",
            [
                CommandLine.Tool, "run", LinuxGuest.Kernel, "--initrd", LinuxGuest.InitialRamDisk, "--append", "console=ttyS0 toyvmm=disk",
                "--memory", "128M", "--disk", disk.Path,
            ],
            LinuxGuest.Limit);
        Assert.True(result.Status == 0, result.ToString());
        Assert.Equal(LinuxGuest.MarksWithDisk, LinuxGuest.MarksIn(result.Output));
        Assert.Equal(LinuxGuest.Answer, Ext2Image.ReadFile(File.ReadAllBytes(disk.Path), "answer"));
    }

    [RequiresFileTheory(LinuxGuest.LastFile)]
    [MemberData(nameof(GuestRunner.EngineRows), MemberType = typeof(GuestRunner))]
    public void What_it_writes_to_a_snapshot_is_forgotten(EngineKind engine)
    {
        using TemporaryFile disk = LinuxGuest.CopyDisk();
        byte[] before = File.ReadAllBytes(disk.Path);
        Assert.Equal(LinuxGuest.MarksWithDisk, RunWithDisk(engine, new DiskConfig(disk.Path, DiskAccess.Snapshot)));
        Assert.Equal(before, File.ReadAllBytes(disk.Path));
    }

    [RequiresFileTheory(LinuxGuest.LastFile)]
    [MemberData(nameof(GuestRunner.EngineRows), MemberType = typeof(GuestRunner))]
    public void A_read_only_disk_gives_it_errors(EngineKind engine)
    {
        using TemporaryFile disk = LinuxGuest.CopyDisk();
        byte[] before = File.ReadAllBytes(disk.Path);
        Assert.Equal(
            [.. LinuxGuest.Marks, "mark: disk takes no writes", "mark: disk says hello from outside", "mark: disk write failed", "mark: done"],
            RunWithDisk(engine, new DiskConfig(disk.Path, DiskAccess.ReadOnly)));
        Assert.Equal(before, File.ReadAllBytes(disk.Path));
    }

    /// <summary>Types at the prompt, as a user would: each line when the prompt asks for it.</summary>
    [RequiresFileTheory(LinuxGuest.LastFile)]
    [MemberData(nameof(GuestRunner.EngineRows), MemberType = typeof(GuestRunner))]
    public void Its_shell_answers_what_is_typed(EngineKind engine)
    {
        Queue<string> lines = new(["echo $((6 * 7))", "seq 1 100 | wc -l", "cat /nothing; echo status $?", "tty; exit"]);
        StringBuilder serial = new();
        VirtualMachine? machine = null;
        using VirtualMachine vm = LinuxGuest.Create(
            engine,
            WithoutCipherTests + " toyvmm=shell",
            value =>
            {
                _ = serial.Append((char)value);
                if (value == ' ' && serial.ToString(Math.Max(serial.Length - Prompt.Length, 0), Math.Min(Prompt.Length, serial.Length)) == Prompt
                    && lines.TryDequeue(out string? line))
                {
                    machine!.Input.Enqueue(Encoding.ASCII.GetBytes(line + "\n"));
                }
            });
        machine = vm;
        StopReason stop = vm.Run(new RunLimits { MaxInstructions = 30_000_000_000, Timeout = LinuxGuest.Limit });
        string text = TerminalSequence().Replace(serial.Replace("\r", "").ToString(), "");
        Assert.True(stop.Kind == StopKind.PowerOff, $"{stop.Detail}\n{text}");
        Assert.Contains("shell# echo $((6 * 7))\n42\n", text, StringComparison.Ordinal);
        Assert.Contains("| wc -l\n100\n", text, StringComparison.Ordinal);
        Assert.Contains("can't open '/nothing': No such file or directory\nstatus 1\n", text, StringComparison.Ordinal);
        Assert.Contains("exit\n/dev/ttyS0\n", text, StringComparison.Ordinal);
    }

    /// <summary>QEMU, the second opinion: the same marks, and the same file on the disk.</summary>
    [RequiresFileFact(LinuxGuest.LastFile, Tool = "qemu-system-i386")]
    public void QEMU_gives_the_same_marks()
    {
        using TemporaryFile disk = LinuxGuest.CopyDisk();
        ToolResult result = ToolProcess.Run(
            "qemu-system-i386",
            [
                "-accel", "tcg", "-display", "none", "-monitor", "none", "-serial", "stdio", "-no-reboot", "-m", "128",
                "-kernel", LinuxGuest.Kernel, "-initrd", LinuxGuest.InitialRamDisk, "-append", "console=ttyS0 toyvmm=disk",
                "-drive", $"file={disk.Path},format=raw,if=ide",
            ],
            LinuxGuest.Limit);
        Assert.Equal(LinuxGuest.MarksWithDisk, LinuxGuest.MarksIn(result.Output));
        Assert.Equal(LinuxGuest.Answer, Ext2Image.ReadFile(File.ReadAllBytes(disk.Path), "answer"));
    }

    // What the shell's line editor sends beyond text: where is the cursor, erase to the end of the screen.
    [GeneratedRegex(@"\x1B\[[0-9;]*[A-Za-z]")]
    private static partial Regex TerminalSequence();

    private static string[] RunWithDisk(EngineKind engine, DiskConfig disk)
    {
        using VirtualMachine vm = LinuxGuest.Create(engine, WithoutCipherTests + " toyvmm=disk", null, disk);
        StopReason stop = vm.Run(new RunLimits { MaxInstructions = 30_000_000_000, Timeout = LinuxGuest.Limit });
        Assert.True(stop.Kind == StopKind.PowerOff, $"{stop.Detail}\n{vm.SerialOutput}");
        return LinuxGuest.MarksIn(vm.SerialOutput);
    }
}
