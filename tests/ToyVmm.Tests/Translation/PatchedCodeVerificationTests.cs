using ToyVmm.Engines;
using ToyVmm.Engines.Translation;
using ToyVmm.Tests.Interpretation;
using Xunit;

namespace ToyVmm.Tests.Translation;

/// <summary>The verifier looks at blocks before they run; the branches that are patched later lead only to where blocks and jumps begin.</summary>
public sealed class PatchedCodeVerificationTests
{
    [TranslatorFact]
    public void Patched_branches_lead_to_blocks()
    {
        using TestCpu cpu = Looping();
        TranslatedCode translated = cpu.Engine.Translated!;
        Assert.Contains(translated.Blocks, block => block.Incoming.Count > 0);
        Assert.Null(cpu.Engine.VerifyEmittedCode());
        Assert.True(cpu.Vcpu.Translation!.BlocksVerified > 0);
    }

    [TranslatorFact]
    public void A_branch_into_the_middle_of_a_block_is_reported()
    {
        using TestCpu cpu = Looping();
        TranslatedCode translated = cpu.Engine.Translated!;
        TranslatedBlock target = translated.Blocks.First(block => block.Incoming.Count > 0);
        foreach (int offset in (int[])[1, target.Length - 1, target.Length])
        {
            translated.Code.Patch(target.Incoming[0].BranchEnd, target.Start + offset);
            string? wrong = cpu.Engine.VerifyEmittedCode();
            bool isBlock = translated.Blocks.Any(block => block.Start == target.Start + offset);
            Assert.True(isBlock == (wrong is null), $"{offset}: {wrong}");
            Assert.True(isBlock || wrong!.Contains("goes to a place that nobody has checked", StringComparison.Ordinal));
        }

        translated.Code.Patch(target.Incoming[0].BranchEnd, target.Start);
        Assert.Null(cpu.Engine.VerifyEmittedCode());
    }

    // mov ecx, 100; again: dec ecx; jnz again; nop; jmp $+2; hlt
    private static TestCpu Looping()
    {
        TestCpu cpu = new(translates: true, options: new TranslatorOptions { Hotness = 0, Verify = true });
        cpu.Load(0xB9, 100, 0, 0, 0, 0x49, 0x75, 0xFD, 0x90, 0xEB, 0x00, 0xF4);
        Assert.Equal(ExitReason.Halt, cpu.Run(1000).Reason);
        return cpu;
    }
}
