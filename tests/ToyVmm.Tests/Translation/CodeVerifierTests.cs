using Iced.Intel;
using ToyVmm.Engines.Translation;
using ToyVmm.Hardware.Cpu;
using Xunit;
using static Iced.Intel.AssemblerRegisters;

namespace ToyVmm.Tests.Translation;

/// <summary>What the verifier of emitted code lets through, and what it must not: each line of the second list is a way out of the view.</summary>
public sealed unsafe class CodeVerifierTests
{
    private const int Exit = 0x40;
    private const int Start = 0x1000;

    public static TheoryData<string> Harmless => [.. s_harmless.Keys];

    public static TheoryData<string> Harmful => [.. s_harmful.Keys];

    private static readonly Dictionary<string, Action<Assembler>> s_harmless = new()
    {
        ["a load from the view"] = a => a.mov(eax, __dword_ptr.gs[ecx + (edx * 4) + 8]),
        ["a store to the guest's stack"] = a => a.mov(__dword_ptr.gs[r12d - 4], ebx),
        ["an exchange in the view"] = a => a.xchg(__dword_ptr.gs[esi], eax),
        ["arithmetic"] = a => a.add(eax, ebx),
        ["the address of nothing"] = a => a.lea(eax, __[ecx + (eax * 4) + 123]),
        ["ESP moves"] = a => a.lea(r12d, __[r12d - 4]),
        ["the budget"] = a => a.lea(r14, __[r14 - 17]),
        ["the way out gives the budget back"] = a => a.lea(r14, __[r14 + 17]),
        ["a table jump"] = a =>
        {
            a.mov(r13d, 0x1234);
            a.mov(r9d, __dword_ptr[r11 + (r13 * 4)]);
            a.lea(r9, __[r10 + r9]);
            a.jmp(r9);
        },
        ["the ramp"] = a => a.movzx(r8d, __byte_ptr[r14]),
        ["EIP is stored"] = a => a.mov(__dword_ptr[r15 + StateOffset.Eip], 0x1234),
        ["x87 from the view"] = a => a.fld(__qword_ptr.gs[eax]),
        ["SSE2 from the view"] = a => a.addpd(xmm1, __xmmword_ptr.gs[eax + 16]),
        ["LODS from the view"] = a => a.db(0x65, 0x67, 0xAD),
        ["a gate of FS"] = a =>
        {
            a.mov(r9, __qword_ptr[r15 + StateOffset.FsGate]);
            a.mov(r9d, __dword_ptr[r9]);
        },
        ["a latch behind a port"] = a => ReadLatch(a, () => a.movzx(r13d, dx), () => a.movzx(ecx, __byte_ptr[r9 + r13])),
        ["the byte of a latch"] = a => ReadLatch(a, () => a.mov(r13d, 0x80), () => a.mov(al, __byte_ptr[r9 + r13 + 0x10000])),
        ["a byte into a latch"] = a => ReadLatch(a, () => a.movzx(r13d, dx), () => a.mov(__byte_ptr[r9 + r13 + 0x10000], al)),
        ["IF is stored"] = a => a.mov(__dword_ptr[r15 + StateOffset.HostInterruptFlag], 0x200),
        ["the byte below the ramp"] = a => a.movzx(r8d, __byte_ptr[r14 - 1]),
        ["the host's flags are read"] = a =>
        {
            a.pushfq();
            a.pop(r8);
        },
        ["REP MOVSD in the view"] = a => MoveString(a, -1, null),
        ["REP MOVSD in the view, from a segment with a base"] = a => MoveString(a, 1, () => a.lea(esi, __[rsi + r13])),
        ["REP MOVSD in the view, to a segment with a base"] = a => MoveString(a, 3, () => a.lea(edi, __[rdi + r8])),
        ["the base of DS"] = a =>
        {
            a.mov(r9d, __dword_ptr[r15 + StateOffset.SegmentBase(3)]);
            a.lea(r8d, __[ecx + (edx * 4) + 8]);
            a.mov(eax, __dword_ptr.gs[r8d + r9d]);
        },
        ["the guest's stack in a segment with a base"] = a => a.mov(__dword_ptr.gs[r12d + r9d - 4], ebx),
        ["REPNE SCASB in the view"] = a =>
        {
            a.mov(r9, __qword_ptr[r15 + StateOffset.HostView]);
            a.mov(edi, edi);
            a.lea(rdi, __[r9 + rdi]);
            a.repne.scasb();
            a.not(r9);
            a.lea(edi, __[rdi + r9 + 1]);
        },
        ["FLDCW with every exception masked"] = a => LoadControl(a, -1, null),
    };

