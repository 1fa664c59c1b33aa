using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>The table of exit statuses, row by row: a panic must never look like a pass.</summary>
public sealed class CommandLineStatusTests
{
    // 16-bit code at 0x7C00.
    private static readonly byte[] s_powerOff = [0xBA, 0x04, 0x06, 0xB8, 0x00, 0x20, 0xEF];        // mov dx, 0x604; mov ax, 0x2000; out dx, ax
    private static readonly byte[] s_debugExit = [0xB0, 0x03, 0xE6, 0xF4];                          // mov al, 3; out 0xF4, al
    private static readonly byte[] s_hypercallExit = [0x66, 0xB8, 2, 0, 0, 0, 0x66, 0xBB, 42, 0, 0, 0, 0x0F, 0x01, 0xC1]; // eax = 2, ebx = 42, vmcall
    private static readonly byte[] s_halt = [0xFA, 0xF4];                                           // cli; hlt
    private static readonly byte[] s_loop = [0xEB, 0xFE];                                           // jmp $
    private static readonly byte[] s_reset = [0xB0, 0xFE, 0xE6, 0x64, 0xF4];                        // mov al, 0xFE; out 0x64, al
    private static readonly byte[] s_tripleFault = [0x0F, 0x01, 0x1E, 0x0A, 0x7C, 0x0F, 0x0B, 0x90, 0x90, 0x90, 0, 0, 0, 0, 0, 0]; // lidt [0x7C0A]; ud2

    // lidt [0x7C30], of zeros; then an instruction; mov al, 3; out 0xF4, al
    private static readonly byte[] s_popcntOrDie = [0x0F, 0x01, 0x1E, 0x30, 0x7C, 0xF3, 0x0F, 0xB8, 0xC1, 0xB0, 0x03, 0xE6, 0xF4, .. new byte[48]];
    private static readonly byte[] s_bswapOrDie = [0x0F, 0x01, 0x1E, 0x30, 0x7C, 0x66, 0x0F, 0xC8, 0xB0, 0x03, 0xE6, 0xF4, .. new byte[48]];

    public static TheoryData<string, byte[], string[], int> Guests => new()
    {
        { "power-off", s_powerOff, [], 0 },
        { "debug exit, (3 << 1) | 1", s_debugExit, [], 7 },
        { "hypercall exit(42)", s_hypercallExit, [], 42 },
        { "halted for ever", s_halt, [], 70 },
        { "halted for ever, which is fine", s_halt, ["--halt-ok"], 0 },
        { "triple fault", s_tripleFault, [], 71 },
        { "triple fault is not excused by --halt-ok", s_tripleFault, ["--halt-ok"], 71 },
        { "instruction limit", s_loop, ["--max-instructions", "1_000"], 72 },
        { "instruction limit with a suffix", s_loop, ["--max-instructions", "1M"], 72 },
        { "time limit", s_loop, ["--timeout", "0.05"], 73 },
        { "reset", s_reset, [], 75 },
        { "POPCNT on any CPU", s_popcntOrDie, ["--cpu", "max"], 7 },
        { "POPCNT on a CPU without it: a triple fault", s_popcntOrDie, ["--cpu", "sse2"], 71 },
        { "BSWAP on a 386", s_bswapOrDie, ["--cpu", "386"], 71 },
        { "BSWAP on a 486", s_bswapOrDie, ["--cpu", "486"], 7 },
    };

    [Theory]
    [MemberData(nameof(Guests))]
    public void A_guest_s_end_decides_the_status(string what, byte[] code, string[] options, int status)
    {
        using TemporaryFile image = CommandLine.File(code);
        ToolResult result = CommandLine.Run(["run", image.Path, .. options]);
        Assert.True(status == result.Status, $"{what}: {result}");
        Assert.EndsWith($"exit status {status}\n", result.Errors, StringComparison.Ordinal);
        Assert.StartsWith("toyvmm: ", result.Errors.TrimEnd().Split('\n')[^1], StringComparison.Ordinal);
    }

    [Fact]
    public void The_verdict_can_be_silenced()
    {
        using TemporaryFile image = CommandLine.File(s_halt);
        Assert.Equal(new ToolResult(70, "", ""), CommandLine.Run("run", image.Path, "-q"));
    }

