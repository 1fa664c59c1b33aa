using System.Globalization;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Tests.Oracle;
using Xunit;

namespace ToyVmm.Tests.Interpretation;

/// <summary>The host's x87 unit behind the transcendental instructions: what it must leave alone, and the code that reaches it.</summary>
public sealed unsafe class HostX87Tests
{
    private const ulong One = 0x8000_0000_0000_0000;

    [HostCpuFact]
    public void No_page_is_writable_and_executable()
    {
        using TestCpu cpu = new();
        Sine(cpu);
        Assert.DoesNotContain(SinglePages(), line => line.Contains(" rwx", StringComparison.Ordinal));
        Assert.Contains(SinglePages(), line => line.Contains(" r-x", StringComparison.Ordinal));
    }

    [Fact]
    public void An_exception_that_was_pending_before_stays_pending_and_harms_nobody()
    {
        // IGNNE# lets an instruction run although an unmasked exception is pending: the host must not see it, or it would trap.
        using TestCpu cpu = new();
        cpu.State->FpuControl = 0x37E;
        cpu.State->FpuStatus = 0x8081;
        cpu.State->FpuIgnoreError = 1;
        cpu.State->FpuTags = 1;
        cpu.State->FpuRegisters[0] = One;
        cpu.State->FpuRegisters[1] = 0x3FFF;
        cpu.Load(0xD9, 0xFE); // fsin
        _ = cpu.Run();
        Assert.Equal(TestCpu.None, cpu.FaultVector);
        Assert.Equal(0x80A1, cpu.State->FpuStatus & 0xF8FF & ~0x4700);
        Assert.Equal(0x3FFEul, cpu.State->FpuRegisters[1]);
        Assert.Equal(Math.Sin(1), Math.ScaleB(cpu.State->FpuRegisters[0], -64), 15);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_host_and_the_algorithm_give_an_exception_alike(bool portable)
    {
        using TestCpu cpu = new(portable: portable);
        cpu.State->Cr0 |= Cr0.NE;
        cpu.State->FpuControl = 0x37E;
        cpu.State->FpuStatus = 0;
        cpu.State->FpuTags = 0;
        cpu.Load(0xD9, 0xFE, 0x9B); // fsin of an empty register; wait
        _ = cpu.Run(2);
        Assert.Equal(Vector.FloatingPoint, cpu.FaultVector);
        CpuState state = cpu.AtFault;
        Assert.Equal(0x80C1, state.FpuStatus & 0xFAFF);
        Assert.Equal(TestCpu.Origin, state.FpuInstructionOffset);
        Assert.Equal(0x1FE, state.FpuOpcode);
        Assert.Equal(0, state.FpuTags);
    }

    [Fact]
    public void The_host_is_left_as_dotnet_expects_it()
    {
        using TestCpu cpu = new();
        for (int n = 0; n < 10; n++)
        {
            Sine(cpu);
        }

        // The C library's fmod is made of FPREM: its stack must be empty, its precision full.
        Assert.Equal(0.75, Math.IEEERemainder(1e300 + 0.75, 1) + (1e6 + 0.75) % 1.0);
    }

    private static void Sine(TestCpu cpu)
    {
        cpu.Reset();
        cpu.State->FpuControl = 0x37F;
        cpu.State->FpuTags = 1;
        cpu.State->FpuRegisters[0] = One;
        cpu.State->FpuRegisters[1] = 0x3FFF;
        cpu.Load(0xD9, 0xFE);
        _ = cpu.Run();
        Assert.Equal(0x3FFEul, cpu.State->FpuRegisters[1]);
    }

    // Mappings of one page without a file; the oracle's own region, which is rwx, is larger.
    private static IEnumerable<string> SinglePages()
    {
        foreach (string line in File.ReadAllLines("/proc/self/maps"))
        {
            string[] parts = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            ulong[] range = [.. parts[0].Split('-').Select(text => ulong.Parse(text, NumberStyles.HexNumber, CultureInfo.InvariantCulture))];
            if (range[1] - range[0] == 4096 && parts.Length == 5)
            {
                yield return line;
            }
        }
    }
}
