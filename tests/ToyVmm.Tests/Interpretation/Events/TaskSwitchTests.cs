using ToyVmm.Hardware.Cpu;
using Xunit;

namespace ToyVmm.Tests.Interpretation.Events;

/// <summary>Hardware task switches (pitfall 11): both TSS formats, nesting, busy bits, LDT, the T bit, faults before and behind the commit point.</summary>
public sealed unsafe class TaskSwitchTests : IDisposable
{
    private const uint TaskCode = 0x18000;
    private const uint TaskStack = 0x28000;

    private readonly CpuBench _bench = new();

    public void Dispose() => _bench.Dispose();

    [Fact]
    public void Jmp_saves_the_old_task_and_loads_the_new_one()
    {
        Start([0xEA, 0, 0, 0, 0, CpuBench.OtherTssSelector, 0], ring: 3);
        _bench.State->Eax = 0x12345678;
        _bench.Eflags = Eflags.CF | 2;
        Assert.Equal(-1, _bench.Step());

        Assert.Equal(CpuBench.Code + 7, _bench.Read32(CpuBench.Tss + 32));
        Assert.Equal(Eflags.CF | 2, _bench.Read32(CpuBench.Tss + 36));
        Assert.Equal(0x12345678u, _bench.Read32(CpuBench.Tss + 40));
        Assert.Equal(CpuBench.CodeSelector(0), _bench.Read32(CpuBench.Tss + 76));
        Assert.Equal((TaskCode, TaskStack, 3u), (_bench.State->Eip, _bench.State->Esp, _bench.State->Cpl));
        Assert.Equal(0xA0u, _bench.State->Eax);
        Assert.Equal((CpuBench.CodeSelector(3), CpuBench.DataSelector(3)), (_bench.State->Cs.Selector, _bench.State->Ss.Selector));
        Assert.Equal(CpuBench.LdtSelector, _bench.State->Ldtr.Selector);
        Assert.Equal(CpuBench.OtherTssSelector, _bench.State->Tr.Selector);
        Assert.NotEqual(0u, _bench.State->Cr0 & Cr0.TS);
        Assert.False(IsBusy(CpuBench.TssSelector));
        Assert.True(IsBusy(CpuBench.OtherTssSelector));
        Assert.Equal(2u, _bench.Eflags);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Call_nests_and_iret_returns(bool throughGate)
    {
        Start([0x9A, 0, 0, 0, 0, throughGate ? (byte)CpuBench.Slot : (byte)CpuBench.OtherTssSelector, 0], ring: 0);
        _bench.Gate(CpuBench.Slot / 8, CpuBench.OtherTssSelector, 0, 5, 0, table: CpuBench.Gdt);
        _bench.Write(TaskCode, 0xCF);
        _bench.Cpu.NotifyStateChanged();
        Assert.Equal(-1, _bench.Step());
        Assert.Equal(TaskCode, _bench.State->Eip);
        Assert.Equal(Eflags.NT | 2, _bench.Eflags);
        Assert.Equal(CpuBench.TssSelector, _bench.Read16(CpuBench.OtherTss));
        Assert.True(IsBusy(CpuBench.TssSelector));
        Assert.True(IsBusy(CpuBench.OtherTssSelector));

        Assert.Equal(-1, _bench.Step());
        Assert.Equal(CpuBench.Code + 7, _bench.State->Eip);
        Assert.Equal(2u, _bench.Eflags);
        Assert.Equal(CpuBench.TssSelector, _bench.State->Tr.Selector);
        Assert.True(IsBusy(CpuBench.TssSelector));
        Assert.False(IsBusy(CpuBench.OtherTssSelector));
        Assert.Equal(2u, _bench.Read32(CpuBench.OtherTss + 36));
        Assert.Equal(TaskCode + 1, _bench.Read32(CpuBench.OtherTss + 32));
    }

    [Fact]
    public void A_16_bit_tss_holds_16_bit_registers()
    {
        Start([0xEA, 0, 0, 0, 0, CpuBench.OtherTssSelector, 0], ring: 0);
        _bench.Descriptor(CpuBench.OtherTssSelector, CpuBench.OtherTss, 0x2B, CpuBench.Access(1, 0, codeOrData: false), 0);
        ushort[] words =
        [
            0, 0, 0, 0, 0, 0, 0, 0x7000, 2, 0xA0, 0xC0, 0xD0, 0xB0, 0x6000, 0xBB, 0x51, 0xD1,
            CpuBench.DataSelector(0), CpuBench.CodeSelector(0), CpuBench.DataSelector(0), CpuBench.DataSelector(0), 0,
        ];
        for (int n = 0; n < words.Length; n++)
        {
            _bench.Write16(CpuBench.OtherTss + ((uint)n * 2), words[n]);
        }

        Assert.Equal(-1, _bench.Step());
        Assert.Equal((0x7000u, 0xFFFF00A0u, 0xFFFF6000u), (_bench.State->Eip, _bench.State->Eax, _bench.State->Esp));
        Assert.Equal(0, _bench.State->Fs.Selector);
        Assert.Equal(0, _bench.State->Ldtr.Selector);
    }

    [Fact]
    public void An_exception_through_a_task_gate_pushes_its_error_code_in_the_new_task()
    {
        Start([0x8E, 0xD8], ring: 0); // mov ds, ax: #GP
        _bench.State->Eax = 0x0FF8;
        _bench.Gate(13, CpuBench.OtherTssSelector, 0, 5, 0);
        _ = _bench.Run(1);
        Assert.Equal(TaskCode, _bench.State->Eip);
        Assert.Equal(TaskStack - 4, _bench.State->Esp);
        Assert.Equal(0x0FF8u, _bench.Stack32(0));
        Assert.Equal(CpuBench.Code, _bench.Read32(CpuBench.Tss + 32));
        Assert.Equal(Eflags.RF | 2, _bench.Read32(CpuBench.Tss + 36));
    }

    [Fact]
    public void The_T_bit_traps_in_the_new_task()
    {
        Start([0xEA, 0, 0, 0, 0, CpuBench.OtherTssSelector, 0], ring: 0);
        _bench.Write16(CpuBench.OtherTss + 100, 1);
        Assert.Equal(-1, _bench.Step());
        Assert.Equal(Vector.Debug, _bench.Step());
        Assert.Equal(1u << 15, _bench.State->Dr6 & 0xE00F);
        Assert.Equal(TaskCode, _bench.Stack32(0));
    }

    [Fact]
    public void Faults_before_the_commit_point_belong_to_the_old_task()
    {
        Start([0xEA, 0, 0, 0, 0, CpuBench.OtherTssSelector, 0], ring: 0);
        _bench.Descriptor(CpuBench.OtherTssSelector, CpuBench.OtherTss, 0x66, CpuBench.Access(9, 0, codeOrData: false), 0);
        Assert.Equal(Vector.InvalidTss, _bench.Step());
        Assert.Equal(CpuBench.OtherTssSelector, _bench.Stack32(0));
        Assert.Equal(CpuBench.Code, _bench.Stack32(1));
        Assert.Equal(CpuBench.TssSelector, _bench.State->Tr.Selector);
        Assert.Equal(0u, _bench.State->Cr0 & Cr0.TS);
        Assert.True(IsBusy(CpuBench.TssSelector));
        Assert.False(IsBusy(CpuBench.OtherTssSelector));
    }

    public static TheoryData<string, uint, uint, int, uint> LateFaults() => new()
    {
        { "LDT that is no LDT", 96, CpuBench.CodeSelector(0), Vector.InvalidTss, CpuBench.CodeSelector(0) },
        { "CS that is data", 76, CpuBench.DataSelector(3), Vector.InvalidTss, CpuBench.DataSelector(3) & 0xFFFCu },
        { "CS not present", 76, CpuBench.Slot | 3u, Vector.SegmentNotPresent, CpuBench.Slot },
        { "SS of another ring", 80, CpuBench.DataSelector(2), Vector.InvalidTss, CpuBench.DataSelector(2) & 0xFFFCu },
        { "SS not present", 80, CpuBench.Slot2 | 3u, Vector.StackFault, CpuBench.Slot2 },
        { "DS not present", 84, CpuBench.Slot2 | 3u, Vector.SegmentNotPresent, CpuBench.Slot2 },
        { "GS that is the TSS", 92, CpuBench.TssSelector, Vector.InvalidTss, CpuBench.TssSelector },
    };

    [Theory]
    [MemberData(nameof(LateFaults))]
    public void Faults_behind_the_commit_point_belong_to_the_new_task(string name, uint field, uint selector, int vector, uint error)
    {
        Start([0xEA, 0, 0, 0, 0, CpuBench.OtherTssSelector, 0], ring: 3);
        _bench.Descriptor(CpuBench.Slot, 0, 0xFFFFF, CpuBench.Access(0xB, 3, present: false), 0xC);
        _bench.Descriptor(CpuBench.Slot2, 0, 0xFFFFF, CpuBench.Access(0x3, 3, present: false), 0xC);
        _bench.Write32(CpuBench.OtherTss + field, selector);
        ulong before = _bench.State->Retired;
        _ = _bench.Run(1);
        Assert.True(vector == _bench.VectorAtEip(), name);
        Assert.Equal(error, _bench.Stack32(0));
        Assert.Equal(TaskCode, _bench.Stack32(1));
        Assert.Equal(CpuBench.OtherTssSelector, _bench.State->Tr.Selector);
        Assert.NotEqual(0u, _bench.State->Cr0 & Cr0.TS);

        // The JMP and the exception behind its commit point count as one: a budget of one is never overdrawn.
        Assert.Equal(before + 1, _bench.State->Retired);
    }

    [Fact]
    public void A_task_has_its_own_address_space_and_local_breakpoints_end()
    {
        Start([0xEA, 0, 0, 0, 0, CpuBench.OtherTssSelector, 0], ring: 0);
        for (uint page = 0; page < 1024; page++)
        {
            // The second space maps the data page elsewhere.
            _bench.Write32(0x101000 + (page * 4), (page << 12) | 3);
            _bench.Write32(0x103000 + (page * 4), (page == CpuBench.Data >> 12 ? 0x200000 : page << 12) | 3);
        }

        _bench.Write32(0x100000, 0x101003);
        _bench.Write32(0x102000, 0x103003);
        _bench.Write32(CpuBench.OtherTss + 28, 0x102000);
        _bench.Write(TaskCode, 0xA1, 0, 0, 4, 0); // mov eax, [Data]
        _bench.Write32(CpuBench.Data, 1);
        _bench.Write32(0x200000, 2);
        _bench.State->Cr3 = 0x100000;
        _bench.State->Cr0 |= Cr0.PG;
        _bench.State->Dr7 |= 0x103;
        _bench.State->BreakpointAddresses[0] = 0x3F0000;
        _bench.Cpu.NotifyStateChanged();
        Assert.Equal(-1, _bench.Step());
        Assert.Equal(-1, _bench.Step());
        Assert.Equal((0x102000u, 2u), (_bench.State->Cr3, _bench.State->Eax));
        Assert.Equal(0x402u, _bench.State->Dr7);
    }

    [Fact]
    public void A_busy_task_cannot_be_entered_and_a_free_one_not_returned_to()
    {
        Start([0xEA, 0, 0, 0, 0, CpuBench.TssSelector, 0], ring: 0);
        Assert.Equal(Vector.GeneralProtection, _bench.Step());
        Assert.Equal(CpuBench.TssSelector, _bench.Stack32(0));
        Start([0xCF], ring: 0);
        _bench.Write16(CpuBench.Tss, CpuBench.OtherTssSelector);
        _bench.Eflags = Eflags.NT | 2;
        Assert.Equal(Vector.InvalidTss, _bench.Step());
        Assert.Equal(CpuBench.OtherTssSelector, _bench.Stack32(0));
    }

    [Fact]
    public void A_task_may_start_in_virtual_8086_mode()
    {
        Start([0xEA, 0, 0, 0, 0, CpuBench.OtherTssSelector, 0], ring: 3);
        _bench.Write32(CpuBench.OtherTss + 36, Eflags.VM | 2);
        _bench.Write32(CpuBench.OtherTss + 32, 0x10);
        _bench.Write32(CpuBench.OtherTss + 76, 0x1234);
        Assert.Equal(-1, _bench.Step());
        Assert.Equal((0x1234, 0x12340u, 3u), (_bench.State->Cs.Selector, _bench.State->Cs.Base, _bench.State->Cpl));
    }

    private bool IsBusy(ushort selector) => (_bench.Read32(CpuBench.Gdt + selector + 4) & (1 << 9)) != 0;

    private void Start(ReadOnlySpan<byte> code, uint ring)
    {
        _ = _bench.Protected(0).Program(code);
        uint[] fields =
        [
            0, CpuBench.Ring0Stack - 0x2000, CpuBench.DataSelector(0), 0, 0, 0, 0, 0, TaskCode, 2, 0xA0, 0xC0, 0xD0, 0xB0, TaskStack, 0xBB, 0x51, 0xD1,
            CpuBench.DataSelector(ring), CpuBench.CodeSelector(ring), CpuBench.DataSelector(ring), CpuBench.DataSelector(ring), 0, 0, CpuBench.LdtSelector, 0,
        ];
        for (int n = 0; n < fields.Length; n++)
        {
            _bench.Write32(CpuBench.OtherTss + ((uint)n * 4), fields[n]);
        }
    }
}
