using ToyVmm.Debugging;
using ToyVmm.Debugging.Terminal;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Comparing;
using Xunit;

namespace ToyVmm.Tests.Debugging.Terminal;

/// <summary>The commands of the prompt, through the interpreter, on both engines.</summary>
public sealed class CommandInterpreterTests
{
    public static IEnumerable<object[]> Engines => DebuggedGuest.Engines;

    [Theory]
    [MemberData(nameof(Engines))]
    public void A_guest_is_stepped(EngineKind engine)
    {
        using DebuggedGuest guest = new("hello/hello.bin", engine);
        Assert.Contains("0000:7c00", guest.Interpreter.DescribeStop(), StringComparison.Ordinal);
        string stepped = guest.Do("step");
        Assert.Contains("instruction 1\n", stepped, StringComparison.Ordinal);
        Assert.Contains("=> ", stepped, StringComparison.Ordinal);
        Assert.Contains("instruction 11", guest.Do("si 10"), StringComparison.Ordinal);
        Assert.Contains("the guest has ended", guest.Do("c"), StringComparison.Ordinal);
        Assert.NotNull(guest.Session.Ended);
        Assert.NotEmpty(guest.Serial.ToString());
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public void Breakpoints_of_every_kind_are_made_and_listed(EngineKind engine)
    {
        using DebuggedGuest guest = new("traps/traps.elf", engine);
        (string Line, BreakpointSpec Spec)[] cases =
        [
            ("break 0x100010", new LinearSpec(0x100010, guest.Session.Symbols.Find(0x100010)?.ToString())),
            ("b 07c0:0010", new SegmentOffsetSpec(0x7C0, 0x10)),
            ("b phys:0x1000", new PhysicalSpec(0x1000)),
            ("tbreak at 5_000", new InstructionSpec(5000)),
            ("watch 0x7e00,2", new DataSpec(0x7E00, 2, WatchAccess.Write)),
            ("rwatch 0x7e00", new DataSpec(0x7E00, 4, WatchAccess.Read)),
            ("awatch phys:0x7e00,1", new DataSpec(0x7E00, 1, WatchAccess.Access, IsPhysical: true)),
            ("wchange word [0x7e00]", new DataSpec(0x7E00, 2, WatchAccess.Change, Symbol: "word [0x7e00]")),
            ("port 0x3f8", new PortSpec(0x3F8, 0x3F8)),
            ("port out 0x3f8-0x3ff", new PortSpec(0x3F8, 0x3FF, Reads: false)),
            ("port 0x60 in", new PortSpec(0x60, 0x60, Writes: false)),
            ("cr 0", new ControlRegisterSpec(0)),
            ("cr cr3", new ControlRegisterSpec(3)),
            ("msr 0x174", new ModelSpecificRegisterSpec(0x174)),
            ("vector #PF", new VectorSpec(14)),
            ("vector gp", new VectorSpec(13)),
            ("vector 0x20", new VectorSpec(0x20)),
            ("hypercall 2", new HypercallSpec(2)),
            ("at 100", new InstructionSpec(100)),
            ("sensitive", new SensitiveSpec()),
            ("break mode", new ModeSwitchSpec()),
            ("break space", new AddressSpaceSpec()),
        ];
        foreach ((string line, BreakpointSpec spec) in cases)
        {
            _ = guest.Do(line);
            Assert.Equal(spec, guest.Session.Breakpoints.Last().Spec);
        }

        Assert.Equal(cases.Length, guest.Do("breakpoints").Split('\n').Length);
        Assert.True(guest.Session.Breakpoints.ElementAt(3).IsTemporary);
        _ = guest.Do("disable");
        Assert.All(guest.Session.Breakpoints, one => Assert.False(one.IsEnabled));
        _ = guest.Do("enable 1 3");
        Assert.Equal([1, 3], guest.Session.Breakpoints.Where(one => one.IsEnabled).Select(one => one.Id));
        _ = guest.Do("delete 2");
        Assert.Null(guest.Session.Breakpoints.Find(2));
        _ = guest.Do("delete");
        Assert.Equal("there are no breakpoints", guest.Do("bl"));
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public void Conditions_counts_and_log_points_are_the_guests(EngineKind engine)
    {
        using DebuggedGuest guest = new("hello/hello.bin", engine);
        _ = guest.Do("log port out 0x3f8 if al == 'o' \"sent {al:c} at {instructions:u}, {hits:u}\"");
        _ = guest.Do("port out 0x3f8 if al == 'l'");
        Assert.Contains("breakpoint 2", guest.Do("c"), StringComparison.Ordinal);
        Assert.Equal("al = 'l'", guest.Do("p/c al"));
        _ = guest.Do("ignore 2 100");
        _ = guest.Do("condition 1");
        _ = guest.Do("c");
        Assert.NotNull(guest.Session.Ended);
        Assert.Contains(guest.Log, line => line.StartsWith("sent 'o' at ", StringComparison.Ordinal));
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public void Looking_changes_nothing(EngineKind engine)
    {
        using DebuggedGuest guest = new("kernel/kernel.elf", engine);
        _ = guest.Do("until at 300_000");
        ulong before = StateHash.OfCpu(guest.Machine.Vcpu) ^ StateHash.OfMemory(guest.Machine.Machine.Memory);
        foreach (CommandDefinition command in CommandTable.All.Where(command => command.Group == CommandGroup.Looking))
        {
            foreach (CommandExample example in command.Examples)
            {
                _ = guest.Do(example.Line);
            }
        }

        Assert.Equal(before, StateHash.OfCpu(guest.Machine.Vcpu) ^ StateHash.OfMemory(guest.Machine.Machine.Memory));
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public void The_guest_is_changed_as_asked(EngineKind engine)
    {
        using DebuggedGuest guest = new("hello/hello.bin", engine);
        Assert.Equal("eax = 0x12345678", guest.Do("set eax = 0x12345678"));
        Assert.Equal("ax = 0x1", guest.Do("set ax = 1"));
        Assert.Equal(0x12340001u, guest.Machine.Cpu.Eax);
        _ = guest.Do("set eflags.cf = 1");
        Assert.Contains("CF", guest.Do("flags"), StringComparison.Ordinal);
        _ = guest.Do("set word [0x7e00] = 0xbeef");
        Assert.Equal("word phys [0x7e00] = 0xbeef (48879)", guest.Do("p word phys [0x7e00]"));
        Assert.Contains("no RAM", guest.Fail("set byte [0xfffffff0] = 1"), StringComparison.Ordinal);
        Assert.Contains("only a register or memory", guest.Fail("set 5 = 1"), StringComparison.Ordinal);
        Assert.Contains("3 bytes", guest.Do("input \"ab\\r\""), StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public void One_goes_back_and_forward_again(EngineKind engine)
    {
        using DebuggedGuest guest = new("traps/traps.elf", engine);
        _ = guest.Do("vector #GP");
        _ = guest.Do("continue");
        string there = guest.Do("point");
        string registers = guest.Do("regs all");
        _ = guest.Do("rstep 5");
        Assert.NotEqual(there, guest.Do("point"));
        _ = guest.Do("goto " + there.Split(' ')[1].TrimEnd(':'));
        Assert.Equal(registers.Replace("*", " ", StringComparison.Ordinal), guest.Do("regs all").Replace("*", " ", StringComparison.Ordinal));
        _ = guest.Do("continue");
        _ = guest.Do("rcontinue");
        Assert.Equal(there, guest.Do("point"));
        uint frame = guest.Machine.Cpu.Ss.Base + guest.Machine.Cpu.Esp;
        _ = guest.Do("step 3");
        Assert.Contains("stores there", guest.Do($"lastwrite {frame}"), StringComparison.Ordinal);
        Assert.Contains("from 0:0 to ", guest.Do("history"), StringComparison.Ordinal);
        _ = guest.Do("goto 0");
        Assert.Contains("the beginning of what is kept", guest.Do("rstep"), StringComparison.Ordinal);
        Assert.Contains("not a point", guest.Fail("goto soon"), StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public void A_trap_is_explained(EngineKind engine)
    {
        using DebuggedGuest guest = new("hello/hello.bin", engine);
        _ = guest.Do("until 0x7c0a");
        string explained = guest.Do("explain");
        Assert.Contains("out", explained, StringComparison.Ordinal);
        Assert.True(explained.Split('\n').Length > 2, explained);
        Assert.Equal(explained, guest.Do("explain"));
        _ = guest.Do("step");
        Assert.Contains("no trap", guest.Do("explain"), StringComparison.Ordinal);
        Assert.Single(guest.Do("traps").Split('\n'));
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public void One_goes_from_trap_to_trap(EngineKind engine)
    {
        using DebuggedGuest guest = new("hello/hello.bin", engine);
        Assert.Contains("sensitive", guest.Do("trap"), StringComparison.Ordinal);
        Assert.Contains("sensitive", guest.Do("explain"), StringComparison.Ordinal);
        _ = guest.Do("trap 2");
        string[] traps = guest.Do("traps").Split('\n');
        Assert.Equal(3, traps.Distinct().Count());
    }

    [Fact]
    public void What_makes_no_sense_is_told_with_its_place()
    {
        using DebuggedGuest guest = new("hello/hello.bin");
        Assert.Contains("did you mean continue?", guest.Fail("contineu"), StringComparison.Ordinal);
        Assert.Contains("no such command; help lists them", guest.Fail("frobnicate"), StringComparison.Ordinal);
        string text = guest.Fail("print eax + )");
        Assert.Contains("column 7", text, StringComparison.Ordinal);
        Assert.EndsWith("\n        ^", text, StringComparison.Ordinal);
        Assert.Contains("did you mean", guest.Fail("regs eaz"), StringComparison.Ordinal);
        Assert.Contains("there is no breakpoint 9", guest.Fail("delete 9"), StringComparison.Ordinal);
        Assert.Contains("at least 1", guest.Fail("step 0"), StringComparison.Ordinal);
        Assert.Contains("not a time", guest.Fail("until time soon"), StringComparison.Ordinal);
        Assert.Contains("missing", guest.Fail("log 0x7c00"), StringComparison.Ordinal);
        Assert.Contains("missing", guest.Fail("log 0x7c00 \"{eax\""), StringComparison.Ordinal);
        Assert.Contains("division by zero", guest.Fail("x 1/0"), StringComparison.Ordinal);
        Assert.Contains("a status is 0 to 255", guest.Fail("quit 256"), StringComparison.Ordinal);
        Assert.Contains("which one?", guest.Fail("se"), StringComparison.Ordinal);
        Assert.Empty(guest.Session.Breakpoints);
    }

    [Fact]
    public void Every_command_survives_every_argument()
    {
        using DebuggedGuest guest = new("traps/traps.elf");
        Random random = new(7);
        string[] pieces = ["0x7c00", "eax", "[", "]", "(", ")", "\"", "if", "{", "}", ",", ":", "/", "/4", "xb", "*", "-", "1", "99999999999999999999", "phys:", "'", "\\", "#PF", "=", "==", " ", "\t", "é", "\0", "word", "in", "+", "%"];
        CommandDefinition[] commands = [.. CommandTable.All.Where(command => command.Group is not CommandGroup.Running && command.Name is not "snapshot")];
        for (int n = 0; n < 4000; n++)
        {
            string line = commands[random.Next(commands.Length)].Name + " " + string.Join(random.Next(2) == 0 ? " " : "", Enumerable.Range(0, random.Next(6)).Select(_ => pieces[random.Next(pieces.Length)]));
            CommandReply reply = guest.Interpreter.Execute(line);
            Assert.True(!reply.IsError || reply.Text.Length > 0, line);
            _ = guest.Interpreter.Complete(line, out int start);
            Assert.InRange(start, 0, line.Length);
        }
    }

    [Fact]
    public void Enter_does_steps_and_listings_again()
    {
        using DebuggedGuest guest = new("hello/hello.bin", options: new CommandInterpreterOptions { RepeatsOnEmptyLine = true });
        _ = guest.Do("step 2");
        _ = guest.Do("");
        Assert.Equal(4ul, guest.Session.Point.Instructions);
        string first = guest.Do("x/4xb 0x7c00");
        Assert.NotEqual(first, guest.Do(""));
        _ = guest.Do("regs");
        Assert.Equal("", guest.Do(""));

        using DebuggedGuest script = new("hello/hello.bin");
        _ = script.Do("step");
        Assert.Equal("", script.Do(""));
        Assert.Equal(1ul, script.Session.Point.Instructions);
    }

    [Fact]
    public void Words_are_completed()
    {
        using DebuggedGuest guest = new("traps/traps.elf");
        IReadOnlyList<string> Of(string line) => guest.Interpreter.Complete(line, out _);
        Assert.Contains("continue", Of("cont"));
        Assert.Contains("eflags", Of("print ef"));
        Assert.Contains("pic", Of("info p"));
        Assert.Contains("breakpoints", Of("help bre"));
        string symbol = guest.Session.Symbols.All.First(one => one.Name.Length > 3).Name;
        Assert.Contains(symbol, Of("break " + symbol[..2]));
        Assert.Empty(Of("continue x"));
    }

    [Fact]
    public void Linear_mode_says_it_in_sentences()
    {
        using DebuggedGuest guest = new("hello/hello.bin", options: new CommandInterpreterOptions { IsLinear = true });
        string text = guest.Do("step 3");
        Assert.Contains("Next: ", text, StringComparison.Ordinal);
        Assert.DoesNotContain("=>", text, StringComparison.Ordinal);
        Assert.DoesNotContain("->", text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_guest_cannot_steer_the_terminal()
    {
        List<string> lines = [];
        SerialText serial = new(lines.Add);
        foreach (byte value in "one\r\n\x1b[2Jtwo\x07\u009b\n\nthree"u8.ToArray())
        {
            serial.Add(value);
        }

        serial.Flush();
        Assert.Equal(["com1| one", "com1| two??", "com1| ", "com1| three"], lines);
    }
}
