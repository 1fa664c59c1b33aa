using System.Diagnostics;
using System.Runtime.InteropServices;
using ToyVmm.VirtualMachines.Verification.HostCpu;
using Xunit;
using Xunit.Abstractions;

namespace ToyVmm.Tests.Verification;

/// <summary>A fact that needs a host that runs 32-bit programs; skipped, with the reason, where there is none.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class HostProcessorFactAttribute : FactAttribute
{
    public HostProcessorFactAttribute() => Skip = HostProcessor.Unavailable;
}

/// <summary>A theory that needs a host that runs 32-bit programs; skipped, with the reason, where there is none.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class HostProcessorTheoryAttribute : TheoryAttribute
{
    public HostProcessorTheoryAttribute() => Skip = HostProcessor.Unavailable;
}

/// <summary>Programs on the host's own CPU: what they see, every exception, and what ends them. Machine code is in hexadecimal, with its source beside it.</summary>
public sealed class HostProcessorTests(ITestOutputHelper output) : IDisposable
{
    private const uint Code = 0x13_0000;
    private const uint End = Code + 0xF00;
    private const uint Data = 0x14_0000;       // writable
    private const uint Constants = 0x14_1000;  // not
    private const uint Stack = 0x15_0000;
    private const uint StackTop = Stack + 0xF00;

    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(10);

    private readonly HostProcessor _processor = new();

    public void Dispose() => _processor.Dispose();

    [HostProcessorTheory]
    [InlineData("31C9 F7F1", 0, 0, 2)]                                  // xor ecx, ecx; div ecx
    [InlineData("9C 810C2400010000 9D 90 90", 1, 0, 10)]                // pushfd; or dword [esp], 100h; popfd; nop: trapped behind it
    [InlineData("CC", 3, 0, 1)]                                         // int3: behind it
    [InlineData("B07F 0401 CE", 4, 0, 5)]                               // mov al, 7Fh; add al, 1; into: behind it
    [InlineData("B805000000 6205 00001400", 5, 0, 5)]                   // mov eax, 5; bound eax, [data]
    [InlineData("0F0B", 6, 0, 0)]                                       // ud2
    [InlineData("66F00FB9C0", 6, 0, 0)]                                 // lock ud1: no such form
    [InlineData("F4", 13, 0, 0)]                                        // hlt
    [InlineData("FA", 13, 0, 0)]                                        // cli
    [InlineData("E660", 13, 0, 0)]                                      // out 60h, al
    [InlineData("0F20C0", 13, 0, 0)]                                    // mov eax, cr0
    [InlineData("CD40", 13, 0x202, 0)]                                  // int 40h: IDT entry 40h
    [InlineData("CD0E", 13, 0x72, 0)]                                   // int 14: the gate's DPL is 0
    [InlineData("B810000000 8ED8", 13, 0x10, 5)]                        // mov eax, 10h; mov ds, ax: the kernel's
    [InlineData("B8FF030000 8EC0", 13, 0x3FC, 5)]                       // mov eax, 3FFh; mov es, ax: behind the table
    [InlineData("B8FF000000 8ED8", 13, 0xFC, 5)]                        // mov eax, FFh; mov ds, ax: behind the local table
    [InlineData("31C0 8ED0", 13, 0, 2)]                                 // xor eax, eax; mov ss, ax
    [InlineData("31C0 8ED8 A100001400", 13, 0, 4)]                      // mov ds, 0; mov eax, [data]
    [InlineData("6666666666666666666666666666666690", 13, 0, 0)]        // 17 bytes
    [InlineData("BDFFFFFFFF 8B4500", 12, 0, 5)]                         // mov ebp, -1; mov eax, [ebp]: behind the stack segment's limit
    [InlineData("A100002000", 14, 4, 0, 0x20_0000)]                     // mov eax, [200000h]
    [InlineData("A300002000", 14, 6, 0, 0x20_0000)]
    [InlineData("A3F00E1300", 14, 7, 0, 0x13_0EF0, false)]              // mov [130EF0h], eax: in the page of the code
    [InlineData("A3FE1F1400", 14, 7, 0, 0x14_1FFE)]                     // in one that nothing was read from
    [InlineData("A3FE0F1400", 14, 7, 0, 0x14_1000)]                     // mov [140FFEh], eax: the second page is read-only
    [InlineData("A100000000", 14, 4, 0, 0)]
    [InlineData("A100000060", 14, 4, 0, 0x6000_0000)]
    [InlineData("A1FCDFFFFF", 14, 4, 0, 0xFFFF_DFFC)]                   // where Linux has the stack
    [InlineData("A1FCFFFFFF", 14, 4, 0, 0xFFFF_FFFC)]
    [InlineData("A1000000C0", 14, 4, 0, 0xC000_0000)]
    [InlineData("6840030000 D92C24 D9E8 D9EE DEF9 9B", 16, 0, 14)]      // push 340h; fldcw [esp]; fld1; fldz; fdivp; fwait
    [InlineData("9C 810C2400000400 9D 8B442401", 17, 0, 9)]             // pushfd; or dword [esp], 40000h; popfd; mov eax, [esp + 1]
    [InlineData("6A00 0FAE1424 0F57C0 0F5EC0", 19, 0, 9)]               // push 0; ldmxcsr [esp]; xorps xmm0, xmm0; divps xmm0, xmm0
    public void An_exception_is_recorded_as_the_CPU_raises_it(string code, uint vector, uint error, uint offset, uint cr2 = 0, bool writableCode = true)
    {
        HostRun run = Run(code, writableCode: writableCode);
        Assert.Equal(HostEnding.Ended, run.Ending);
        HostFault fault = Assert.Single(run.Faults);
        Assert.Equal((vector, error, Code + offset, cr2), (fault.Vector, fault.ErrorCode, fault.Eip, fault.Cr2));
        Assert.Equal(0u, fault.Eflags & 0x1_0100);
        Assert.Equal(End + 1, run.Registers.Eip);
    }

