using ToyVmm.Engines;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Tracing;
using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>
/// The guests that try to get out, in the machines that make it easiest for them: everything translated at once, or never; a code cache that is
/// too small; one view. What they print, and what the VMM's memory around them holds, is the same everywhere.
/// </summary>
public sealed class RedTeamTests
{
    public static TheoryData<string, EngineKind, int, int, int> Machines
    {
        get
        {
            TheoryData<string, EngineKind, int, int, int> rows = [];
            foreach (string name in (string[])["redteam", "redteam-vmm"])
            {
                rows.Add(name, EngineKind.Interpreter, 0, 0, 0);
                if (VirtualMachine.TranslatorUnavailable is null)
                {
                    rows.Add(name, EngineKind.Translator, 0, TranslatorOptions.LargestCodeCache, 16);
                    rows.Add(name, EngineKind.Translator, 0, 64 << 10, 1);
                    rows.Add(name, EngineKind.Translator, 3, 64 << 10, 1);
                    rows.Add(name, EngineKind.Translator, 16, TranslatorOptions.LargestCodeCache, 16);
                }
            }

            return rows;
        }
    }

    [Theory]
    [MemberData(nameof(Machines))]
    public void It_stays_inside(string name, EngineKind engine, int hotness, int cache, int views)
    {
        GuestImage guest = GuestCatalog.Find(name);
        TraceHash trace = new();
        TranslatorOptions? translator = cache == 0 ? null : new TranslatorOptions { Hotness = hotness, CodeCacheBytes = cache, Views = views, Verify = true };
        using VirtualMachine vm = GuestRunner.Create(guest, engine, trace, translator);
        StopReason stop = vm.Run(new RunLimits { MaxInstructions = 50_000_000 });
        Assert.Equal((guest.ExpectedStatus, guest.ExpectedSerial), (stop.ExitStatus, vm.SerialOutput));
        Assert.Null(vm.BrokenCanary);
        Assert.Null(vm.VerifyEmittedCode());
        if (vm.Vcpu.Translation is { } done)
        {
            Assert.Equal(done.BlocksTranslated, done.BlocksVerified);
            Assert.True(done.HostInstructions > 0);
            Assert.True(name != "redteam" || cache != 64 << 10 || hotness > 0 || done.CacheFlushes > 5, $"{done.CacheFlushes} code caches were filled");
        }

        // The way there is the same, trap by trap and exit by exit.
        TraceHash reference = new();
        using VirtualMachine interpreted = GuestRunner.Create(guest, EngineKind.Interpreter, reference);
        _ = interpreted.Run(new RunLimits { MaxInstructions = 50_000_000 });
        Assert.Equal((interpreted.InstructionsRetired, reference.Events, reference.Value), (vm.InstructionsRetired, trace.Events, trace.Value));
    }

    [Fact]
    public void Every_line_says_what_came_back()
    {
        foreach (string name in (string[])["redteam", "redteam-vmm"])
        {
            string[] lines = GuestCatalog.Find(name).ExpectedSerial!.Split('\n', StringSplitOptions.RemoveEmptyEntries);
            Assert.True(lines.Length > 60);
            Assert.Equal("done", lines[^1]);
            Assert.DoesNotContain(lines, line => line.Contains("WRONG", StringComparison.Ordinal) || line.Contains("unexpected", StringComparison.Ordinal));
        }
    }
}
