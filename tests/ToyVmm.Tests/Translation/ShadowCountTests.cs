using System.Buffers.Binary;
using System.Globalization;
using ToyVmm.Engines;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Tests.Interpretation.Events;
using Xunit;

namespace ToyVmm.Tests.Translation;

/// <summary>
/// What shadow paging counts, on guests so small that the numbers can be told beforehand: they are exact, and the same on every host. And
/// the host's mappings stay within their budget.
/// </summary>
public sealed unsafe class ShadowCountTests
{
    private const uint Page = 0x1000;
    private const uint Directory = 0x100_000;
    private const uint OtherDirectory = 0x101_000;
    private const uint Tables = 0x110_000;
    private const uint PresentWritable = 3;

    // Pages that are tried lie two apart, so that the host can map none together with its neighbour.
    private const uint First = 0x200_000;
    private const uint Stride = 2 * Page;

    private static readonly byte[] s_walk = [0x8B, 0x07, 0x01, 0xD7, 0x49, 0x75, 0xF9]; // again: mov eax, [edi]; add edi, edx; dec ecx; jnz again

    /// <summary>A page that the view lacks costs one fault, the first time; and one more for the first store, which sets D.</summary>
    [TranslatorFact]
    public void Hidden_faults()
    {
        using CpuBench bench = Paged(new() { Hotness = 0, Verify = true });
        _ = bench.Program(Loads(8));
        RunFrom(bench, CpuBench.Code, 16);
        Expect(bench, hostFaults: 8, hidden: 8, mapped: 8);
        RunFrom(bench, CpuBench.Code, 16);
        Expect(bench, hostFaults: 8, hidden: 8, mapped: 8);

        // The page between the first two: those are mapped once more along with it, by the one call.
        bench.Write(CpuBench.Code + 0x100, Load(First + Page));
        RunFrom(bench, CpuBench.Code + 0x100, 2);
        Expect(bench, hostFaults: 9, hidden: 9, mapped: 11);

        // D differs from the neighbours' now, so that they cannot share a mapping.
        bench.Write(CpuBench.Code + 0x200, [0xA3, .. Bytes(First + (4 * Stride)), 0xEB, 0x00]); // mov [page], eax; jmp to the next
        RunFrom(bench, CpuBench.Code + 0x200, 2);
        RunFrom(bench, CpuBench.Code + 0x200, 2);
        Expect(bench, hostFaults: 10, hidden: 10, mapped: 12);
    }

    /// <summary>
    /// The guest's own page faults, whose handler makes the page present. The page is filled behind the handler, without a second fault;
    /// the handler itself meets one hidden fault, at the page table.
    /// </summary>
    [TranslatorFact]
    public void True_faults()
    {
        const uint Faults = 5;
        using CpuBench bench = Paged(new() { Hotness = 0, Verify = true });
        for (uint n = 0; n < Faults; n++)
        {
            Entry(bench, First + (n * Stride), First + (n * Stride), present: false);
        }

        // or byte [ebx], 1; add ebx, 8 (two entries further); add esp, 4; iret
        bench.Write(CpuBench.Handler(Vector.PageFault), 0x80, 0x0B, 0x01, 0x83, 0xC3, 0x08, 0x83, 0xC4, 0x04, 0xCF);
        bench.State->Ebx = Tables + (First / Page * 4);
        _ = bench.Program(Loads(Faults));

        // Two instructions for each page, the delivery of a fault, and the four of its handler.
        RunFrom(bench, CpuBench.Code, Faults * 7);
        Assert.Equal(CpuBench.Code + (Faults * 7), bench.State->Eip);
        Expect(bench, hostFaults: Faults + 1, hidden: Faults + 1, mapped: Faults + 1, trueFaults: Faults);
    }

