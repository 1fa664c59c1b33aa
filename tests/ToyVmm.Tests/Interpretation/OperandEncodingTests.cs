using ToyVmm.Hardware.Cpu;
using Xunit;

namespace ToyVmm.Tests.Interpretation;

/// <summary>What the bytes of an instruction name: registers, addresses, segments (SDM 2A 2.1), and how long it may be (SDM 3A 6.15).</summary>
/// <remarks>
/// What reaches memory runs more than once: on the translator the first access to a page faults on the host, and the interpreter performs it; only
/// then does what was emitted reach the page by itself.
/// </remarks>
public sealed unsafe class OperandEncodingTests : IDisposable
{
    private const int Rounds = 3;

    private readonly TestCpu _cpu = new();

    private CpuState* State => _cpu.State;

    public void Dispose() => _cpu.Dispose();

    /// <summary>MOV of 8, 16 and 32 bits to each register leaves the rest of it and all others alone.</summary>
    [Theory]
    [InlineData(8)]
    [InlineData(16)]
    [InlineData(32)]
    public void Registers(int bits)
    {
        for (int register = 0; register < 8; register++)
        {
            _cpu.Reset();
            for (int n = 0; n < 8; n++)
            {
                (&State->Eax)[n] = 0x0101_0101u * (uint)(n + 1);
            }

            _cpu.Load(bits switch
            {
                8 => [(byte)(0xB0 + register), 0xEE],
                16 => [0x66, (byte)(0xB8 + register), 0xEE, 0xEE],
                _ => [(byte)(0xB8 + register), 0xEE, 0xEE, 0xEE, 0xEE],
            });
            _ = _cpu.Run();
            for (int n = 0; n < 8; n++)
            {
                uint mask = bits == 32 ? uint.MaxValue : bits == 16 ? 0xFFFFu : register >= 4 ? 0xFF00u : 0xFF;
                bool isTarget = n == (bits == 8 ? register & 3 : register);
                uint old = 0x0101_0101u * (uint)(n + 1);
                Assert.Equal(isTarget ? (old & ~mask) | (0xEEEE_EEEE & mask) : old, (&State->Eax)[n]);
            }
        }
    }

    /// <summary>MOV EAX, [EBX + ECX * scale + 0x10].</summary>
    [Theory]
    [InlineData(0, 0x40_0110u)]
    [InlineData(1, 0x40_0210u)]
    [InlineData(2, 0x40_0410u)]
    [InlineData(3, 0x40_0810u)]
    public void Scales(int scale, uint sum)
    {
        _cpu.Load(0x8D, 0x44, (byte)((scale << 6) | 0x0B), 0x10); // lea
        (State->Ebx, State->Ecx) = (0x40_0000, 0x100);
        _ = _cpu.Run();
        Assert.Equal(sum, State->Eax);

        State->Ebx = 0x8000;
        BitConverter.TryWriteBytes(_cpu.Bytes[(int)(sum - 0x40_0000 + 0x8000)..], 0x1234_5678u + (uint)scale);
        for (int round = 0; round < Rounds; round++)
        {
            _cpu.Load(0x8B, 0x44, (byte)((scale << 6) | 0x0B), 0x10); // mov
            State->Eax = 0;
            _ = _cpu.Run();
            Assert.Equal(0x1234_5678u + (uint)scale, State->Eax);
        }
    }

