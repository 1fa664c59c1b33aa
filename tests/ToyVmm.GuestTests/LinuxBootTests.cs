using System.Globalization;
using System.Security.Cryptography;
using ToyVmm.Hardware;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Loading;
using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>An unmodified Debian kernel boots into user space, does a shell script's work there, and powers the machine off by ACPI.</summary>
public sealed class LinuxBootTests
{
    private static readonly string s_folder = Path.Combine(GuestCatalog.RepositoryRoot, ".guests", "linux");

    [RequiresFileFact(".guests/linux/initrd.gz")]
    public void Debians_kernel_runs_a_script_and_powers_off()
    {
        using VirtualMachine vm = VirtualMachine.Create(
            File.ReadAllBytes(Path.Combine(s_folder, "vmlinuz")),
            new VirtualMachineOptions
            {
                Machine = new MachineConfig { MemorySize = 128u << 20 },
                Load = new LoadOptions
                {
                    CommandLine = "console=ttyS0 quiet",
                    InitialRamDisk = File.ReadAllBytes(Path.Combine(s_folder, "initrd.gz")),
                },
            });
        StopReason stop = vm.Run(new RunLimits { MaxInstructions = 30_000_000_000, Timeout = TimeSpan.FromMinutes(8) });
        string serial = vm.SerialOutput;
        Assert.True(stop.Kind == StopKind.PowerOff, $"{stop.Detail}\n{serial}");
        string[] marks = [.. serial.Split('\n').Where(line => line.StartsWith("mark: ", StringComparison.Ordinal)).Select(line => line.TrimEnd('\r'))];
        string sum = Convert.ToHexString(SHA256.HashData(new byte[512 * 1024])).ToLower(CultureInfo.InvariantCulture);
        Assert.Equal(
            ["mark: mounted", "mark: i686 with 1 processor", "mark: pipe 500500", $"mark: {sum}  /file", "mark: child exited with 7", "mark: done"],
            marks);
    }
}
