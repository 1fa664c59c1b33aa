using ToyVmm.Engines;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Tests.Interpretation;
using Xunit;

namespace ToyVmm.Tests.Translation;

/// <summary>What depends on more than an instruction's operands: the ring, where the budget ends, and pages that are not there.</summary>
public sealed unsafe class TranslatedStateTests
{
    private const uint Missing = 0xA000;
    private const uint ReadOnly = 0xC000;

    /// <summary>Where <see cref="MapPages"/> puts the entries of the first 4 MiB.</summary>
    internal const uint PageTable = 0xE1000;

    [TranslatorFact]
    public void A_run_ends_after_every_count_as_the_interpreter_ends_it()
    {
        // STI and its shadow, POPF, REP, PUSHA: over and over.
        byte[] code = Convert.FromHexString("FB409C4AFA9C9D609D61619DFBB905000000F3A4F80F20C0EBE5");
        using TestCpu interpreter = new();
        using TestCpu translator = new(translates: true);
        for (ulong count = 1; count < 120; count++)
        {
            Assert.Equal((count, Run(interpreter, code, count)), (count, Run(translator, code, count)));
        }

        Assert.True(translator.Vcpu.Translation!.HostInstructions > 2000);

        static string Run(TestCpu cpu, byte[] code, ulong count)
        {
            cpu.Reset();
            cpu.Bytes[..0x10000].Clear();
            cpu.Load(code);
            (cpu.State->Esi, cpu.State->Edi) = (0x4000, 0x5000);
            cpu.Vcpu.NotifyStateChanged();
            VmExit exit = cpu.Run(count);
            return $"{exit.Reason} {cpu.FaultVector} {Describe(cpu.State)}";
        }
    }

    [TranslatorTheory]
    [InlineData("cli", "FA90")]
    [InlineData("sti", "FB90")]
    [InlineData("mov eax, cr0", "0F20C0")]
    [InlineData("popfd, IF set", "68020200009D")]
    [InlineData("popfd, IF clear", "68020000009D")]
    [InlineData("popfd, VIP set", "68020010009D")]
    [InlineData("popfd, IOPL", "68023000009D")]
    [InlineData("pushfd", "9C")]
    [InlineData("rdtsc", "0F31")]
    public void Rings_and_privilege_levels_are_asked(string name, string code)
    {
        byte[] bytes = [0x90, .. Convert.FromHexString(code), 0x90, 0xEB, 0xFE];
        using TestCpu interpreter = new();
        using TestCpu translator = new(translates: true);
        for (int n = 0; n < 4 * 4 * 2 * 2; n++)
        {
            (uint ring, uint level, bool open, uint virtualPending) = ((uint)n & 3, ((uint)n >> 2) & 3, (n & 16) != 0, n >= 32 ? Eflags.VIP : 0);
            Assert.Equal((name, n, Run(interpreter)), (name, n, Run(translator)));

            string Run(TestCpu cpu)
            {
                cpu.Reset();
                cpu.Load(bytes);
                CpuState* s = cpu.State;
                s->Cpl = ring;
                s->Cr4 |= Cr4.TSD;
                s->OtherFlags = (level << 12) | (open ? Eflags.IF : 0) | virtualPending | Eflags.Fixed;
                cpu.Vcpu.NotifyStateChanged();
                VmExit exit = cpu.Run(6);
                CpuState end = cpu.FaultVector == TestCpu.None ? *s : cpu.AtFault;
                return $"{exit.Reason} {cpu.FaultVector} {Describe(&end)}";
            }
        }
    }

    [TranslatorTheory]
    [InlineData("386", "0F44C3")]
    [InlineData("386", "0FC1C3")]
    [InlineData("486", "0FC70D00900000")]
    [InlineData("P6", "660FFEC1")]
    [InlineData("SSE2", "F30FB8C3")]
    public void What_the_model_lacks_is_refused_on_the_host_too(string model, string code)
    {
        CpuModel old = model switch
        {
            "386" => CpuModels.I386,
            "486" => CpuModels.I486,
            "P6" => CpuModels.P6,
            _ => CpuModels.Sse2,
        };
        using TestCpu cpu = new(translates: true, model: old);
        cpu.Load([0x90, .. Convert.FromHexString(code), 0xF4]);
        _ = cpu.Run(5);
        Assert.Equal(Vector.InvalidOpcode, cpu.FaultVector);
        Assert.True(cpu.Vcpu.Translation!.HostInstructions > 0);
    }

