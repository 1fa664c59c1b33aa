using ToyVmm.Engines;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;
using Xunit;

namespace ToyVmm.Tests.Interpretation;

/// <summary>What happens in the middle of a repeated string instruction: faults, devices, single steps, changed code, cancellation (pitfall 18).</summary>
public sealed unsafe class StringInterruptionTests : IDisposable
{
    private const uint DevicePage = 0x30000;

    private readonly TestCpu _cpu = new();

    private CpuState* State => _cpu.State;

    public void Dispose() => _cpu.Dispose();

    /// <summary>The registers are those behind the last element that fits, EIP is at the instruction, and nothing has retired.</summary>
    [Theory]
    [InlineData(0xAA, 1)]
    [InlineData(0xAB, 4)]
    [InlineData(0xA4, 1)]
    [InlineData(0xA5, 4)]
    public void A_fault_leaves_the_elements_before_it_done(byte opcode, int size)
    {
        const uint Limit = 0x9123;
        State->Es.LoadDescriptor(0x10, Limit, 0x0040_9300);
        _cpu.Vcpu.NotifyStateChanged();
        _cpu.Bytes[0x8000..0xA000].Fill(0x11);
        _cpu.Bytes[0xA000..0xC000].Fill(0x22);
        _cpu.Load(0xF3, opcode);
        (State->Esi, State->Edi, State->Ecx, State->Eax) = (0xA000, 0x8001, 9000, 0x2222_2222);
        ulong retired = State->Retired;
        Assert.Equal(ExitReason.Shutdown, _cpu.Run().Reason);
        uint fitting = (Limit + 1 - 0x8001) / (uint)size;
        Assert.Equal(Vector.GeneralProtection, _cpu.FaultVector);
        Assert.Equal(0x8001 + (fitting * (uint)size), _cpu.AtFault.Edi);
        Assert.Equal(9000 - fitting, _cpu.AtFault.Ecx);
        Assert.Equal(TestCpu.Origin, _cpu.AtFault.Eip);
        Assert.Equal(retired, _cpu.AtFault.Retired);
        Assert.True(_cpu.Bytes[0x8001..(int)(0x8001 + (fitting * size))].IndexOfAnyExcept((byte)0x22) < 0);
        Assert.Equal(0x11, _cpu.Bytes[(int)Limit + 1]);
    }

    /// <summary>As above, with a page that is not there under one of the strings.</summary>
    [Theory]
    [InlineData(0xA5, 0x9000, 0x9000)] // MOVSD: the source ends
    [InlineData(0xA5, 0xB000, 0xB000)] // MOVSD: the destination ends
    [InlineData(0xA7, 0x9000, 0x9000)] // CMPSD
    [InlineData(0xAF, 0xB000, 0xB000)] // SCASD
    [InlineData(0xAB, 0xB000, 0xB000)] // STOSD
    [InlineData(0xAD, 0x9000, 0x9000)] // LODSD
    public void A_page_fault_leaves_the_elements_before_it_done(byte opcode, int missing, uint address)
    {
        MapIdentity((uint)missing);
        _cpu.Bytes[0x8000..0xC000].Clear();
        _cpu.Load(0xF3, opcode);
        (State->Esi, State->Edi, State->Ecx, State->Eax) = (0x8F00, 0xAF00, 0x80, 0);
        Assert.Equal(ExitReason.Shutdown, _cpu.Run().Reason);
        Assert.Equal(Vector.PageFault, _cpu.FaultVector);
        Assert.Equal(address, _cpu.FaultAddress);
        Assert.Equal((0x40u, TestCpu.Origin), (_cpu.AtFault.Ecx, _cpu.AtFault.Eip));
        uint esi = opcode is 0xA5 or 0xA7 or 0xAD ? 0x9000u : 0x8F00;
        uint edi = opcode is 0xAD ? 0xAF00u : 0xB000;
        Assert.Equal((esi, edi), (_cpu.AtFault.Esi, _cpu.AtFault.Edi));
    }