    /// <summary>INT1 is a trap, but under a hypervisor whose CPU intercepts it, EIP may not be past it: a program with it is no oracle.</summary>
    [HostProcessorFact]
    public void INT1_is_a_debug_exception()
    {
        HostFault fault = Assert.Single(Run("F1").Faults);
        Assert.Equal((1u, 0u), (fault.Vector, fault.ErrorCode));
        Assert.InRange(fault.Eip, Code, Code + 1);
    }

    [HostProcessorTheory]
    [InlineData("B820000020 FFE0", 4u, 0x2000_0020u)]   // mov eax, 20000020h; jmp eax: without the bit for a fetch
    [InlineData("B8FEFF1400 FFE0", 4u, 0x15_0000u)]     // an instruction across the border of a page that is not there
    public void A_fetch_faults_like_a_read(string code, uint error, uint cr2)
    {
        byte[] data = new byte[4096];
        data[0xFFE] = 0xB8;
        HostRun run = Run(code, extra: new HostPage(0x14_F000, data, Writable: true), stack: false);
        HostFault fault = Assert.Single(run.Faults);
        Assert.Equal((14u, error, cr2), (fault.Vector, fault.ErrorCode, fault.Cr2));
    }

    [HostProcessorTheory]
    [InlineData("B807000000 8ED8", 11)] // mov eax, 7; mov ds, ax
    [InlineData("B807000000 8ED0", 12)] // mov ss, ax
    public void A_segment_that_is_not_present_is_told_by_its_selector(string code, uint vector)
    {
        HostFault fault = Assert.Single(Run(code).Faults);
        Assert.Equal(_processor.HasAbsentSegment ? (vector, 4u, Code + 5) : (13u, 4u, Code + 5), (fault.Vector, fault.ErrorCode, fault.Eip));
    }

    [HostProcessorFact]
    public void A_program_starts_with_the_state_it_asks_for_and_its_last_one_comes_back()
    {
        byte[] state = FxSave();
        for (int i = 32; i < 288; i++)
        {
            state[i] = i >= 160 || (i & 15) < 10 ? (byte)(i * 7) : (byte)0;
        }

        state[0] = 0x7F;       // FCW
        state[1] = 0x0D;       // with other precision and rounding
        state[3] = 0x30;       // FSW: TOP
        state[4] = 0xFF;       // no register is empty
        state[25] = 0x3F;      // MXCSR: another rounding
        var registers = new HostRegisters
        {
            Eax = 0x1111_1111,
            Ecx = 0x2222_2222,
            Edx = 0x3333_3333,
            Ebx = 0x4444_4444,
            Esp = 0x5555_5555,
            Ebp = 0x6666_6666,
            Esi = 0x7777_7777,
            Edi = 0x8888_8888,
            Eip = End,
            Eflags = 0x0024_4ED7, // all but TF
        };
        HostRun run = _processor.Run(Program("CC", registers, fxSave: state), s_limit);
        Assert.Equal(HostEnding.Ended, run.Ending);
        Assert.Equal(registers with { Eip = End + 1 }, run.Registers);
        Assert.Equal(new HostSelectors(Es: 0x2B, Cs: 0x23, Ss: 0x2B, Ds: 0x2B, Fs: 0, Gs: 0), run.Selectors);
        Assert.Equal(state[..6], run.FxSave.Span[..6].ToArray());
        Assert.Equal(state[24..28], run.FxSave.Span[24..28].ToArray());
        Assert.Equal(state[32..288], run.FxSave.Span[32..288].ToArray());
        Assert.Equal(0, MemoryMarshal.Read<int>(run.FxSave.Span[28..])); // MXCSR_MASK
        Assert.False(run.FxSave.Span[288..].ContainsAnyExcept((byte)0));
    }

