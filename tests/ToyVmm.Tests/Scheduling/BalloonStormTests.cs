using Iced.Intel;
using ToyVmm.Hardware;
using ToyVmm.Tests.Translation;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Hypercalls;
using ToyVmm.VirtualMachines.Scheduling;
using Xunit;
using static Iced.Intel.AssemblerRegisters;
using static ToyVmm.Tests.Scheduling.FleetFixture;

namespace ToyVmm.Tests.Scheduling;

/// <summary>A guest that gives thousands of pages away and takes them back, for ever: few instructions, few exits, and much work for its host.</summary>
public sealed class BalloonStormTests
{
    private const int Pages = 1024;

    [TranslatorTheory]
    [InlineData(EngineKind.Interpreter)]
    [InlineData(EngineKind.Translator)]
    public void A_storm_of_the_balloon_has_slices_of_few_calls(EngineKind engine)
    {
        VirtualMachineOptions options = Flat(engine) with { Machine = new MachineConfig { MemorySize = 16 << 20 } };
        ulong longest = 0;
        FleetOptions watched = new() { SliceObserver = slice => longest = Math.Max(longest, slice.Work) };
        using Fleet fleet = new([Guest("storm", Storm(), options: options), Guest("victim", Busy, engine: engine, options: Flat(engine))], watched);
        _ = fleet.Run(new FleetLimits { MaxSlices = 500 });
        (GuestStatus storm, GuestStatus victim) = (fleet.Guests[0].Status, fleet.Guests[1].Status);
        Assert.InRange((double)storm.Work / (storm.Work + victim.Work), 0.48, 0.52);
        Assert.InRange(storm.Exits, 1ul, 2 * storm.Slices);
        Assert.InRange(longest, 1ul, 25_000_000ul);
    }

    // The numbers of the pages from 4 MiB on lie at 1 MiB; each page is written to before it goes.
    private static byte[] Storm()
    {
        Assembler a = new(32);
        Label list = a.CreateLabel();
        Label again = a.CreateLabel();
        Label touch = a.CreateLabel();
        a.xor(ecx, ecx);
        a.Label(ref list);
        a.lea(eax, __[ecx + 0x400]);
        a.mov(__[(ecx * 4) + 0x10_0000], eax);
        a.inc(ecx);
        a.cmp(ecx, Pages);
        a.jne(list);
        a.Label(ref again);
        a.mov(edi, 0x40_0000);
        a.mov(ecx, Pages);
        a.Label(ref touch);
        a.mov(__[edi], ecx);
        a.add(edi, 4096);
        a.dec(ecx);
        a.jne(touch);
        for (int deflate = 0; deflate < 2; deflate++)
        {
            a.mov(ebx, 0x10_0000);
            a.mov(ecx, Pages);
            a.mov(edx, deflate);
            a.mov(eax, (int)Hypercall.Balloon);
            a.vmcall();
        }

        a.jmp(again);
        using MemoryStream image = new();
        _ = a.Assemble(new StreamCodeWriter(image), 0);
        return image.ToArray();
    }
}
