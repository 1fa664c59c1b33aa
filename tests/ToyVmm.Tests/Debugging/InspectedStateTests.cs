using System.Buffers.Binary;
using ToyVmm.Debugging;
using ToyVmm.Debugging.Expressions;
using ToyVmm.Debugging.Inspecting;
using ToyVmm.Debugging.Registers;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;
using ToyVmm.Hardware.Paging;
using ToyVmm.Tests.Symbols;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Symbols;
using Xunit;

namespace ToyVmm.Tests.Debugging;

/// <summary>Differences, stale caches and frames in states that were made for it.</summary>
public sealed class InspectedStateTests
{
    [Fact]
    public void A_stale_descriptor_cache_is_told()
    {
        using VirtualMachine vm = Protected();
        Assert.Null(RegisterTable.Find("ds")!.TryWrite(vm, 0x10));
        Assert.Empty(Segment(vm, "DS").Differences);
        Write(vm, 0x1010, 0x0040_9800_2000_0FFF);       // the entry is code now, and elsewhere
        SegmentReport ds = Segment(vm, "DS");
        Assert.Equal(SegmentSource.GlobalTable, ds.Source);
        Assert.Equal(3, ds.Differences.Count);
        Assert.Equal("base 00000000, the table has 00002000", ds.Differences[0]);
        Assert.Equal("limit ffffffff, the table has 00000fff", ds.Differences[1]);
        Assert.Equal("access c093 (data32 rw-, DPL 0, accessed), the table has 4098 (code32 --x, DPL 0)", ds.Differences[2]);
        vm.Cpu.GdtLimit = 0xF;
        Assert.Equal((SegmentSource.NoEntry, "the table has no such entry now"), (Segment(vm, "DS").Source, Segment(vm, "DS").Differences[0]));
        vm.Cpu.Ds.Selector = 0;
        Assert.Contains("still holds a segment", Segment(vm, "DS").Differences[0], StringComparison.Ordinal);
        vm.Cpu.Cr0 &= ~Cr0.PE;
        vm.Cpu.Ds.Base = 0x1_0000;
        Assert.Equal(3, Segment(vm, "DS").Differences.Count);       // base, unreal limit, D/B
    }

    [Fact]
    public void A_stale_TLB_entry_is_told()
    {
        using VirtualMachine vm = Protected();
        Write(vm, 0x2000, 0x3007);                      // directory at 2000, table at 3000
        Write(vm, 0x3000, 0x0000_1003_0000_0003);       // pages 0 and 1 onto themselves
        Write(vm, 0x3008, 0x5003);                      // page 2 leads to 5000
        vm.Cpu.Cr3 = 0x2000;
        vm.Cpu.Cr0 |= Cr0.PG;
        vm.Vcpu.NotifyStateChanged();
        Assert.Contains("not in the TLB", Assert.Single(ShadowReport.Read(vm, 0x2000, false).Reasons), StringComparison.Ordinal);
        Assert.True(vm.Vcpu.Mmu.Translate(0x2000, PageAccess.Write, out _, out _, out _));
        Write(vm, 0x3008, 0x6001);
        ShadowReport report = ShadowReport.Read(vm, 0x2000, false);
        Assert.Equal("stale TLB entry: the TLB leads to 00005000, the guest's table to 00006000", report.Reasons[0]);
        Assert.Contains(report.Reasons, reason => reason.Contains("CR0.WP is clear", StringComparison.Ordinal));
        Write(vm, 0x3008, 0);
        Assert.Contains("no longer maps", ShadowReport.Read(vm, 0x2000, false).Reasons[0], StringComparison.Ordinal);
        Assert.Equal(PageRights.None, ShadowReport.Read(vm, 0x2000, true).Guest);
        vm.Vcpu.Mmu.Tlb.FlushAll();
        Assert.Empty(ShadowReport.Read(vm, 0x2000, false).Reasons);
    }

    [Fact]
    public void Calls_are_found_by_frames_and_without()
    {
        SymbolTable symbols = SymbolFile.Read(new ElfBuilder().Add("main", 0x1000, type: 2, size: 0x20, global: true).Add("inner", 0x1020, type: 2, size: 0x20, global: true).Add("text", 0x1050, type: 1, size: 8, global: true).Build());
        using VirtualMachine vm = Protected();
        Inspector inspector = new(vm) { Symbols = symbols };
        Assert.Null(RegisterTable.Find("ss")!.TryWrite(vm, 0x10));
        Assert.Null(RegisterTable.Find("cs")!.TryWrite(vm, 8));
        Assert.True(vm.Machine.Memory.TryWrite(new GuestPhysicalAddress(0x1003), [0xE8, 0x18, 0, 0, 0]));         // main: call inner
        foreach ((uint at, uint value) in ((uint, uint)[])[(0x8FF0, 0x1054), (0x8FF8, 0x9000), (0x8FFC, 0x1008), (0x9000, 0), (0x9004, 0)])
        {
            Write(vm, at, value, 4);
        }

        (vm.Cpu.Eip, vm.Cpu.Esp, vm.Cpu.Ebp) = (0x1024, 0x8FF0, 0x8FF8);
        Assert.Equal("inner+0x4 main+0x8", string.Join(' ', inspector.Frames().Select(frame => frame.Symbol.ToString())));
        Assert.DoesNotContain(inspector.Frames(), frame => frame.IsGuess);
        vm.Cpu.Ebp = 0;
        Assert.Equal("inner+0x4 main+0x8", string.Join(' ', inspector.Frames().Select(frame => frame.Symbol.ToString())));
        Assert.True(inspector.Frames()[1].IsGuess);
        Assert.Equal("<text+0x4>", inspector.StackWords(0, 1)[0].Name);
        Assert.Equal("<main+0x8>", inspector.StackWords(0, 4)[3].Name);
        vm.Cpu.Esp = 0xFEE0_0000;
        Assert.Null(inspector.StackWords(1, 1)[1].Value);
        _ = Assert.Single(inspector.Frames());
    }

