using ToyVmm.Debugging;
using ToyVmm.Debugging.Inspecting;
using ToyVmm.Debugging.Terminal;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Comparing;
using ToyVmm.VirtualMachines.Symbols;
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
                _ = guest.Interpreter.Execute(example.Line); // whether it fails is CommandTableTests' question
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
    public void One_goes_back_over_what_was_called(EngineKind engine)
    {
        foreach (string image in (string[])["kernel/kernel.elf", "traps/traps.elf", "hello/hello.bin"])
        {
            using DebuggedGuest guest = new(image, engine);
            if (guest.Session.Symbols.Find("kernel_main") is not null)
            {
                // What start calls never returns.
                _ = guest.Do("tbreak kernel_main");
                _ = guest.Do("continue");
            }

            Stack<string> points = [];
            for (int n = 0; n < 40 && guest.Session.Point.Instructions < 50_000; n++)
            {
                points.Push(guest.Do("point"));
                _ = guest.Do("next");
                if (guest.Session.Ended is not null)
                {
                    // A call that has not returned.
                    _ = guest.Do("goto " + points.Pop().Split(' ')[1].TrimEnd(':'));
                    break;
                }
            }

            int over = 0;
            while (points.TryPop(out string? before))
            {
                ulong instructions = guest.Session.Point.Instructions;
                string told = guest.Do("rnext");
                Assert.Equal($"{image} {before}", $"{image} {guest.Do("point")}");
                Assert.DoesNotContain("nobody", told, StringComparison.Ordinal);
                over += instructions - guest.Session.Point.Instructions > 1 ? 1 : 0;
            }

            Assert.True(over > 0 || image.StartsWith("hello", StringComparison.Ordinal), $"{image}: no call was stepped over");
        }
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

    /// <summary>lines.elf's code is run as it is: an image with DWARF line tables, whose source is lines.c beside it.</summary>
    [Theory]
    [MemberData(nameof(Engines))]
    public void Sources_are_listed_and_named(EngineKind engine)
    {
        string folder = Path.Combine(RepositoryFiles.Root, "tests", "ToyVmm.Tests", "Symbols", "Dwarf");
        using DebuggedGuest guest = new("kernel/kernel.elf", engine);
        Assert.Contains("no source lines", guest.Fail("list"), StringComparison.Ordinal);
        guest.Session.Lines = SourceLines.Read(File.ReadAllBytes(Path.Combine(folder, "dwarf5.elf")), out _);
        Assert.Contains("--source DIRECTORY", guest.Fail("list lines.c:10"), StringComparison.Ordinal);
        guest.Session.Inspector.Sources = new SourceFiles([folder]);
        string[] source = File.ReadAllLines(Path.Combine(folder, "lines.c"));
        Assert.Contains("lines.c:", guest.Do("break lines.c:11"), StringComparison.Ordinal);
        string[] lines = guest.Do("list lines.c:10").Split('\n');
        Assert.Equal([.. Enumerable.Range(5, 10)], lines.Select(line => int.Parse(line.AsSpan(3, 5), System.Globalization.CultureInfo.InvariantCulture)));
        Assert.Equal([.. source.Skip(4).Take(10).Select(line => line.Length == 0 ? "" : "  " + line)], lines.Select(line => line[8..]));
        Assert.Equal(["  *   11  " + source[10]], lines.Where(line => line[2] == '*'));
        Assert.StartsWith("      15  ", guest.Do("list"), StringComparison.Ordinal);
        Assert.Contains($"{source.Length} lines", guest.Fail("list"), StringComparison.Ordinal);
        Assert.Contains("did you mean lines.c?", guest.Fail("list line.c:1"), StringComparison.Ordinal);
        Assert.Contains("no source line", guest.Fail("break lines.c:900"), StringComparison.Ordinal);

        // Code, stops and traps say where they are, whatever the code is.
        _ = guest.Do("set eip = 0x100005");
        Assert.Contains($"lines.c:11: {source[10].Trim()}", guest.Do("where"), StringComparison.Ordinal);
        Assert.Contains($"; lines.c:11  {source[10].Trim()}", guest.Do("disas 0x100005"), StringComparison.Ordinal);
        Assert.Contains("=>*   11", guest.Do("list 0x100005"), StringComparison.Ordinal);
        Assert.Contains("lines.c:11", guest.Do("whatis lines.c:11"), StringComparison.Ordinal);
        _ = guest.Do("set byte [0x100005] = 0xf4"); // HLT
        string explained = guest.Do("explain");
        Assert.Contains($"lines.c:11: {source[10].Trim()}", explained, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public void Who_has_stored_is_told_without_moving(EngineKind engine)
    {
        using DebuggedGuest guest = new("traps/traps.elf", engine);
        _ = guest.Do("vector #GP");
        _ = guest.Do("continue");
        string there = guest.Do("point");
        uint frame = guest.Machine.Cpu.Ss.Base + guest.Machine.Cpu.Esp;
        string who = guest.Do($"who {frame}");
        Assert.Contains("stores there, or its fault", who, StringComparison.Ordinal);
        Assert.Equal(there, guest.Do("point"));
        _ = guest.Do($"lastwrite {frame}");
        Assert.Contains($"goto {guest.Session.Point} ", who, StringComparison.Ordinal);
        Assert.Contains("nothing has stored there since 0:0", guest.Do("who 0x7ffff0"), StringComparison.Ordinal);
    }

    [Fact]
    public void Several_values_are_printed()
    {
        using DebuggedGuest guest = new("hello/hello.bin");
        Assert.Equal("eax = 0x0\n[0x7c00] & (1) = 0x0\n',' = 0x2c", System.Text.RegularExpressions.Regex.Replace(guest.Do("p/x eax, [0x7c00] & (1), ','"), "= 0x1$", "= 0x0", System.Text.RegularExpressions.RegexOptions.Multiline));
        Assert.Contains("an expression is missing", guest.Fail("p eax,"), StringComparison.Ordinal);
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
        foreach (string line in (string[])["disas", "stack", "walk eip", "shadow"])
        {
            text = guest.Do(line);
            Assert.DoesNotContain("=>", text, StringComparison.Ordinal);
            Assert.DoesNotContain("<-", text, StringComparison.Ordinal);
            Assert.DoesNotContain("->", text, StringComparison.Ordinal);
            Assert.DoesNotContain("  ", text, StringComparison.Ordinal);
        }
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
