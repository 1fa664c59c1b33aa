using System.Buffers.Binary;
using System.Collections.Immutable;
using Iced.Intel;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;
using ToyVmm.Tests.Interpretation;
using ToyVmm.Tests.Properties;
using Xunit;
using Xunit.Abstractions;

namespace ToyVmm.Tests.Oracle;

/// <summary>
/// Unmasked SSE exceptions, from the host's masked ones: the flags that the host sets tell which exceptions there are, so an instruction
/// under other masks is #XM or has the host's result (SDM 1 11.5). And the approximations, within their bound.
/// </summary>
public sealed unsafe class SseExceptionTests(ITestOutputHelper output)
{
    private const uint PreComputation = 7;
    private const uint Overflow = 8;
    private const uint Underflow = 16;
    private const uint Precision = 32;
    private const int Batch = 40;
    private const int Batches = 25;
    private const int Operand = 320;
    private const uint Code = 0x5000;

    // Not DPPS and DPPD: an unmasked exception of a product ends them before the sums, whose flags the host's masked run tells too.
    private static readonly ImmutableArray<string> FloatingPointNames =
        ["Add", "Sub", "Mul", "Div", "Sqrt", "Max", "Min", "Cmp", "Comis", "Ucomis", "Cvt", "Hadd", "Hsub", "Round"];

    [HostCpuFact]
    public void An_unmasked_exception_is_a_fault_and_a_masked_one_a_flag()
    {
        ulong seed = OracleSettings.Seed();
        output.WriteLine($"TOYVMM_SEED=0x{seed:X16}");
        using HostCpu host = new();
        using TestCpu cpu = new();
        foreach (SseForm form in SseForm.Judged.Where(IsFloatingPoint))
        {
            var random = new EdgeRandom(HostOracle.SeedFor(seed, form.Code));
            var values = new SseValues(random);
            for (int batch = 0; batch < Batches; batch++)
            {
                byte[] instruction = form.Encode(random.Below, OracleLayout.WindowAddress + Operand);
                RunOnHost(host, form, instruction, random, values);
                for (int n = 0; n < Batch; n++)
                {
                    Judge(cpu, form, instruction, host.Input(n), host.Output(n), random.Bits32() & 0x3F);
                }
            }
        }
    }

    [Theory]
    [InlineData(0x53, false, false)] // RCPSS
    [InlineData(0x52, true, false)] // RSQRTSS
    [InlineData(0x53, false, true)]
    [InlineData(0x52, true, true)]
    public void Approximations_are_within_their_bound(byte opcode, bool isRoot, bool portable)
    {
        using TestCpu cpu = new(portable: portable);
        EdgeRandom random = new(20);
        for (int n = 0; n < 5000; n++)
        {
            // Any normal number whose reciprocal is one.
            uint pattern = (uint)(0x0100_0000 + random.Below(0x7D00_0000 - 0x0100_0000));
            cpu.Reset();
            cpu.State->Cr4 = Cr4.OSFXSR;
            cpu.State->XmmRegisters[2] = pattern;
            cpu.Load(0xF3, 0x0F, opcode, 0xC1);
            _ = cpu.Run();
            double x = BitConverter.UInt32BitsToSingle(pattern);
            double exact = isRoot ? 1 / Math.Sqrt(x) : 1 / x;
            double actual = BitConverter.UInt32BitsToSingle((uint)cpu.State->XmmRegisters[0]);
            Assert.InRange(Math.Abs((actual - exact) / exact), 0, 1.5 / 4096);
            Assert.Equal(0x1F80u, cpu.State->Mxcsr);
        }
    }

    [HostCpuTheory]
    [InlineData(0x53)]
    [InlineData(0x52)]
    public void Portable_approximations_of_special_values_are_the_hosts(byte opcode)
    {
        using HostCpu host = new();
        using TestCpu cpu = new(portable: true);
        foreach (uint pattern in (uint[])[0, 1, 0x7F_FFFF, 0x7F80_0000, 0x7F80_0001, 0x7FC0_1234, 0x7FFF_FFFF])
        {
            foreach (uint value in (uint[])[pattern, pattern | 0x8000_0000])
            {
                byte[] code = [0x66, 0x0F, 0x6E, 0xC8, 0xF3, 0x0F, opcode, 0xC1, 0x66, 0x0F, 0x7E, 0xC3]; // movd xmm1, eax; op xmm0, xmm1; movd ebx, xmm0
                host.Load(code, Code, []);
                host.Input(0).State = new OracleState { Eax = value, Eflags = OracleState.FixedFlags };
                host.Run(1);
                cpu.Reset();
                cpu.State->Cr4 = Cr4.OSFXSR;
                cpu.State->Eax = value;
                cpu.Load(code);
                _ = cpu.Run(3);
                Assert.Equal($"{value:X8} {host.Output(0).State.Ebx:X8}", $"{value:X8} {cpu.State->Ebx:X8}");
            }
        }
    }