    /// <summary>An observer of instructions sees each element; the last one completes the instruction.</summary>
    [Fact]
    public void Stepping_stops_after_each_element()
    {
        _cpu.WantsInstructions = true;
        _cpu.Load(0xF3, 0xA5);
        (State->Esi, State->Edi, State->Ecx) = (0x8000, 0x9000, 5);
        ulong retired = State->Retired;
        Assert.Equal(ExitReason.BudgetSpent, _cpu.Run().Reason);
        Assert.Equal(5, _cpu.Reported);
        Assert.Equal(retired + 1, State->Retired);
        Assert.Equal(TestCpu.Origin + 2, State->Eip);
    }

    /// <summary>One exit for each element read or written; between two elements the registers are exact.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Devices_are_asked_element_by_element(bool stepped)
    {
        _cpu.WantsInstructions = stepped;
        _cpu.Memory.SetKind(new GuestPhysicalAddress(DevicePage), 0x1000, PageKind.Mmio);
        _cpu.Load(0xF3, 0x66, 0xA5, 0x40); // rep movsw; inc eax
        (State->Esi, State->Edi, State->Ecx, State->Eax) = (DevicePage, DevicePage + 0x100, 3, 7);
        ulong retired = State->Retired;
        for (uint n = 0; n < 3; n++)
        {
            Assert.Equal(new VmExit(ExitReason.Mmio, false, 2, DevicePage + (2 * n)), _cpu.Run(2));
            Assert.Equal((3 - n, DevicePage + (2 * n), TestCpu.Origin), (State->Ecx, State->Esi, State->Eip));
            Assert.Equal(retired, State->Retired);
            _cpu.Vcpu.CompleteRead(0xAB00 + n);
            Assert.Equal(new VmExit(ExitReason.Mmio, true, 2, DevicePage + 0x100 + (2 * n), 0xAB00 + n), _cpu.Run(2));
            Assert.Equal((2 - n, DevicePage + (2 * n) + 2), (State->Ecx, State->Esi));
            Assert.Equal(n == 2 ? TestCpu.Origin + 3 : TestCpu.Origin, State->Eip);
        }

        Assert.Equal(retired + 1, State->Retired);
        Assert.Equal(ExitReason.BudgetSpent, _cpu.Run().Reason);
        Assert.Equal(8u, State->Eax);
    }

    /// <summary>An interrupt between two elements pushes RF, one behind the last does not (SDM 3B 17.3.1.1).</summary>
    [Theory]
    [InlineData(2, true)]
    [InlineData(1, false)]
    public void An_event_behind_the_last_element_is_not_inside_the_string(uint count, bool inside)
    {
        const int Gdt = 0x1000;
        const int Idt = 0x2000;
        _cpu.Load(0xF3, 0x6E); // rep outsb
        BitConverter.TryWriteBytes(_cpu.Bytes[(Gdt + 8)..], 0x00CF_9B00_0000_FFFFul);
        BitConverter.TryWriteBytes(_cpu.Bytes[(Idt + (0x40 * 8))..], 0x0000_8E00_0008_7000ul);
        _cpu.Bytes[0x7000] = 0xF4; // hlt
        (State->GdtBase, State->GdtLimit, State->IdtBase, State->IdtLimit) = (Gdt, 0xF, Idt, 0x7FF);
        (State->Esi, State->Ecx) = (0x9000, count);
        State->OtherFlags |= Eflags.IF;
        Assert.Equal(ExitReason.PortIo, _cpu.Run().Reason);
        _cpu.Vcpu.InjectInterrupt(0x40);
        Assert.Equal(ExitReason.Halt, _cpu.Run(9).Reason);
        uint image = BitConverter.ToUInt32(_cpu.Bytes[((int)State->Esp + 8)..]);
        Assert.Equal((0x7001u, inside), (State->Eip, (image & Eflags.RF) != 0));
    }