    private static readonly Dictionary<string, Action<Assembler>> s_harmful = new()
    {
        ["a load from host memory"] = a => a.mov(eax, __dword_ptr[rcx]),
        ["a load with a 64-bit address in GS"] = a => a.mov(eax, __dword_ptr.gs[rcx]),
        ["a load at a fixed address"] = a => a.mov(eax, __dword_ptr[0x1000]),
        ["a load through FS, the thread's own"] = a => a.mov(eax, __dword_ptr.fs[ecx]),
        ["a load through DS with a 32-bit address"] = a => a.mov(eax, __dword_ptr[ecx]),
        ["a load from the code cache"] = a => a.mov(eax, __dword_ptr[r10]),
        ["a load from the jump table by a 64-bit index"] = a => a.mov(r9d, __dword_ptr[r11 + (rax * 4)]),
        ["a store to the jump table"] = a => a.mov(__dword_ptr[r11 + (r13 * 4)], r9d),
        ["a guest register stored behind the VMM's back"] = a => a.mov(__dword_ptr[r15 + StateOffset.Eax], eax),
        ["a store to the view's base"] = a => a.mov(__qword_ptr[r15 + StateOffset.HostView], rax),
        ["a load beyond the state"] = a => a.mov(eax, __dword_ptr[r15 + sizeof(CpuState)]),
        ["a load before the frame"] = a => a.mov(eax, __dword_ptr[r15 - sizeof(HostFrame) - 4]),
        ["the state with an index"] = a => a.mov(eax, __dword_ptr[r15 + rax]),
        ["a pointer from the frame, followed"] = a =>
        {
            a.mov(r9, __qword_ptr[r15 + StateOffset.HostView]);
            a.mov(r9d, __dword_ptr[r9]);
        },
        ["the host's stack is pushed to"] = a => a.push(rax),
        ["the host's stack pointer"] = a => a.mov(rsp, rax),
        ["the state's register"] = a => a.mov(r15, rax),
        ["the code cache's register"] = a => a.lea(r10, __[rax]),
        ["the jump table's register"] = a => a.xor(r11d, r11d),
        ["the budget, set free"] = a => a.mov(r14, rax),
        ["the budget, by too much"] = a => a.lea(r14, __[r14 + 1000]),
        ["R13 with 64 bits"] = a => a.mov(r13, rax),
        ["R13 with 64 bits, by arithmetic"] = a => a.add(r13, rax),
        ["R13 with 64 bits, by exchange"] = a => a.xchg(rax, r13),
        ["the budget, given back in a loop"] = a => a.db(0x4D, 0x8D, 0x76, 0x40, 0xEB, 0xFA),
        ["the end of a table jump, entered from elsewhere"] = a => IntoTheMiddle(a, 2),
        ["the middle of a table jump, entered from elsewhere"] = a => IntoTheMiddle(a, 1),
        ["the second half of a gate, entered from elsewhere"] = a =>
        {
            Label second = a.CreateLabel();
            a.jmp(second);
            a.mov(r9, __qword_ptr[r15 + StateOffset.FsGate]);
            a.Label(ref second);
            a.mov(r9d, __dword_ptr[r9]);
        },
        ["a jump to anywhere"] = a => a.jmp(rax),
        ["a jump to what the scratch register holds"] = a => a.jmp(r9),
        ["a jump through memory"] = a => a.jmp(__qword_ptr.gs[eax]),
        ["a jump into the middle of an instruction"] = a => a.db(0xEB, 0x01, 0xB8, 0, 0, 0, 0),
        ["a jump out of the block"] = a => a.db(0xE9, 0, 0, 1, 0),
        ["a call"] = a => a.db(0xE8, 0, 0, 0, 0),
        ["a return"] = a => a.ret(),
        ["a system call"] = a => a.syscall(),
        ["an old system call"] = a => a.@int(0x80),
        ["SYSENTER"] = a => a.sysenter(),
        ["a breakpoint"] = a => a.int3(),
        ["the GS base"] = a => a.wrgsbase(rax),
        ["the FS base"] = a => a.wrfsbase(rax),
        ["a segment register"] = a => a.mov(gs, ax),
        ["a segment register beside a general one, from the view"] = a => a.db(0x65, 0x67, 0x0F, 0xB5, 0x01), // lgs eax, gs:[ecx]
        ["POPF"] = a => a.popfq(),
        ["a port"] = a => a.@in(al, dx),
        ["HLT"] = a => a.hlt(),
        ["a latch of a port that does not exist"] = a => ReadLatch(a, () => a.mov(r13d, 0x10000), () => a.movzx(ecx, __byte_ptr[r9 + r13])),
        ["a latch behind 32 bits"] = a => ReadLatch(a, () => a.mov(r13d, edx), () => a.movzx(ecx, __byte_ptr[r9 + r13])),
        ["behind the latches"] = a => ReadLatch(a, () => a.movzx(r13d, dx), () => a.movzx(ecx, __byte_ptr[r9 + r13 + 0x20000])),
        ["two bytes of the latches"] = a => ReadLatch(a, () => a.movzx(r13d, dx), () => a.movzx(ecx, __word_ptr[r9 + r13])),
        ["what is a latch, overwritten"] = a => ReadLatch(a, () => a.movzx(r13d, dx), () => a.mov(__byte_ptr[r9 + r13], al)),
        ["latches that R9 does not hold"] = a =>
        {
            a.movzx(r13d, dx);
            a.movzx(ecx, __byte_ptr[r9 + r13]);
        },
        ["CPUID tells of the host"] = a => a.cpuid(),
        ["RDTSC tells of the host"] = a => a.rdtsc(),
        ["SGDT tells of the host"] = a => a.db(0x65, 0x67, 0x0F, 0x01, 0x00),
        ["SLDT tells of the host"] = a => a.sldt(eax),
        ["RDRAND"] = a => a.rdrand(eax),
        ["a whole vector stored where EIP is"] = a => a.movups(__xmmword_ptr[r15 + StateOffset.Eip], xmm0),
        ["a whole vector stored over the view's base"] = a => a.movups(__xmmword_ptr[r15 + StateOffset.HostScratch], xmm0),
        ["the byte two below the ramp"] = a => a.movzx(r8d, __byte_ptr[r14 - 2]),
        ["the view's base for the guest"] = a => a.mov(r9, __qword_ptr[r15 + StateOffset.HostView]),
        ["the host's flags, left on its stack"] = a => a.pushfq(),
        ["the host's flags, into the guest's register"] = a =>
        {
            a.pushfq();
            a.pop(rax);
        },
        ["a value popped from the host's stack"] = a =>
        {
            Label pop = a.CreateLabel();
            a.jmp(pop);
            a.pushfq();
            a.Label(ref pop);
            a.pop(r8);
        },
        ["a string without the view's base"] = a => MoveString(a, 0, a.nop),
        ["a string whose source keeps what it had above 32 bits"] = a => MoveString(a, 1, a.nop),
        ["a string whose source has 64 bits"] = a => MoveString(a, 1, () => a.lea(rsi, __[rsi + r13])),
        ["a string whose target has 64 bits"] = a => MoveString(a, 3, () => a.lea(rdi, __[rdi + r8])),
        ["a string whose source has another register's base"] = a => MoveString(a, 1, () => a.lea(esi, __[rsi + r8])),
        ["a string whose target has another register's base"] = a => MoveString(a, 3, () => a.lea(edi, __[rdi + r13])),
        ["a string whose target has a part of a base"] = a => MoveString(a, 3, () => a.lea(edi, __[rdi + (r8 * 2)])),
        ["a string with a base added behind the view's"] = a => MoveString(a, 4, () => a.lea(rdi, __[r9 + rdi + 8])),
        ["a string whose target is the source's"] = a => MoveString(a, 3, () => a.lea(edi, __[rsi + r8])),
        ["a string, entered after its target's upper half"] = a => StringEntered(a, 4),
        ["a base as 64 bits in the view"] = a => a.mov(eax, __dword_ptr.gs[r8 + r9]),
        ["the guest's stack with 64 bits"] = a => a.mov(__dword_ptr.gs[r12 + r9 - 4], ebx),
        ["the base of DS, changed"] = a => a.mov(__dword_ptr[r15 + StateOffset.SegmentBase(3)], r9d),
        ["the base of DS, followed"] = a =>
        {
            a.mov(r9d, __dword_ptr[r15 + StateOffset.SegmentBase(3)]);
            a.mov(r9d, __dword_ptr[r9]);
        },
        ["a gate that is none, followed"] = a =>
        {
            a.mov(r9, __qword_ptr[r15 + StateOffset.SegmentBase(3)]);
            a.mov(r9d, __dword_ptr[r9]);
        },
        ["a string without a source in the view"] = a => MoveString(a, 2, a.nop),
        ["a string whose target keeps what it had above 32 bits"] = a => MoveString(a, 3, a.nop),
        ["a string without a target in the view"] = a => MoveString(a, 4, a.nop),
        ["a string from FS, the thread's own"] = a => MoveString(a, 5, () => a.db(0x64, 0xF3, 0xA5)),
        ["a string of ports"] = a => MoveString(a, 5, () => a.rep.outsd()),
        ["a string whose source stays in the view"] = a => MoveString(a, 7, a.nop),
        ["a string whose target stays in the view"] = a => MoveString(a, 8, a.nop),
        ["a comparison of strings that uses one register more"] = a => MoveString(a, 5, () => a.repne.scasb()),
        ["a string, entered after its source's upper half"] = a => StringEntered(a, 2),
        ["a string, entered after the registers"] = a => StringEntered(a, 5),
        ["a string, left out on the way back"] = a => StringEntered(a, 6),
        ["FLDCW of a word that is not tested"] = a => LoadControl(a, 4, a.nop),
        ["FLDCW of another word"] = a => LoadControl(a, 0, () => a.mov(r9d, eax)),
        ["FLDCW after half a test"] = a => LoadControl(a, 2, () => a.lea(r9d, __[r9 * 8])),
        ["FLDCW of what was stored before"] = a => LoadControl(a, 7, a.nop),
        ["FLDCW, entered behind its test"] = a =>
        {
            Label behind = a.CreateLabel();
            a.jmp(behind);
            LoadControl(a, 7, () =>
            {
                a.Label(ref behind);
                a.mov(__dword_ptr[r15 + StateOffset.HostScratch], r13d);
            });
        },
        ["STOS stores through ES"] = a => a.db(0x65, 0x67, 0xAB),
        ["MOVS stores through ES"] = a => a.db(0x65, 0x67, 0xA5),
        ["REP STOS stores through ES"] = a => a.db(0xF3, 0x65, 0x67, 0xAB),
        ["MASKMOVDQU stores through DS"] = a => a.db(0x65, 0x67, 0x66, 0x0F, 0xF7, 0xC1),
        ["FXSAVE shows the host's pointers"] = a => a.fxsave(__[rax]),
        ["FNSTENV shows the host's pointers"] = a => a.db(0x65, 0x67, 0xD9, 0x30),
        ["FLDCW may unmask exceptions"] = a => a.fldcw(__word_ptr.gs[eax]),
        ["LDMXCSR may unmask exceptions"] = a => a.ldmxcsr(__dword_ptr.gs[eax]),
        ["AVX"] = a => a.vaddpd(ymm0, ymm1, ymm2),
        ["no instruction"] = a => a.db(0x06),
    };

