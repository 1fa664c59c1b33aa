using System.Buffers.Binary;
using ToyVmm.Debugging.Monitoring;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;
using ToyVmm.Hardware.Paging;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Snapshots;
using ToyVmm.VirtualMachines.Tracing;
using Xunit;

namespace ToyVmm.Tests.Monitoring;

/// <summary>The monitor prompt without a terminal: lines in, text out, nothing disturbed.</summary>
public sealed class MonitorCommandsTests
{
    // mov eax, 0x12345678; l: in al, 0x61; out 0x80, al; inc bx; cmp bx, 500; jne l; cli; hlt
    private static readonly byte[] s_code = [0x66, 0xB8, 0x78, 0x56, 0x34, 0x12, 0xE4, 0x61, 0xE6, 0x80, 0x43, 0x81, 0xFB, 0xF4, 0x01, 0x75, 0xF5, 0xFA, 0xF4];

    private static readonly string[] s_looks =
    [
        "help", "?", "info registers", "info mem", "info tlb", "info pic", "info pit", "info apic", "info exits", "info block", "screen", "stop",
        "x 0x7c00", "x/16xb 0x7c00", "x/4i $pc", "xp/2dg 0x7c00", "x/3oh $sp", "x/20c 0x7c00", "x/4xw 0xfee00000", "xp /4xw 0xfec00000", "x/2xw 0xfffffffe", "",
    ];

    [Fact]
    public void Every_look_has_an_answer()
    {
        using VirtualMachine vm = VirtualMachine.Create(s_code);
        MonitorCommands monitor = new(vm);
        foreach (string line in s_looks)
        {
            MonitorReply reply = monitor.Execute(line);
            Assert.False(reply.IsError, $"{line}: {reply.Text}");
            Assert.Equal(MonitorAction.Prompt, reply.Action);
            Assert.Equal(line.Length > 0, reply.Text.Length > 0 || line == "screen");
            Assert.False(reply.Text.EndsWith('\n'), line);
        }
    }

