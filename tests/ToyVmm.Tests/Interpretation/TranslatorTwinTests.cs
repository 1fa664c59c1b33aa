using ToyVmm.Tests.Translation;
using Xunit;
using Xunit.Sdk;

namespace ToyVmm.Tests.Interpretation;

/// <summary>What stands behind every test on <see cref="TestCpu"/> and its like does run on the host, and does notice.</summary>
public sealed unsafe class TranslatorTwinTests
{
    /// <summary>
    /// Each instruction alone, all at once, and in pieces. The store meets a page that the view lacks: it is interpreted, and so is the rest of its block.
    /// </summary>
    [TranslatorTheory]
    [InlineData(1, 3)]
    [InlineData(2, 2)]
    [InlineData(4, 2)]
    public void The_twin_runs_on_the_host_whatever_the_budget(ulong budget, ulong expected)
    {
        using TestCpu cpu = new();
        cpu.Load(0x40, 0x01, 0xC3, 0x89, 0x18, 0x41, 0xEB, 0xFE); // inc eax; add ebx, eax; mov [eax], ebx; inc ecx; jmp $
        cpu.State->Eax = 0x9000;
        ulong before = cpu.HostInstructions;
        for (ulong n = 0; n < 4; n += budget)
        {
            _ = cpu.Run(budget);
        }

        Assert.Equal(expected, cpu.HostInstructions - before);
        Assert.Equal((0x9001u, 1u), (cpu.State->Eax, cpu.State->Ecx));
    }

    [TranslatorFact]
    public void A_byte_that_differs_is_noticed()
    {
        using TestCpu cpu = new();
        byte* ram = cpu.Memory.RamBase;
        cpu.Load(0x40);
        _ = cpu.Run();
        ram[0x1234] ^= 1;
        FailException thrown = Assert.Throws<FailException>(() => cpu.Memory);
        Assert.Contains("00001234", thrown.Message, StringComparison.Ordinal);
    }

    /// <summary>The engines read different bytes.</summary>
    [TranslatorFact]
    public void A_register_that_differs_is_noticed()
    {
        using TestCpu cpu = new();
        byte* ram = cpu.Memory.RamBase;
        cpu.Load(0xA0, 0x34, 0x12, 0x00, 0x00); // mov al, [0x1234]
        _ = cpu.Run();
        ram[0x1234] ^= 1;
        cpu.Load(0xA0, 0x34, 0x12, 0x00, 0x00);
        FailException thrown = Assert.Throws<FailException>(() => cpu.Run());
        Assert.Contains("Eax", thrown.Message, StringComparison.Ordinal);
        ram[0x1234] ^= 1;
    }
}
