using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using ToyVmm.Hardware;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Loading;

namespace ToyVmm.GuestTests;

/// <summary>What tools/make-linux-guest.sh leaves in .guests/linux: Debian's kernel, an initramfs that prints marks, a disk; and the marks to expect.</summary>
internal static class LinuxGuest
{
    /// <summary>The file that the script makes last: tests ask for it.</summary>
    public const string LastFile = ".guests/linux/disk.img";

    /// <summary>How long a boot may take, on a busy machine.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromMinutes(8);

    private static readonly string s_folder = Path.Combine(GuestCatalog.RepositoryRoot, ".guests", "linux");

    /// <summary>The kernel.</summary>
    public static string Kernel { get; } = Path.Combine(s_folder, "vmlinuz");

    /// <summary>The initramfs.</summary>
    public static string InitialRamDisk { get; } = Path.Combine(s_folder, "initrd.gz");

    /// <summary>The marks of the tasks that need no disk.</summary>
    public static IReadOnlyList<string> Marks { get; } =
    [
        "mark: mounted", "mark: i686 with 1 processor", "mark: pipe 500500", $"mark: {Sum(new byte[512 * 1024])}  /file", "mark: child exited with 7",
    ];

    /// <summary>What the guest writes to the file /answer of its disk: the numbers up to 20000, one a line.</summary>
    public static byte[] Answer { get; } = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Range(1, 20000).Select(n => string.Create(CultureInfo.InvariantCulture, $"{n}\n"))));

    /// <summary>All marks of a run with a disk that takes writes.</summary>
    public static IReadOnlyList<string> MarksWithDisk { get; } =
        [.. Marks, "mark: disk says hello from outside", $"mark: disk keeps {Sum(Answer)}  /mnt/answer", "mark: done"];

    /// <summary>A machine that is about to boot it.</summary>
    public static VirtualMachine Create(EngineKind engine, string commandLine, Action<byte>? serial = null, params DiskConfig[] disks) => VirtualMachine.Create(
        File.ReadAllBytes(Kernel),
        new VirtualMachineOptions
        {
            Engine = engine,
            Machine = new MachineConfig { MemorySize = 128u << 20, Disks = disks },
            Load = new LoadOptions { CommandLine = commandLine, InitialRamDisk = File.ReadAllBytes(InitialRamDisk) },
            SerialOutput = serial,
        });

    /// <summary>A copy of the script's disk, for one test.</summary>
    public static TemporaryFile CopyDisk() => CommandLine.File(File.ReadAllBytes(Path.Combine(s_folder, "disk.img")), ".img");

    /// <summary>The marks in a serial log.</summary>
    public static string[] MarksIn(string serial) =>
        [.. serial.Split('\n').Where(line => line.StartsWith("mark: ", StringComparison.Ordinal)).Select(line => line.TrimEnd('\r'))];

    private static string Sum(byte[] data) => Convert.ToHexStringLower(SHA256.HashData(data));
}