    [Fact]
    public void Snapshot_saves_the_machine_as_it_stands()
    {
        string folder = Directory.CreateTempSubdirectory("toyvmm-monitor").FullName;
        try
        {
            using VirtualMachine vm = VirtualMachine.Create(s_code);
            _ = vm.Run(new RunLimits { MaxInstructions = 100 });
            string path = Path.Combine(folder, "my snapshot.toyvmm");
            MonitorReply reply = new MonitorCommands(vm).Execute($"  snapshot {path} ");
            Assert.False(reply.IsError, reply.Text);
            Assert.Contains($"toyvmm run --from {path}", reply.Text, StringComparison.Ordinal);
            using VirtualMachine again = SnapshotFile.Open(path).CreateMachine(new VirtualMachineOptions());
            Assert.Equal(vm.SaveState(), again.SaveState());
            Assert.True(new MonitorCommands(vm).Execute($"snapshot {folder}").IsError);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Theory]
    [InlineData("snapshot", "to which file?")]
    [InlineData("frobnicate", "no such command")]
    [InlineData("info", "of what?")]
    [InlineData("info weather", "nothing is known")]
    [InlineData("info pic pit", "takes no arguments")]
    [InlineData("x", "write x/NFU ADDRESS")]
    [InlineData("x/4z 0", "a count")]
    [InlineData("x/99999999 0", "a count")]
    [InlineData("x $eix", "not an address")]
    [InlineData("x 0x1ffffffff", "not an address")]
    [InlineData("quit now", "no arguments")]
    [InlineData("info/4 pic", "only x and xp")]
    [InlineData("sendkey", "write one combination")]
    [InlineData("sendkey ctrl-nokey", "'nokey'")]
    public void What_makes_no_sense_is_an_error_that_helps(string line, string message)
    {
        using VirtualMachine vm = VirtualMachine.Create(s_code);
        MonitorReply reply = new MonitorCommands(vm).Execute(line);
        Assert.True(reply.IsError);
        Assert.Contains(message, reply.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void Looking_changes_nothing()
    {
        TraceHash quiet = new();
        using VirtualMachine undisturbed = VirtualMachine.Create(s_code, new VirtualMachineOptions { Observer = quiet, ExitObserver = quiet.OnExit });
        _ = undisturbed.Run(new RunLimits { MaxInstructions = 10_000 });

        TraceHash looked = new();
        using VirtualMachine vm = VirtualMachine.Create(s_code, new VirtualMachineOptions { Observer = looked, ExitObserver = looked.OnExit });
        MonitorCommands monitor = new(vm);
        while (vm.Run(new RunLimits { MaxInstructions = 171 }).Kind == StopKind.InstructionLimit)
        {
            foreach (string line in s_looks)
            {
                _ = monitor.Execute(line);
            }
        }

        Assert.Equal((quiet.Value, quiet.Events), (looked.Value, looked.Events));
    }

    [Fact]
    public void Registers_and_memory_show_what_is_there()
    {
        using VirtualMachine vm = VirtualMachine.Create(s_code);
        _ = vm.Run(new RunLimits { MaxInstructions = 1 });
        MonitorCommands monitor = new(vm);
        Assert.Contains("EAX=12345678", monitor.Execute("info registers").Text, StringComparison.Ordinal);
        Assert.Contains("real mode", monitor.Execute("info registers").Text, StringComparison.Ordinal);
        Assert.Equal("00007c00: 0x66 0xb8 0x78 0x56 0x34", monitor.Execute("x/5xb 0x7c00").Text);
        Assert.Equal("00007c00: 0x5678b866", monitor.Execute("xp 0x7c00").Text);
        Assert.Equal("00007c02: 305419896", monitor.Execute("x/d 0x7c02").Text);
        Assert.Equal("00007c06: e461                   in al, 0x61\n00007c08: e680                   out 0x80, al", monitor.Execute("x/2i $pc").Text);
        Assert.Equal("fee00000: ???????? ????????", monitor.Execute("xp/2xw 0xfee00000").Text); // the APIC is not read
        Assert.Contains("instructions", monitor.Execute("info exits").Text, StringComparison.Ordinal);
        Assert.Equal("there are no drives", monitor.Execute("info block").Text);
    }

    [Fact]
    public unsafe void Mappings_and_TLB_entries_are_ranges_with_rights()
    {
        using VirtualMachine vm = VirtualMachine.Create(s_code);
        MonitorCommands monitor = new(vm);
        Assert.StartsWith("paging is off", monitor.Execute("info mem").Text, StringComparison.Ordinal);

        // One table: pages 0-1 user and writable, 2 supervisor and writable, 3 read-only; and a large page at 0xC0000000.
        Span<byte> entry = stackalloc byte[4];
        foreach ((uint address, uint value) in ((uint, uint)[])[(0x1000, 0x2007), (0x1000 + (4 * 0x300), 0x83), (0x2000, 0x7), (0x2004, 0x1007), (0x2008, 0x2003), (0x200C, 0x3001)])
        {
            BinaryPrimitives.WriteUInt32LittleEndian(entry, value);
            Assert.True(vm.Machine.Memory.TryWrite(new GuestPhysicalAddress(address), entry));
        }

        vm.Cpu.Cr3 = 0x1000;
        vm.Cpu.Cr4 |= Cr4.PSE;
        vm.Cpu.Cr0 |= Cr0.PE | Cr0.PG;
        Assert.Equal(
            "00000000-00002000 00002000 urwx\n00002000-00003000 00001000 -rwx\n00003000-00004000 00001000 -r-x\nc0000000-c0400000 00400000 -rwx",
            monitor.Execute("info mem").Text);
        Assert.Equal("0 entries", monitor.Execute("info tlb").Text);
        foreach ((uint linear, ulong page, TlbRights rights) in ((uint, ulong, TlbRights)[])[
            (0x1000, 0x5000, TlbRights.User | TlbRights.Writable | TlbRights.Dirty),
            (0x2000, 0x6000, TlbRights.User | TlbRights.Writable | TlbRights.Dirty),
            (0xFFFF_F000, 0x7000, TlbRights.Global | TlbRights.NoExecute)])
        {
            vm.Vcpu.Mmu.Tlb.Insert(linear, new PageWalk { Page = page, HasTableEntry = true }, rights, vm.Machine.Memory);
        }

        Assert.Equal("00001000: 00005000 urwx d- 2 pages\nfffff000: 00007000 -r-- -g\n3 entries", monitor.Execute("info tlb").Text);
    }

    [Fact]
    public void Keys_are_pressed_together_and_released_in_reverse()
    {
        using VirtualMachine vm = VirtualMachine.Create(s_code);
        List<StampedInput> recorded = [];
        vm.Input.Recorder = recorded.Add;
        Assert.Equal(new MonitorReply(""), new MonitorCommands(vm).Execute("sendkey ctrl-a"));
        _ = vm.Run(new RunLimits { MaxInstructions = 10 });
        Assert.Equal(
            ["+LeftControl", "+A", "-A", "-LeftControl"],
            recorded.Select(input => input.Event).OfType<KeyInput>().Select(key => (key.Pressed ? "+" : "-") + key.Key));
    }

    [Fact]
    public void A_reset_starts_the_image_again()
    {
        using VirtualMachine vm = VirtualMachine.Create(s_code);
        MonitorCommands monitor = new(vm);
        StopReason first = vm.Run(new RunLimits { MaxInstructions = 10_000 });
        ulong instructions = vm.InstructionsRetired;
        Assert.Equal(StopKind.HaltedForever, first.Kind);
        _ = vm.Machine.Memory.TryWrite(new GuestPhysicalAddress(0x7C06), [0xF4, 0xF4]);
        Assert.False(monitor.Execute("reset").IsError);
        Assert.Equal((0x7C00U, 0U), (vm.Cpu.Eip, vm.Cpu.Ebx & 0xFFFF));
        Assert.Equal(StopKind.HaltedForever, vm.Run(new RunLimits { MaxInstructions = 10_000 }).Kind);
        Assert.Equal(2 * instructions, vm.InstructionsRetired);
        Assert.Equal(500U, vm.Cpu.Ebx & 0xFFFF);
    }

    [Theory]
    [InlineData("cont", MonitorAction.Continue)]
    [InlineData("c", MonitorAction.Continue)]
    [InlineData("quit", MonitorAction.Quit)]
    [InlineData("  q ", MonitorAction.Quit)]
    public void Some_commands_end_the_prompt(string line, MonitorAction action)
    {
        using VirtualMachine vm = VirtualMachine.Create(s_code);
        Assert.Equal(new MonitorReply("", action), new MonitorCommands(vm).Execute(line));
    }
}
