using ToyVmm.Hardware.Cpu;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Symbols;

namespace ToyVmm.Debugging.Autopsies;

/// <summary>Explains a bad end of a guest.</summary>
/// <example>
/// <code>
/// TrapHistory history = new();
/// using VirtualMachine vm = VirtualMachine.Create(image, new VirtualMachineOptions { Observer = history });
/// StopReason stop = vm.Run(new RunLimits { MaxInstructions = 1_000_000 });
/// AutopsyReport? report = AutopsyExaminer.Examine(vm, stop, SymbolFile.ReadFromImage(image, out _), history);
/// </code>
/// </example>
public static class AutopsyExaminer
{
    // A halt, a reset or an exit so soon after an exception is likely its handler's.
    private const ulong HandlerInstructions = 100_000;

    // QEMU's convention for a test that has passed, which tutorials teach: 10h, so that the status is 33.
    private const uint PassedByConvention = 0x10;

    /// <summary>Explains why a run ended.</summary>
    /// <param name="machine">The machine, stopped. Nothing of its state changes.</param>
    /// <param name="stop">Why it stopped.</param>
    /// <param name="symbols">Names for its addresses; <see cref="SymbolTable.Empty"/> where there are none.</param>
    /// <param name="history">The exceptions before the end, where somebody has taken note.</param>
    /// <returns>Null for an end that is not bad: success, a pause, a stop that the user asked for.</returns>
    public static AutopsyReport? Examine(VirtualMachine machine, StopReason stop, SymbolTable symbols, TrapHistory? history = null)
    {
        ArgumentNullException.ThrowIfNull(machine);
        ArgumentNullException.ThrowIfNull(stop);
        GuestView view = new(machine, symbols);
        return stop.Kind switch
        {
            StopKind.TripleFault => stop.Autopsy is { } autopsy ? new TripleFaultExaminer(view, history).Examine(autopsy) : null,
            StopKind.HaltedForever => Halted(view, stop, history),
            StopKind.Reset => Reset(view, history),
            StopKind.InstructionLimit or StopKind.TimeLimit or StopKind.ExitLimit or StopKind.TraceLimit => new LoopDiagnosis(view, history).Examine(stop),
            StopKind.SerialLimit => Limit(view, stop, history, "It writes to COM1 without an end.", "Find the loop that prints; a panic that prints itself again and again is often an exception in the exception handler."),
            StopKind.DiskWriteLimit => Limit(view, stop, history, "It writes to its disks without an end, or more than you allow.", "Raise --max-disk-writes if the work needs it."),
            StopKind.MemoryLimit => Limit(view, stop, history, "It touches more memory than you allow.", "Raise --max-memory if the work needs it; a loop that fills memory is often a wild pointer or an endless recursion."),
            StopKind.HypercallExit when stop.Code != 0 => Gave(view, stop, history),
            StopKind.DebugExit when stop.Code is not (0 or PassedByConvention) => Gave(view, stop, history),
            _ => null,
        };
    }

    private static AutopsyReport Halted(GuestView view, StopReason stop, TrapHistory? history)
    {
        AutopsyReport report = WithLastException(view, history, new AutopsyReport { Headline = stop.Detail, Circumstances = [Where(view)] });
        return report with { Findings = [.. new HaltDiagnosis(view).Examine()] };
    }

    private static AutopsyReport Reset(GuestView view, TrapHistory? history)
    {
        AutopsyReport report = WithLastException(view, history, new AutopsyReport
        {
            Headline = "the guest reset the machine",
            Circumstances = [Where(view), "On a PC it would start again from the beginning: a kernel that resets itself while it starts is a boot loop."],
        });
        return report with
        {
            Findings =
            [
                new AutopsyFinding(
                    "The guest asked for a reset itself: port 64h (FE), port CF9h, or bit 0 of port 92h.",
                    "If it did not mean to: OUT 92h to open A20 must leave bit 0 clear; a panic handler that resets hides its message. If it wants to end: power off (OUT 604h, AX=2000h).", "8042, 82371SB data sheet (reset control)"),
            ],
        };
    }

    private static AutopsyReport Limit(GuestView view, StopReason stop, TrapHistory? history, string wrong, string mend)
    {
        AutopsyReport report = WithLastException(view, history, new AutopsyReport { Headline = stop.Detail, Circumstances = [Where(view)] });
        return report with { Findings = [new AutopsyFinding(wrong, mend, "")] };
    }

    // A kernel's own verdict needs no explanation; the exception that its panic was about does.
    private static AutopsyReport? Gave(GuestView view, StopReason stop, TrapHistory? history)
    {
        AutopsyReport report = WithLastException(view, history, new AutopsyReport { Headline = stop.Detail, Circumstances = [Where(view)] });
        return report.Chain.Count > 0 ? report : null;
    }

    private static unsafe string Where(GuestView view)
    {
        CpuState* s = view.State;
        string place = view.Place(s->Cs.Selector, s->Cs.Base, s->Eip, s->Cs.Big);
        return $"The guest's next instruction would have been at {place}.";
    }

    private static AutopsyReport WithLastException(GuestView view, TrapHistory? history, AutopsyReport report)
    {
        if (history?.Runs is not [.., TrapRun last] || view.Machine.InstructionsRetired - last.LastInstructions > HandlerInstructions)
        {
            return report;
        }

        AutopsyFinding? cause = new FaultDiagnosis(view).Cause(last.First, last.CodeBase + last.Eip);
        return report with
        {
            Chain = [new CausalChain(view, history).Step(last)],
            FirstCause = last.FirstInstructions,
            Circumstances = [.. report.Circumstances, $"The last exception came {view.Machine.InstructionsRetired - last.LastInstructions} instructions before the end: what ended was probably its handler.", .. cause is null ? (string[])[] : [cause.Wrong + " " + cause.Mend]],
        };
    }
}
