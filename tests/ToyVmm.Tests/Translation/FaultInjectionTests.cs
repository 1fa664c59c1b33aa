using System.Reflection;
using System.Runtime.InteropServices;
using Iced.Intel;
using ToyVmm.Engines;
using ToyVmm.Engines.Translation;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Tests.Fuzz;
using ToyVmm.Tests.Interpretation;
using ToyVmm.Tests.Properties;
using Xunit;
using Xunit.Abstractions;
using Xunit.Sdk;

namespace ToyVmm.Tests.Translation;

/// <summary>
/// A fault at every host instruction of emitted code: where the guest's instruction can begin anew, the guest must end as it does when
/// interpreted; everywhere else nothing may be able to fault.
/// </summary>
public sealed unsafe class FaultInjectionTests(ITestOutputHelper output)
{
    // Some guests change their code all the time and have blocks without end.
    private const int MostPointsPerGuest = 400;

    // The NOP in front, and the instruction itself or the way out to it.
    private const int Fewest = 2;

    /// <summary>The instructions that need more than a prefix on the host.</summary>
    public static IEnumerable<object[]> Templates
    {
        get
        {
            MethodInfo test = typeof(TranslatedInstructionTests).GetMethod(nameof(TranslatedInstructionTests.An_instruction_does_what_the_interpreter_does))!;
            return test.GetCustomAttributes<DataAttribute>().SelectMany(row => row.GetData(test));
        }
    }

    /// <summary>Every host instruction of every template, one after the other.</summary>
    [TranslatorTheory]
    [MemberData(nameof(Templates))]
    public void A_fault_at_any_host_instruction_of_a_template_leaves_no_trace(string name, string code) => InjectEverywhere(name, code, default);

    /// <summary>The same where every segment has a base.</summary>
    [TranslatorTheory]
    [MemberData(nameof(Templates))]
    public void A_fault_at_any_host_instruction_leaves_no_trace_in_segments_with_bases(string name, string code) =>
        InjectEverywhere(name, code, new SegmentBases(0x1777, 0x0123, 0x2041, 0x0FFF));

    private void InjectEverywhere(string name, string code, SegmentBases bases)
    {
        byte[] bytes = [0x90, .. Convert.FromHexString(code), 0xF4];
        using TestCpu interpreter = new() { Bases = bases };
        using TestCpu translator = new(translates: true) { Bases = bases };
        string expected = TemplateRun.Execute(interpreter, bytes);
        Assert.Equal((name, expected), (name, TemplateRun.Execute(translator, bytes)));
        TranslatedCode translated = translator.Engine.Translated!;
        int blocks = translated.Blocks.Count;
        int points = 0;
        int hits = 0;
        for (int n = 0; n < blocks; n++)
        {
            if (!translated.Blocks[n].RunsOnHost)
            {
                continue;
            }

            foreach (HostInstruction host in HostInstruction.Decode(translated.Blocks[n], translated.Code))
            {
                if (!host.IsRestartPoint)
                {
                    Assert.False(host.CanFault, $"{name}: {host} can fault, and the guest's state has changed already");
                    continue;
                }

                using FaultInjector injector = new(translated, n, host.Offset);
                Assert.Equal((name, host.ToString(), expected), (name, host.ToString(), TemplateRun.Execute(translator, bytes)));
                points++;
                hits += injector.IsMet ? 1 : 0;
            }
        }

        output.WriteLine($"{points} restart points, {hits} of them met");

        // Code that overwrites itself is translated anew each time, and what was injected is dead.
        bool changesItself = !translator.Bytes.Slice((int)TestCpu.Origin, bytes.Length).SequenceEqual(bytes);
        Assert.True(hits >= Fewest || changesItself, $"{name}: {hits} met");
    }

    /// <summary>A signal behind every host instruction of every template; each also goes by way of the kernel's signal frame and back.</summary>
    [TranslatorTheory]
    [MemberData(nameof(Templates))]
    public void A_signal_at_every_host_instruction_of_a_template_leaves_no_trace(string name, string code)
    {
        byte[] bytes = [0x90, .. Convert.FromHexString(code), 0xF4];
        using TestCpu interpreter = new();
        using TestCpu translator = new(translates: true);
        using SingleStepper stepper = new();
        translator.Vcpu.Frame->ExtraFlags = SingleStepper.TrapFlag;
        Assert.Equal((name, TemplateRun.Execute(interpreter, bytes)), (name, TemplateRun.Execute(translator, bytes)));
        Assert.True(stepper.Steps >= Fewest, $"{stepper.Steps} signals");
    }

    /// <summary>Random guests: each of their host instructions that is a restart point.</summary>
    [TranslatorTheory]
    [InlineData(HostileKind.Flat, 40)]
    [InlineData(HostileKind.Tables, 25)]
    [InlineData(HostileKind.Based, 25)]
    public void A_fault_at_any_host_instruction_of_a_random_guest_leaves_no_trace(HostileKind kind, int standardCases)
    {
        ulong first = FuzzSettings.FirstSeed();
        int cases = FuzzSettings.Cases(standardCases);
        using FuzzMachine interpreter = new();
        using FuzzMachine translator = new(translates: true);
        TranslatedCode translated = translator.Engine.Translated!;
        HashSet<Mnemonic> mnemonics = [];
        int points = 0;
        int others = 0;
        int hits = 0;
        for (int n = 0; n < cases; n++)
        {
            HostileGuest guest = new(kind, first + (ulong)n);
            FuzzOutcome expected = interpreter.Run(guest);
            translated.Clear();
            Assert.Equal((guest.ToString(), expected), (guest.ToString(), translator.Run(guest)));
            int blocks = translated.Blocks.Count;
            bool isThere = true;
            int pointsBefore = points;
            for (int b = 0; isThere && b < blocks && points - pointsBefore < MostPointsPerGuest; b++)
            {
                if (!translated.Blocks[b].RunsOnHost || translated.Blocks[b].Block->Host != translated.Blocks[b].Start)
                {
                    // The guest has overwritten this code since.
                    continue;
                }

                foreach (HostInstruction host in HostInstruction.Decode(translated.Blocks[b], translated.Code))
                {
                    if (!isThere)
                    {
                        // The decoder's memory was full, and all blocks were dropped: on with the next guest.
                        break;
                    }

                    if (!host.IsRestartPoint)
                    {
                        others++;
                        Assert.False(host.CanFault, $"{guest}: {host} can fault, and the guest's state has changed already");
                        continue;
                    }

                    using FaultInjector injector = new(translated, b, host.Offset);
                    Assert.Equal((guest.ToString(), host.ToString(), expected), (guest.ToString(), host.ToString(), translator.Run(guest)));
                    isThere = injector.IsThere;
                    points++;
                    if (injector.IsMet)
                    {
                        hits++;
                        _ = mnemonics.Add(host.X.Mnemonic);
                    }
                }
            }
        }

        output.WriteLine($"seed 0x{first:X}: {cases} guests, {points} restart points, {hits} of them met; {others} others; {mnemonics.Count} host mnemonics");
        Assert.True(hits > points / 5, $"of {points} places only {hits} were met");
    }
}
