using System.Globalization;
using ToyVmm.Engines;
using ToyVmm.Engines.Classification;
using ToyVmm.Engines.Probing;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Paging;

namespace ToyVmm.Debugging.Traps;

/// <summary>Why a step is a trap: the rule of the architecture, and what Popek and Goldberg call the instruction.</summary>
internal static unsafe class TrapReasons
{
    /// <summary>Explains a trap.</summary>
    public static TrapReason Explain(
        TrapKind kind, CpuState before, CpuState after, InstructionInspection instruction, IReadOnlyList<TrapInfo> events, IReadOnlyList<MicroStep> steps, Vcpu vcpu)
    {
        FaultNature fault = kind == TrapKind.PageFault || events.Any(trap => trap.Vector == Vector.PageFault && trap.Source == TrapSource.Exception) ? FaultNature.True
            : steps.Any(step => step.Kind == MicroStepKind.TlbFilled) ? FaultNature.Hidden
            : FaultNature.None;
        string translation = kind switch
        {
            TrapKind.HiddenFault => "a host fault in emitted code, after which the page is mapped into the view and the code goes on",
            TrapKind.PageFault => "a host fault in emitted code; the interpreter walks, and delivers it",
            TrapKind.TripleFault => "the interpreter delivers faults; emitted code is left for good",
            TrapKind.Mmio => "a host fault in emitted code, as no view maps a device; the interpreter performs the access",
            TrapKind.SelfModifyingCode => "a host fault in emitted code, as no view lets it store to a page with decoded code; the blocks are dropped",
            TrapKind.ExternalInterrupt or TrapKind.Nmi or TrapKind.DebugTrap => "emitted code ends at the boundary, and the event is delivered",
            _ => instruction.Translation,
        };
        return new TrapReason(Rule(kind, before, after, instruction, events, steps, vcpu), Class(instruction), fault, translation);
    }

    /// <summary>The bits of a page-fault error code in words (SDM 3A 4.7).</summary>
    public static string PageFaultText(uint error)
    {
        string who = (error & 4) != 0 ? "user" : "supervisor";
        string what = (error & 16) != 0 ? "instruction fetch" : (error & 2) != 0 ? "write" : "read";
        string why = (error & 8) != 0 ? "a reserved bit is set in an entry" : (error & 1) != 0 ? "the entries forbid it" : "an entry is not present";
        return $"{who} {what}: {why}";
    }

    private static string Rule(
        TrapKind kind, in CpuState before, in CpuState after, InstructionInspection instruction, IReadOnlyList<TrapInfo> events, IReadOnlyList<MicroStep> steps, Vcpu vcpu) => kind switch
        {
            TrapKind.TripleFault => "a fault while the double-fault handler was being entered: the processor shuts down (SDM 3A 6.15, interrupt 8)",
            TrapKind.PageFault => $"the guest's own tables refuse the access: {PageFaultText(events.First(trap => trap.Vector == Vector.PageFault).ErrorCode)} (SDM 3A 4.7)" + Chain(events),
            TrapKind.Exception => ExceptionRule(events, steps) + Chain(events),
            TrapKind.SoftwareInterrupt => $"{instruction.Row?.Mnemonic ?? "INT"} calls a handler of the guest's own table; the monitor reads it, as the host's is the host's (SDM 3A 6.4.4)",
            TrapKind.ExternalInterrupt => "an interrupt controller asks, IF is set, and no shadow covers this boundary: the monitor delivers through the guest's table (SDM 3A 6.8.1)",
            TrapKind.Nmi => "a non-maskable interrupt, and no NMI handler runs (SDM 3A 6.7)",
            TrapKind.DebugTrap => string.Create(CultureInfo.InvariantCulture, $"the instruction before met a debug condition: {DebugText(after.Dr6 & ~before.Dr6 | (after.Dr6 & 0xE00F))} (SDM 3B 17.3)"),
            TrapKind.Hypercall => "VMCALL in ring 0: the guest asks the monitor (docs/hypercalls.md)",
            TrapKind.PortIo => string.Create(CultureInfo.InvariantCulture, $"a port needs CPL <= IOPL, or the TSS's permission map, and then a device of the board answers: CPL {before.Cpl}, IOPL {(before.OtherFlags >> 12) & 3} (SDM 1 19.5)"),
            TrapKind.Mmio => "a device lies at this physical address, not memory: the monitor performs the access",
            TrapKind.HiddenFault => HiddenRule(steps),
            TrapKind.SelfModifyingCode => "the guest stored to code that had been decoded: from the next instruction on the new bytes count (SDM 3A 11.6)",
            TrapKind.Halt => "HLT stops the processor until an interrupt; the monitor sleeps in its place, or skips the time (SDM 2A, HLT)",
            _ => InstructionRules.For(before, after, instruction, vcpu),
        };