    [HostProcessorFact]
    public void Nothing_of_a_program_is_left_for_the_next()
    {
        // pushfd; or dword [esp], 244400h (DF NT AC ID); popfd; mov eax, 0; mov ds, ax; mov eax, 2Bh; mov fs, ax; mov gs, ax; fld1; pcmpeqd xmm7, xmm7
        HostRun first = Run("9C 810C2400442400 9D B800000000 8ED8 B82B000000 8EE0 8EE8 D9E8 660F76FF");
        Assert.Equal((HostEnding.Ended, 0), (first.Ending, first.Faults.Count));
        Assert.Equal(new HostSelectors(Es: 0x2B, Cs: 0x23, Ss: 0x2B, Ds: 0, Fs: 0x2B, Gs: 0x2B), first.Selectors);
        Assert.Equal(0x24_4400u, first.Registers.Eflags & 0x24_4400);

        HostRun second = Run("90");
        Assert.Equal((HostEnding.Ended, 0), (second.Ending, second.Faults.Count));
        Assert.Equal(new HostSelectors(Es: 0x2B, Cs: 0x23, Ss: 0x2B, Ds: 0x2B, Fs: 0, Gs: 0), second.Selectors);
        Assert.Equal(0x202u, second.Registers.Eflags);
        Assert.Equal(FxSave()[..6], second.FxSave.Span[..6].ToArray());
        Assert.False(second.FxSave.Span[32..].ContainsAnyExcept((byte)0));
    }

    [HostProcessorFact]
    public void A_fault_changes_nothing_but_where_the_program_goes_on()
    {
        // std; mov ds, 0; mov es, 28h (RPL 0); fld1; fldpi; pcmpeqd xmm3, xmm3; pushfd; or dword [esp], 244000h; popfd; ud2, and at +30h: nop
        byte[] code = new byte[0x100];
        Array.Fill(code, (byte)0x90);
        Bytes("FD 31C0 8ED8 B828000000 8EC0 D9E8 D9EB 660F76DB 9C 810C2400402400 9D 31C0 0F0B").CopyTo(code, 0);
        Bytes("0F0B").CopyTo(code, 0x28);
        HostRun run = Run(Convert.ToHexString(code), resumes: [Code + 0x10, Code + 0x30, Code + 0x50]);
        Assert.Equal(HostEnding.Ended, run.Ending);
        HostFault fault = Assert.Single(run.Faults);
        Assert.Equal((6u, 0u, 0u, 0x7Bu, StackTop, 0xE0u), (fault.Vector, fault.ErrorCode, fault.Eax, fault.Ecx, fault.Esp, fault.Edi));
        Assert.Equal(0x24_4646u, fault.Eflags);
        Assert.Equal(fault.Eflags, run.Registers.Eflags);
        Assert.Equal((fault.Eax, fault.Ecx, fault.Edx, fault.Ebx), (run.Registers.Eax, run.Registers.Ecx, run.Registers.Edx, run.Registers.Ebx));
        Assert.Equal((fault.Esp, fault.Ebp, fault.Esi, fault.Edi), (run.Registers.Esp, run.Registers.Ebp, run.Registers.Esi, run.Registers.Edi));
        Assert.Equal((0, 0x28), (run.Selectors.Ds, run.Selectors.Es));
        Assert.Equal(0xC0, run.FxSave.Span[4]);                                                        // two registers in use
        Assert.Equal(Bytes("35C26821A2DA0FC90040"), run.FxSave.Span[32..42].ToArray());                // pi
        Assert.Equal(Bytes("0000000000000080FF3F"), run.FxSave.Span[48..58].ToArray());                // 1
        Assert.Equal(Enumerable.Repeat((byte)0xFF, 16), run.FxSave.Span[208..224].ToArray());          // XMM3
    }

