using ToyVmm.Engines;
using ToyVmm.VirtualMachines;
using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>The BIOS of our own on our own machine: the disk that asks it for everything.</summary>
public sealed class BiosTests
{
    private static readonly string s_folder = Path.Combine(GuestCatalog.Folder, "bios");

    [Theory]
    [MemberData(nameof(GuestRunner.EngineRows), MemberType = typeof(GuestRunner))]
    public void The_self_test_disk_prints_what_it_prints_on_a_PC(EngineKind engine)
    {
        using VirtualMachine vm = VirtualMachine.Create(File.ReadAllBytes(Path.Combine(s_folder, "bios-test.img")), new VirtualMachineOptions { Engine = engine });
        StopReason stop = vm.Run(new RunLimits { MaxInstructions = 500_000_000, Timeout = TimeSpan.FromSeconds(60) });
        Assert.Equal(33, stop.ExitStatus);
        Assert.Equal(File.ReadAllText(Path.Combine(s_folder, "bios-test.expected")), vm.SerialOutput.Replace("\r", "", StringComparison.Ordinal));
    }
}
