using System.Text;
using ToyVmm.Engines;
using ToyVmm.Hardware;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Comparing;
using ToyVmm.VirtualMachines.Loading;
using ToyVmm.VirtualMachines.Snapshots;
using ToyVmm.VirtualMachines.Tracing;
using Xunit;
using Xunit.Abstractions;

namespace ToyVmm.GuestTests;

/// <summary>A machine that is saved anywhere and restored into another one goes on as the first one does: to the bit, on either engine.</summary>
public sealed class SavedStateTests(ITestOutputHelper output)
{
    private const ulong MostInstructions = 30_000_000_000;
    private const int Moments = 3;

    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(5);

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
            Check(host => Create(guest, host), savedOn, restoredOn, (ulong)random.NextInt64((long)length), new TranslatorOptions { Hotness = 0, Verify = true });
        }
    }

    /// <summary>Debian's kernel, saved at moments of its boot that are spread over its run and at odd instructions, to power-off.</summary>
    [TranslatorTheory(NeedsFile = ".guests/linux/initrd.gz")]
    [InlineData(EngineKind.Translator, EngineKind.Translator, 1_234_567_891)]
    [InlineData(EngineKind.Translator, EngineKind.Interpreter, 2_718_281_828)]
    [InlineData(EngineKind.Interpreter, EngineKind.Translator, 314_159_265)]
    public void Debians_kernel_goes_on_from_a_saved_state(EngineKind savedOn, EngineKind restoredOn, ulong at) =>
        Check(Linux, savedOn, restoredOn, at, new TranslatorOptions());

    private static VirtualMachine Create(GuestImage guest, VirtualMachineOptions host)
    {
        VirtualMachineOptions options = GuestRunner.Options(guest, host.Engine, new TraceHash());
        VirtualMachine vm = VirtualMachine.Create(File.ReadAllBytes(guest.ImagePath), host with { Machine = options.Machine, Load = options.Load });
        if (guest.SerialInput is { } typed)
        {
            vm.Input.Enqueue(Encoding.Latin1.GetBytes(typed));
        }

        return vm;
    }

    private static VirtualMachine Linux(VirtualMachineOptions host) => VirtualMachine.Create(
        File.ReadAllBytes(LinuxGuest.Kernel),
        host with
        {
            Machine = new MachineConfig { MemorySize = 128u << 20 },
            Load = new LoadOptions { CommandLine = "console=ttyS0 quiet", InitialRamDisk = File.ReadAllBytes(LinuxGuest.InitialRamDisk) },
        });

    private static Recorded Make(EngineKind engine, TranslatorOptions translator, Func<VirtualMachineOptions, VirtualMachine> make)
    {
        TailTrace trace = new();
        return new Recorded(make(new VirtualMachineOptions { Engine = engine, Translator = translator, Observer = trace, ExitObserver = (vm, exit) => trace.Hash.OnExit(vm, exit) }), trace);
    }

    // The way through the file.
    private static VirtualMachine Again(VirtualMachine vm, VirtualMachineOptions host)
    {
        using MemoryStream file = new();
        SnapshotFile.WriteTo(vm, file);
        file.Position = 0;
        return SnapshotFile.Read("a stream", file).CreateMachine(host);
    }

    private void Check(Func<VirtualMachineOptions, VirtualMachine> make, EngineKind savedOn, EngineKind restoredOn, ulong at, TranslatorOptions translator)
    {
        using Recorded first = Make(savedOn, translator, make);
        _ = first.Vm.Run(new RunLimits { MaxInstructions = at, Timeout = s_limit });
        byte[] state = first.Vm.SaveState();
        int printed = first.Vm.SerialOutput.Length;
        first.Trace.Hash = new TraceHash();
        using Recorded second = Make(restoredOn, translator, host => Again(first.Vm, host));
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