    [Theory]
    [MemberData(nameof(Harmless))]
    public void It_lets_pass_what_cannot_leave_the_view(string name) => Assert.Null(Check(s_harmless[name]));

    [Theory]
    [MemberData(nameof(Harmful))]
    public void It_refuses_what_could(string name) => Assert.NotNull(Check(s_harmful[name]));

    [Fact]
    public void Code_must_not_run_on_behind_its_end()
    {
        CodeVerifier verifier = new(sizeof(HostFrame), sizeof(CpuState));
        Assert.NotNull(verifier.Check([0x90], Start, _ => false));
        Assert.NotNull(verifier.Check([], Start, _ => false));
        Assert.NotNull(verifier.Check([0x74, 0x00], Start, _ => true));
    }

    private static void IntoTheMiddle(Assembler a, int instruction)
    {
        Label middle = a.CreateLabel();
        a.jmp(middle);
        a.mov(r9d, __dword_ptr[r11 + (r13 * 4)]);
        if (instruction == 1)
        {
            a.Label(ref middle);
        }

        a.lea(r9, __[r10 + r9]);
        if (instruction == 2)
        {
            a.Label(ref middle);
        }

        a.jmp(r9);
    }

    // REP MOVSD as it is accepted; one instruction of it can be another.
    private static void ReadLatch(Assembler a, Action port, Action read)
    {
        a.mov(r9, __qword_ptr[r15 + StateOffset.PortLatches]);
        port();
        read();
    }

