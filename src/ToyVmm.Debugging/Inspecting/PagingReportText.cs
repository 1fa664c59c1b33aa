using System.Globalization;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Paging;
using ToyVmm.VirtualMachines;

namespace ToyVmm.Debugging.Inspecting;

/// <summary>The guest's page table beside the TLB and the engine's shadow: a page in full, or all pages in ranges.</summary>
internal static unsafe class PagingReportText
{
    private const uint PageSize = 4096;
    private const int MostLines = 512;

    /// <summary>One page, for both privilege levels.</summary>
    public static InspectionText Page(VirtualMachine machine, uint linear)
    {
        InspectionWriter text = new();
        foreach (bool isUser in (bool[])[false, true])
        {
            ShadowReport page = ShadowReport.Read(machine, linear, isUser);
            if (!isUser)
            {
                _ = text.Heading(string.Create(CultureInfo.InvariantCulture, $"page {page.Linear:x8}"));
            }

            _ = text.Write($"  {(isUser ? "user" : "supervisor")}").Column(14)
                .Write($"guest {Rights(page.Guest)}{(page.Guest == PageRights.None ? "" : FormattableString.Invariant($" -> {page.GuestPage:x8}"))}").Column(37)
                .Write($"TLB {(page.Tlb is { } tlb ? FormattableString.Invariant($"{Rights(tlb)} -> {page.TlbPage:x8}") : "no entry")}").Column(57)
                .Mark(page.Reasons.Count > 0 ? MarkKind.Difference : MarkKind.Current, "shadow " + Rights(page.Shadow)).End();
            foreach (string reason in page.Reasons)
            {
                _ = text.Add("    ").Mark(MarkKind.Difference, reason).End();
            }
        }

        return text.ToText();
    }

    /// <summary>All pages that the guest's table, the TLB or the shadow have, in ranges of those that are alike, for one privilege level.</summary>
    public static InspectionText All(VirtualMachine machine, bool isUser)
    {
        InspectionWriter text = new();
        _ = text.Heading($"{(isUser ? "user" : "supervisor")}: linear range     guest -> physical   TLB  shadow");
        Line? open = null;
        ulong start = 0;
        int lines = 0;
        for (ulong page = 0; page <= 1ul << 32; page += PageSize)
        {
            Line? line = page < 1ul << 32 ? Read(machine, (uint)page, isUser) : null;
            if (open is not null && line == open)
            {
                continue;
            }

            if (open is { } ended)
            {
                _ = ++lines <= MostLines ? Write(text, ended, start, page) : text;
            }

            (open, start) = (line, page);
        }

        return lines == 0 ? text.Add("  no page is mapped").ToText()
            : lines > MostLines ? text.Write($"  and {lines - MostLines} more ranges").ToText()
            : text.ToText();
    }

    private static InspectionWriter Write(InspectionWriter text, Line line, ulong start, ulong end) =>
        text.Write($"  {start:x8}-{end - 1:x8}").Column(25).Write($"{Rights(line.Guest)}{(line.Guest == PageRights.None ? "" : FormattableString.Invariant($" -> {(ulong)((long)start + line.Offset):x8}"))}").Column(45)
            .Write($"{(line.Tlb is { } tlb ? Rights(tlb) : "--")}").Column(50).Add(Rights(line.Shadow)).Column(55)
            .Mark(MarkKind.Difference, line.Reason).End();

    private static Line? Read(VirtualMachine machine, uint linear, bool isUser)
    {
        // Most of 4 GiB is nothing at all: what is cheap to tell goes first.
        CpuState* s = machine.Vcpu.State;
        bool paging = (s->Cr0 & Cr0.PG) != 0;
        bool mapped = paging
            ? PageWalker.Walk(machine.Machine.Memory, s, machine.Vcpu.Mmu.PhysicalMask, linear).Result == PageWalkResult.Mapped || machine.Vcpu.Mmu.Tlb.TryGet(linear, out _, out _)
            : linear < machine.Machine.Memory.RamSize;
        if (!mapped)
        {
            return null;
        }

        ShadowReport page = ShadowReport.Read(machine, linear, isUser);
        return new Line(page.Guest, page.Guest == PageRights.None ? 0 : (long)page.GuestPage - linear, page.Tlb, page.Shadow, page.Reasons.Count == 0 ? "" : page.Reasons[0]);
    }

    private static string Rights(PageRights rights) => (rights & PageRights.Write) != 0 ? "rw" : (rights & PageRights.Read) != 0 ? "r-" : "--";

    private readonly record struct Line(PageRights Guest, long Offset, PageRights? Tlb, PageRights Shadow, string Reason);
}