    private static bool IsFloatingPoint(SseForm form)
    {
        string name = form.Mnemonic.ToString();
        return FloatingPointNames.Any(prefix => name.StartsWith(prefix, StringComparison.Ordinal));
    }

    private static void RunOnHost(HostCpu host, SseForm form, byte[] instruction, EdgeRandom random, SseValues values)
    {
        byte[] image = BitConverter.GetBytes(OracleLayout.WindowAddress);
        byte[] control = BitConverter.GetBytes(OracleLayout.WindowAddress + 508);
        host.Load([0x0F, 0xAE, 0x0D, .. image, .. instruction, 0x0F, 0xAE, 0x05, .. image, 0xDB, 0xE3, 0x0F, 0xAE, 0x15, .. control], Code, []);
        for (int n = 0; n < Batch; n++)
        {
            OracleImage input = host.Input(n);
            SseOracle.Generate(form, random, values, input, Operand);
            input.Window[24] &= 0xC0;
        }

        host.Run(Batch);
    }

    private static void Judge(TestCpu cpu, SseForm form, byte[] instruction, OracleImage before, OracleImage expected, uint masks)
    {
        uint control = BinaryPrimitives.ReadUInt32LittleEndian(before.Window[24..]);
        uint raised = BinaryPrimitives.ReadUInt32LittleEndian(expected.Window[24..]) & 0x3F;

        // An exact tiny result is underflow only when that is unmasked, which the host's flags do not tell.
        masks |= Underflow;
        uint unmasked = raised & ~masks;
        cpu.Reset();
        CpuState* s = cpu.State;
        s->Cr4 = Cr4.OSFXSR | Cr4.OSXMMEXCPT;
        s->Mxcsr = (control & ~0x1F80u) | (masks << 7);
        (s->Eax, s->Ecx, s->Edx, s->Ebx) = (before.State.Eax, before.State.Ecx, before.State.Edx, before.State.Ebx);
        (s->Esp, s->Ebp, s->Esi, s->Edi) = (before.State.Esp, before.State.Ebp, before.State.Esi, before.State.Edi);
        int top = (BinaryPrimitives.ReadUInt16LittleEndian(before.Window[2..]) >> 11) & 7;
        s->FpuControl = 0x37F;
        for (int n = 0; n < 8; n++)
        {
            s->FpuRegisters[2 * ((top + n) & 7)] = BinaryPrimitives.ReadUInt64LittleEndian(before.Window[(32 + (16 * n))..]);
        }

        before.Window.Slice(160, 128).CopyTo(new Span<byte>(s->XmmRegisters, 128));
        _ = cpu.Memory.TryWrite(new GuestPhysicalAddress(OracleLayout.WindowAddress), before.Window);
        cpu.Load(instruction);
        _ = cpu.Run();

        string what = $"{form} {Convert.ToHexString(instruction)}, masks {masks:X2}, the host raised {raised:X2}";
        if (unmasked == 0)
        {
            Assert.True(cpu.FaultVector == TestCpu.None, what);
            Assert.True((s->Mxcsr & 0x3F) == raised, what);
            Assert.True(new ReadOnlySpan<byte>(s->XmmRegisters, 128).SequenceEqual(expected.Window.Slice(160, 128)), what);
            return;
        }

        CpuState fault = cpu.AtFault;
        uint flags = (unmasked & PreComputation) != 0 ? raised & PreComputation : raised;
        uint untold = (unmasked & Overflow) != 0 ? Precision : 0;
        Assert.True(cpu.FaultVector == Vector.SimdFloatingPoint, what);
        Assert.True((fault.Mxcsr & 0x3F & ~untold) == (flags & ~untold), $"{what}: {fault.Mxcsr:X4}");
        Assert.True(new ReadOnlySpan<byte>(fault.XmmRegisters, 128).SequenceEqual(before.Window.Slice(160, 128)), what);
    }
}
