using Iced.Intel;
using ToyVmm.Debugging.Traps;
using ToyVmm.Engines;
using ToyVmm.Engines.Classification;
using ToyVmm.Engines.Probing;
using ToyVmm.Hardware;
using ToyVmm.Hardware.Memory;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Loading;
using Xunit;
using Xunit.Abstractions;

namespace ToyVmm.Tests.Debugging.Traps;

/// <summary>The whole table of classes: each form that is sensitive in a mode is a trap there, with its class and what was done, whether it completes or faults.</summary>
public sealed unsafe class SensitiveInstructionTests(ITestOutputHelper output)
{
    private const int Trials = 12;

    [Fact]
    public void Every_sensitive_form_is_a_trap_in_every_mode()
    {
        int forms = 0;
        int traps = 0;
        HashSet<string> mnemonics = [];
        HashSet<TrapKind> kinds = [];
        List<string> wrong = [];
        using VirtualMachine vm = Create();
        FormEncodings encodings = new();
        byte[] code = new byte[16];
        foreach (InstructionClassification row in ClassificationTable.Rows)
        {
            bool found = false;
            foreach (ExecutionMode mode in Enum.GetValues<ExecutionMode>())
            {
                if (!InstructionInspector.IsSensitive(row, mode))
                {
                    continue;
                }

                for (int trial = 0; trial < Trials; trial++)
                {
                    ulong seed = TrialRandom.Seed(row.Name, trial);
                    TrialRandom random = new(seed);
                    TrialSetup setup = new(mode, seed, SystemAspects.None, trial % 2 == 0 ? Guards.All : Guards.None);
                    int length = encodings.Encode(Enum.Parse<Code>(row.Name), setup.Is32 ? 32 : 16, ref random, code);
                    if (length == 0)
                    {
                        continue;
                    }

                    Trap? trap = Execute(vm, setup, code.AsSpan(0, length));
                    found = true;
                    traps++;
                    if (trap is null || trap.Steps.IsEmpty || trap.Reason.Class is "" or "innocuous" || trap.Reason.Rule.Length == 0
                        || !trap.Instruction.Bytes.Span.SequenceEqual(code.AsSpan(0, length)))
                    {
                        wrong.Add($"{row.Name} in {mode}, trial {trial}: {(trap is null ? "no trap" : TrapText.Explain(trap))}");
                        continue;
                    }

                    _ = kinds.Add(trap.Kind);
                    Assert.DoesNotContain("depends on the processor's system state or changes it", trap.Reason.Rule, StringComparison.Ordinal);
                }
            }

            if (found)
            {
                forms++;
                _ = mnemonics.Add(row.Mnemonic);
            }
        }

        output.WriteLine($"{forms} forms, {mnemonics.Count} mnemonics, {traps} traps of the kinds {string.Join(", ", kinds.Order())}");
        Assert.Equal([], wrong);
        Assert.Equal(ClassificationTable.Rows.Count(row => Enum.GetValues<ExecutionMode>().Any(mode => InstructionInspector.IsSensitive(row, mode))), forms);
        Assert.True(forms >= 120 && mnemonics.Count >= 60, $"{forms} forms, {mnemonics.Count} mnemonics");
    }

    /// <summary>The quick look at the first bytes never says no where the classification says yes, nor the other way round.</summary>
    [Fact]
    public void The_quick_look_is_the_classification()
    {
        using VirtualMachine vm = Create();
        FormEncodings encodings = new();
        InstructionInspector inspector = new();
        byte[] code = new byte[16];
        int looked = 0;
        foreach (InstructionClassification row in ClassificationTable.Rows)
        {
            foreach (ExecutionMode mode in Enum.GetValues<ExecutionMode>())
            {
                for (int trial = 0; trial < 6; trial++)
                {
                    ulong seed = TrialRandom.Seed(row.Name, trial);
                    TrialRandom random = new(seed);
                    TrialSetup setup = new(mode, seed, SystemAspects.None, Guards.None);
                    int length = encodings.Encode(Enum.Parse<Code>(row.Name), setup.Is32 ? 32 : 16, ref random, code);
                    if (length > 0)
                    {
                        Prepare(vm, setup, code.AsSpan(0, length));
                        Assert.True(InstructionInspector.IsSensitive(row, mode) == inspector.Look(vm.Vcpu), $"{row.Name} in {mode}");
                        Assert.Equal(row.Name, inspector.Describe().Row?.Name);
                        looked++;
                    }
                }
            }
        }

        output.WriteLine($"{looked} instructions looked at");
        Assert.True(looked > 10_000);
    }

    private static VirtualMachine Create() => VirtualMachine.Create(new byte[] { 0xF4 }, new VirtualMachineOptions
    {
        Machine = new MachineConfig { MemorySize = 2 << 20 },
        Engine = EngineKind.Interpreter,
        Load = new LoadOptions { Format = ImageFormat.Raw },
    });

    private static Trap? Execute(VirtualMachine vm, in TrialSetup setup, ReadOnlySpan<byte> code)
    {
        Prepare(vm, setup, code);
        Trap? first = null;
        using TrapRecorder recorder = new(vm, trap => first ??= trap);
        recorder.Attach();
        _ = vm.Run(new RunLimits { MaxInstructions = 1 });
        recorder.Finish();
        return first;
    }

    private static void Prepare(VirtualMachine vm, in TrialSetup setup, ReadOnlySpan<byte> code)
    {
        // The machine may be asleep after HLT.
        vm.Reset();
        vm.Vcpu.Reset();
        TrialWorld.Build(setup, vm.Vcpu);
        Assert.True(vm.Machine.Memory.TryWrite(new GuestPhysicalAddress(setup.Base + TrialWorld.Instruction), code));
        vm.Vcpu.NotifyStateChanged();
    }
}
