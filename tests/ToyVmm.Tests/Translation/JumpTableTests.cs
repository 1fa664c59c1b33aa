using ToyVmm.Engines;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Tests.Interpretation;
using Xunit;

namespace ToyVmm.Tests.Translation;

/// <summary>Indirect branches where CS has a base: offsets mean something else with each base, and pages are linear ones.</summary>
public sealed unsafe class JumpTableTests
{
    private const uint Eip = 0x1000;
    private const uint Target = 0x1800;
    private const byte Halt = 0xF4;

    // mov ecx, 3; again: jmp eax - at the target: add ebx, imm32; dec ecx; jnz +1; hlt; jmp esi, which is `again`.
    private static readonly byte[] s_source = [0xB9, 3, 0, 0, 0, 0xFF, 0xE0];

    [TranslatorFact]
    public void The_same_offset_with_another_base_is_other_code()
    {
        // More bases than tables, each several times.
        uint[] bases = [0x20000, 0x30000, 0, 0x40123, 0x50000, 0x60FFF, 0x30000, 0x20000, 0xFFFF_FC00, 0x70000, 0x40123, 0x20000, 0];
        using TestCpu interpreter = new();
        using TestCpu translator = new(translates: true);
        foreach (TestCpu cpu in new[] { interpreter, translator })
        {
            foreach (uint address in bases)
            {
                uint linear = address + Eip;
                Put(cpu, linear, s_source);
                Put(cpu, linear + Target - Eip, AtTarget(address | 1));
            }
        }

        foreach (uint address in bases)
        {
            Assert.Equal((address, Run(interpreter, address)), (address, Run(translator, address)));
        }

        Assert.True(translator.Vcpu.Translation!.BasedBlocks > 0);
    }

    /// <summary>Two code segments that call each other: each keeps its table.</summary>
    [TranslatorTheory]
    [InlineData(2)]
    [InlineData(4)]
    public void Code_segments_that_take_turns_keep_their_tables(int segments)
    {
        const uint Gdt = 0x10000;
        const uint Offset = 0x100;
        const uint Function = 0x800;
        const uint Rounds = 50;
        using TestCpu cpu = new(translates: true);
        for (int n = 0; n < segments; n++)
        {
            uint address = 0x2_0000 + (0x1_0123 * (uint)n);
            byte next = (byte)(8 * (1 + ((n + 1) % segments)));
            Put(cpu, Gdt + 8 + (8 * (uint)n), [0xFF, 0xFF, (byte)address, (byte)(address >> 8), (byte)(address >> 16), 0x9B, 0xCF, (byte)(address >> 24)]);

            // call eax; call eax; dec ecx; jz to hlt; jmp far next:Offset - and the function: inc ebx, a different number of times; ret
            Put(cpu, address + Offset, [0xFF, 0xD0, 0xFF, 0xD0, 0x49, 0x74, 0x07, 0xEA, .. BitConverter.GetBytes(Offset), next, 0, Halt]);
            Put(cpu, address + Function, [.. Enumerable.Repeat((byte)0x43, n + 1), 0xC3]);
        }

        CpuState* s = cpu.State;
        (s->GdtBase, s->GdtLimit) = (Gdt, 0xFF);
        (s->Eip, s->Eax, s->Ecx, s->Ebx) = (Offset, Function, Rounds * (uint)segments, 0);
        s->Cs.Base = 0x2_0000;
        cpu.Vcpu.NotifyStateChanged();
        VmExit exit = cpu.Run(10_000);
        Assert.Equal((ExitReason.Halt, TestCpu.None, Rounds * (uint)(segments * (segments + 1))), (exit.Reason, cpu.FaultVector, s->Ebx));

        // Indirect branches and returns are looked up the first time only: two functions' worth a segment, and what follows a far jump.
        Assert.True(cpu.Vcpu.Translation!.Lookups < 10 * (ulong)segments, $"{cpu.Vcpu.Translation!.Lookups} look-ups");
    }

