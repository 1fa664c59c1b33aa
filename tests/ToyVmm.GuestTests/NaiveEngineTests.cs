using ToyVmm.Engines.Classification;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Tracing;
using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>The engine that is wrong on purpose: wrong in what its definition says, right in everything else, and never out of its wits.</summary>
public sealed class NaiveEngineTests
{
    /// <summary>The guest's head says what the machine itself answers; this is what the monitor lets through.</summary>
    [Fact]
    public void Popek_hears_the_monitor()
    {
        GuestImage guest = GuestCatalog.Find("popek");
        using VirtualMachine vm = GuestRunner.Create(guest, EngineKind.Naive, new TraceHash());
        StopReason stop = vm.Run(new RunLimits { MaxInstructions = 100_000_000 });
        Assert.Equal("""
            -- privileged instructions: they trap, and a monitor can do its work
            STI, and the timer ticks: yes
            MOV EAX, CR0, bits 3-0: 00000001
            -- sensitive instructions that do not trap
            POPF with IF set, and the timer ticks: no
            PUSHF after CLI, bit 9 (IF): 00000200
            SMSW, bits 3-0: 00000003
            SGDT stores what LGDT loaded: no
            SIDT stores what LIDT loaded: no
            SLDT: 00000068
            STR stores what LTR loaded: no
            PUSH CS: 0000000B
            MOV EAX, SS: 00000013
            LAR of our own data segment: 00000000
            LSL of our own data segment: 00000000
            VERW of our own data segment: not writable
            12 answers were not this machine's

            """.ReplaceLineEndings("\n"), vm.SerialOutput);
        Assert.Equal(3, stop.ExitStatus);
        Assert.Equal("naive", vm.EngineName);
        Assert.True(vm.Naive!.Unnoticed > 0 && vm.Naive.Emulated > 0);
    }

    /// <summary>Guests that ask no such question do not notice.</summary>
    [Theory]
    [InlineData("hello")]
    [InlineData("hello-boot")]
    [InlineData("hello-flat")]
    [InlineData("traps")]
    [InlineData("paging")]
    [InlineData("smc")]
    public void An_innocent_guest_runs_as_ever(string name)
    {
        GuestImage guest = GuestCatalog.Find(name);
        GuestRun real = GuestRunner.Run(guest, EngineKind.Interpreter);
        GuestRun naive = GuestRunner.Run(guest, EngineKind.Naive);
        Assert.Equal((real.Serial, real.Stop.ExitStatus), (naive.Serial, naive.Stop.ExitStatus));
    }

    /// <summary>A guest in C that reads its ring from CS is told the monitor's, and nothing else is different.</summary>
    [Fact]
    public void A_kernel_that_reads_CS_finds_itself_in_ring_3()
    {
        GuestImage guest = GuestCatalog.Find("hello-multiboot");
        GuestRun real = GuestRunner.Run(guest, EngineKind.Interpreter);
        GuestRun naive = GuestRunner.Run(guest, EngineKind.Naive);
        Assert.Contains("ring 0", real.Serial, StringComparison.Ordinal);
        Assert.Equal(real.Serial.Replace("ring 0", "ring 3", StringComparison.Ordinal), naive.Serial);
    }

    /// <summary>Whatever becomes of the others, they end in a verdict, the same one each time.</summary>
    [Theory]
    [MemberData(nameof(GuestCatalog.Names), MemberType = typeof(GuestCatalog))]
    public void Every_guest_ends_in_a_verdict(string name)
    {
        GuestImage guest = GuestCatalog.Find(name);
        Assert.Equal(Verdict(guest, 3_000_000), Verdict(guest, 997));
    }

    [Fact]
    public void The_command_line_says_that_it_is_wrong()
    {
        ToolResult result = CommandLine.Run("run", "popek", "--engine", "naive");
        Assert.Equal(3, result.Status);
        Assert.Contains("naive engine is wrong on purpose", result.Errors, StringComparison.Ordinal);
        Assert.Contains("12 answers were not this machine's", result.Output, StringComparison.Ordinal);
        ToolResult bench = CommandLine.Run("bench", "--engine", "naive");
        Assert.Equal(64, bench.Status);
        Assert.Contains("nothing to measure", bench.Errors, StringComparison.Ordinal);
    }

    private static (StopKind, string, ulong) Verdict(GuestImage guest, ulong slice)
    {
        using VirtualMachine vm = GuestRunner.Create(guest, EngineKind.Naive, new TraceHash());
        vm.Input.Close();
        StopReason stop;
        do
        {
            stop = vm.Run(new RunLimits { MaxInstructions = Math.Min(slice, 3_000_000 - vm.InstructionsRetired) });
        }
        while (stop.Kind == StopKind.InstructionLimit && vm.InstructionsRetired < 3_000_000);
        return (stop.Kind, vm.SerialOutput, vm.InstructionsRetired);
    }
}
