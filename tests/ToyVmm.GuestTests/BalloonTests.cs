using ToyVmm.Hardware;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Loading;
using ToyVmm.VirtualMachines.Scheduling;
using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>Memory that goes back to the host for real, and what happens to a guest that keeps what it is asked for.</summary>
public sealed class BalloonTests
{
    private const ulong Page = 4096;
    private const ulong Written = 1024 * Page;

    public static TheoryData<EngineKind> Engines => [.. GuestRunner.Engines];

    /// <summary>The host asks for pages, and has them: what the machine holds falls by as many, as the kernel counts it.</summary>
    [LinuxTheory]
    [MemberData(nameof(Engines))]
    public void The_host_gets_what_it_asks_for(EngineKind engine)
    {
        using VirtualMachine vm = Serve(engine);
        vm.Input.Open();
        RunUntil(vm, "ready\n");
        Assert.True(vm.Machine.Memory.IsShared);
        ulong before = vm.Machine.Memory.ResidentBytes;
        Assert.InRange(before, Written, Written + (256 * Page));
        vm.Input.SetBalloonTarget(1000);
        RunUntil(vm, "holds 1000 pages\n");
        Assert.InRange(vm.Machine.Memory.ResidentBytes, before - (1000 * Page), before - (990 * Page));
        Assert.Equal(1000u, vm.Machine.Memory.BalloonPages);
        vm.Input.SetBalloonTarget(300);
        RunUntil(vm, "holds 300 pages\n");
        Assert.Equal(300u, vm.Machine.Memory.BalloonPages);
        vm.Input.SetBalloonTarget(0);
        StopReason why = vm.Run(new RunLimits { MaxInstructions = 10_000_000 });
        Assert.Equal((StopKind.HypercallExit, 0u), (why.Kind, why.Code));
        Assert.Equal(0u, vm.Machine.Memory.BalloonPages);
    }

    /// <summary>
    /// Two guests hold 4 MiB each, on a host with 6: the one that listens gives back what is above its share, and nobody ends; then one that does not
    /// listen comes in its place, and ends for it, while its neighbour goes on.
    /// </summary>
    [LinuxFact]
    public void Over_commit_is_settled_among_the_guests()
    {
        using Fleet polite = new([Member("a", "serve"), Member("b", "serve")], new FleetOptions { HostMemory = 6 << 20, Slice = 1000 });
        _ = polite.Run(new FleetLimits { MaxSlices = 5000, Timeout = TimeSpan.FromSeconds(10) });
        Assert.All(polite.Guests, guest => Assert.NotEqual(StopKind.MemoryLimit, guest.Stop?.Kind));
        Assert.InRange(polite.Guests.Aggregate(0ul, (sum, guest) => sum + guest.Machine!.Machine.Memory.ResidentBytes), 1ul, 6ul << 20);

        using Fleet rude = new([Member("a", "serve"), Hoarder("b")], new FleetOptions { HostMemory = 6 << 20, Slice = 1000 });
        _ = rude.Run(new FleetLimits { MaxSlices = 20_000, Timeout = TimeSpan.FromSeconds(20) });
        Assert.Equal(StopKind.MemoryLimit, rude.Guests[1].Stop?.Kind);
        Assert.NotEqual(StopKind.MemoryLimit, rude.Guests[0].Stop?.Kind);
    }

    private static VirtualMachineOptions Options(EngineKind engine, string append) => new()
    {
        Engine = engine,
        Machine = new MachineConfig { MemorySize = 16u << 20 },
        Load = new LoadOptions { CommandLine = append },
    };

    private static VirtualMachine Serve(EngineKind engine) => VirtualMachine.Create(File.ReadAllBytes(GuestCatalog.Find("balloon").ImagePath), Options(engine, "serve"));

    private static FleetGuestOptions Member(string name, string append) => new()
    {
        Name = name,
        Create = seat => VirtualMachine.Create(File.ReadAllBytes(GuestCatalog.Find("balloon").ImagePath), seat.Apply(Options(EngineKind.Auto, append))),
    };

    // MOV EDI, 100000h; again: MOV [EDI], EDI; ADD EDI, 4096; AND EDI, FFFFFFh; OR EDI, 100000h; JMP again
    private static FleetGuestOptions Hoarder(string name) => new()
    {
        Name = name,
        Create = seat => VirtualMachine.Create(
            new byte[] { 0xBF, 0, 0, 0x10, 0, 0x89, 0x3F, 0x81, 0xC7, 0, 0x10, 0, 0, 0x81, 0xE7, 0xFF, 0xFF, 0xFF, 0, 0x81, 0xCF, 0, 0, 0x10, 0, 0xEB, 0xEA },
            seat.Apply(Options(EngineKind.Auto, "") with { Load = new LoadOptions { Format = ImageFormat.Raw, RealModeEntry = false } })),
    };

    private static void RunUntil(VirtualMachine vm, string text)
    {
        for (int slice = 0; slice < 1000 && !vm.SerialOutput.EndsWith(text, StringComparison.Ordinal); slice++)
        {
            _ = vm.Run(new RunLimits { MaxInstructions = 1000, IdleUntil = 0 });
        }

        Assert.EndsWith(text, vm.SerialOutput, StringComparison.Ordinal);
    }
}
