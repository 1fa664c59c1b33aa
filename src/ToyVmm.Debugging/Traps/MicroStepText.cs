using System.Globalization;
using ToyVmm.Engines.Probing;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Paging;

namespace ToyVmm.Debugging.Traps;

/// <summary>Micro-steps in words.</summary>
public static class MicroStepText
{
    private const uint Large = 0x80;

    /// <summary>One micro-step in words, on one line.</summary>
    /// <param name="step">The step.</param>
    public static string Describe(in MicroStep step) => step.Kind switch
    {
        MicroStepKind.WalkBegins => Text($"walk the guest's tables for a {Access(step.Detail)} at {step.Address:x8}: {Missing(step)}"),
        MicroStepKind.PointerEntry => Text($"PDPTE{step.Selector} = {step.Value:x16}: {((step.Value & 1) != 0 ? "present" : "not present")}"),
        MicroStepKind.DirectoryEntry => Text($"PDE at {step.Address:x8} = {Entry(step)}: {EntryBits(step, isDirectory: true)}"),
        MicroStepKind.TableEntry => Text($"PTE at {step.Address:x8} = {Entry(step)}: {EntryBits(step, isDirectory: false)}"),
        MicroStepKind.EntryMarked => Text($"set {Marked(step)} in the entry at {step.Address:x8}: {step.Detail:x8} -> {step.Value:x8}"),
        MicroStepKind.TlbFilled => Text($"fill TLB and shadow: linear {step.Address:x8} -> physical {step.Value:x8}, {Rights((TlbRights)step.Detail)}"),
        MicroStepKind.AccessRefused => Text($"the tables refuse it, {TrapReasons.PageFaultText(step.Detail)}: #PF, error code {step.Detail:x8}, no TLB entry for {step.Address:x8} is kept"),
        MicroStepKind.CheckFailed => Text($"{(step.Text is null ? "the instruction raises " : $"check failed: {step.Text}: ")}{Vector.Name((int)step.Selector)}{(Vector.HasErrorCode((int)step.Selector) ? Text($", error code {step.Detail:x8}") : "")}"),
        MicroStepKind.VectorRead => Text($"vector table entry {step.Selector:x2} at {step.Address:x8}: handler {(step.Value >> 16) & 0xFFFF:x4}:{step.Value & 0xFFFF:x4}"),
        MicroStepKind.GateRead => Text($"IDT entry {step.Selector:x2} at {step.Address:x8} = {step.Value:x16}: {DescriptorText.Gate(step.Value)}"),
        MicroStepKind.DescriptorRead => Text($"descriptor {step.Selector:x4} at {step.Address:x8} = {step.Value:x16}: {DescriptorText.Describe(step.Value)}"),
        MicroStepKind.DescriptorMarked => Text($"access byte of descriptor {step.Selector & 0xFFF8:x4} at {step.Address:x8} becomes {step.Value:x2}: {DescriptorText.AccessByte((byte)step.Value)}"),
        MicroStepKind.InterruptAcknowledged => Text($"acknowledge: the interrupt controller gives vector {step.Selector:x2}"),
        MicroStepKind.FrameRead => Text($"read the frame at {step.Address:x8}: return to {step.Selector:x4}:{step.Value:x8} with EFLAGS {step.Detail:x8}"),
        MicroStepKind.InnerStackRead => Text($"stack of ring {step.Detail} from the TSS at {step.Address:x8}: {step.Selector:x4}:{step.Value:x8}"),
        MicroStepKind.Stored => Text($"store {(step.Text is null ? "" : step.Text + " = ")}{Value(step)} at {step.Address:x8}"),
        MicroStepKind.HandlerEntered => Text($"enter the handler at {step.Selector:x4}:{step.Address:x8}, EFLAGS {step.Detail:x8}: IF {((step.Detail & Eflags.IF) != 0 ? "stays set" : "is clear")}"),
        MicroStepKind.PortRead => Text($"port 0x{step.Address:x} ({step.Text}) answers {Width(step.Size)} 0x{Value(step)}"),
        MicroStepKind.PortWritten => Text($"port 0x{step.Address:x} ({step.Text}) takes {Width(step.Size)} 0x{Value(step)}"),
        MicroStepKind.DeviceRead => Text($"device at physical {step.Address:x8} ({step.Text}) answers {Width(step.Size)} 0x{Value(step)}"),
        MicroStepKind.DeviceWritten => Text($"device at physical {step.Address:x8} ({step.Text}) is to take {Width(step.Size)} 0x{Value(step)}"),
        MicroStepKind.AddressSpaceEntered => step.Selector == 0
            ? Text($"CR3 = {step.Address:x8}: no entries of this address space are held; global ones stay")
            : Text($"CR3 = {step.Address:x8}: entries of this address space are held, {step.Detail} of which its tables do not bear out any more and leave; global ones stay"),
        MicroStepKind.TlbFlushed => Text($"every entry leaves the TLB: {step.Text}"),
        MicroStepKind.PageInvalidated => Text($"the entry of {step.Address:x8} leaves TLB and shadow, global or not"),
        MicroStepKind.TaskSaved => Text($"save the old task {step.Selector:x4} in its TSS at {step.Address:x8}, EIP {step.Value:x8}"),
        MicroStepKind.TaskLoaded => Text($"load the new task {step.Selector:x4} from its TSS at {step.Address:x8}, EIP {step.Value:x8}"),
        MicroStepKind.HypercallMade => Text($"hypercall {step.Value} (0x{step.Value:x})"),
        MicroStepKind.CodeForgotten => Text($"{step.Size} bytes at physical {step.Address:x8} were decoded code: forget the blocks"),
        MicroStepKind.Slept => "the processor sleeps until an interrupt",
        MicroStepKind.Completed => Text($"the instruction is complete; next is {step.Selector:x4}:{step.Address:x8}"),
        _ => throw new ArgumentOutOfRangeException(nameof(step), step.Kind, "no such micro-step"),
    };

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private static string Access(uint access) =>
        ((access & (uint)PageAccess.User) != 0 ? "user " : "supervisor ")
        + ((access & (uint)PageAccess.Fetch) != 0 ? "instruction fetch" : (access & (uint)PageAccess.Write) != 0 ? "write" : "read");

