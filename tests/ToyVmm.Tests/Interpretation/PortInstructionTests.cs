using ToyVmm.Engines;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Tests.Properties;
using Xunit;

namespace ToyVmm.Tests.Interpretation;

/// <summary>IN, OUT, INS, OUTS: exits, completions, and the I/O permission bitmap (SDM 1 19.5).</summary>
public sealed unsafe class PortInstructionTests : IDisposable
{
    private const uint Tss = 0x40000;
    private const int MapBase = 0x88;

    private readonly TestCpu _cpu = new();

    private CpuState* State => _cpu.State;

    public void Dispose() => _cpu.Dispose();

    [Theory]
    [InlineData(new byte[] { 0xE4, 0x60 }, 1, 0x60, 0xFFFFFF12)]
    [InlineData(new byte[] { 0x66, 0xE5, 0xFE }, 2, 0xFE, 0xFFFF3412)]
    [InlineData(new byte[] { 0xE5, 0x40 }, 4, 0x40, 0x78563412)]
    [InlineData(new byte[] { 0xEC }, 1, 0x3F8, 0xFFFFFF12)]
    [InlineData(new byte[] { 0x66, 0xED }, 2, 0x3F8, 0xFFFF3412)]
    [InlineData(new byte[] { 0xED }, 4, 0x3F8, 0x78563412)]
    public void In_completes_with_the_answer(byte[] code, int width, uint port, uint eax)
    {
        _cpu.Load(code);
        (State->Eax, State->Edx) = (uint.MaxValue, 0xAAAA_03F8);
        ulong retired = State->Retired;
        Assert.Equal(new VmExit(ExitReason.PortIo, false, width, port), _cpu.Run());
        Assert.Equal((uint.MaxValue, TestCpu.Origin, retired), (State->Eax, State->Eip, State->Retired));
        _cpu.Vcpu.CompleteRead(0x7856_3412);
        Assert.Equal(ExitReason.BudgetSpent, _cpu.Run().Reason);
        Assert.Equal((eax, TestCpu.Origin + (uint)code.Length, retired + 1), (State->Eax, State->Eip, State->Retired));
    }

    [Theory]
    [InlineData(new byte[] { 0xE6, 0x80 }, 1, 0x80, 0x44)]
    [InlineData(new byte[] { 0x66, 0xE7, 0x80 }, 2, 0x80, 0x3344)]
    [InlineData(new byte[] { 0xEF }, 4, 0xFFFF, 0x11223344)]
    public void Out_leaves_behind_itself(byte[] code, int width, uint port, uint value)
    {
        _cpu.Load(code);
        (State->Eax, State->Edx) = (0x1122_3344, 0xFFFF);
        ulong retired = State->Retired;
        Assert.Equal(new VmExit(ExitReason.PortIo, true, width, port, value), _cpu.Run());
        Assert.Equal((TestCpu.Origin + (uint)code.Length, retired + 1), (State->Eip, State->Retired));
    }

    [Fact]
    public void Repeated_input_and_output_exit_for_each_element()
    {
        _cpu.Load(0xF3, 0x66, 0x6D, 0xF3, 0x66, 0x6F); // rep insw; rep outsw
        (State->Edi, State->Esi, State->Ecx, State->Edx) = (0x8FFF, 0x8FFF, 3, 0x1F0);
        ulong retired = State->Retired;
        for (uint n = 0; n < 3; n++)
        {
            Assert.Equal(new VmExit(ExitReason.PortIo, false, 2, 0x1F0), _cpu.Run(2));
            Assert.Equal((3 - n, 0x8FFF + (2 * n), TestCpu.Origin), (State->Ecx, State->Edi, State->Eip));
            _cpu.Vcpu.CompleteRead(0x1000 + n);
        }

        Assert.Equal(ExitReason.BudgetSpent, _cpu.Run().Reason);
        Assert.Equal((0u, TestCpu.Origin + 3, retired + 1), (State->Ecx, State->Eip, State->Retired));
        Assert.Equal([0x00, 0x10, 0x01, 0x10, 0x02, 0x10], _cpu.Bytes[0x8FFF..0x9005].ToArray());
        State->Ecx = 3;
        for (uint n = 0; n < 3; n++)
        {
            Assert.Equal(new VmExit(ExitReason.PortIo, true, 2, 0x1F0, 0x1000 + n), _cpu.Run());
            Assert.Equal((2 - n, n == 2 ? TestCpu.Origin + 6 : TestCpu.Origin + 3), (State->Ecx, State->Eip));
        }

        Assert.Equal(retired + 2, State->Retired);
    }