    [HostProcessorFact]
    public void The_program_goes_on_at_the_first_address_above_the_fault()
    {
        // Eight times: ud2; inc eax; nop. Every second INC is a place to resume; the last but one fault leads to the end.
        string code = string.Concat(Enumerable.Repeat("0F0B 40 90 ", 8));
        uint[] resumes = [Code, Code + 2, Code + 10, Code + 18, Code + 26];
        HostRun run = Run(code, resumes: resumes);
        Assert.Equal([Code, Code + 4, Code + 12, Code + 20, Code + 28], run.Faults.Select(fault => fault.Eip));
        Assert.Equal([0u, 1, 2, 3, 4], run.Faults.Select(fault => fault.Eax));
        Assert.Equal(HostEnding.Ended, run.Ending);

        run = Run(code, resumes: resumes, mostFaults: 2);
        Assert.Equal([Code, Code + 4], run.Faults.Select(fault => fault.Eip));
        Assert.Equal((HostEnding.Ended, 1u), (run.Ending, run.Registers.Eax));

        run = Run("0F0B EBFC 40", resumes: [Code + 2], mostFaults: HostProgram.FaultCapacity); // ud2, resumed at a jump back
        Assert.Equal((HostEnding.Ended, HostProgram.FaultCapacity), (run.Ending, run.Faults.Count));

        // A full table, whose last address is the right one.
        uint[] full = [.. Enumerable.Range(0, HostProgram.MostResumeAddresses - 1).Select(i => (uint)i * 16), Code + 2];
        run = Run("0F0B 40 90", resumes: full);
        Assert.Equal((1, 1u), (run.Faults.Count, run.Registers.Eax));
    }

    [HostProcessorFact]
    public void Memory_is_what_the_program_made_of_it_and_its_code_is_memory()
    {
        // mov byte [code + 0Ch], 42h (inc edx); mov dword [data + 10h], 12345678h; at 11h: the byte that was INC ECX
        HostRun run = Run("C60511001300 42 C70510001400 78563412 41 90");
        Assert.Equal((HostEnding.Ended, 0), (run.Ending, run.Faults.Count));
        Assert.Equal((0x7Bu, 1u), (run.Registers.Ecx, run.Registers.Edx));
        Assert.Equal(0x42, run.Page(Code)[0x11]);
        Assert.Equal(0x1234_5678u, MemoryMarshal.Read<uint>(run.Page(Data)[0x10..]));
        HostRun next = Run("90");
        Assert.Equal(0u, MemoryMarshal.Read<uint>(next.Page(Data)[0x10..]));
        Assert.Throws<InvalidOperationException>(() => run.Page(Code).Length);
        Assert.Throws<ArgumentException>(() => next.Page(Code + 1).Length);
        Assert.Throws<ArgumentException>(() => next.Page(HostProgram.AddressLimit).Length);
    }

    /// <summary>Pages come, go and change their protection from program to program; each is as the program says, at every border.</summary>
    [HostProcessorFact]
    public void Pages_are_exactly_those_of_the_program()
    {
        var random = new EdgeRandom(5);
        for (int i = 0; i < 200; i++)
        {
            var protections = new Dictionary<uint, bool>();
            for (int j = random.Below(12); j > 0; j--)
            {
                uint near = (uint)random.Below(3) switch { 0 => HostProgram.LowestAddress, 1 => HostProgram.AddressLimit - 0x8000, _ => Data };
                protections[near + ((uint)random.Below(8) << 12)] = random.OneIn(2);
            }

            // For each page: or byte [page], 0, a read and a write of one.
            uint[] probed = [.. Enumerable.Range(0, 8).SelectMany(j => new[] { 0x12_0000u, 0x3F_8000u, Data }.Select(page => page + ((uint)j << 12)))];
            string code = string.Concat(probed.Select(page => "800D" + Convert.ToHexString(BitConverter.GetBytes(page)) + "00"));
            HostPage[] pages = [.. protections.Select(page => new HostPage(page.Key, Array.Empty<byte>(), page.Value))];
            HostRun run = _processor.Run(
                new HostProgram
                {
                    Pages = [CodePage(code, writable: true), .. pages],
                    Registers = new HostRegisters { Eip = Code, Eflags = 2 },
                    FxSave = FxSave(),
                    ResumeAddresses = Enumerable.Range(0, probed.Length).Select(j => Code + ((uint)j * 7)).ToArray(),
                    EndAddress = End,
                    MostFaults = 100,
                },
                s_limit);

            // OR reads with the intent to write: W/R is set (SDM 3A 4.7).
            var expected = probed.Where(page => !protections.GetValueOrDefault(page)).Select(page => (page, protections.ContainsKey(page) ? 7u : 6u));
            Assert.Equal(expected, run.Faults.Select(fault => (fault.Cr2, fault.ErrorCode)));
        }

        Assert.Equal(0, _processor.Restarts);
    }