    private static string ExceptionRule(IReadOnlyList<TrapInfo> events, IReadOnlyList<MicroStep> steps)
    {
        TrapInfo first = events.First(trap => trap.Source == TrapSource.Exception);
        MicroStep check = steps.FirstOrDefault(step => step.Kind == MicroStepKind.CheckFailed && step.Selector == (uint)first.Vector);
        string cause = check.Text ?? first.Vector switch
        {
            Vector.DivideError => "division by zero, or a quotient too large",
            Vector.Debug => "an instruction breakpoint",
            Vector.InvalidOpcode => "no such instruction here, or not on this processor",
            Vector.DeviceNotAvailable => "CR0.TS or CR0.EM forbids x87, MMX and SSE instructions",
            Vector.BoundRange => "BOUND found an index outside",
            Vector.FloatingPoint => "an unmasked x87 exception was pending",
            Vector.SimdFloatingPoint => "an unmasked SSE exception",
            Vector.AlignmentCheck => "a misaligned access while CR0.AM and EFLAGS.AC are set in ring 3",
            Vector.StackFault => "an access outside the stack segment",
            _ => "a check of the instruction failed",
        };
        return $"{Vector.Name(first.Vector)}: {cause} (SDM 3A 6.15)";
    }

    private static string Chain(IReadOnlyList<TrapInfo> events)
    {
        TrapInfo[] faults = [.. events.Where(trap => trap.Source == TrapSource.Exception)];
        return faults.Length < 2 ? "" : $"; its delivery faulted too: {string.Join(", then ", faults.Select(trap => Vector.Name(trap.Vector)))} (SDM 3A table 6-5)";
    }

    private static string HiddenRule(IReadOnlyList<MicroStep> steps)
    {
        MicroStep walk = steps.FirstOrDefault(step => step.Kind == MicroStepKind.WalkBegins);
        bool stale = walk.Value != 0;
        bool lacksDirty = stale && (((uint)walk.Value - 1) & (uint)TlbRights.Dirty) == 0 && (walk.Detail & (uint)PageAccess.Write) != 0;
        return lacksDirty ? "the page was mapped for reads only, so that its first write can set D: the guest's tables give it, and the guest is not told (SDM 3A 4.8)"
            : stale ? "the entry lacked a right that the guest's tables give by now: the processor walks again before it faults (SDM 3A 4.10.4.3)"
            : "the TLB and the shadow had no entry; the guest's tables have one, so the guest is not told: only A, and D for a write, show it (SDM 3A 4.8, 4.10.2)";
    }

    private static string DebugText(uint dr6)
    {
        List<string> causes = [];
        for (int n = 0; n < 4; n++)
        {
            if ((dr6 & (1u << n)) != 0)
            {
                causes.Add(string.Create(CultureInfo.InvariantCulture, $"breakpoint {n}"));
            }
        }

        if ((dr6 & (1 << 14)) != 0)
        {
            causes.Add("single step, TF was set");
        }

        if ((dr6 & (1 << 15)) != 0)
        {
            causes.Add("task switch, T is set in the TSS");
        }

        return causes.Count == 0 ? "none that DR6 tells" : string.Join(", ", causes);
    }

    private static string Class(InstructionInspection instruction)
    {
        if (instruction.Row is not { } row)
        {
            return "no instruction of this processor";
        }

        ExecutionMode deprivileged = instruction.Mode is ExecutionMode.Real or ExecutionMode.Virtual8086 ? ExecutionMode.Virtual8086 : ExecutionMode.Ring3;
        Sensitivity sensitivity = row.In(instruction.Mode) | row.In(deprivileged);
        string kinds = Kinds(sensitivity);
        if (row.IsPrivileged)
        {
            return "privileged" + (kinds.Length == 0 ? "" : $"; {kinds}");
        }

        bool unnoticed = row.Outcome(deprivileged).Completes && row.In(deprivileged) != Sensitivity.None;
        return sensitivity == Sensitivity.None ? row.EntersHandler ? "enters a handler" : "innocuous"
            : $"{kinds}; not privileged" + (unnoticed ? deprivileged == ExecutionMode.Ring3 ? ": ring 3 would run it untrapped" : ": virtual-8086 mode would run it untrapped" : "");
    }

    private static string Kinds(Sensitivity sensitivity)
    {
        List<string> kinds = [];
        if ((sensitivity & Sensitivity.Control) != 0)
        {
            kinds.Add("control-sensitive");
        }

        string[] behaviours =
        [
            .. (sensitivity & Sensitivity.Location) != 0 ? ["location"] : Array.Empty<string>(),
            .. (sensitivity & Sensitivity.Mode) != 0 ? ["mode"] : Array.Empty<string>(),
            .. (sensitivity & Sensitivity.State) != 0 ? ["system state"] : Array.Empty<string>(),
        ];
        if (behaviours.Length > 0)
        {
            kinds.Add($"behaviour-sensitive ({string.Join(", ", behaviours)})");
        }

        return string.Join(", ", kinds);
    }
}