    /// <summary>A port is not read for an element that has no place.</summary>
    [Fact]
    public void Input_checks_its_destination_first()
    {
        State->Es.LoadNull(0);
        _cpu.Vcpu.NotifyStateChanged();
        _cpu.Load(0x6C);
        Assert.Equal(ExitReason.Shutdown, _cpu.Run().Reason);
        Assert.Equal(Vector.GeneralProtection, _cpu.FaultVector);
    }

    /// <summary>Every range of ports, in and beyond the map, against the definition: all its bits clear, and the byte behind within the limit.</summary>
    [Theory]
    [InlineData(1, 0xEE)]
    [InlineData(2, 0x66EF)]
    [InlineData(4, 0xEF)]
    public void The_map_decides_above_iopl(int width, int opcode)
    {
        EdgeRandom random = new((ulong)width);
        int allowed = 0;
        for (int n = 0; n < 300; n++)
        {
            _cpu.Reset();
            uint limit = MapBase + (uint)random.Below(40) - 3;
            uint port = (uint)random.Below(340);
            Span<byte> map = _cpu.Bytes[((int)Tss + MapBase)..];
            for (int at = 0; at < 48; at++)
            {
                map[at] = random.OneIn(2) ? (byte)0 : (byte)(1 << random.Below(8));
            }

            EnterRing3(limit, 0xB);
            _cpu.Load(opcode > 0xFF ? [0x66, (byte)opcode] : [(byte)opcode]);
            State->Edx = port;
            bool permitted = MapBase + (port / 8) + 1 <= limit;
            for (uint bit = port; bit < port + (uint)width; bit++)
            {
                permitted &= (map[(int)bit / 8] & (1 << (int)(bit % 8))) == 0;
            }

            VmExit exit = _cpu.Run();
            Assert.True(permitted == (exit.Reason == ExitReason.PortIo), $"port {port:X} limit {limit:X}");
            Assert.True(permitted || _cpu.FaultVector == Vector.GeneralProtection);
            allowed += permitted ? 1 : 0;
        }

        Assert.InRange(allowed, 20, 280);
    }

    [Theory]
    [InlineData(0x3, 0x100, 0)] // a 16-bit TSS has no map
    [InlineData(0xB, 0x66, 0)] // a TSS that ends before its map base
    public void Without_a_map_nothing_is_allowed(int type, uint limit, uint port)
    {
        EnterRing3(limit, type);
        _cpu.Load(0xEE);
        State->Edx = port;
        Assert.Equal(ExitReason.Shutdown, _cpu.Run().Reason);
        Assert.Equal(Vector.GeneralProtection, _cpu.FaultVector);
    }

    [Fact]
    public void Iopl_3_needs_no_map()
    {
        EnterRing3(0x66, 0x3);
        State->OtherFlags |= Eflags.IoplMask;
        _cpu.Load(0xEE);
        Assert.Equal(ExitReason.PortIo, _cpu.Run().Reason);
    }

    private void EnterRing3(uint limit, int type)
    {
        State->Cpl = 3;
        State->Cs.LoadDescriptor(0x1B, 0x0000FFFF, 0x00CFFB00);
        for (SegmentCache* segment = &State->Es; segment <= &State->Gs; segment++)
        {
            if (segment != &State->Cs)
            {
                segment->LoadDescriptor(0x23, 0x0000FFFF, 0x00CFF300);
            }
        }

        State->Tr.Base = Tss;
        State->Tr.Limit = limit;
        State->Tr.Access = (ushort)(0x80 | type);
        _cpu.Bytes[(int)Tss + 0x66] = MapBase;
        _cpu.Bytes[(int)Tss + 0x67] = 0;
        _cpu.Vcpu.NotifyStateChanged();
    }
}
