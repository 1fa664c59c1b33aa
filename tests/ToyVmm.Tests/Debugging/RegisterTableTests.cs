using ToyVmm.Debugging.Registers;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;
using ToyVmm.VirtualMachines;
using Xunit;

namespace ToyVmm.Tests.Debugging;

/// <summary>The table of registers: every row reads, what is written is read back, and the CPU stays one that could be.</summary>
public sealed class RegisterTableTests
{
    private static readonly byte[] s_code = [0xF4];

    // Registers with bits that cannot be set, or that load something.
    private static readonly string[] s_restricted = ["eflags", "cr0", "cr3", "cr4", "dr6", "dr7", "efer", "mxcsr", "es", "cs", "ss", "ds", "fs", "gs", "ftag", "fctrl", "fstat"];

    [Fact]
    public void The_core_registers_come_first_and_in_the_order_of_gdb()
    {
        Assert.Equal(
            "eax ecx edx ebx esp ebp esi edi eip eflags cs ss ds es fs gs st0 st1 st2 st3 st4 st5 st6 st7 fctrl fstat ftag fiseg fioff foseg fooff fop",
            string.Join(' ', RegisterTable.All.Where(register => register.Gdb?.Feature == GdbRegister.Core).Select(register => register.Name)));
        Assert.Equal(RegisterTable.All.Select(register => register.Name), RegisterTable.All.Select(register => register.Name).Distinct());
        Assert.Equal(RegisterTable.All.OrderBy(register => register.Gdb?.Feature switch { GdbRegister.Core => 0, GdbRegister.Sse => 1, _ => 2 }), RegisterTable.All);
    }

    [Fact]
    public void What_is_written_is_read_back()
    {
        using VirtualMachine vm = VirtualMachine.Create(s_code);
        UInt128 pattern = new(0x8123_4567_89AB_CDEF, 0xFEDC_BA98_7654_3210);
        foreach (Register register in RegisterTable.All.Where(register => register.CanWrite && !s_restricted.Contains(register.Name)))
        {
            UInt128 value = register.Bits == 128 ? pattern : pattern & ((UInt128.One << register.Bits) - 1);
            Assert.Null(register.TryWrite(vm, value));
            Assert.Equal(value, register.Read(vm));
            if (register.Bits < 128)
            {
                Assert.Contains("bits", register.TryWrite(vm, UInt128.One << register.Bits), StringComparison.Ordinal);
            }
        }
    }

    /// <summary>What gdb does with G: all registers are written as they are, in any state.</summary>
    [Fact]
    public void Writing_everything_as_it_is_changes_nothing()
    {
        using VirtualMachine vm = VirtualMachine.Create(s_code);
        vm.Cpu.Ds.Limit = uint.MaxValue;        // unreal mode
        vm.Cpu.Ds.Refresh();
        vm.Cpu.Halted = 1;
        vm.Vcpu.NotifyStateChanged();
        byte[] before = vm.SaveState();
        foreach (Register register in RegisterTable.All.Where(register => register.CanWrite))
        {
            // Writing MMn fills the rest of its register, as an MMX instruction does; and EFER is of a CPU that has NX.
            if (register.Group != RegisterGroup.Mmx && register.Name != "efer")
            {
                Assert.Null(register.TryWrite(vm, register.Read(vm)));
                Assert.True(before.AsSpan().SequenceEqual(vm.SaveState()), register.Name);
            }
        }
    }

    [Theory]
    [InlineData("eax", "al", 0x1234_5678u, 0xFFu, 0x1234_56FFu)]
    [InlineData("eax", "ah", 0x1234_5678u, 0xFFu, 0x1234_FF78u)]
    [InlineData("esi", "si", 0x1234_5678u, 0u, 0x1234_0000u)]
    [InlineData("eflags", "eflags.zf", 2u, 1u, 0x42u)]
    [InlineData("eflags", "eflags.iopl", 2u, 3u, 0x3002u)]
    [InlineData("cr4", "cr4.pse", 0u, 1u, 0x10u)]
    public void A_part_is_changed_alone(string whole, string part, uint before, uint value, uint after)
    {
        using VirtualMachine vm = VirtualMachine.Create(s_code);
        Assert.Null(RegisterTable.Find(whole)!.TryWrite(vm, before));
        Assert.Null(RegisterTable.Find("$" + part.ToUpperInvariant())!.TryWrite(vm, value));
        Assert.Equal(after, (uint)RegisterTable.Find(whole)!.Read(vm));
        Assert.Equal(value, (uint)RegisterTable.Find(part)!.Read(vm));
    }