    /// <summary>MOV EAX, [0x9000] with each prefix, and [ESP], [EBP] with none: segments have bases of their own.</summary>
    [Theory]
    [InlineData("A100900000", 0x1000u)]
    [InlineData("26A100900000", 0x2000u)]
    [InlineData("2EA100900000", 0x3000u)]
    [InlineData("36A100900000", 0x4000u)]
    [InlineData("3EA100900000", 0x1000u)]
    [InlineData("64A100900000", 0x5000u)]
    [InlineData("65A100900000", 0x6000u)]
    [InlineData("8B4500", 0x4000u)] // [ebp]
    [InlineData("3E8B4500", 0x1000u)] // ds:[ebp]
    [InlineData("8B0424", 0x4000u)] // [esp]
    [InlineData("8B03", 0x1000u)] // [ebx]
    public void Segments(string code, uint segmentBase)
    {
        _cpu.Bases = new SegmentBases(Es: 0x2000, Cs: 0x3000, Ss: 0x4000, Ds: 0x1000);
        _cpu.Reset();
        (State->Fs.Base, State->Gs.Base) = (0x5000, 0x6000);
        (State->Ebp, State->Esp, State->Ebx) = (0x9000, 0x9000, 0x9000);
        _cpu.Vcpu.NotifyStateChanged();
        for (int at = 0; at < 0x10; at++)
        {
            BitConverter.TryWriteBytes(_cpu.Bytes[(0x9000 + (at * 0x1000))..], at * 0x1000);
        }

        for (int round = 0; round < Rounds; round++)
        {
            _cpu.Load(Convert.FromHexString(code));
            State->Eax = 0;
            _ = _cpu.Run();
            Assert.Equal((TestCpu.None, segmentBase), (_cpu.FaultVector, State->Eax));
        }
    }

    /// <summary>A 16-bit address is taken modulo 64 KiB, whatever the registers hold above (SDM 1 3.7.5); what lies where the sum would lead is there too.</summary>
    [Theory]
    [InlineData(0x9000u, 0x9000u)]
    [InlineData(0x1234_9000u, 0x5678_9000u)]
    public void Addresses_of_16_bits_wrap(uint ebx, uint esi)
    {
        (State->Ebx, State->Esi) = (ebx, esi);
        BitConverter.TryWriteBytes(_cpu.Bytes[0x2000..], 0xCAFE);
        BitConverter.TryWriteBytes(_cpu.Bytes[0x1_2000..], 0xBAD);
        for (int round = 0; round < Rounds; round++)
        {
            _cpu.Load(0xA1, 0x00, 0x20, 0x01, 0x00, 0x67, 0x8B, 0x08); // mov eax, [0x12000]; mov ecx, [bx+si]
            _ = _cpu.Run(2);
            Assert.Equal((0xBADu, 0xCAFEu), (State->Eax, State->Ecx));
        }
    }

    /// <summary>CALL, and RET with parameters, which leave the stack as it was behind the parameters (SDM 2B, RET).</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(8)]
    [InlineData(0x7FFC)]
    public void Ret_releases_its_parameters(ushort parameters)
    {
        // call +1; nop; ret n
        _cpu.Load(0xE8, 0x01, 0x00, 0x00, 0x00, 0x90, 0xC2, (byte)parameters, (byte)(parameters >> 8));
        for (int round = 0; round < Rounds; round++)
        {
            (State->Eip, State->Esp) = (TestCpu.Origin, 0x8000);
            _ = _cpu.Run(2);
            Assert.Equal((TestCpu.Origin + 5, 0x8000u + parameters), (State->Eip, State->Esp));
        }
    }

    /// <summary>15 bytes are an instruction, 16 are #GP(0); what is no instruction at all is #UD (SDM 3A 6.15, interrupts 6 and 13).</summary>
    [Theory]
    [InlineData(14, "90", TestCpu.None)]
    [InlineData(15, "90", Vector.GeneralProtection)]
    [InlineData(16, "90", Vector.GeneralProtection)]
    [InlineData(10, "B811223344", TestCpu.None)]
    [InlineData(11, "B811223344", Vector.GeneralProtection)]
    [InlineData(13, "0F0B", Vector.InvalidOpcode)]
    [InlineData(0, "0F0B", Vector.InvalidOpcode)]
    public void Length(int prefixes, string rest, int vector)
    {
        _cpu.Load([.. Enumerable.Repeat((byte)0x3E, prefixes), .. Convert.FromHexString(rest)]);
        _ = _cpu.Run();
        Assert.Equal(vector, _cpu.FaultVector);
    }
}