    /// <summary>The elements before and behind a device's page are memory.</summary>
    [Fact]
    public void A_string_may_run_from_memory_into_a_device()
    {
        _cpu.Memory.SetKind(new GuestPhysicalAddress(DevicePage), 0x1000, PageKind.Mmio);
        _cpu.Load(0xF3, 0xAA);
        (State->Edi, State->Ecx, State->Eax) = (DevicePage - 3, 5, 0x77);
        Assert.Equal(new VmExit(ExitReason.Mmio, true, 1, DevicePage, 0x77), _cpu.Run());
        Assert.Equal((1u, DevicePage + 1, TestCpu.Origin), (State->Ecx, State->Edi, State->Eip));
        Assert.Equal(new VmExit(ExitReason.Mmio, true, 1, DevicePage + 1, 0x77), _cpu.Run());
        Assert.Equal((0u, TestCpu.Origin + 2), (State->Ecx, State->Eip));
        Assert.True(_cpu.Bytes[(int)(DevicePage - 3)..(int)DevicePage].IndexOfAnyExcept((byte)0x77) < 0);
    }

    /// <summary>An instruction that overwrites itself is fetched anew for its next element.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_string_that_overwrites_itself_becomes_what_it_wrote(bool stepped)
    {
        _cpu.WantsInstructions = stepped;
        _cpu.Load(0xF3, 0xAA, 0x40, 0x40); // rep stosb; inc eax; inc eax
        (State->Edi, State->Ecx, State->Eax) = (TestCpu.Origin, 4, 0x90);

        // The first element turns the prefix into NOP; then NOP, one STOSB, and the rest.
        Assert.Equal(ExitReason.BudgetSpent, _cpu.Run(4).Reason);
        Assert.Equal((TestCpu.Origin + 2, 3u, 0x92u), (State->Edi, State->Ecx, State->Eax));
        Assert.Equal(TestCpu.Origin + 4, State->Eip);
    }

    /// <summary>The instructions behind the string, in its own block, are what it wrote.</summary>
    [Fact]
    public void A_string_may_write_the_code_behind_it()
    {
        _cpu.Load([0xF3, 0xAA, .. Enumerable.Repeat((byte)0x90, 20)]); // rep stosb; nop...
        (State->Edi, State->Ecx, State->Eax) = (TestCpu.Origin + 2, 10, 0x40);
        Assert.Equal(ExitReason.BudgetSpent, _cpu.Run(21).Reason);
        Assert.Equal(0x4Au, State->Eax);
    }

    /// <summary>Billions of elements do not keep the monitor out.</summary>
    [Fact]
    public void A_long_string_can_be_cancelled_and_goes_on()
    {
        _cpu.Load(0xF3, 0xAC); // rep lodsb
        (State->Esi, State->Ecx) = (0x1000, 20000);
        _cpu.Vcpu.CancelRequested = true;
        Assert.Equal(ExitReason.Cancelled, _cpu.Run().Reason);
        Assert.InRange(State->Ecx, 1u, 19999u);
        Assert.Equal(0x1000 + 20000 - State->Ecx, State->Esi);
        Assert.Equal(TestCpu.Origin, State->Eip);
        _cpu.Vcpu.CancelRequested = false;
        Assert.Equal(ExitReason.BudgetSpent, _cpu.Run().Reason);
        Assert.Equal((0u, TestCpu.Origin + 2), (State->Ecx, State->Eip));
    }

    // The first MiB, but for one page.
    private void MapIdentity(uint missing)
    {
        const int Directory = 0x50000;
        const int Table = 0x51000;
        BitConverter.TryWriteBytes(_cpu.Bytes[Directory..], Table | 7);
        for (int page = 0; page < 256; page++)
        {
            BitConverter.TryWriteBytes(_cpu.Bytes[(Table + (page * 4))..], page == missing >> 12 ? 0 : (page << 12) | 7);
        }

        State->Cr3 = Directory;
        State->Cr0 |= Cr0.PG;
        _cpu.Vcpu.NotifyStateChanged();
    }
}