    private static void MoveString(Assembler a, int changed, Action? other)
    {
        Action[] steps =
        [
            () => a.mov(r9, __qword_ptr[r15 + StateOffset.HostView]),
            () => a.mov(esi, esi),
            () => a.lea(rsi, __[r9 + rsi]),
            () => a.mov(edi, edi),
            () => a.lea(rdi, __[r9 + rdi]),
            () => a.rep.movsd(),
            () => a.not(r9),
            () => a.lea(esi, __[rsi + r9 + 1]),
            () => a.lea(edi, __[rdi + r9 + 1]),
        ];
        Emit(steps, changed, other);
    }

    private static void StringEntered(Assembler a, int at)
    {
        Label middle = a.CreateLabel();
        a.jmp(middle);
        Action[] same =
        [
            () => { },
            () => { },
            () => a.lea(rsi, __[r9 + rsi]),
            () => { },
            () => a.lea(rdi, __[r9 + rdi]),
            () => a.rep.movsd(),
            () => a.not(r9),
        ];
        MoveString(a, at, () =>
        {
            a.Label(ref middle);
            same[at]();
        });
    }

    private static void LoadControl(Assembler a, int changed, Action? other)
    {
        Action[] steps =
        [
            () => a.mov(r9d, r13d),
            () => a.not(r9d),
            () => a.lea(r9d, __[r9 * 4]),
            () => a.movzx(ecx, r9b),
            () => a.db(0x67, 0xE3, 0x05),
            () => a.jmp(Exit),
            () => a.mov(ecx, r8d),
            () => a.mov(__dword_ptr[r15 + StateOffset.HostScratch], r13d),
            () => a.fldcw(__word_ptr[r15 + StateOffset.HostScratch]),
        ];
        Emit(steps, changed, other);
    }

    private static void Emit(Action[] steps, int changed, Action? other)
    {
        for (int n = 0; n < steps.Length; n++)
        {
            (n == changed ? other! : steps[n])();
        }
    }

    // The code, and behind it a jump to a place that is known.
    private static string? Check(Action<Assembler> emit)
    {
        Assembler assembler = new(64);
        emit(assembler);
        using MemoryStream bytes = new();
        _ = assembler.Assemble(new StreamCodeWriter(bytes), Start);
        int jump = (int)bytes.Length;
        bytes.Write([0xE9, .. BitConverter.GetBytes(Exit - (Start + jump + 5))]);
        return new CodeVerifier(sizeof(HostFrame), sizeof(CpuState)).Check(bytes.ToArray(), Start, offset => offset == Exit);
    }
}
