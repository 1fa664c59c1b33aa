using System.Runtime.InteropServices;
using ToyVmm.Engines;
using ToyVmm.Hardware.Memory;
using ToyVmm.Tests.Fuzz;
using Xunit;
using Xunit.Abstractions;

namespace ToyVmm.Tests.Verification;

/// <summary>What machines take of the host, they give back. Not beside other tests, whose machines would be counted too.</summary>
[Collection(nameof(AloneInTheProcess))]
public sealed unsafe class IsolationResourceTests(ITestOutputHelper output)
{
    private const int Cases = 6;
    private const long Reserved = 3L << 30;
    private const int Native = 256 << 10;

    [Fact]
    public void A_machine_gives_back_what_it_took()
    {
        ulong first = FuzzSettings.FirstSeed();
        ulong seed = first;
        VerificationTally tally = new();
        using ICaseChecker checker = new IsolationProperty().CreateChecker();
        for (int n = 0; n < Cases; n++, seed++)
        {
            seed = Next(seed);
            Counterexample? found = checker.Check(seed, tally);
            Assert.True(found is null, $"TOYVMM_SEED=0x{seed:X}: {found?.Summary}\n{found?.Detail}");
        }

        output.WriteLine($"seed 0x{first:X}");
        Assert.Equal((ulong)Cases, tally.Counts["machines whose host resources were counted"]);
    }

    [Fact]
    public void A_file_that_is_kept_is_reported()
    {
        List<SharedMemory> kept = [];
        Reports("OpenFiles, Mappings", () => kept.Add(SharedMemory.TryCreate(4096)!));
        kept.ForEach(memory => memory.Dispose());
    }

    [Fact]
    public void Addresses_that_are_kept_are_reported()
    {
        List<nint> kept = [];
        Reports("Addresses", () => kept.Add(HostMemory.Reserve(unchecked((nuint)Reserved))));
        kept.ForEach(address => HostMemory.Unmap(address, unchecked((nuint)Reserved)));
    }

    [Fact]
    public void Native_memory_that_is_kept_is_reported()
    {
        List<nint> kept = [];
        Reports("NativeMemory", () => kept.Add((nint)NativeMemory.Alloc(Native)));
        kept.ForEach(memory => NativeMemory.Free((void*)memory));
    }

    private static void Reports(string expected, Action afterDispose)
    {
        ulong seed = Next(1);
        using IsolationChecker checker = new IsolationProperty().CreateChecker(new IsolationSabotage { AfterDispose = afterDispose });
        Counterexample? found = checker.Check(seed, new VerificationTally());
        Assert.NotNull(found);
        Assert.Equal(seed, found.Seed);
        Assert.Contains("keeps something of the host", found.Summary, StringComparison.Ordinal);
        Assert.EndsWith(expected, found.Summary, StringComparison.Ordinal);
    }

    private static ulong Next(ulong seed)
    {
        while (!new IsolationCase(seed).CountsResources)
        {
            seed++;
        }

        return seed;
    }
}

/// <summary>Tests that run when no others do.</summary>
[CollectionDefinition(nameof(AloneInTheProcess), DisableParallelization = true)]
public sealed class AloneInTheProcess;
