using ToyVmm.Engines;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;
using ToyVmm.Tests.Interpretation;
using Xunit;

namespace ToyVmm.Tests.Translation;

/// <summary>An instruction across a page edge that emitted code reaches by itself, by way of the jump table: it belongs to both pages (pitfall 5).</summary>
public sealed unsafe class CrossingBlockTests
{
    private const uint Page = 0x50000;
    private const uint Second = Page + 0x1000;
    private const uint OtherFrame = 0x60000;
    private const byte Halt = 0xF4;

    [TranslatorTheory]
    [InlineData(1u)]
    [InlineData(2u)]
    [InlineData(4u)]
    public void Its_second_page_may_show_another_frame(uint firstBytes)
    {
        Assert.Equal(Run(firstBytes, translates: false), Run(firstBytes, translates: true));
    }

    private static string Run(uint firstBytes, bool translates)
    {
        using TestCpu cpu = new(translates: translates);
        TranslatedStateTests.MapPages(cpu);

        // mov ebp, imm32; add ebx, ebp; jmp esi - with the end of the immediate in either frame.
        byte[] code = [0xBD, 1, 1, 1, 1, 0x01, 0xEB, 0xFF, 0xE6];
        Put(cpu, Second - firstBytes, code);
        code.AsSpan((int)firstBytes, 5 - (int)firstBytes).Fill(2);
        Put(cpu, OtherFrame, code.AsSpan((int)firstBytes));

        // The way back: exchange EDX and the second page's table entry, INVLPG, and on; after four times HLT.
        uint entry = TranslatedStateTests.PageTable + (Second >> 12 << 2);
        byte[] back = [0x87, 0x15, .. BitConverter.GetBytes(entry), 0x0F, 0x01, 0x3D, .. BitConverter.GetBytes(Second), 0x49, 0x74, 0x02, 0xFF, 0xE0, Halt];
        Put(cpu, TestCpu.Origin, back);
        CpuState* s = cpu.State;
        s->Eip = TestCpu.Origin;
        (s->Eax, s->Esi, s->Edx, s->Ecx, s->Ebx) = (Second - firstBytes, TestCpu.Origin, OtherFrame | 3, 9, 0);
        cpu.Vcpu.NotifyStateChanged();
        VmExit exit = cpu.Run(200);
        Assert.Equal((ExitReason.Halt, TestCpu.None, 0u), (exit.Reason, cpu.FaultVector, s->Ecx));

        // Eight visits, each frame's four.
        uint ones = 0x0101_0101;
        uint twos = ones + (firstBytes < 5 ? uint.MaxValue / 255 << (8 * ((int)firstBytes - 1)) : 0);
        Assert.Equal(unchecked(4 * (ones + twos)), s->Ebx);
        Assert.True(!translates || cpu.Vcpu.Translation!.HostInstructions > 5);
        return $"{exit.Reason} {s->Ebx:x} {s->Ebp:x} {s->Eip:x} {s->Retired}";
    }

    private static void Put(TestCpu cpu, uint address, ReadOnlySpan<byte> bytes) =>
        Assert.True(cpu.Memory.TryWrite(new GuestPhysicalAddress(address), bytes));
}