    /// <summary>With little address space (for which the runtime wants a small heap) there is no room for emitted code.</summary>
    [TranslatorFact]
    public void A_host_that_cannot_run_emitted_code_interprets_and_says_so()
    {
        const string Limit = "ulimit -v 30000000; export DOTNET_GCHeapHardLimit=0x10000000; exec \"$@\"";
        ToolResult auto = CommandLine.RunUnder(["bash", "-c", Limit, "bash"], "run", "hello");
        Assert.Equal((0, "Hello, world\n"), (auto.Status, auto.Output));
        Assert.StartsWith("toyvmm: the interpreter runs the guest; the translator cannot: the host does not give the address space\n", auto.Errors, StringComparison.Ordinal);
        ToolResult asked = CommandLine.RunUnder(["bash", "-c", Limit, "bash"], "run", "hello", "--engine", "translator");
        Assert.Equal((64, ""), (asked.Status, asked.Output));
        Assert.Contains("the host does not give the address space; use --engine interpreter", asked.Errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("run")]
    [InlineData("run", "hello", "--no-such-option")]
    [InlineData("run", "hello", "--engine", "interpreter", "--verify-translations")]
    [InlineData("run", "hello", "--engine", "magic")]
    [InlineData("run", "hello", "--cpu", "P7")]
    [InlineData("run", "hello", "--cpu", "386,486")]
    [InlineData("run", "hello", "--memory", "much")]
    [InlineData("run", "hello", "--memory", "12")]
    [InlineData("run", "hello", "--memory", "4G")]
    [InlineData("run", "hello", "--memory", "99999999999999999999G")]
    [InlineData("run", "hello", "--max-instructions", "-1")]
    [InlineData("run", "hello", "--timeout", "soon")]
    [InlineData("run", "hello", "--timeout", "-1")]
    [InlineData("run", "hello", "--timeout", "-Infinity")]
    [InlineData("run", "hello", "--timeout", "NaN")]
    [InlineData("run", "hello", "--load-address", "0x1FFFFFFFF")]
    [InlineData("run", "hello", "--entry", "long")]
    [InlineData("run", "hello", "--format", "pe")]
    [InlineData("run", "hello", "--serial", "tcp")]
    [InlineData("run", "hello", "--serial", "file:")]
    [InlineData("run", "hello", "--display", "gl")]
    [InlineData("run", "hello", "--trace", "everything")]
    [InlineData("run", "hello", "--trace", "exits:")]
    [InlineData("run", "hello", "--start-time", "noon")]
    [InlineData("disasm", "hello", "world")]
    [InlineData("walk", "hello")]
    [InlineData("bench", "--repeat", "0")]
    [InlineData("disasm", "hello", "--count", "few")]
    public void A_command_line_without_sense_gives_64_and_says_why(params string[] arguments)
    {
        ToolResult result = CommandLine.Run(arguments);
        Assert.Equal(64, result.Status);
        Assert.Equal("", result.Output);
        Assert.StartsWith("toyvmm: ", result.Errors, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", result.Errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("there is no file", "run", "no-such-guest")]
    [InlineData("there is no file", "run", "/no/such/file.elf")]
    [InlineData("is a directory", "run", "/")]
    [InlineData("initial RAM disk", "run", "hello", "--initrd", "/no/such/file")]
    [InlineData("module", "run", "hello-multiboot", "--module", "/no/such/file with arguments")]
    [InlineData("BIOS", "run", "hello-boot", "--bios", "/no/such/file")]
    [InlineData("there is no such directory", "run", "hello", "--serial", "file:/no/such/folder/file")]
    [InlineData("cannot write the trace /no/such/folder/file: there is no such directory", "run", "hello", "--trace", "traps:/no/such/folder/file")]
    [InlineData("the trace /tmp is a directory", "run", "hello", "--trace", "traps:/tmp")]
    [InlineData("cannot write the recording /tmp: it is a directory", "run", "hello", "--record", "/tmp")]
    [InlineData("cannot read the script /no/such/file: there is no such file", "debug", "hello", "--script", "/no/such/file")]
    [InlineData("report", "run", "hello", "--json", "/no/such/folder/file")]
    [InlineData("no built-in guest", "guests", "no-such-guest")]
    [InlineData("no compute guest", "bench", "no-such-guest")]
    [InlineData("there is no file", "disasm", "no-such-guest")]
    public void A_file_that_cannot_be_used_gives_66_and_its_name(string message, params string[] arguments)
    {
        ToolResult result = CommandLine.Run(arguments);
        Assert.Equal(66, result.Status);
        Assert.Contains(message, result.Errors, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", result.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public void A_malformed_image_gives_65_with_the_explanation()
    {
        byte[] elf = File.ReadAllBytes(GuestCatalog.Find("hello-multiboot").ImagePath);
        using TemporaryFile image = CommandLine.File(elf.AsSpan(0, 600), ".elf");
        ToolResult result = CommandLine.Run("run", image.Path);
        Assert.Equal(65, result.Status);
        Assert.Contains(image.Path, result.Errors, StringComparison.Ordinal);
        Assert.True(result.Errors.Split('\n').Length > 2, result.Errors);

        using TemporaryFile empty = CommandLine.File([]);
        Assert.Equal(65, CommandLine.Run("run", empty.Path).Status);
    }

    [Fact]
    public void An_option_that_does_not_fit_the_image_is_refused()
    {
        ToolResult result = CommandLine.Run("run", "hello-multiboot", "--entry", "real");
        Assert.Equal(65, result.Status);
        Assert.Contains("entry", result.Errors, StringComparison.Ordinal);
    }
}