    [Theory]
    [InlineData("eflags", 0x8000u, "this CPU lacks: 0x8000")]
    [InlineData("eflags", 0x0002_0002u, "virtual-8086")]
    [InlineData("cr0", 0x8000_0000u, "CR0.PG without CR0.PE")]
    [InlineData("cr0", 0x2000_0000u, "CR0.NW without CR0.CD")]
    [InlineData("cr4", 0x8000_0000u, "this CPU lacks")]
    [InlineData("mxcsr", 0x1_0000u, "reserved")]
    [InlineData("cpl", 1u, "cannot be set")]
    public void What_the_CPU_cannot_hold_is_refused(string name, uint value, string message)
    {
        using VirtualMachine vm = VirtualMachine.Create(s_code);
        byte[] before = vm.SaveState();
        Assert.Contains(message, RegisterTable.Find(name)!.TryWrite(vm, value), StringComparison.Ordinal);
        Assert.Equal(before, vm.SaveState());
    }

    [Fact]
    public void A_segment_value_of_real_mode_moves_the_base_and_leaves_the_limit()
    {
        using VirtualMachine vm = VirtualMachine.Create(s_code);
        vm.Cpu.Ds.Limit = uint.MaxValue;
        vm.Cpu.Ds.Refresh();
        Assert.Null(RegisterTable.Find("ds")!.TryWrite(vm, 0xB800));
        Assert.Equal((0xB_8000u, uint.MaxValue), (vm.Cpu.Ds.Base, vm.Cpu.Ds.Limit));
    }

    [Fact]
    public void A_selector_of_protected_mode_loads_its_descriptor()
    {
        using VirtualMachine vm = VirtualMachine.Create(s_code);
        ulong[] table = [0, 0x00CF_9A00_0000_FFFF, 0x0040_9200_1000_00FF, 0x0040_1200_0000_FFFF, 0x0000_8900_0000_0067];
        Assert.True(vm.Machine.Memory.TryWrite(new GuestPhysicalAddress(0x1000), System.Runtime.InteropServices.MemoryMarshal.AsBytes(table.AsSpan())));
        (vm.Cpu.GdtBase, vm.Cpu.GdtLimit) = (0x1000, 0x27);
        vm.Cpu.Cr0 |= Cr0.PE;
        Register ds = RegisterTable.Find("ds")!.Register;
        Assert.Null(ds.TryWrite(vm, 0x10));
        Assert.Equal((0x1000u, 0xFFu, 0x4093), (vm.Cpu.Ds.Base, vm.Cpu.Ds.Limit, vm.Cpu.Ds.Access));
        Assert.Contains("not present", ds.TryWrite(vm, 0x18), StringComparison.Ordinal);
        Assert.Contains("neither data nor readable code", ds.TryWrite(vm, 0x20), StringComparison.Ordinal);
        Assert.Contains("no such entry in the GDT", ds.TryWrite(vm, 0x28), StringComparison.Ordinal);
        Assert.Contains("no such entry in the LDT", ds.TryWrite(vm, 0x0C), StringComparison.Ordinal);
        Assert.Contains("privileged", ds.TryWrite(vm, 0x13), StringComparison.Ordinal);
        Assert.Equal(0x10, vm.Cpu.Ds.Selector);
        Assert.Null(ds.TryWrite(vm, 3));
        Assert.Equal(SegmentRights.None, vm.Cpu.Ds.Rights);
        Assert.Contains("null", RegisterTable.Find("ss")!.TryWrite(vm, 1), StringComparison.Ordinal);
        Assert.Null(RegisterTable.Find("cs")!.TryWrite(vm, 8));
        Assert.True(vm.Cpu.Cs.Big);
    }

    [Fact]
    public void The_tag_word_says_what_the_registers_hold()
    {
        using VirtualMachine vm = VirtualMachine.Create(s_code);
        Assert.Null(RegisterTable.Find("ftag")!.TryWrite(vm, 0xFFFC));
        Assert.Equal(0xFFFDu, (uint)RegisterTable.Find("ftag")!.Read(vm));       // +0
        Assert.Null(RegisterTable.Find("st0")!.TryWrite(vm, new UInt128(0x3FFF, 0x8000_0000_0000_0000)));
        Assert.Equal(0xFFFCu, (uint)RegisterTable.Find("ftag")!.Read(vm));       // 1.0
    }
}