    private static string Missing(in MicroStep step) =>
        step.Value == 0 ? "the TLB has no entry" : $"the TLB's entry does not suffice ({Rights((TlbRights)((uint)step.Value - 1))})";

    private static string Rights(TlbRights rights) =>
        ((rights & TlbRights.User) != 0 ? "user" : "supervisor")
        + ((rights & TlbRights.Writable) != 0 ? ", writable" : ", read-only")
        + ((rights & TlbRights.Dirty) != 0 ? ", D set" : ", D clear")
        + ((rights & TlbRights.Global) != 0 ? ", global" : "")
        + ((rights & TlbRights.NoExecute) != 0 ? ", no execution" : "");

    private static string Entry(in MicroStep step) => step.Value.ToString(step.Size == 8 ? "x16" : "x8", CultureInfo.InvariantCulture);

    private static string EntryBits(in MicroStep step, bool isDirectory)
    {
        ulong entry = step.Value;
        return (entry & 1) == 0 ? "not present"
            : "present"
                + ((entry & 2) != 0 ? ", writable" : ", read-only")
                + ((entry & 4) != 0 ? ", user" : ", supervisor")
                + ((entry & 0x20) != 0 ? ", A" : "")
                + ((entry & 0x40) != 0 && (!isDirectory || (entry & Large) != 0) ? ", D" : "")
                + (isDirectory && (entry & Large) != 0 ? ", PS" : "")
                + (step.Size == 8 && (entry >> 63) != 0 ? ", XD" : "");
    }

    private static string Marked(in MicroStep step) => ((uint)step.Value & ~step.Detail & 0x60) switch
    {
        0x60 => "A and D",
        0x40 => "D",
        _ => "A",
    };

    private static string Value(in MicroStep step) =>
        step.Value.ToString("x" + (step.Size * 2).ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);

    private static string Width(int bytes) => bytes switch
    {
        1 => "byte",
        2 => "word",
        4 => "dword",
        _ => "qword",
    };
}
