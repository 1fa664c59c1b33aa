using ToyVmm.Hardware.Cpu;
using Xunit;

namespace ToyVmm.Tests.Interpretation.Events;

/// <summary>
/// POPFD with one system flag in its image, so that no other one decides for it who performs the instruction: on the translator most of them are the
/// interpreter's, each for its own reason (SDM 2B, POPF).
/// </summary>
public sealed unsafe class PopfImageTests : IDisposable
{
    private readonly CpuBench _bench = new();

    public void Dispose() => _bench.Dispose();

    [Theory]
    [InlineData(Eflags.IF, Eflags.IF)]
    [InlineData(Eflags.DF, Eflags.DF)]
    [InlineData(1u << 12, 1u << 12)]
    [InlineData(1u << 13, 1u << 13)]
    [InlineData(Eflags.NT, Eflags.NT)]
    [InlineData(Eflags.AC, Eflags.AC)]
    [InlineData(Eflags.ID, Eflags.ID)]
    [InlineData(Eflags.RF, 0u)]
    [InlineData(Eflags.VM, 0u)]
    [InlineData(Eflags.VIF, 0u)]
    [InlineData(Eflags.VIP, 0u)]
    public void In_ring_0_it_is_taken_and_given_back(uint image, uint taken)
    {
        // push image; popfd; pushfd; pop eax; push 2; popfd; pushfd; pop ebx; hlt
        _ = _bench.Protected(0).Program([0x68, .. BitConverter.GetBytes(image | 2), 0x9D, 0x9C, 0x58, 0x6A, 0x02, 0x9D, 0x9C, 0x5B, 0xF4]);
        for (int round = 0; round < 2; round++)
        {
            _bench.State->Eip = CpuBench.Code;
            _ = _bench.Run(9);
            _bench.State->Halted = 0;
            Assert.Equal((taken | 2, 2u), (_bench.State->Eax, _bench.State->Ebx));
        }
    }
}
