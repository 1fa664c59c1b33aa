using ToyVmm.VirtualMachines;
using Xunit;

namespace ToyVmm.Tests.Monitoring;

/// <summary>A run ends at its limit, and timers fire at their deadline, to the instruction. The guests end by themselves when the VMM does not end them.</summary>
public sealed class RunLimitTests
{
    // mov cx, 5000; loop $; cli; hlt
    private static readonly byte[] s_loop = [0xB9, 0x88, 0x13, 0xE2, 0xFE, 0xFA, 0xF4];

    // PIT mode 2 at 1000 Hz on IRQ0, vector 8, whose handler stops the machine the third time; a loop of 65,536 x 256 meanwhile.
    private static readonly byte[] s_timer =
    [
        0xFA, 0x31, 0xC0, 0x8E, 0xD8, 0xC7, 0x06, 0x20, 0x00, 0x3E, 0x7C, 0xC7, 0x06, 0x22, 0x00, 0x00, 0x00, // cli; ds = 0; [8 * 4] = 0000:7C3E
        0xC6, 0x06, 0x00, 0x05, 0x03,                                                                         // mov byte [0x500], 3
        0xB0, 0x11, 0xE6, 0x20, 0xB0, 0x08, 0xE6, 0x21, 0xB0, 0x04, 0xE6, 0x21, 0xB0, 0x03, 0xE6, 0x21,       // ICW1-4: vectors from 8, automatic EOI
        0xB0, 0x34, 0xE6, 0x43, 0xB0, 0xA9, 0xE6, 0x40, 0xB0, 0x04, 0xE6, 0x40,                               // counter 0: mode 2, 1193
        0xFB, 0xBB, 0x00, 0x01, 0x31, 0xC9, 0xE2, 0xFE, 0x4B, 0x75, 0xF9, 0xF4,                               // sti; mov bx, 256; xor cx, cx; loop $; dec bx; jnz -7; hlt
        0xFE, 0x0E, 0x00, 0x05, 0x74, 0x01, 0xCF, 0xE6, 0xF4,                                                 // 7C3E: dec byte [0x500]; jz +1; iret; out 0xF4, al
    ];

    [Theory]
    [InlineData(1)]
    [InlineData(777)]
    [InlineData(5000)]
    public void A_run_ends_at_its_limit(ulong limit)
    {
        using VirtualMachine vm = VirtualMachine.Create(s_loop);
        StopReason stop = vm.Run(new RunLimits { MaxInstructions = limit });
        Assert.Equal((StopKind.InstructionLimit, limit), (stop.Kind, vm.InstructionsRetired));
    }

    /// <summary>The count at which the timer stops the machine does not depend on how often the VMM looked before.</summary>
    [Fact]
    public void A_timer_fires_at_its_deadline_whatever_the_slices()
    {
        using VirtualMachine whole = VirtualMachine.Create(s_timer);
        Assert.Equal(StopKind.DebugExit, whole.Run(new RunLimits { MaxInstructions = 5_000_000 }).Kind);
        using VirtualMachine sliced = VirtualMachine.Create(s_timer);
        StopReason stop;
        do
        {
            stop = sliced.Run(new RunLimits { MaxInstructions = 997 });
        }
        while (stop.Kind == StopKind.InstructionLimit && sliced.InstructionsRetired < 5_000_000);
        Assert.Equal((StopKind.DebugExit, sliced.InstructionsRetired), (stop.Kind, whole.InstructionsRetired));

        // The third edge of 1000 Hz, the first of which comes at once.
        Assert.InRange(whole.InstructionsRetired, 1_999_000ul, 3_001_000ul);
    }
}
