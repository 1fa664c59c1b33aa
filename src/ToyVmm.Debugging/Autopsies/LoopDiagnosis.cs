using ToyVmm.Engines;
using ToyVmm.Hardware.Cpu;
using ToyVmm.VirtualMachines;

namespace ToyVmm.Debugging.Autopsies;

/// <summary>What a guest was doing when a limit stopped it: nothing but a loop, the same exception again and again, zeros; or work.</summary>
/// <param name="view">The guest.</param>
/// <param name="history">What came before.</param>
internal sealed unsafe class LoopDiagnosis(GuestView view, TrapHistory? history)
{
    // So often in a row an exception at the same instruction is no coincidence.
    private const ulong Storm = 32;
    private const int MostShown = 8;

    private readonly FaultDiagnosis _faults = new(view);

    /// <summary>The report.</summary>
    public AutopsyReport Examine(StopReason stop)
    {
        CpuState* s = view.State;
        string here = view.Place(s->Cs.Selector, s->Cs.Base, s->Eip, s->Cs.Big);
        List<string> circumstances = [$"The guest was at {here}, in {Mode()}, with interrupts {((s->OtherFlags & Eflags.IF) != 0 ? "on" : "off")}."];
        AutopsyReport report = new() { Headline = stop.Detail, Circumstances = circumstances };
        if (history?.Runs is [.., TrapRun last] && last.Times >= Storm && view.Machine.InstructionsRetired - last.LastInstructions < Storm * 64)
        {
            return ExceptionStorm(report, last);
        }

        if (view.Machine.IsAsleep)
        {
            circumstances[0] = "The guest was asleep (HLT), waiting for an interrupt.";
            return report;
        }

        if (LoopSample.Take(view.Machine) is not { } sample)
        {
            return report;
        }

        if (sample.IsZeros || view.WhyNoCode(s->Cs.Base + s->Eip) is not null)
        {
            return report with { Findings = [Nothing(s)] };
        }

        if (sample.IsSmall)
        {
            AddLoop(circumstances, sample);
            return report with { Findings = [.. Loop(sample)] };
        }

        circumstances.Add($"It was at work: the next {sample.Seen} instructions are at {sample.Places.Count} places or more, {(sample.Ports.Count == 0 ? "without a port" : "with port accesses")}. Perhaps the limit is too low.");
        return report;
    }

    private AutopsyReport ExceptionStorm(AutopsyReport report, in TrapRun run) => report with
    {
        Chain = [new CausalChain(view, history).Step(run)],
        FirstCause = run.FirstInstructions,
        Findings =
        [
            new AutopsyFinding(
                $"The same {Vector.Name(run.First.Vector)} came {run.Times} times in a row at the same instruction: its handler returns without having mended the cause, and IRET goes back to the instruction that faults.",
                run.First.Vector == Vector.PageFault ? "Have the handler map the page (and with an error code in the frame: take it off the stack before IRET), or stop the program." : "Have the handler report the fault and stop, or correct the saved EIP before IRET.", "SDM 3A 6.5, 6.12"),
            .. _faults.Cause(run.First, run.CodeBase + run.Eip) is { } cause ? (AutopsyFinding[])[cause] : [],
        ],
    };

    private AutopsyFinding Nothing(CpuState* s) => new(
        $"The CPU runs through nothing: at {view.Name(s->Cs.Base + s->Eip)} {view.WhyNoCode(s->Cs.Base + s->Eip) ?? "there is what it has run into"}.",
        "A jump or call went wrong: a null or overwritten function pointer, a return with a broken stack, or no JMP $ (or HLT) behind the last instruction.", "SDM 2A ADD");

    private void AddLoop(List<string> circumstances, LoopSample sample)
    {
        IReadOnlyList<uint> places = sample.Places;
        string repeats = sample.Places.Count == 1 ? "It executes one instruction over and over:" : $"It executes the same {places.Count} instructions over and over:";
        circumstances.Add(repeats);
        foreach (uint place in places.Take(MostShown))
        {
            CpuState* s = view.State;
            circumstances.Add("  " + view.Place(s->Cs.Selector, s->Cs.Base, place - s->Cs.Base, s->Cs.Big));
        }

        if (places.Count > MostShown)
        {
            circumstances.Add($"  ... and {places.Count - MostShown} more");
        }
    }

    private IEnumerable<AutopsyFinding> Loop(LoopSample sample)
    {
        bool deaf = (view.Machine.Cpu.OtherFlags & Eflags.IF) == 0;
        if (sample.Ports.Count > 0)
        {
            ushort port = sample.Ports.MaxBy(entry => entry.Value).Key;
            yield return new AutopsyFinding($"It polls port {port:X}h{PortName(port)}, whose answer does not change.", "Is it the right port and bit, was the device told to do anything, and does its answer mean what the loop waits for?", "");
            yield break;
        }

        if (sample.DeviceAccesses > 0)
        {
            yield return new AutopsyFinding("It polls a device's memory, which does not change.", "Is it the right address and bit, and was the device told to do anything?", "");
            yield break;
        }

        if (sample.Places.Count == 1)
        {
            yield return new AutopsyFinding("The kernel stands still on purpose: a jump to itself.", "If this is its end: power off (OUT 604h, AX=2000h) or write an exit code to port F4h, so that a run ends with a verdict; CLI and HLT stops at once.", "");
            yield break;
        }

        yield return deaf
            ? new AutopsyFinding("Interrupts are off (EFLAGS.IF = 0), and nothing in the loop talks to a device: what it waits for can never happen.", "If it waits for an interrupt handler to set a variable: STI before the loop.", "SDM 3A 6.8.1")
            : new AutopsyFinding(
                $"Nothing in the loop talks to a device{(sample.Interrupts > 0 ? ", and the interrupts that come do not end it" : "")}.",
                "If it waits for a variable that a handler sets: is the variable volatile, and does that interrupt come at all (mask, end of interrupt)? Otherwise its end condition is wrong.", "");
    }

    private string Mode()
    {
        CpuState* s = view.State;
        return (s->Cr0 & Cr0.PE) == 0 ? "real mode" : (s->OtherFlags & Eflags.VM) != 0 ? "virtual-8086 mode" : $"protected mode, ring {s->Cpl}";
    }

    private static string PortName(ushort port) => port switch
    {
        0x20 or 0x21 or 0xA0 or 0xA1 => " (interrupt controller)",
        >= 0x40 and <= 0x43 => " (timer)",
        0x60 or 0x64 => " (keyboard controller)",
        0x70 or 0x71 => " (CMOS and clock)",
        >= 0x1F0 and <= 0x1F7 or 0x3F6 => " (ATA, first channel)",
        >= 0x170 and <= 0x177 or 0x376 => " (ATA, second channel)",
        >= 0x3F8 and <= 0x3FF => " (COM1)",
        >= 0x2F8 and <= 0x2FF => " (COM2)",
        >= 0x3C0 and <= 0x3DF => " (VGA)",
        _ => "",
    };
}