    /// <summary>One load that meets a new page each time is left to the interpreter at its sixteenth fault, and goes back after 64 quiet rounds.</summary>
    [TranslatorFact]
    public void Adaptations()
    {
        using CpuBench bench = Paged(new() { Hotness = 0, Verify = true });
        _ = bench.Program(s_walk);
        Walk(bench, First, Stride, rounds: 15);
        Expect(bench, hostFaults: 15, hidden: 15, mapped: 15);
        Walk(bench, First + (15 * Stride), Stride, rounds: 25);
        Expect(bench, hostFaults: 16, hidden: 16, mapped: 16, adaptations: 1);

        // The first of these rounds looks the page up.
        Walk(bench, First + (40 * Stride), 0, rounds: 64);
        Expect(bench, hostFaults: 16, hidden: 16, mapped: 16, adaptations: 1);
        Walk(bench, First + (40 * Stride), 0, rounds: 10);
        Expect(bench, hostFaults: 17, hidden: 17, mapped: 17, adaptations: 2);
    }

    /// <summary>Every load of CR3 compares an address space that the TLB knows; the first of each fills it anew.</summary>
    [TranslatorFact]
    public void Revalidations()
    {
        const uint Rounds = 10;
        using CpuBench bench = Paged(new() { Hotness = 0, Verify = true });
        Alternate(bench, Rounds);
        TranslationStatistics counts = bench.Cpu.Translation!;
        Assert.Equal(((2ul * Rounds) - 2, 0ul), (counts.Revalidations, counts.ViewEvictions));

        // Both spaces have a view, which is filled once.
        Assert.Equal((2ul, 2ul), (counts.HiddenFaults, counts.PagesMapped));
    }

    /// <summary>With one view, each load of CR3 takes it from the other address space, and its page must be mapped again.</summary>
    [TranslatorFact]
    public void View_evictions()
    {
        const uint Rounds = 6;
        using CpuBench bench = Paged(new() { Hotness = 0, Verify = true, Views = 1 });
        Alternate(bench, Rounds);
        TranslationStatistics counts = bench.Cpu.Translation!;

        // But the first: FlushAll has forgotten which space the CPU was in, and so the other one takes its place.
        Assert.Equal(((2ul * Rounds) - 1, (2ul * Rounds) - 2), (counts.ViewEvictions, counts.Revalidations));
        Assert.Equal((2ul * Rounds, 2ul * Rounds), (counts.HiddenFaults, counts.PagesMapped));
    }

    /// <summary>A page between two that are not mapped takes two of the host's mappings: after eight the view is emptied.</summary>
    [TranslatorTheory]
    [InlineData(8, 0)]
    [InlineData(9, 1)]
    [InlineData(16, 1)]
    [InlineData(17, 2)]
    [InlineData(40, 4)]
    public void The_budget_of_mappings_is_kept(uint pages, ulong evictions)
    {
        const int Budget = 16;
        using CpuBench bench = Paged(new() { Hotness = 0, Verify = true, Mappings = Budget });
        _ = bench.Program(Loads(pages));
        RunFrom(bench, CpuBench.Code, pages * 2);
        Expect(bench, hostFaults: pages, hidden: pages, mapped: pages, evictions: evictions);
        Assert.Equal(((pages - 1) % (Budget / 2)) + 1, (uint)MappingsIn(bench.Cpu.Frame->View));
    }

    /// <summary>
    /// The budget of the process: a guest whose 64,512 pages cannot be mapped together with their neighbours goes on, and so does the runtime.
    /// (Adaptive translation would leave such a loop to the interpreter.)
    /// </summary>
    [TranslatorFact]
    public void Linux_is_never_asked_for_more_mappings_than_it_allows()
    {
        const uint Linear = 0x400_000;
        const uint TableCount = 64;
        const uint Pages = (TableCount - 1) * 1024;
        using CpuBench bench = Paged(new() { Hotness = 0, TrapOnly = true });
        for (uint table = 1; table < TableCount; table++)
        {
            bench.Write32(Directory + (table * 4), (Tables + (table * Page)) | PresentWritable);
        }

        for (uint n = 0; n < Pages; n++)
        {
            Entry(bench, Linear + (n * Page), First + (n % 2 * Stride), present: true);
        }

        _ = bench.Program(s_walk);
        bench.Write32(First, 0x1111_1111);
        bench.Write32(First + Stride, 0x2222_2222);
        Walk(bench, Linear, Page, Pages);
        Assert.Equal((0x2222_2222u, 0u, Linear + (Pages * Page)), (bench.State->Eax, bench.State->Ecx, bench.State->Edi));
        TranslationStatistics counts = bench.Cpu.Translation!;
        Assert.Equal(((ulong)Pages, (ulong)Pages), (counts.HostFaults, counts.HiddenFaults));
        int allowed = int.Parse(File.ReadAllText("/proc/sys/vm/max_map_count"), CultureInfo.InvariantCulture);
        Assert.True(counts.ViewEvictions > 0 || allowed / 4 * 3 > Pages, $"nothing was emptied, with {allowed} mappings allowed");
        Assert.InRange(File.ReadLines("/proc/self/maps").Count(), 1, allowed);
    }