    [HostProcessorFact]
    public void A_program_that_does_not_end_is_killed()
    {
        var watch = Stopwatch.StartNew();
        HostRun run = _processor.Run(Program("0F0B 40 EBFE", resumes: [Code + 2]), TimeSpan.FromMilliseconds(50)); // ud2; inc eax; jmp $
        Assert.Equal(HostEnding.TimedOut, run.Ending);
        Assert.InRange(watch.ElapsedMilliseconds, 50, 5000);
        _ = Assert.Single(run.Faults);
        Assert.Equal(0, run.FxSave.Length);
        Assert.Equal(0x0F, run.Page(Code)[0]);
        run = Run("41");
        Assert.Equal((HostEnding.Ended, 0, 0x7Cu, 1), (run.Ending, run.Faults.Count, run.Registers.Ecx, _processor.Restarts));
    }

    [HostProcessorTheory]
    [InlineData("B801000000 31DB CD80")]    // mov eax, 1 (exit); xor ebx, ebx; int 80h
    [InlineData("B804000000 31DB CD80")]    // write
    [InlineData("B87D000000 CD80")]         // mprotect
    public void A_system_call_of_a_program_ends_it(string code)
    {
        HostRun run = Run(code);
        Assert.Equal((HostEnding.Died, 31), (run.Ending, run.Signal));
        Assert.Equal((HostEnding.Ended, 1), (Run("90").Ending, _processor.Restarts));
    }

    /// <summary>AMD has SYSCALL in 32-bit code, Intel SYSENTER; the other one is undefined there.</summary>
    [HostProcessorTheory]
    [InlineData("B801000000 0F05")]
    [InlineData("B801000000 0F34")]
    public void A_fast_system_call_of_a_program_ends_it_too(string code)
    {
        HostRun run = Run(code);
        Assert.True(run is { Ending: HostEnding.Died, Signal: 31 } or { Ending: HostEnding.Ended, Faults: [{ Vector: 6 }] }, $"{run.Ending} {run.Signal}");
    }

    [HostProcessorFact]
    public void A_process_that_is_killed_is_told_and_started_again()
    {
        using (Process victim = Process.GetProcessById(_processor.ProcessId!.Value))
        {
            victim.Kill();
        }

        HostRun run = Run("90");
        Assert.Equal((HostEnding.Died, 9), (run.Ending, run.Signal));
        Assert.Null(_processor.ProcessId);
        Assert.Equal((HostEnding.Ended, 1), (Run("90").Ending, _processor.Restarts));
    }

    [HostProcessorTheory]
    [InlineData("C60500001300CC C605000F130090 0F0B 0F0B", 10)]  // mov byte [end], 90h: zeros and NOPs up to the end of the page
    [InlineData("66C705000F13000F0B 0F0B", 1)]                   // mov word [end], 0B0Fh
    public void A_program_whose_end_is_gone_ends_all_the_same(string code, int mostFaults)
    {
        HostRun run = Run(code, mostFaults: mostFaults);
        Assert.Equal((HostEnding.EndUnreachable, mostFaults), (run.Ending, run.Faults.Count));
        Assert.InRange(run.Registers.Eip, End, Code + 0x1000);
        Assert.Equal((HostEnding.Ended, 0), (Run("90").Ending, _processor.Restarts));
    }

