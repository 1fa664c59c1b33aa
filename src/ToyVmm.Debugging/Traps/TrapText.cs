using System.Globalization;
using System.Text;
using ToyVmm.Engines;
using ToyVmm.Engines.Probing;
using ToyVmm.Hardware.Cpu;
using ToyVmm.VirtualMachines.Tracing;

namespace ToyVmm.Debugging.Traps;

/// <summary>Traps for people: on one line, and explained.</summary>
public static class TrapText
{
    /// <summary>A kind in words.</summary>
    /// <param name="kind">The kind.</param>
    public static string Name(TrapKind kind) => kind switch
    {
        TrapKind.PrivilegedInstruction => "privileged instruction",
        TrapKind.SensitiveInstruction => "sensitive instruction",
        TrapKind.PortIo => "port I/O",
        TrapKind.Mmio => "memory-mapped I/O",
        TrapKind.Hypercall => "hypercall",
        TrapKind.PageFault => "true page fault",
        TrapKind.HiddenFault => "hidden page fault",
        TrapKind.Exception => "exception",
        TrapKind.SoftwareInterrupt => "software interrupt",
        TrapKind.ExternalInterrupt => "external interrupt",
        TrapKind.Nmi => "NMI",
        TrapKind.DebugTrap => "debug trap",
        TrapKind.Halt => "halt",
        TrapKind.SelfModifyingCode => "self-modifying code",
        TrapKind.TripleFault => "triple fault",
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "no such kind of trap"),
    };

    /// <summary>The trap on one line: instructions retired before it, CS:EIP, the kind, and what happened.</summary>
    /// <param name="trap">The trap.</param>
    public static string Line(Trap trap)
    {
        ArgumentNullException.ThrowIfNull(trap);
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{trap.Point.Instructions,12} {trap.Instruction.Selector:x4}:{trap.Instruction.Offset:x8}  {Name(trap.Kind),-22} {What(trap)}");
    }

    /// <summary>The trap explained, on several lines: the instruction, why it trapped, what the VMM did, what is different now, what it cost.</summary>
    /// <param name="trap">The trap.</param>
    /// <param name="describeSource">The source line of a linear address with more about it, for example its text; null for what the trap says of it.</param>
    public static string Explain(Trap trap, Func<uint, string?>? describeSource = null)
    {
        ArgumentNullException.ThrowIfNull(trap);
        StringBuilder text = new();
        TrapInstruction instruction = trap.Instruction;
        Line(text, $"trap {trap.Number}: {Name(trap.Kind)}, {What(trap)}");
        Line(text, $"  when         {trap.Point.Instructions} instructions retired, {trap.Point.Events} events delivered; clock {trap.Clock}");
        Line(text, $"  instruction  {instruction.Selector:x4}:{instruction.Offset:x8}  {Convert.ToHexStringLower(instruction.Bytes.Span)}  {instruction.Text}");
        string? source = describeSource?.Invoke(instruction.Linear) ?? instruction.Source;
        if (instruction.Symbol is not null || source is not null)
        {
            Line(text, $"  where        {string.Join(", ", new[] { instruction.Symbol, source }.Where(part => part is not null))}");
        }

        Line(text, $"  mode         {Mode(trap.Before)}");
        Line(text, $"  why          {trap.Reason.Rule}");
        Line(text, $"  class        {trap.Reason.Class}");
        Line(text, $"  translator   {trap.Reason.Translation}");
        Line(text, $"  what the VMM did");
        for (int n = 0; n < trap.Steps.Length; n++)
        {
            Line(text, $"    {n + 1,3}. {MicroStepText.Describe(trap.Steps[n])}");
        }

        if (trap.StepsLeftOut > 0)
        {
            Line(text, $"         and {trap.StepsLeftOut} more");
        }

        Line(text, $"  what is different now");
        foreach (StateChange change in trap.Changes)
        {
            Line(text, $"    {change.Name,-16} {change.Before} -> {change.After}{(string.IsNullOrEmpty(change.Note) ? "" : $"  {change.Note}")}");
        }

        Line(text, $"  cost         {Cost(trap.Cost)}");
        return text.ToString();
    }

    /// <summary>The events of a trap in words, or its instruction.</summary>
    internal static string What(Trap trap)
    {
        if (trap.Events.IsEmpty)
        {
            return trap.Instruction.Text + Access(trap);
        }

        string events = string.Join(", then ", trap.Events.Select(item => TraceWriter.Describe(item)));
        string where = string.Create(CultureInfo.InvariantCulture, $"{trap.After.Cs.Selector:x4}:{trap.After.Eip:x8}");
        return trap.Kind == TrapKind.TripleFault ? events + ": shutdown" : $"{events} -> {where}";
    }

    private static string Access(Trap trap)
    {
        foreach (MicroStep step in trap.Steps)
        {
            switch (step.Kind)
            {
                case MicroStepKind.PortWritten or MicroStepKind.DeviceWritten:
                    return string.Create(CultureInfo.InvariantCulture, $"   0x{step.Address:x} <- 0x{step.Value:x} ({step.Text})");
                case MicroStepKind.PortRead or MicroStepKind.DeviceRead:
                    return string.Create(CultureInfo.InvariantCulture, $"   0x{step.Address:x} -> 0x{step.Value:x} ({step.Text})");
                case MicroStepKind.TlbFilled when trap.Kind == TrapKind.HiddenFault:
                    return string.Create(CultureInfo.InvariantCulture, $"   {step.Address:x8} -> {step.Value:x8}");
            }
        }

        return "";
    }

    private static string Mode(in CpuState state) =>
        (state.Cr0 & Cr0.PE) == 0 ? "real mode"
        : (state.OtherFlags & Eflags.VM) != 0 ? "virtual-8086 mode, ring 3"
        : string.Create(CultureInfo.InvariantCulture, $"protected mode, ring {state.Cpl}, {(state.Cs.Big ? "32" : "16")}-bit code, paging {((state.Cr0 & Cr0.PG) != 0 ? "on" : "off")}");

    private static string Cost(TrapCost cost)
    {
        string text = string.Create(
            CultureInfo.InvariantCulture,
            $"{Count(cost.Instructions, "instruction")}, {Count(cost.Steps, "micro-step")}, {Count((ulong)cost.Walks, "page walk")}, {Count((ulong)cost.Fills, "fill")}");
        return cost.HostTime is { } time ? text + string.Create(CultureInfo.InvariantCulture, $", {time.TotalMicroseconds:F1} us of host time") : text;
    }

    private static string Count(ulong number, string what) => string.Create(CultureInfo.InvariantCulture, $"{number} {what}{(number == 1 ? "" : "s")}");

    private static void Line(StringBuilder text, FormattableString line) => text.Append(line.ToString(CultureInfo.InvariantCulture)).Append('\n');
}