    [TranslatorTheory]
    [InlineData("rep movsb into nothing", "B900020000BFF09F0000BE00400000F3A4")]
    [InlineData("rep movsd from nothing", "B900020000BF00400000BEF29F0000F3A5")]
    [InlineData("rep movsw, both across", "B900020000BFF09F0000BEF29F0000F366A5")]
    [InlineData("std, rep movsd down into nothing", "FDB900020000BF20B00000BE00420000F3A5")]
    [InlineData("rep stosd over a page that may be read", "B900020000BFF0BF0000F3AB")]
    [InlineData("std, rep stosb down over a page that may be read", "FDB900020000BF10D00000F3AA")]
    [InlineData("rep lodsb", "B900020000BEF09F0000F3AC")]
    [InlineData("stc, repe cmpsb, equal until it ends", "B900020000BFF09F000089FEF9F3A6")]
    [InlineData("stc, repne cmpsd", "B900020000BFF09F0000BEF15F0000F9F2A7")]
    [InlineData("repne scasb", "B900020000BFF09F000030C0F9F2AE")]
    [InlineData("std, repe scasb", "B900020000BF10B0000030C0FDF3AE")]
    [InlineData("movsd half in", "BFFE9F0000BE00400000A5")]
    [InlineData("pushad half in", "BC10B0000060")]
    [InlineData("pushad half over a page that may be read", "BC10D0000060")]
    [InlineData("pushad half in, the upper half missing", "BC10A0000060")]
    [InlineData("popad half in", "BCF09F000061")]
    [InlineData("popad, the lower half missing", "BCF0AF000061")]
    [InlineData("enter with its end missing", "BC08B00000C8080000")]
    [InlineData("enter with its end read-only", "BC08D00000C8080000")]
    [InlineData("pushfd half in", "BC02B000009C")]
    [InlineData("popfd half in", "BCFE9F00009D")]
    [InlineData("pop dword to a missing page", "8F0500A00000")]
    [InlineData("pop dword [esp+n], read-only", "8F842400400000")]
    [InlineData("fldcw half in", "D92DFF9F0000")]
    [InlineData("mov [missing], ds", "8C1D00A00000")]
    public void A_page_that_is_not_there_leaves_what_the_interpreter_leaves(string name, string code)
    {
        // Every page that is there is touched first, so that the host reaches the edge by itself.
        string touch = string.Concat(Enumerable.Range(4, 10).Select(n => (uint)n << 12).Where(page => page is not (Missing or ReadOnly))
            .Select(page => $"FE05{page + 0x800:X8}"[..4] + Convert.ToHexString(BitConverter.GetBytes(page + 0x800))));
        byte[] bytes = [.. Convert.FromHexString(touch), 0xA0, 0x00, 0xC8, 0x00, 0x00, 0xEB, 0x00, 0x90, 0x90, .. Convert.FromHexString(code), 0xF4];
        // Every 4 MiB from a base on are the same first 4 MiB.
        SegmentBases[] layouts = [default, new(0x40_0000, 0, 0x80_0000, 0xC0_0000), new(0xFFC0_0000, 0x4000_0000, 0xFFC0_0000, 0x7FC0_0000)];
        foreach (SegmentBases bases in layouts)
        {
            Assert.Equal((name, bases, Run(bases, translates: false)), (name, bases, Run(bases, translates: true)));
        }

        string Run(SegmentBases bases, bool translates)
        {
            using TestCpu cpu = new(translates: translates) { Bases = bases };
            cpu.Reset();
            for (int n = 0; n < cpu.Bytes.Length; n++)
            {
                cpu.Bytes[n] = (byte)(((n * 7) ^ (n >> 8)) | 1);
            }

            cpu.Load(bytes);
            CpuState* s = cpu.State;
            MapPages(cpu);
            (s->Eax, s->Ecx, s->Edx, s->Ebx) = (0x8412, 0x9123, 0, 0xFEDC_7788);
            (s->Esp, s->Ebp, s->Esi, s->Edi) = (0x8000, 0x8040, 0x9200, 0x9300);
            s->FpuControl = 0x37F;
            s->FpuTags = 0;
            cpu.Vcpu.NotifyStateChanged();
            VmExit exit = cpu.Run(48);
            CpuState end = cpu.FaultVector == TestCpu.None ? *s : cpu.AtFault;
            Assert.True(!translates || cpu.Vcpu.Translation!.HostInstructions > 1);

            // Page tables included: A and D.
            return $"{exit.Reason} {cpu.FaultVector} at {cpu.FaultAddress:x}: {Describe(&end)} {Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(cpu.Bytes))}";
        }
    }

