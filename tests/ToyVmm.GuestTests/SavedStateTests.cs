using System.Text;
using ToyVmm.Engines;
using ToyVmm.Hardware;
using ToyVmm.Hardware.Memory;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Comparing;
using ToyVmm.VirtualMachines.Loading;
using ToyVmm.VirtualMachines.Tracing;
using Xunit;
using Xunit.Abstractions;

namespace ToyVmm.GuestTests;

/// <summary>A machine that is saved anywhere and restored into another one goes on as the first one does: to the bit, on either engine.</summary>
public sealed class SavedStateTests(ITestOutputHelper output)
{
    private const ulong MostInstructions = 3_000_000_000;
    private const int Moments = 3;

    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(120);

    public static IEnumerable<object[]> Everything =>
        from guest in GuestCatalog.All
        from saved in GuestRunner.Engines
        from restored in GuestRunner.Engines
        select new object[] { guest.Name, saved, restored };

    [Theory]
    [MemberData(nameof(Everything))]
    public void A_guest_goes_on_from_a_saved_state_as_if_nothing_had_happened(string name, EngineKind savedOn, EngineKind restoredOn)
    {
        GuestImage guest = GuestCatalog.Find(name);
        guest = guest.IsCompute ? guest with { Append = "1" } : guest;
        ulong length = GuestRunner.Run(guest, GuestRunner.Engines[^1]).Instructions;
        Random random = new(name.Aggregate(17, (hash, letter) => (hash * 31) + letter));
        for (int moment = 0; moment < Moments; moment++)
        {
            Check(engine => Create(guest, engine), savedOn, restoredOn, (ulong)random.NextInt64((long)length));
        }
    }

    /// <summary>Debian's kernel, saved at moments of its boot that are spread over its run and at odd instructions, to power-off.</summary>
    [TranslatorTheory(NeedsFile = ".guests/linux/initrd.gz")]
    [InlineData(EngineKind.Translator, EngineKind.Translator, 1_234_567_891)]
    [InlineData(EngineKind.Translator, EngineKind.Interpreter, 2_718_281_828)]
    [InlineData(EngineKind.Interpreter, EngineKind.Translator, 314_159_265)]
    public void Debians_kernel_goes_on_from_a_saved_state(EngineKind savedOn, EngineKind restoredOn, ulong at) => Check(Linux, savedOn, restoredOn, at);

    private static Recorded Create(GuestImage guest, EngineKind engine)
    {
        TailTrace trace = new();
        TraceHash unused = new();
        VirtualMachineOptions options = GuestRunner.Options(guest, engine, unused) with { Observer = trace, ExitObserver = (vm, exit) => trace.Hash.OnExit(vm, exit) };
        VirtualMachine vm = VirtualMachine.Create(File.ReadAllBytes(guest.ImagePath), options);
        if (guest.SerialInput is { } typed)
        {
            vm.Input.Enqueue(Encoding.Latin1.GetBytes(typed));
        }

        return new Recorded(vm, trace);
    }

    private static Recorded Linux(EngineKind engine)
    {
        TailTrace trace = new();
        VirtualMachine vm = VirtualMachine.Create(
            File.ReadAllBytes(LinuxGuest.Kernel),
            new VirtualMachineOptions
            {
                Engine = engine,
                Observer = trace,
                ExitObserver = (vm, exit) => trace.Hash.OnExit(vm, exit),
                Machine = new MachineConfig { MemorySize = 128u << 20 },
                Load = new LoadOptions { CommandLine = "console=ttyS0 quiet", InitialRamDisk = File.ReadAllBytes(LinuxGuest.InitialRamDisk) },
            });
        return new Recorded(vm, trace);
    }

    private void Check(Func<EngineKind, Recorded> make, EngineKind savedOn, EngineKind restoredOn, ulong at)
    {
        using Recorded first = make(savedOn);
        _ = first.Vm.Run(new RunLimits { MaxInstructions = at, Timeout = s_limit });
        byte[] state = first.Vm.SaveState();
        int printed = first.Vm.SerialOutput.Length;
        first.Trace.Hash = new TraceHash();
        using Recorded second = make(restoredOn);
        CopyMemory(first.Vm.Machine.Memory, second.Vm.Machine.Memory);
        second.Vm.RestoreState(state);
        string where = $"saved on the {savedOn} at {at}, restored on the {restoredOn}";
        Assert.Equal(state, second.Vm.SaveState());
        AssertEqual(first.Vm, second.Vm, where + ", at once");

        StopReason expected = Run(first.Vm);
        StopReason actual = Run(second.Vm);
        output.WriteLine($"{where}: {state.Length} bytes, then {first.Vm.InstructionsRetired - at} instructions, {first.Trace.Hash.Events} traps and exits: {expected.Detail}");
        Assert.Equal(expected.Kind, actual.Kind);
        Assert.Equal(expected.Code, actual.Code);
        Assert.Equal(first.Vm.InstructionsRetired, second.Vm.InstructionsRetired);
        Assert.Equal(first.Vm.SerialOutput[printed..], second.Vm.SerialOutput);
        Assert.Equal(first.Trace.Hash.Value, second.Trace.Hash.Value);
        AssertEqual(first.Vm, second.Vm, where + ", at the end");
        Assert.Equal(first.Vm.SaveState(), second.Vm.SaveState());
    }

    private static StopReason Run(VirtualMachine vm) => vm.Run(new RunLimits { MaxInstructions = MostInstructions, Timeout = s_limit });

    private static void AssertEqual(VirtualMachine first, VirtualMachine second, string where)
    {
        Assert.True(StateHash.OfCpu(first.Vcpu) == StateHash.OfCpu(second.Vcpu), $"{where}: {StateDifference.OfCpus(first.Vcpu, second.Vcpu)}");
        Assert.True(
            StateHash.OfMemory(first.Machine.Memory) == StateHash.OfMemory(second.Machine.Memory),
            $"{where}: {StateDifference.OfMemories(first.Machine.Memory, second.Machine.Memory)}");
        Assert.True(StateHash.OfTlb(first.Vcpu.Mmu.Tlb) == StateHash.OfTlb(second.Vcpu.Mmu.Tlb), $"{where}: the TLBs differ");
    }

    private static void CopyMemory(GuestMemory from, GuestMemory to)
    {
        byte[] page = new byte[GuestPhysicalAddress.PageSize];
        unsafe
        {
            for (uint at = 0; at < from.RamSize; at += GuestPhysicalAddress.PageSize)
            {
                new ReadOnlySpan<byte>(from.RamBase + at, page.Length).CopyTo(page);
                if (!page.AsSpan().SequenceEqual(new ReadOnlySpan<byte>(to.RamBase + at, page.Length)))
                {
                    Assert.True(to.TryWrite(new GuestPhysicalAddress(at), page));
                }
            }
        }
    }

    private sealed record Recorded(VirtualMachine Vm, TailTrace Trace) : IDisposable
    {
        public void Dispose() => Vm.Dispose();
    }

    /// <summary>A trace that can start anew in the middle of a run.</summary>
    private sealed class TailTrace : IEngineObserver
    {
        public TraceHash Hash { get; set; } = new();

        public bool WantsInstructions => false;

        public void BeforeInstruction(Vcpu vcpu)
        {
        }

        public void BeforeTrap(Vcpu vcpu, in TrapInfo trap) => Hash.BeforeTrap(vcpu, trap);
    }
}