    [TranslatorTheory]
    [InlineData(0u)]
    [InlineData(0x10000u)]
    [InlineData(0xFFFF_0123u)]
    public void A_page_that_shows_another_frame_has_other_code(uint codeBase)
    {
        const uint Page = 0x50000;
        Assert.Equal(Run(translates: false), Run(translates: true));

        string Run(bool translates)
        {
            using TestCpu cpu = new(translates: translates) { Bases = new SegmentBases(0, codeBase, 0, 0) };
            cpu.Reset();
            TranslatedStateTests.MapPages(cpu);
            Put(cpu, Page, [0x83, 0xC3, 0x01, 0xFF, 0xE6]); // add ebx, 1; jmp esi
            Put(cpu, 0x60000, [0x83, 0xC3, 0x10, 0xFF, 0xE6]); // add ebx, 0x10; jmp esi

            // The first way back: exchange EDX and the table entry, INVLPG, and on; after four times HLT.
            uint entry = TranslatedStateTests.PageTable + (Page >> 12 << 2);
            byte[] back = [0x87, 0x15, .. BitConverter.GetBytes(entry), 0x0F, 0x01, 0x3D, .. BitConverter.GetBytes(Page), 0x49, 0x74, 0x02, 0xFF, 0xE0, Halt];
            Put(cpu, TestCpu.Origin, back);
            CpuState* s = cpu.State;
            s->Eip = TestCpu.Origin - codeBase;
            (s->Eax, s->Esi, s->Edx, s->Ecx, s->Ebx) = (Page - codeBase, TestCpu.Origin - codeBase, 0x60003, 5, 0);
            cpu.Vcpu.NotifyStateChanged();
            VmExit exit = cpu.Run(100);
            Assert.Equal((ExitReason.Halt, TestCpu.None, 0x22u), (exit.Reason, cpu.FaultVector, s->Ebx));
            Assert.True(!translates || cpu.Vcpu.Translation!.HostInstructions > 5);
            return $"{exit.Reason} {s->Ebx:x} {s->Ecx:x} {s->Eip:x} {s->Retired}";
        }
    }

    [TranslatorFact]
    public void Code_that_was_overwritten_is_not_found_by_any_base()
    {
        using TestCpu cpu = new(translates: true);
        foreach (uint address in new[] { 0x20000u, 0x21000u, 0x20000u })
        {
            // The same bytes under two offsets.
            Put(cpu, 0x22000, AtTarget(address));
            cpu.Bases = new SegmentBases(0, address, 0, 0);
            cpu.Reset();
            CpuState* s = cpu.State;
            (s->Eip, s->Ecx, s->Ebx) = (0x22000 - address, 1, 0);
            cpu.Vcpu.NotifyStateChanged();
            _ = cpu.Run(20);
            Assert.Equal((address, TestCpu.None), (s->Ebx, cpu.FaultVector));
        }
    }

    private static byte[] AtTarget(uint value) => [0x81, 0xC3, .. BitConverter.GetBytes(value), 0x49, 0x75, 0x01, Halt, 0xFF, 0xE6];

    private static void Put(TestCpu cpu, uint linear, byte[] bytes) => _ = cpu.Memory.TryWrite(new Hardware.Memory.GuestPhysicalAddress(linear), bytes);

    private static string Run(TestCpu cpu, uint codeBase)
    {
        cpu.Bases = new SegmentBases(0, codeBase, 0, 0);
        cpu.Reset();
        CpuState* s = cpu.State;
        s->Eip = Eip;
        (s->Eax, s->Esi, s->Ebx) = (Target, Eip + 5, 0);
        cpu.Vcpu.NotifyStateChanged();
        ulong before = s->Retired;
        VmExit exit = cpu.Run(50);
        Assert.Equal((ExitReason.Halt, 3 * (codeBase | 1)), (exit.Reason, s->Ebx));
        return $"{exit.Reason} {cpu.FaultVector} {s->Ebx:x} {s->Eip:x} {s->Retired - before}";
    }
}
