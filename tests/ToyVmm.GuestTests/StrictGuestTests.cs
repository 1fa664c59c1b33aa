using ToyVmm.Debugging.Strict;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Comparing;
using ToyVmm.VirtualMachines.Tracing;
using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>A strict run of our guests: what it finds in them is there on purpose, and the run is the one that it would have been.</summary>
public sealed class StrictGuestTests
{
    private const ulong MostInstructions = 3_000_000;

    // pae-limits shows that MOV CR3 keeps a global page's old translation; noisy counts in frames that nobody has cleared, for the stores alone.
    private static readonly Dictionary<string, StrictChecks[]> s_onPurpose = new()
    {
        ["pae-limits"] = [StrictChecks.Tlb],
        ["noisy"] = [StrictChecks.Memory],
    };

    public static IEnumerable<object[]> Names => GuestCatalog.All.Select(guest => new object[] { guest.Name });

    /// <summary>No false positives.</summary>
    [Theory]
    [MemberData(nameof(Names))]
    public void A_correct_guest_gives_no_findings_and_is_not_disturbed(string name)
    {
        StrictChecker strict = new();
        (ulong cpu, ulong memory, string serial) = Run(name, strict);
        Assert.Equal(Run(name, null), (cpu, memory, serial));
        Assert.Equal(s_onPurpose.GetValueOrDefault(name, []), strict.Findings.Select(finding => finding.Check));
    }

    /// <summary>The command line: the findings, and the status that is asked for.</summary>
    [Fact]
    public void Findings_can_be_a_failure()
    {
        ToolResult told = CommandLine.Run("run", "--strict", "pae-limits", "--serial", "none");
        Assert.Equal(0, told.Status);
        Assert.Contains("1. [tlb] 0008:", told.Errors, StringComparison.Ordinal);
        Assert.Contains("strict: 1 place (1 tlb)", told.Errors, StringComparison.Ordinal);
        Assert.Equal(81, CommandLine.Run("run", "pae-limits", "--serial", "none", "--strict=tlb,fail").Status);
        Assert.Equal(0, CommandLine.Run("run", "pae-limits", "--serial", "none", "--strict=flags,fail").Status);
        Assert.Equal(64, CommandLine.Run("run", "hello", "--strict=colour").Status);
        Assert.Equal(64, CommandLine.Run("run", "hello", "--strict", "--engine", "naive").Status);
        Assert.Contains("\"check\": \"tlb\"", CommandLine.Run("run", "pae-limits", "--serial", "none", "--strict", "-q", "--json", "-").Output, StringComparison.Ordinal);
    }

    private static (ulong Cpu, ulong Memory, string Serial) Run(string name, StrictChecker? strict)
    {
        GuestImage guest = GuestCatalog.Find(name);
        VirtualMachineOptions options = GuestRunner.Options(guest, EngineKind.Interpreter, new TraceHash()) with { Observer = strict, ExitObserver = null };
        using VirtualMachine vm = VirtualMachine.Create(File.ReadAllBytes(guest.ImagePath), options);
        strict?.Attach(vm);
        if (guest.SerialInput is { } typed)
        {
            vm.Input.Enqueue(System.Text.Encoding.Latin1.GetBytes(typed));
        }

        _ = vm.Run(new RunLimits { MaxInstructions = MostInstructions });
        return (StateHash.OfCpu(vm.Vcpu), StateHash.OfMemory(vm.Machine.Memory), vm.SerialOutput);
    }
}