    [HostProcessorFact]
    public void What_belongs_to_the_runner_is_told_and_its_damage_noticed()
    {
        Assert.True(HostProcessor.OccupiedEnd - HostProcessor.OccupiedStart < 0x2_0000);
        Assert.Equal(HostEnding.Strayed, Run("A3" + Hex(HostProcessor.OccupiedStart)).Ending);                              // its code
        Assert.Equal(HostEnding.Strayed, Run("C705" + Hex(HostProcessor.OccupiedEnd - 4) + "01000000").Ending);             // its records
        Assert.Equal(HostEnding.Strayed, Run("B8" + Hex(HostProcessor.OccupiedStart + 0x7000) + "FFE0").Ending);            // fetched from its data
        HostFault below = Assert.Single(Run("A1" + Hex(HostProcessor.OccupiedStart - 4)).Faults);
        HostFault above = Assert.Single(Run("A1" + Hex(HostProcessor.OccupiedEnd)).Faults);
        Assert.Equal((14u, 4u, 14u, 4u), (below.Vector, below.ErrorCode, above.Vector, above.ErrorCode));
        Assert.Equal(3, _processor.Restarts);
    }

    [HostProcessorFact]
    public void Ten_thousand_programs_run_in_one_process()
    {
        const int Count = 10_000;
        int process = _processor.ProcessId!.Value;
        byte[][] contents = [.. Enumerable.Range(0, 10).Select(i => new byte[4096])];
        new Random(1).NextBytes(contents[9]);
        Array.Fill(contents[0], (byte)0x90);
        Bytes("01C8 F7F1 40 A300001400 D9E8 DEC1 0F0B 41").CopyTo(contents[0], 0);
        contents[0][0xF00] = 0xCC;
        TimeSpan[] rates = new TimeSpan[2];
        for (int pass = 0; pass < 2; pass++)
        {
            var watch = Stopwatch.StartNew();
            for (uint i = 0; i < Count; i++)
            {
                // Second pass: half of the pages are elsewhere each time.
                uint shift = pass == 0 ? 0 : (i & 1) << 16;
                HostPage[] pages = new HostPage[10];
                for (int j = 0; j < 10; j++)
                {
                    pages[j] = new HostPage((j == 0 ? Code : Data) + ((uint)j << 12) + (j < 5 ? 0 : shift), contents[j], j != 1);
                }

                pages[9] = pages[9] with { Address = Data };
                HostRun run = _processor.Run(
                    new HostProgram
                    {
                        Pages = pages,
                        Registers = new HostRegisters { Eax = i, Ecx = 3, Esp = StackTop, Eip = Code, Eflags = 2 },
                        FxSave = FxSave(),
                        ResumeAddresses = new uint[] { Code + 4, Code + 16 },
                        EndAddress = End,
                        MostFaults = 16,
                    },
                    s_limit);
                Assert.Equal((HostEnding.Ended, ((i + 3) / 3) + 1, 4u), (run.Ending, run.Registers.Eax, run.Registers.Ecx));
                Assert.Equal(((i + 3) / 3) + 1, MemoryMarshal.Read<uint>(run.Page(Data)));
                _ = Assert.Single(run.Faults);
            }

            rates[pass] = watch.Elapsed / Count;
        }

        output.WriteLine($"{rates[0].TotalMicroseconds:F1} us a program of 10 pages and one fault; {rates[1].TotalMicroseconds:F1} us where 5 of the pages move each time");
        Assert.Equal((process, 0), (_processor.ProcessId, _processor.Restarts));
        Assert.InRange(rates[0].TotalMicroseconds, 0, 2000);
    }

    /// <summary>Several instances on threads that come and go: a program's process does not depend on the thread that started it.</summary>
    [HostProcessorFact]
    public void Instances_are_independent_of_each_other_and_of_threads()
    {
        var processors = new HostProcessor[4];
        for (int i = 0; i < processors.Length; i++)
        {
            var starter = new Thread(() => processors[i] = new HostProcessor());
            starter.Start();
            starter.Join();
        }

        Parallel.For(0, processors.Length, i =>
        {
            using HostProcessor processor = processors[i];
            for (uint j = 0; j < 500; j++)
            {
                uint value = ((uint)i << 16) | j;
                HostRun run = processor.Run(Program("A300101300 40", new HostRegisters { Eax = value, Eip = Code }, pages: [CodePage("A300101300 40", true), new HostPage(Code + 0x1000, default, true)]), s_limit);
                Assert.Equal((HostEnding.Ended, value + 1, value), (run.Ending, run.Registers.Eax, MemoryMarshal.Read<uint>(run.Page(Code + 0x1000))));
            }

            Assert.Equal(0, processor.Restarts);
        });
    }

