using ToyVmm.Engines;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Tests.Interpretation.Events;
using Xunit;

namespace ToyVmm.Tests.Translation;

/// <summary>When there are more address spaces than views, the view that was not used for longest makes room.</summary>
public sealed unsafe class ViewEvictionTests
{
    private const uint Page = 0x1000;
    private const uint Directories = 0x100_000;
    private const uint Table = 0x110_000;
    private const uint Data = 0x200_000;
    private const uint PresentWritable = 3;

    /// <summary>Two views, three address spaces: the third takes the first one's place, and the second keeps its own.</summary>
    [TranslatorFact]
    public void The_view_used_last_is_kept()
    {
        using CpuBench bench = new CpuBench(new() { Hotness = 0, Verify = true, Views = 2 }).Protected(0);
        for (uint n = 0; n < 1024; n++)
        {
            bench.Write32(Table + (n * 4), (n * Page) | PresentWritable);
        }

        for (uint n = 0; n < 3; n++)
        {
            bench.Write32(Directories + (n * Page), Table | PresentWritable);
        }

        // mov cr3, ebx; mov eax, [Data]; jmp to the next
        _ = bench.Program([0x0F, 0x22, 0xDB, 0xA1, .. BitConverter.GetBytes(Data), 0xEB, 0x00]);
        bench.State->Cr3 = Directories;
        bench.State->Cr0 |= Cr0.PG;
        bench.Cpu.NotifyStateChanged();
        List<ulong> faults = [];
        foreach (uint space in (uint[])[0, 1, 0, 1, 2, 1, 0])
        {
            bench.State->Ebx = Directories + (space * Page);
            bench.State->Eip = CpuBench.Code;
            ulong before = bench.Cpu.Translation!.HiddenFaults;
            Assert.Equal(ExitReason.BudgetSpent, bench.Run(3).Reason);
            faults.Add(bench.Cpu.Translation!.HiddenFaults - before);
        }

        Assert.Equal([1, 1, 0, 0, 1, 0, 1], faults);
    }
}
