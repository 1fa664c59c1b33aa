using ToyVmm.Engines;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Tests.Interpretation;
using Xunit;

namespace ToyVmm.Tests.Translation;

/// <summary>A full code cache is dropped, and what is used again is translated again - once it is hot again.</summary>
public sealed unsafe class CodeCacheFlushTests
{
    private const int Hotness = 3;

    [TranslatorFact]
    public void What_was_translated_before_a_flush_is_translated_again()
    {
        using TestCpu cpu = new(translates: true, options: new TranslatorOptions { Hotness = Hotness, Verify = true });
        TranslationStatistics statistics = cpu.Vcpu.Translation!;

        // inc eax; jmp $-1
        cpu.Load(0x40, 0xEB, 0xFD);
        for (ulong round = 1; round <= 3; round++)
        {
            ulong before = statistics.HostInstructions;
            _ = cpu.Run(Hotness * 2);
            Assert.Equal((round - 1, before), (statistics.BlocksTranslated, statistics.HostInstructions));
            _ = cpu.Run(100);
            Assert.Equal((round, before + 100), (statistics.BlocksTranslated, statistics.HostInstructions));
            cpu.Engine.Translated!.Clear();
        }
    }

    [TranslatorFact]
    public void A_loop_that_is_too_large_for_the_cache_keeps_running_on_the_host()
    {
        const int Jumps = 3000;
        const uint Rounds = 40;
        TranslatorOptions small = new() { Hotness = Hotness, Verify = true, CodeCacheBytes = 64 << 10 };
        using TestCpu cpu = new(translates: true, options: small);

        // mov ecx, rounds; again: jmp $+2, over and over; dec ecx; jz over the jump back; hlt
        byte[] code = [0xB9, .. BitConverter.GetBytes(Rounds), .. Enumerable.Repeat<byte[]>([0xEB, 0x00], Jumps).SelectMany(jump => jump), 0x49, 0x74, 0x05];
        const int JumpBack = 5;
        code = [.. code, 0xE9, .. BitConverter.GetBytes(-(code.Length - 5 + JumpBack)), 0xF4];
        cpu.Load(code);
        VmExit exit = cpu.Run(10_000_000);
        TranslationStatistics statistics = cpu.Vcpu.Translation!;
        Assert.Equal((ExitReason.Halt, 0u), (exit.Reason, cpu.State->Ecx));
        Assert.True(statistics.CacheFlushes > 2, $"{statistics.CacheFlushes} flushes");
        Assert.True(statistics.BlocksTranslated > 2 * Jumps, $"{statistics.BlocksTranslated} blocks");
        Assert.True(statistics.HostInstructions > cpu.State->Retired / 20, $"{statistics.HostInstructions} on the host");
    }
}