    [HostProcessorFact]
    public void Nothing_is_left_after_Dispose()
    {
        int before = Directory.GetFiles("/proc/self/fd").Length;
        const int Count = 40;
        for (int i = 0; i < Count; i++)
        {
            var processor = new HostProcessor();
            int process = processor.ProcessId!.Value;
            Assert.Equal(HostEnding.Ended, processor.Run(Program("90"), s_limit).Ending);
            processor.Dispose();
            processor.Dispose();
            Assert.False(Directory.Exists($"/proc/{process}"));
            Assert.Throws<ObjectDisposedException>(() => processor.Run(Program("90"), s_limit));
            Assert.Equal((false, null), (processor.HasAbsentSegment, processor.ProcessId));
        }

        // Other tests open files at the same time, but not one for each of ours.
        Assert.InRange(Directory.GetFiles("/proc/self/fd").Length - before, int.MinValue, Count - 1);
    }

    [HostProcessorFact]
    public void A_program_against_the_rules_is_refused()
    {
        void Refused(HostProgram program) => Assert.Throws<ArgumentException>(() => _processor.Run(program, s_limit));
        HostPage code = CodePage("90", writable: true);
        HostProgram With(params HostPage[] pages) => Program("90", pages: pages);
        Refused(With(code, code));
        Refused(With(code, new HostPage(Data + 1, default, true)));
        Refused(With(code, new HostPage(Data, new byte[4097], true)));
        Refused(With(code, new HostPage(HostProgram.LowestAddress - 4096, default, true)));
        Refused(With(code, new HostPage(HostProgram.AddressLimit, default, true)));
        Refused(Program("90", resumes: [2, 2]));
        Refused(Program("90", resumes: new uint[HostProgram.MostResumeAddresses + 1]));
        Refused(Program("90", mostFaults: 0));
        Refused(Program("90", mostFaults: HostProgram.FaultCapacity + 1));
        Refused(Program("90", fxSave: new byte[511]));
        Refused(Program("90", new HostRegisters { Eip = Code, Eflags = 0x100 }));
        byte[] state = FxSave();
        state[26] = 1;
        Refused(Program("90", fxSave: state));
        Assert.Equal((HostEnding.Ended, 0), (Run("90").Ending, _processor.Restarts));
    }

    private HostRun Run(string code, uint[]? resumes = null, int mostFaults = 16, bool writableCode = true, HostPage? extra = null, bool stack = true)
    {
        List<HostPage> pages =
        [
            CodePage(code, writableCode),
            new HostPage(Data, Array.Empty<byte>(), Writable: true),
            new HostPage(Constants, Array.Empty<byte>(), Writable: false),
        ];
        if (stack)
        {
            pages.Add(new HostPage(Stack, Array.Empty<byte>(), Writable: true));
        }

        if (extra is { } page)
        {
            pages.Add(page);
        }

        return _processor.Run(Program(code, resumes: resumes, mostFaults: mostFaults, pages: [.. pages]), s_limit);
    }

    private static HostProgram Program(
        string code, HostRegisters? registers = null, byte[]? fxSave = null, uint[]? resumes = null, int mostFaults = 16, HostPage[]? pages = null) => new()
        {
            Pages = pages ?? [CodePage(code, writable: true)],
            Registers = registers ?? new HostRegisters { Ecx = 0x7B, Edi = 0xE0, Esp = StackTop, Eip = Code, Eflags = 0x202 },
            FxSave = fxSave ?? FxSave(),
            ResumeAddresses = resumes ?? [],
            EndAddress = End,
            MostFaults = mostFaults,
        };

    /// <summary>The code, NOPs, and the INT3.</summary>
    private static HostPage CodePage(string code, bool writable)
    {
        byte[] content = new byte[4096];
        Array.Fill(content, (byte)0x90);
        Bytes(code).CopyTo(content, 0);
        content[0xF00] = 0xCC;
        return new HostPage(Code, content, writable);
    }

    /// <summary>As after FNINIT and with MXCSR's reset value.</summary>
    private static byte[] FxSave()
    {
        byte[] image = new byte[512];
        BitConverter.TryWriteBytes(image, (ushort)0x37F);
        BitConverter.TryWriteBytes(image.AsSpan(24), 0x1F80);
        return image;
    }

    private static string Hex(uint value) => Convert.ToHexString(BitConverter.GetBytes(value));

    private static byte[] Bytes(string hex) => Convert.FromHexString(hex.Replace(" ", "", StringComparison.Ordinal));
}
