using System.Text;
using ToyVmm.Engines;
using ToyVmm.Tests.Translation;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Comparing;
using ToyVmm.VirtualMachines.Tracing;
using Xunit;
using Xunit.Abstractions;

namespace ToyVmm.GuestTests;

/// <summary>A signal behind every host instruction of emitted code: the kernel interrupts it wherever it is, and no guest notices.</summary>
public sealed unsafe class SignalTests(ITestOutputHelper output)
{
    // Stretches with a signal at every host instruction (2 microseconds each) take turns with longer ones without.
    private const ulong SteppedInstructions = 1_009;
    private const ulong OtherInstructions = 50_021;
    private const ulong MostInstructions = 2_000_000;

    [TranslatorTheory]
    [MemberData(nameof(GuestCatalog.Names), MemberType = typeof(GuestCatalog))]
    public void A_guest_does_not_notice_a_signal_at_every_host_instruction(string name)
    {
        GuestImage guest = GuestCatalog.Find(name);
        if (guest.IsCompute)
        {
            guest = guest with { Append = "1" };
        }

        TraceHash[] traces = [new(), new()];
        using SingleStepper stepper = new();
        using VirtualMachine reference = GuestRunner.Create(guest, EngineKind.Interpreter, traces[0]);
        using VirtualMachine translated = GuestRunner.Create(guest, EngineKind.Translator, traces[1]);
        if (guest.SerialInput is { } typed)
        {
            reference.Input.Enqueue(Encoding.Latin1.GetBytes(typed));
            translated.Input.Enqueue(Encoding.Latin1.GetBytes(typed));
        }

        StopReason stop;
        bool stepped = false;
        ulong hostInstructions = 0;
        do
        {
            stepped = !stepped;
            RunLimits piece = new() { MaxInstructions = stepped ? SteppedInstructions : OtherInstructions };
            stop = reference.Run(piece);
            translated.Vcpu.Frame->ExtraFlags = stepped ? SingleStepper.TrapFlag : 0;
            ulong before = translated.Vcpu.Translation!.HostInstructions;
            ulong stepsBefore = stepper.Steps;
            Assert.Equal(stop.Kind, translated.Run(piece).Kind);
            ulong ran = translated.Vcpu.Translation.HostInstructions - before;
            hostInstructions += stepped ? ran : 0;
            Assert.True(!stepped || ran == 0 || stepper.Steps > stepsBefore, $"no signal in {ran} guest instructions");
            Assert.Null(StateDifference.OfCpus(reference.Vcpu, translated.Vcpu));
        }
        while (stop.Kind == StopKind.InstructionLimit && reference.InstructionsRetired < MostInstructions);
        Assert.Equal(traces[0].Value, traces[1].Value);
        Assert.Null(StateDifference.OfMemories(reference.Machine.Memory, translated.Machine.Memory));
        Assert.Equal(reference.SerialOutput, translated.SerialOutput);
        output.WriteLine($"{stepper.Steps} signals in {hostInstructions} guest instructions on the host");
    }
}
