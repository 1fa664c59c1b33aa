using ToyVmm.Hardware;
using ToyVmm.Tests.Scheduling;
using ToyVmm.Tests.Translation;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Tracing;
using Xunit;

namespace ToyVmm.Tests.Monitoring;

/// <summary>What a guest may use up ends its run exactly there, with a kind of its own, and nothing beyond has happened.</summary>
public sealed class ResourceLimitTests
{
    public static TheoryData<string, byte[]> Storms => new()
    {
        { "latch", FleetFixture.ExitStorm },
        { "serial", FleetFixture.Chatterbox },
        { "string", FleetFixture.StringStorm },
    };

    [TranslatorTheory]
    [MemberData(nameof(Storms))]
    public void Exits_are_counted_to_the_last_on_both_engines(string name, byte[] image)
    {
        List<(ulong, ulong, uint)> results = [];
        foreach (EngineKind engine in (ReadOnlySpan<EngineKind>)[EngineKind.Interpreter, EngineKind.Translator])
        {
            foreach (ulong piece in (ReadOnlySpan<ulong>)[7, 1023, 1024, 1025, 100_000])
            {
                using VirtualMachine vm = VirtualMachine.Create(image, FleetFixture.Small(engine));
                while (vm.ExitsHandled < 100_000)
                {
                    ulong before = vm.ExitsHandled;
                    ulong more = Math.Min(piece, 100_000 - before);
                    StopReason stop = vm.Run(new RunLimits { MaxExits = more });
                    Assert.Equal((name, StopKind.ExitLimit, before + more), (name, stop.Kind, vm.ExitsHandled));
                }

                results.Add((vm.ExitsHandled, vm.InstructionsRetired, vm.Cpu.Eip));
            }
        }

        Assert.Single(results.Distinct());
    }

    /// <summary>The translator lets code reach latches itself while the limit is far: nothing is lost near it.</summary>
    [TranslatorFact]
    public void Latches_are_counted_exactly_when_emitted_code_reaches_them()
    {
        using VirtualMachine vm = VirtualMachine.Create(FleetFixture.ExitStorm32, FleetFixture.Flat(EngineKind.Translator));
        Assert.Equal(StopKind.ExitLimit, vm.Run(new RunLimits { MaxExits = 5_000_000 }).Kind);
        Assert.Equal(5_000_000ul, vm.ExitsHandled);
        Assert.InRange(vm.Statistics.LatchAccesses, 3_000_000ul, 5_000_000ul);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(1000)]
    public void Serial_output_ends_at_its_limit(ulong most)
    {
        using VirtualMachine vm = VirtualMachine.Create(FleetFixture.Chatterbox, FleetFixture.Small() with { Limits = new ResourceLimits { SerialBytes = most } });
        StopReason stop = vm.Run();
        Assert.Equal((StopKind.SerialLimit, (int)most, 80), (stop.Kind, vm.SerialOutput.Length, stop.ExitStatus));
        Assert.Equal(stop, vm.Run()); // for good
    }

    /// <summary>What nobody takes is collected, and that has an end too.</summary>
    [Fact]
    public void Collected_serial_output_is_bounded()
    {
        using VirtualMachine vm = VirtualMachine.Create(FleetFixture.Chatterbox, FleetFixture.Small());
        Assert.Equal(StopKind.SerialLimit, vm.Run(new RunLimits { MaxInstructions = 1_000_000_000, Timeout = TimeSpan.FromSeconds(120) }).Kind);
        Assert.Equal(ResourceLimits.CollectedSerialBytes, vm.SerialBytesSent);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(511)]
    [InlineData(512)]
    [InlineData(10_000)]
    public void Disk_writes_end_at_their_limit(int most)
    {
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(path, new byte[512 * 64]);
            using (VirtualMachine vm = VirtualMachine.Create(
                FleetFixture.DiskStorm,
                FleetFixture.Small() with { Machine = new MachineConfig { MemorySize = 1 << 20, Disks = [new DiskConfig(path)] }, Limits = new ResourceLimits { DiskWriteBytes = (ulong)most } }))
            {
                StopReason stop = vm.Run(new RunLimits { MaxInstructions = 10_000_000 });
                Assert.Equal((StopKind.DiskWriteLimit, 78), (stop.Kind, stop.ExitStatus));
                Assert.Equal((ulong)(most / 512 * 512), vm.DiskBytesWritten);
            }

            // The guest writes its own code to one sector after the other.
            Assert.Equal(most / 512, Enumerable.Range(0, 64).Count(sector => File.ReadAllBytes(path)[sector * 512] != 0));
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Theory]
    [InlineData(TraceLevel.Exits, 1000)]
    [InlineData(TraceLevel.Instructions, 1000)]
    [InlineData(TraceLevel.Instructions, 50)]
    [InlineData(TraceLevel.Exits, 0)]
    public void A_trace_has_whole_lines_and_never_more_than_its_limit(TraceLevel level, int most)
    {
        using StringWriter text = new();
        TraceWriter trace = new(text, level, (ulong)most);
        using VirtualMachine vm = VirtualMachine.Create(
            FleetFixture.ExitStorm,
            FleetFixture.Small() with { Observer = trace, ExitObserver = trace.OnExit, ReadObserver = trace.OnRead });
        trace.Full = limit => vm.EndWith(new StopReason(StopKind.TraceLimit, 0, $"the limit of {limit} bytes of trace is reached"));
        StopReason stop = vm.Run(new RunLimits { LookEvery = 1, MaxInstructions = 1_000_000 });
        Assert.Equal((StopKind.TraceLimit, 79), (stop.Kind, stop.ExitStatus));
        string written = text.ToString();
        Assert.InRange(written.Length, Math.Max(0, most - 80), most);
        Assert.True(written.Length == 0 || written.EndsWith(text.NewLine, StringComparison.Ordinal));

        // The instruction behind the last line is the last that ran. Of three instructions one exits, which is a line more.
        int lines = written.Split('\n').Length - 1;
        Assert.InRange(vm.InstructionsRetired, (ulong)(level == TraceLevel.Exits ? 2 * lines : lines * 3 / 4), (ulong)(level == TraceLevel.Exits ? (3 * lines) + 3 : (lines * 3 / 4) + 3));
    }
}
