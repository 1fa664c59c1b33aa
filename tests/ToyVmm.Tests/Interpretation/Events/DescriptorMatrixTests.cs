using ToyVmm.Hardware.Cpu;
using Xunit;

namespace ToyVmm.Tests.Interpretation.Events;

/// <summary>
/// Every descriptor type x DPL x RPL x CPL x present, for each way of using a selector, against the manual's tables written as
/// a small model of its own (SDM 2: MOV, JMP, CALL, LAR, LSL, VERR, VERW). (Pitfalls 3 and 10.)
/// </summary>
public sealed unsafe class DescriptorMatrixTests : IDisposable
{
    private readonly CpuBench _bench = new();

    public void Dispose() => _bench.Dispose();

    [Theory]
    [InlineData(0u)]
    [InlineData(1u)]
    [InlineData(2u)]
    [InlineData(3u)]
    public void Every_descriptor_through_every_check(uint cpl)
    {
        for (uint type = 0; type < 32; type++)
        {
            for (uint dpl = 0; dpl < 4; dpl++)
            {
                for (uint rpl = 0; rpl < 4; rpl++)
                {
                    for (int present = 0; present < 2; present++)
                    {
                        Case probe = new(type & 0xF, type >= 16, dpl, rpl, cpl, present == 1);
                        CheckLoad(probe, [0x8E, 0xD8], ExpectData(probe), 3); // mov ds, ax
                        CheckLoad(probe, [0x8E, 0xD0], ExpectStack(probe), 2); // mov ss, ax
                        CheckJump(probe);
                        CheckQuestions(probe);
                    }
                }
            }
        }
    }

    private static int ExpectData(Case c)
    {
        if (!c.CodeOrData || (c.IsCode && !c.IsReadableCode))
        {
            return Vector.GeneralProtection;
        }

        if (!c.IsConforming && Math.Max(c.Rpl, c.Cpl) > c.Dpl)
        {
            return Vector.GeneralProtection;
        }

        return c.Present ? -1 : Vector.SegmentNotPresent;
    }

    private static int ExpectStack(Case c)
    {
        if (c.Rpl != c.Cpl || !c.CodeOrData || c.IsCode || (c.Type & 2) == 0 || c.Dpl != c.Cpl)
        {
            return Vector.GeneralProtection;
        }

        return c.Present ? -1 : Vector.StackFault;
    }

    private static int ExpectJump(Case c)
    {
        if (!c.CodeOrData || !c.IsCode)
        {
            return Vector.GeneralProtection;
        }

        bool allowed = c.IsConforming ? c.Dpl <= c.Cpl : c.Rpl <= c.Cpl && c.Dpl == c.Cpl;
        return !allowed ? Vector.GeneralProtection : c.Present ? -1 : Vector.SegmentNotPresent;
    }

    private void CheckLoad(Case c, ReadOnlySpan<byte> code, int expected, int register)
    {
        Prepare(c, code);
        _bench.State->Eax = CpuBench.Slot | c.Rpl;
        SegmentCache before = (&_bench.State->Es)[register];
        int vector = _bench.Step();
        Assert.True(expected == vector, $"{c}, register {register}: expected {expected}, was {vector}");
        if (expected >= 0)
        {
            Assert.Equal((uint)CpuBench.Slot, _bench.Stack32(0));
            if (c.Cpl == 0)
            {
                Assert.Equal(before, (&_bench.State->Es)[register]);
            }

            Assert.Equal(c.Type, _bench.Read32(CpuBench.Gdt + CpuBench.Slot + 4) >> 8 & 0xF);
            return;
        }

        Assert.Equal(CpuBench.Slot | c.Rpl, (&_bench.State->Es)[register].Selector);
        Assert.Equal(c.Type | 1, _bench.Read32(CpuBench.Gdt + CpuBench.Slot + 4) >> 8 & 0xF);
    }

    private void CheckJump(Case c)
    {
        // Gates and task states have tests of their own.
        if (!c.CodeOrData && c.Type is 1 or 3 or 4 or 5 or 9 or 11 or 12)
        {
            return;
        }

        uint selector = CpuBench.Slot | c.Rpl;
        Prepare(c, [0xEA, 0x34, 0x12, 0x00, 0x00, (byte)selector, 0x00]);
        int expected = ExpectJump(c);
        int vector = _bench.Step();
        Assert.True(expected == vector, $"{c}, far jump: expected {expected}, was {vector}");
        if (expected < 0)
        {
            // A conforming segment keeps the ring, and CS shows it (pitfall 3).
            Assert.Equal(CpuBench.Slot | c.Cpl, _bench.State->Cs.Selector);
            Assert.Equal(c.Cpl, _bench.State->Cpl);
            Assert.Equal(0x1234u, _bench.State->Eip);
        }
    }

    private void CheckQuestions(Case c)
    {
        // lar ecx, eax; setz; lsl edx, eax; verr ax; verw ax, each followed by a look at ZF.
        bool reachable = c.IsConforming || Math.Max(c.Cpl, c.Rpl) <= c.Dpl;
        bool lar = reachable && (c.CodeOrData || c.Type is 1 or 2 or 3 or 4 or 5 or 9 or 11 or 12);
        bool lsl = reachable && (c.CodeOrData || c.Type is 1 or 2 or 3 or 9 or 11);
        bool verr = reachable && c.CodeOrData && (!c.IsCode || c.IsReadableCode);
        bool verw = reachable && c.CodeOrData && !c.IsCode && (c.Type & 2) != 0;
        Ask(c, [0x0F, 0x02, 0xC8], lar, c.High & 0x00F0FF00);
        Ask(c, [0x0F, 0x03, 0xC8], lsl, 0xFFFFF);
        Ask(c, [0x0F, 0x00, 0xE0], verr, null);
        Ask(c, [0x0F, 0x00, 0xE8], verw, null);
    }

    private void Ask(Case c, ReadOnlySpan<byte> code, bool expected, uint? answer)
    {
        Prepare(c, code);
        _bench.State->Eax = CpuBench.Slot | c.Rpl;
        _bench.State->Ecx = 0xDEADBEEF;
        _bench.Eflags = Eflags.CF | Eflags.OF | Eflags.SF | (expected ? 0 : Eflags.ZF) | 2;
        Assert.Equal(-1, _bench.Step());
        Assert.Equal(Eflags.CF | Eflags.OF | Eflags.SF | (expected ? Eflags.ZF : 0) | 2, _bench.Eflags);
        Assert.Equal(expected && answer is uint value ? value : 0xDEADBEEF, _bench.State->Ecx);
    }

    private void Prepare(Case c, ReadOnlySpan<byte> code)
    {
        _ = _bench.Protected(c.Cpl).Program(code);
        _bench.Descriptor(CpuBench.Slot, 0, 0xFFFFF, c.High >> 8 & 0xFF, 4);
    }

    private readonly record struct Case(uint Type, bool CodeOrData, uint Dpl, uint Rpl, uint Cpl, bool Present)
    {
        public bool IsCode => CodeOrData && (Type & 8) != 0;

        public bool IsReadableCode => IsCode && (Type & 2) != 0;

        public bool IsConforming => IsCode && (Type & 4) != 0;

        public uint High => (CpuBench.Access(Type, Dpl, Present, CodeOrData) << 8) | 0x004F0000;
    }
}