    // Both directories have the same table. Runs mov cr3, ebx; mov eax, [First]; mov cr3, ecx; mov eax, [First]; jmp to the start.
    private static void Alternate(CpuBench bench, uint rounds)
    {
        bench.Write32(OtherDirectory, Tables | PresentWritable);
        _ = bench.Program([0x0F, 0x22, 0xDB, .. Load(First), 0x0F, 0x22, 0xD9, .. Load(First), 0xEB, 0xEA]);
        (bench.State->Ebx, bench.State->Ecx) = (OtherDirectory, Directory);
        RunFrom(bench, CpuBench.Code, rounds * 7);
        Assert.Equal(CpuBench.Code, bench.State->Eip);
    }

    // Ring 0, the first 4 MiB mapped to themselves with pages of 4 KiB.
    private static CpuBench Paged(TranslatorOptions options)
    {
        CpuBench bench = new CpuBench(options).Protected(0);
        bench.Write32(Directory, Tables | PresentWritable);
        for (uint linear = 0; linear < 0x400_000; linear += Page)
        {
            Entry(bench, linear, linear, present: true);
        }

        bench.State->Cr3 = Directory;
        bench.State->Cr0 |= Cr0.PG;
        bench.Cpu.NotifyStateChanged();
        return bench;
    }

    private static void Entry(CpuBench bench, uint linear, uint physical, bool present) =>
        bench.Write32(Tables + (linear / Page * 4), physical | (present ? PresentWritable : PresentWritable - 1));

    private static byte[] Bytes(uint value)
    {
        byte[] bytes = new byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        return bytes;
    }

    // mov eax, [address]; jmp to the next: a block each, since the rest of a block in which a load faults is interpreted.
    private static byte[] Load(uint address) => [0xA1, .. Bytes(address), 0xEB, 0x00];

    private static byte[] Loads(uint count) => [.. Enumerable.Range(0, (int)count).SelectMany(n => Load(First + ((uint)n * Stride)))];

    private static void Walk(CpuBench bench, uint from, uint stride, uint rounds)
    {
        (bench.State->Edi, bench.State->Edx, bench.State->Ecx) = (from, stride, rounds);
        RunFrom(bench, CpuBench.Code, rounds * 4);
        Assert.Equal(0u, bench.State->Ecx);
    }

    private static void RunFrom(CpuBench bench, uint eip, uint instructions)
    {
        bench.State->Eip = eip;
        Assert.Equal(ExitReason.BudgetSpent, bench.Run(instructions).Reason);
    }

    private static void Expect(CpuBench bench, ulong hostFaults, ulong hidden, ulong mapped, ulong trueFaults = 0, ulong adaptations = 0, ulong evictions = 0)
    {
        TranslationStatistics counts = bench.Cpu.Translation!;
        Assert.Equal(
            $"{hostFaults} faults: {hidden} hidden, {trueFaults} true; {mapped} pages mapped, {adaptations} adaptations, {evictions} evictions",
            $"{counts.HostFaults} faults: {counts.HiddenFaults} hidden, {counts.TrueFaults} true; {counts.PagesMapped} pages mapped, {counts.Adaptations} adaptations, {counts.ViewEvictions} evictions");
    }

    // The host's mappings of guest RAM in a view.
    private static int MappingsIn(nint view)
    {
        int count = 0;
        foreach (string line in File.ReadLines("/proc/self/maps"))
        {
            string[] parts = line.Split(' ', 3);
            nint first = nint.Parse(parts[0].Split('-')[0], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            count += first >= view && (ulong)(first - view) < 1UL << 32 && parts[1][0] == 'r' ? 1 : 0;
        }

        return count;
    }
}
