using ToyVmm.Engines;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Loading;
using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>The translator as a guest in a .NET process: it must leave the runtime's own faults, its garbage collector and its memory alone.</summary>
[Collection(nameof(RunsAlone))]
public sealed class TranslatorTests
{
    /// <summary>Guest code runs without the collector's knowledge: neither waits for the other, and faults of both kinds mix.</summary>
    [TranslatorFact]
    public void Guests_in_threads_and_collections_and_null_references_go_together()
    {
        using CancellationTokenSource done = new();
        long collections = 0;
        int nullReferences = 0;
        int divisions = 0;
        Thread collector = new(() =>
        {
            string? nothing = Environment.GetEnvironmentVariable("TOYVMM_NO_SUCH_VARIABLE");
            while (!done.IsCancellationRequested)
            {
                GC.Collect();
                collections++;
                Thread.Sleep(1);
                try
                {
                    _ = nothing!.Length;
                }
                catch (NullReferenceException)
                {
                    nullReferences++;
                }

                try
                {
                    // SIGFPE, where a null reference is SIGSEGV; a SIGBUS is no exception of .NET's but its end.
                    collections /= nothing is null ? 0 : 1;
                }
                catch (DivideByZeroException)
                {
                    divisions++;
                }
            }
        });
        collector.Start();
        GuestImage guest = GuestCatalog.Find("compute-mix") with { Append = "6" };
        GuestRun expected = GuestRunner.Run(guest, EngineKind.Interpreter);
        GuestRun[] runs = new GuestRun[4];
        Thread[] threads = [.. Enumerable.Range(0, runs.Length).Select(n => new Thread(() => runs[n] = GuestRunner.Run(guest, EngineKind.Translator)))];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());
        done.Cancel();
        collector.Join();
        Assert.All(runs, run => Assert.Equal((expected.Serial, expected.Instructions, expected.TraceHash), (run.Serial, run.Instructions, run.TraceHash)));
        Assert.True(collections > 0);
        Assert.True(nullReferences > 0);
        Assert.Equal(nullReferences, divisions);
        Assert.All(runs, run => Assert.True(run.HostInstructions > run.Instructions / 2));
    }

    /// <summary>What 1,000 machines took from the host, they have given back.</summary>
    [TranslatorFact]
    public void A_thousand_machines_leave_nothing_behind()
    {
        const int Machines = 1000;
        byte[] image = File.ReadAllBytes(GuestCatalog.Find("hello-multiboot").ImagePath);
        RunOnce(image, 20);
        (int mappings, int descriptors, long resident) = Held();
        RunOnce(image, Machines);
        (int mappingsAfter, int descriptorsAfter, long residentAfter) = Held();
        Assert.InRange(mappingsAfter, 0, mappings + 100);
        Assert.InRange(descriptorsAfter, 0, descriptors);
        Assert.InRange(residentAfter, 0, resident + (64L << 20));
    }

    private static void RunOnce(byte[] image, int times)
    {
        for (int n = 0; n < times; n++)
        {
            using VirtualMachine vm = VirtualMachine.Create(image, new VirtualMachineOptions { Engine = EngineKind.Translator, Translator = new TranslatorOptions { Hotness = 0 } });
            Assert.Equal(0, vm.Run().ExitStatus);
            Assert.True(vm.Vcpu.Translation!.HostInstructions > 0);
        }
    }

    private static (int Mappings, int Descriptors, long ResidentBytes) Held()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
        return (File.ReadLines("/proc/self/maps").Count(), Directory.GetFiles("/proc/self/fd").Length, Environment.WorkingSet);
    }

    /// <summary>Seven billion instructions of a real kernel: the same number, and the same words - also when the emitted code does not fit into its cache.</summary>
    [TranslatorFact(NeedsFile = ".guests/linux/initrd.gz")]
    public void Debians_kernel_boots_and_does_what_it_does_when_interpreted()
    {
        string folder = Path.Combine(GuestCatalog.RepositoryRoot, ".guests", "linux");
        ulong flushes = 0;
        (ulong, string) Boot(EngineKind engine, int cache)
        {
            using VirtualMachine vm = VirtualMachine.Create(
                File.ReadAllBytes(Path.Combine(folder, "vmlinuz")),
                new VirtualMachineOptions
                {
                    Engine = engine,
                    Translator = new TranslatorOptions { CodeCacheBytes = cache },
                    Machine = new Hardware.MachineConfig { MemorySize = 128u << 20 },
                    Load = new LoadOptions { CommandLine = "console=ttyS0 quiet", InitialRamDisk = File.ReadAllBytes(Path.Combine(folder, "initrd.gz")) },
                });
            StopReason stop = vm.Run(new RunLimits { MaxInstructions = 30_000_000_000, Timeout = TimeSpan.FromMinutes(8) });
            Assert.Equal(StopKind.PowerOff, stop.Kind);
            flushes = vm.Vcpu.Translation?.CacheFlushes ?? 0;
            return (vm.InstructionsRetired, vm.SerialOutput);
        }

        const int SmallCache = 512 << 10;
        (ulong, string) expected = Boot(EngineKind.Interpreter, TranslatorOptions.LargestCodeCache);
        Assert.Equal(expected, Boot(EngineKind.Translator, TranslatorOptions.LargestCodeCache));
        Assert.Equal(expected, Boot(EngineKind.Translator, SmallCache));
        Assert.True(flushes > 1, $"the cache was dropped {flushes} times");
    }
}

/// <summary>Tests that look at the whole process: nothing else runs beside them.</summary>
[CollectionDefinition(nameof(RunsAlone), DisableParallelization = true)]
public sealed class RunsAlone;

/// <summary>A test that needs a host on which the translator runs.</summary>
public sealed class TranslatorFactAttribute : FactAttribute
{
    /// <summary>Sets the reason to skip.</summary>
    public TranslatorFactAttribute() => Skip = VirtualMachine.TranslatorUnavailable;

    /// <summary>A file, relative to the repository, that must be there too.</summary>
    public string? NeedsFile
    {
        get;
        set
        {
            field = value;
            Skip ??= value is null || File.Exists(Path.Combine(GuestCatalog.RepositoryRoot, value))
                ? null
                : $"not there: {value} (tools/install-test-tools.sh fetches it)";
        }
    }
}