    [Fact]
    public void Code_is_disassembled_anywhere()
    {
        using VirtualMachine vm = Protected();
        Inspector inspector = new(vm);
        Assert.True(vm.Machine.Memory.TryWrite(new GuestPhysicalAddress(0x1000), [0xB8, 1, 2, 3, 4, 0xEB, 0xF9]));
        Assert.Equal("mov eax, 0x4030201", inspector.Disassemble(new CodePlace(0x1000, Bits: 32), 1)[0].Instruction.Text);
        Assert.Equal("mov ax, 0x201", inspector.Disassemble(new CodePlace(0x1000, Bits: 16), 1)[0].Instruction.Text);
        CodeLine jump = inspector.Disassemble(new CodePlace(0x1005, IsPhysical: true, Bits: 16, SegmentBase: 0x1000), 1)[0];
        Assert.Equal((0u, 5u), (jump.Instruction.Target!.Value, jump.Instruction.Address));
        CodeLine nothing = Assert.Single(inspector.Disassemble(new CodePlace(0xFEE0_0000), 5));
        Assert.Equal("(no memory)", nothing.Instruction.Text);
        Assert.Contains("(no memory)", inspector.Show([nothing]).Text, StringComparison.Ordinal);
    }

    [Fact]
    public void Sources_are_found_below_the_folders_that_were_named()
    {
        string folder = Directory.CreateTempSubdirectory("toyvmm-sources").FullName;
        try
        {
            _ = Directory.CreateDirectory(Path.Combine(folder, "kernel"));
            File.WriteAllText(Path.Combine(folder, "kernel", "main.c"), "int x;\n\tint\u001b[2J y;\n");
            SourceFiles sources = new([folder]);
            Assert.Equal("int x;", sources.Text(new SourceLine("/build/kernel/main.c", 1, 0, 0, 1)));
            Assert.Equal("    int?[2J y;", sources.Text(new SourceLine("/build/kernel/main.c", 2, 0, 0, 1)));
            Assert.Null(sources.Text(new SourceLine("/build/kernel/main.c", 3, 0, 0, 1)));
            Assert.Null(sources.Lines("/build/other.c"));
            Assert.Null(sources.Lines("/dev/zero"));
            Assert.Null(sources.Lines(folder));
            Assert.NotNull(new SourceFiles().Lines(Path.Combine(folder, "kernel", "main.c")));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void A_session_evaluates_conditions_and_assigns()
    {
        // mov cx, 10; l: inc ax; loop l; hlt
        using VirtualMachine vm = VirtualMachine.Create(new byte[] { 0xB9, 10, 0, 0x40, 0xE2, 0xFD, 0xF4 });
        using DebugSession session = new(vm);
        Breakpoint breakpoint = session.Breakpoints.Add(new LinearSpec(0x7C03));
        Assert.Contains("column 5", session.SetCondition(breakpoint, "ax +")?.ToString(), StringComparison.Ordinal);
        Assert.Null(session.SetCondition(breakpoint, "(s16)ax >= 5 && hits > 6"));
        Assert.Equal(StopCause.Breakpoint, session.Continue().Cause);
        Assert.Equal(6u, vm.Cpu.Eax & 0xFFFF);
        Assert.True(Expression.TryParse("word [0x8000]", null, out Expression? memory, out _));
        Assert.Null(session.TryAssign(memory, memory.Evaluate(session.ContextFor()) with { Bits = 0x1234 }));
        Assert.Equal(0x1234u, memory.Evaluate(session.ContextFor()).Bits);
        Assert.True(Expression.TryParse("byte phys 0xfee00000", null, out Expression? device, out _));
        Assert.Contains("takes no writes", session.TryAssign(device, memory.Evaluate(session.ContextFor())), StringComparison.Ordinal);
        Assert.True(Expression.TryParse("ah", null, out Expression? register, out _));
        Assert.Null(session.TryAssign(register, memory.Evaluate(session.ContextFor())));
        Assert.Equal(0x3406u, vm.Cpu.Eax & 0xFFFF);
    }

    private static SegmentReport Segment(VirtualMachine vm, string name) => SegmentReport.ReadAll(vm).Single(segment => segment.Name == name);

    private static void Write(VirtualMachine vm, uint address, ulong value, int size = 8)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        Assert.True(vm.Machine.Memory.TryWrite(new GuestPhysicalAddress(address), bytes[..size]));
    }

    // Ring 0 with flat segments, 8 and 10, in a GDT at 1000.
    private static VirtualMachine Protected()
    {
        VirtualMachine vm = VirtualMachine.Create(new byte[] { 0xF4 });
        Write(vm, 0x1000, 0);
        Write(vm, 0x1008, 0x00CF_9A00_0000_FFFF);
        Write(vm, 0x1010, 0x00CF_9200_0000_FFFF);
        (vm.Cpu.GdtBase, vm.Cpu.GdtLimit) = (0x1000, 0x17);
        vm.Cpu.Cr0 |= Cr0.PE;
        vm.Vcpu.NotifyStateChanged();
        return vm;
    }
}