    [TranslatorFact]
    public void Blocks_for_the_interpreter_are_counted_by_their_reason()
    {
        Assert.Equal((1ul, 0ul, 0ul, 0ul), Count(_ => { }));
        Assert.Equal((1ul, 1ul, 0ul, 0ul), Count(cpu => cpu.State->Fs.LoadNull(0), new SegmentBases(0, 0, 0, 0x1000)));
        Assert.Equal((0ul, 0ul, 1ul, 0ul), Count(cpu => cpu.Reset(code32: false)));
        Assert.Equal((0ul, 0ul, 1ul, 0ul), Count(cpu => cpu.Reset(stack32: false)));
        Assert.Equal((0ul, 0ul, 0ul, 1ul), Count(cpu => cpu.State->Es.LoadNull(0)));
        Assert.Equal((0ul, 0ul, 0ul, 1ul), Count(cpu => cpu.State->Ds.LoadDescriptor(0x10, 0x0000_FFFF, 0x00CF_9100)));
        Assert.Equal((0ul, 0ul, 0ul, 1ul), Count(cpu => cpu.State->Ss.LoadDescriptor(0x10, 0x0000_FFFE, 0x00CF_9300)));
        Assert.Equal((0ul, 0ul, 0ul, 1ul), Count(cpu => cpu.State->Cs.LoadDescriptor(0x08, 0x0000_FFFF, 0x00CF_9900)));

        static (ulong Translated, ulong Based, ulong Narrow, ulong Segmented) Count(Action<TestCpu> change, SegmentBases bases = default)
        {
            using TestCpu cpu = new(translates: true) { Bases = bases };
            cpu.Reset();
            change(cpu);
            cpu.Vcpu.NotifyStateChanged();
            cpu.Load(0x40, 0xEB, 0xFD);
            _ = cpu.Run(20);
            TranslationStatistics counts = cpu.Vcpu.Translation!;
            Assert.Equal(counts.BlocksTranslated != 0, counts.HostInstructions != 0);
            return (counts.BlocksTranslated, counts.BasedBlocks, counts.NarrowBlocks, counts.SegmentedBlocks);
        }
    }

    /// <summary>EIP goes from FFFFFFFF to 0 in the middle of a page, and back by a branch; an instruction that lies on both sides is #GP.</summary>
    [TranslatorTheory]
    [InlineData("across", "4040404040404040404040404040404049E2EDF4")]
    [InlineData("a call across", "4040404040404040404040404040404053E800000000585B49E2E5F4")]
    [InlineData("jumps onto the last bytes", "EB0D4040404040404040404040404043EB02F4F449E2EAF4")]
    [InlineData("an instruction on both sides", "4040404040404040404040404040B801000000F4")]
    public void Offsets_in_code_wrap_around(string name, string code)
    {
        Assert.Equal((name, Run(translates: false)), (name, Run(translates: true)));

        string Run(bool translates)
        {
            using TestCpu cpu = new(translates: translates) { Bases = new SegmentBases(0, TestCpu.Origin + 0x10, 0, 0) };
            cpu.Reset();
            cpu.Load(Convert.FromHexString(code));
            (cpu.State->Ecx, cpu.State->Eax) = (20, 0);
            cpu.Vcpu.NotifyStateChanged();
            VmExit exit = cpu.Run(400);
            CpuState end = cpu.FaultVector == TestCpu.None ? *cpu.State : cpu.AtFault;
            Assert.True(!translates || cpu.Vcpu.Translation!.HostInstructions > 10);
            return $"{exit.Reason} {cpu.FaultVector} {Describe(&end)}";
        }
    }

    // The first 4 MiB by a table of 4 KiB pages.
    internal static void MapPages(TestCpu cpu)
    {
        const uint Directory = 0xE0000;
        const uint Present = 3;
        fixed (byte* memory = cpu.Bytes)
        {
            new Span<byte>(memory + Directory, 0x2000).Clear();
            uint* directory = (uint*)(memory + Directory);
            foreach (uint address in new uint[] { 0, cpu.Bases.Es, cpu.Bases.Cs, cpu.Bases.Ss, cpu.Bases.Ds })
            {
                directory[address >> 22] = PageTable | Present;
            }

            for (uint page = 0; page < 0x100; page++)
            {
                uint address = page << 12;
                *(uint*)(memory + PageTable + (page * 4)) = address == Missing ? 0 : address | (address == ReadOnly ? 1u : Present);
            }
        }

        cpu.State->Cr3 = Directory;
        cpu.State->Cr0 |= Cr0.PG | Cr0.WP;
    }

    private static string Describe(CpuState* s) =>
        $"{s->Eax:x} {s->Ecx:x} {s->Edx:x} {s->Ebx:x} {s->Esp:x} {s->Ebp:x} {s->Esi:x} {s->Edi:x} {s->Eip:x} {LazyFlags.GetEflags(s):x} "
            + $"{s->Shadow} {s->Retired} {s->Cr2:x} {s->FpuControl:x}";
}
