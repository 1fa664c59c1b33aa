using System.Text.Json;
using ToyVmm.VirtualMachines;
using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>The guest kernel: one image, the same to its programs whether it runs as on a real machine, by hypercalls, or on QEMU.</summary>
public sealed class KernelGuestTests
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(90);
    private static readonly GuestImage s_guest = GuestCatalog.Find("kernel");

    private static readonly string[] s_machines = ["pv=off", "pv=on"];

    // What is typed is shown when the shell reads it, so the whole of it can be there before.
    private static readonly (string Typed, string Answer)[] s_session =
    [
        ("wrong\b\b\b\b\becho edited", "edited\n"),
        ("echo hello, world", "hello, world\n"),
        ("echo \"two  words\" 'and | more' | cat | wc", "1 5 22\n"),
        ("cat motd", "A process is a stack, an address space,\nand a slot in a table.\nEverything else is bookkeeping.\n"),
        ("cat motd nothing | wc", "cat: nothing: not found\n3 18 95\n"),
        ("primes 20", "2\n3\n5\n7\n11\n13\n17\n19\n"),
        ("ps", "  pid parent state   pages name\n    1      0 blocked     3 sh\n   20      1 running     2 ps\n"),
        ("spin &", ""),
        ("sleep 20", ""),
        ("ps", "  pid parent state   pages name\n    1      0 blocked     3 sh\n   21      1 ready       2 spin\n   23      1 running     2 ps\n"),
        ("kill 21", "sh: 21 ended by kill 9\n"),
        ("wait", ""),
        ("produce 50000 | consume", "50000 bytes, all as they were sent\n"),
        ("nothing", "sh: nothing: not found\n"),
        ("echo a |", "sh: a command is missing\n"),
        ("echo \"open", "sh: a quote is not closed\n"),
        ("sleep 10 & echo x", "sh: & ends a line\n"),
    ];

    private static readonly string[] s_rows =
        ["syscall", "clock", "switch", "yield", "fork", "exec", "fault", "cow", "mmap", "console", "table-1", "table-64"];

    // 2n + 1 from the debug-exit port, as of every guest; by hypercalls the same.
    private const int StatusOfThree = 7;
    private const int StatusOfPanic = 203;

    /// <summary>Both machines on every engine.</summary>
    public static IEnumerable<object[]> Machines =>
        GuestRunner.Engines.SelectMany(engine => s_machines.Select(machine => new object[] { engine, machine }));

    /// <summary>The head's own run is by hypercalls here, and as a real machine on QEMU (QemuGuestTests).</summary>
    [Theory]
    [MemberData(nameof(Machines))]
    public void It_keeps_its_promises(EngineKind engine, string machine)
    {
        GuestRun run = GuestRunner.Run(s_guest with { Append = $"init=selftest quiet {machine}" }, engine);
        Assert.Equal((s_guest.ExpectedSerial, 0), (run.Serial, run.Stop.ExitStatus));
        Assert.Equal(machine == "pv=on" ? StopKind.HypercallExit : StopKind.PowerOff, run.Stop.Kind);
    }

    [Theory]
    [InlineData("pv=off")]
    [InlineData("pv=on")]
    public void Every_engine_counts_the_same(string machine)
    {
        GuestImage guest = s_guest with { Append = $"init=selftest quiet {machine}" };
        GuestRun[] runs = [.. GuestRunner.Engines.Select(engine => GuestRunner.Run(guest, engine))];
        Assert.All(runs, run => Assert.Equal((runs[0].Instructions, runs[0].TraceHash), (run.Instructions, run.TraceHash)));
    }

    [Theory]
    [MemberData(nameof(Machines))]
    public void A_session_with_its_shell(EngineKind engine, string machine)
    {
        GuestRun run = GuestRunner.Run(s_guest with { Append = $"quiet {machine}", SerialInput = Typed() }, engine);
        Assert.Equal((Transcript(), StatusOfThree), (run.Serial, run.Stop.ExitStatus));
    }

    [RequiresToolFact("qemu-system-i386")]
    public void The_same_session_on_qemu()
    {
        ToolResult result = OnQemu("quiet", Typed());
        Assert.Equal((Transcript(), StatusOfThree), (result.Output, result.Status));
    }

    [RequiresToolFact("qemu-system-i386")]
    public void Hypercalls_that_are_not_there_can_be_insisted_on()
    {
        ToolResult result = OnQemu("pv=on", "");
        Assert.Equal(("kernel panic: pv=on, but there are no hypercalls here\n", StatusOfPanic), (result.Output, result.Status));
    }

    [Theory]
    [InlineData("pv=maybe", "kernel panic: pv=maybe: on, off or auto\n")]
    [InlineData("init=nothing quiet", "kernel panic: cannot start nothing: error 2\n")]
    [InlineData("init=motd quiet", "kernel panic: cannot start motd: error 8\n")]
    [InlineData("init=echo,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16", "kernel panic: init= has more than 16 words\n")]
    public void A_command_line_that_makes_no_sense_is_a_panic(string line, string said)
    {
        GuestRun run = GuestRunner.Run(s_guest with { Append = line }, EngineKind.Interpreter);
        Assert.Equal((said, StatusOfPanic), (run.Serial, run.Stop.ExitStatus));
    }

    [Theory]
    [InlineData("init=echo,a,b", "kernel: paravirtual, ")]
    [InlineData("init=echo,a,b pv=auto", "kernel: paravirtual, ")]
    [InlineData("init=echo,a,b pv=off", "kernel: fully virtualized, ")]
    public void It_says_which_machine_it_runs_on(string line, string said)
    {
        string serial = GuestRunner.Run(s_guest with { Append = line }, EngineKind.Interpreter).Serial;
        Assert.StartsWith(said, serial, StringComparison.Ordinal);
        Assert.EndsWith("\na b\n", serial, StringComparison.Ordinal);
    }

    /// <summary>Counts are exact. What is bounded by INT and IRET, or done once in either way, stays as it is; nothing may get dearer.</summary>
    [TranslatorFact]
    public void Hypercalls_need_the_monitor_less()
    {
        ToolResult result = CommandLine.Run("bench", "paravirt", "--scale", "400", "--repeat", "1", "--no-native", "--json", "-");
        Assert.Equal(0, result.Status);
        using JsonDocument document = JsonDocument.Parse(result.Output);
        JsonElement[] rows = [.. document.RootElement.GetProperty("rows").EnumerateArray()];
        Assert.Equal(
            s_rows,
            rows.Select(row => row.GetProperty("row").GetString()));
        Assert.All(rows, row =>
        {
            string name = row.GetProperty("row").GetString()!;
            double full = Count(row, "full");
            double paravirtual = Count(row, "paravirtual");
            Assert.True(paravirtual <= (full * 1.02) + 0.02, $"{name}: {paravirtual} interventions by hypercalls, {full} without");
            if (name is "clock" or "fault" or "cow" or "mmap" or "console")
            {
                Assert.True(paravirtual * 2 <= full, $"{name}: {paravirtual} interventions by hypercalls, {full} without");
            }
        });
        JsonElement[] tables = [.. rows.Where(row => row.GetProperty("row").GetString()!.StartsWith("table-", StringComparison.Ordinal))];
        Assert.True(Count(tables[1], "paravirtual") * 16 <= Count(tables[0], "paravirtual"));
    }

    [Fact]
    public void The_table_names_its_columns()
    {
        ToolResult result = CommandLine.Run("bench", "paravirt:console", "paravirt:clock", "--engine", "interpreter", "--scale", "50", "--repeat", "1", "--no-native");
        Assert.Equal(0, result.Status);
        string[] lines = result.Output.Split('\n');
        Assert.Contains(lines, line => line.StartsWith("ROW ", StringComparison.Ordinal) && line.Contains("FULL/PV", StringComparison.Ordinal));
        Assert.Contains(lines, line => line.StartsWith("clock ", StringComparison.Ordinal));
        Assert.Contains(lines, line => line.StartsWith("console ", StringComparison.Ordinal) && line.Contains(" 128.", StringComparison.Ordinal));
        Assert.DoesNotContain(lines, line => line.StartsWith("fork ", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(66, "has no row 'forks'; there are syscall, clock", "bench", "paravirt:forks")]
    [InlineData(64, "measured alone", "bench", "paravirt", "fib")]
    [InlineData(64, "measured alone", "bench", "paravirt", "--engine", "all")]
    [InlineData(64, "from 1 to 2147483647 loops", "bench", "paravirt", "--scale", "0")]
    public void What_cannot_be_measured_is_refused(int status, string message, params string[] arguments)
    {
        ToolResult result = CommandLine.Run(arguments);
        Assert.Equal((status, ""), (result.Status, result.Output));
        Assert.Contains(message, result.Errors, StringComparison.Ordinal);
    }

    /// <summary>For a debugger: the same code with DWARF, which still starts.</summary>
    [RequiresToolFact("sh", "nasm", "gcc", "ld", "readelf")]
    public void It_can_be_built_with_debugging_information()
    {
        var folder = Directory.CreateTempSubdirectory("toyvmm-kernel-");
        try
        {
            ToolResult build = ToolProcess.Run("sh", [Path.Combine(GuestCatalog.Folder, "build.sh"), "--out", folder.FullName, "--debug", "kernel"], s_limit);
            Assert.True(build.Status == 0, build.Errors);
            string image = Path.Combine(folder.FullName, "kernel.elf");
            Assert.All([image, Path.Combine(folder.FullName, "kernel-sh.debug.elf")], file =>
                Assert.Contains(".debug_line", ToolProcess.Run("readelf", ["-S", file], s_limit).Output, StringComparison.Ordinal));
            Assert.Equal("a b\n", GuestRunner.Run(s_guest with { ImagePath = image, Append = "init=echo,a,b quiet" }, EngineKind.Interpreter).Serial);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static double Count(JsonElement row, string machine) => row.GetProperty(machine).GetProperty("counts").GetProperty("interventions").GetDouble();

    private static string Typed() => string.Concat(s_session.Select(line => line.Typed + "\n")) + "exit 3\n";

    // A backspace is shown as: one back, a blank over it, one back.
    private static string Transcript() =>
        string.Concat(s_session.Select(line => $"$ {line.Typed.Replace("\b", "\b \b", StringComparison.Ordinal)}\n{line.Answer}")) + "$ exit 3\n";

    private static ToolResult OnQemu(string commandLine, string typed) => ToolProcess.Run(
        "qemu-system-i386",
        [
            "-display", "none", "-monitor", "none", "-serial", "stdio", "-no-reboot", "-m", "64M",
            "-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-kernel", s_guest.ImagePath, "-append", commandLine,
        ],
        s_limit,
        typed);
}
