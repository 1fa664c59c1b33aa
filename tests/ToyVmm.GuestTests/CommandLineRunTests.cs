using System.Diagnostics;
using System.Text.Json;
using ToyVmm.VirtualMachines;
using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>What `toyvmm run` shows, writes and takes.</summary>
public sealed class CommandLineRunTests
{
    // Sends what COM1 receives back, until a 'q'; then powers off.
    private const string EchoSource = """
                bits 16
                org 0x7C00
        %include "toyvmm.inc"
        start:  mov dx, COM1 + 3
                mov al, 3
                out dx, al
        .wait:  mov dx, COM1_LSR
                in al, dx
                test al, 1
                jz .wait
                mov dx, COM1
                in al, dx
                cmp al, 'q'
                je .done
                out dx, al
                jmp .wait
        .done:  mov dx, POWER_OFF
                mov ax, POWER_OFF_VALUE
                out dx, ax
        """;

    [Fact]
    public void Hello_goes_to_standard_output_and_the_verdict_to_standard_error()
    {
        ToolResult result = CommandLine.Run("run", "hello");
        Assert.Equal(0, result.Status);
        Assert.Equal("Hello, world\n", result.Output);
        Assert.Matches(@"^toyvmm: the guest powered off after \d+ instructions in .* exit status 0\n$", result.Errors);
    }

    [Fact]
    public void An_autopsy_is_printed_for_a_triple_fault()
    {
        ToolResult result = CommandLine.Run("run", "triple-fault");
        Assert.Equal(71, result.Status);
        Assert.Contains("first cause first", result.Errors, StringComparison.Ordinal);
        Assert.Contains("1. #DE", result.Errors, StringComparison.Ordinal);
        Assert.Contains("IDT", result.Errors, StringComparison.Ordinal);
    }

    [RequiresToolFact("nasm")]
    public void A_source_is_assembled_and_standard_input_is_the_serial_line()
    {
        using TemporaryFile source = CommandLine.File(EchoSource, ".asm");
        ToolResult result = CommandLine.RunWithInput("one two\nthreeq", "run", source.Path, "-q");
        Assert.Equal(new ToolResult(0, "one two\nthree", ""), result);
    }

    [RequiresToolFact("nasm")]
    public void A_source_with_a_mistake_gives_65_and_nasm_s_words()
    {
        using TemporaryFile source = CommandLine.File("  frobnicate ax, bx, cx\n", ".asm");
        ToolResult result = CommandLine.Run("run", source.Path);
        Assert.Equal(65, result.Status);
        Assert.Contains(":1: error:", result.Errors, StringComparison.Ordinal);
    }

    [RequiresToolFact("nasm", "ld")]
    public void A_source_of_a_Multiboot_guest_is_linked()
    {
        string source = Path.Combine(GuestCatalog.Folder, "triple-fault", "triple-fault.asm");
        Assert.Equal(71, CommandLine.Run("run", source, "-q").Status);
    }

    [Fact]
    public void Serial_output_can_go_to_a_file_or_nowhere()
    {
        using TemporaryFile file = new(".txt");
        Assert.Equal("", CommandLine.Run("run", "hello", "--serial", $"file:{file.Path}").Output);
        Assert.Equal("Hello, world\n", File.ReadAllText(file.Path));
        Assert.Equal("", CommandLine.Run("run", "hello", "--serial", "none").Output);
    }

    [Fact]
    public void The_last_screen_can_be_printed()
    {
        // mov ax, 0xB800; mov ds, ax; mov word [0], 0x1F41; mov word [2], 0x1F42; cli; hlt
        using TemporaryFile image = CommandLine.File([0xB8, 0x00, 0xB8, 0x8E, 0xD8, 0xC7, 0x06, 0, 0, 0x41, 0x1F, 0xC7, 0x06, 2, 0, 0x42, 0x1F, 0xFA, 0xF4]);
        Assert.StartsWith("AB", CommandLine.Run("run", image.Path, "--screen").Output, StringComparison.Ordinal);
        Assert.StartsWith("AB", CommandLine.Run("run", image.Path, "--display", "text").Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_full_disk_gives_66_and_no_crash()
    {
        if (!File.Exists("/dev/full"))
        {
            return; // only Linux has it
        }

        ToolResult result = CommandLine.Run("run", "hello", "--serial", "file:/dev/full");
        Assert.Equal(66, result.Status);
        Assert.Contains("cannot write", result.Errors, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", result.Errors, StringComparison.Ordinal);
    }

    [RequiresToolFact("sh", "timeout")]
    public void A_reader_that_goes_away_ends_the_guest_like_SIGPIPE()
    {
        ToolResult result = ToolProcess.Run("sh", ["-c", $"{{ dotnet '{CommandLine.Tool}' run interrupts -q; echo $? >&2; }} | head -c 1 >/dev/null"], TimeSpan.FromSeconds(60));
        Assert.Contains(result.Errors.Trim(), (string[])["141", "0"]); // 0: everything was written before the reader left
        Assert.Equal("141", ToolProcess.Run("sh", ["-c", $"{{ sleep 0.3; dotnet '{CommandLine.Tool}' run hello -q; echo $? >&2; }} | true"], TimeSpan.FromSeconds(60)).Errors.Trim());
    }

    [RequiresToolFact("sh")]
    public void Signals_stop_the_guest_and_the_verdict_still_comes()
    {
        // mov dx, 0x3F8; mov al, 0x21; out dx, al; jmp $: the signal is sent once the guest is known to run.
        using TemporaryFile loop = CommandLine.File([0xBA, 0xF8, 0x03, 0xB0, 0x21, 0xEE, 0xEB, 0xFE]);
        foreach ((string name, int status) in ((string, int)[])[("INT", 130), ("TERM", 143)])
        {
            // A shell starts background jobs with SIGINT ignored, and their children inherit that: then it stops nothing, as it should.
            if (name == "INT" && IsInterruptIgnored())
            {
                continue;
            }

            ProcessStartInfo start = new("dotnet", [CommandLine.Tool, "run", loop.Path]) { RedirectStandardOutput = true, RedirectStandardError = true };
            using Process process = Process.Start(start)!;
            try
            {
                Assert.NotEqual(-1, process.StandardOutput.Read());
                _ = ToolProcess.Run("sh", ["-c", $"kill -{name} {process.Id}"], TimeSpan.FromSeconds(10));
                Assert.True(process.WaitForExit(TimeSpan.FromSeconds(60)));
                Assert.Equal(status, process.ExitCode);
                Assert.Contains("stopped by the user after", process.StandardError.ReadToEnd(), StringComparison.Ordinal);
            }
            finally
            {
                process.Kill(entireProcessTree: true);
            }
        }
    }

    private static bool IsInterruptIgnored()
    {
        const string Status = "/proc/self/status";
        const ulong Interrupt = 1 << (2 - 1);
        string? ignored = File.Exists(Status) ? File.ReadLines(Status).FirstOrDefault(line => line.StartsWith("SigIgn:", StringComparison.Ordinal)) : null;
        return ignored is not null && (Convert.ToUInt64(ignored["SigIgn:".Length..].Trim(), 16) & Interrupt) != 0;
    }

    [Fact]
    public void Standard_input_may_be_closed_or_empty()
    {
        ToolResult result = ToolProcess.Run("sh", ["-c", $"dotnet '{CommandLine.Tool}' run hello -q <&-; dotnet '{CommandLine.Tool}' run hello -q </dev/null"], TimeSpan.FromSeconds(60));
        Assert.Equal(new ToolResult(0, "Hello, world\nHello, world\n", ""), result);
    }

    [Fact]
    public void Traces_have_a_line_for_each_event()
    {
        using TemporaryFile file = new(".txt");
        _ = CommandLine.Run("run", "triple-fault", "--trace", $"traps:{file.Path}");
        Assert.Contains(File.ReadAllLines(file.Path), line => line.Contains("trap  #DE", StringComparison.Ordinal));

        _ = CommandLine.Run("run", "hello", "--trace", $"exits:{file.Path}");
        string[] exits = File.ReadAllLines(file.Path);
        Assert.Contains(exits, line => line.EndsWith("exit  out 0x3f8, byte 0x48", StringComparison.Ordinal));
        Assert.EndsWith("exit  out 0x604, word 0x2000", exits[^1], StringComparison.Ordinal);

        ToolResult result = CommandLine.Run("run", "hello", "--trace", "instructions", "--max-instructions", "3", "-q");
        Assert.Equal(3, result.Errors.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
        Assert.Contains("xor ax, ax", result.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public void The_same_guest_has_the_same_fingerprint()
    {
        string First(string guest) => CommandLine.Run("run", guest, "--trace-hash", "-q").Errors;
        Assert.Equal(First("traps"), First("traps"));
        Assert.Matches(@"^trace hash [0-9a-f]{16} over \d+ events\n$", First("hello"));
        Assert.NotEqual(First("hello"), First("traps"));
    }

    [Fact]
    public void Verbose_tells_what_the_loader_decided()
    {
        Assert.Contains("a flat binary", CommandLine.Run("run", "hello", "-v").Errors, StringComparison.Ordinal);

        // in al, 0x99: nothing is there
        using TemporaryFile image = CommandLine.File([0xE4, 0x99, 0xFA, 0xF4]);
        Assert.Contains("debug ToyVmm.Bus: Nothing answers at port 0x99", CommandLine.Run("run", image.Path, "-vv").Errors, StringComparison.Ordinal);
        Assert.DoesNotContain("debug", CommandLine.Run("run", image.Path, "-v").Errors, StringComparison.Ordinal);
    }

    [Fact]
    public void Statistics_count_exits_and_traps()
    {
        string errors = CommandLine.Run("run", "traps", "--stats").Errors;
        Assert.Contains("port_io", errors, StringComparison.Ordinal);
        Assert.Contains("trap 14 (#PF)", errors, StringComparison.Ordinal);
        Assert.Contains("what it cost", errors, StringComparison.Ordinal);
        Assert.Contains("exit port_io", errors, StringComparison.Ordinal);
        Assert.Contains("blocks interpreted", errors, StringComparison.Ordinal);
        Assert.DoesNotContain("what it cost", CommandLine.Run("run", "traps", "-v").Errors, StringComparison.Ordinal);
    }

    /// <summary>Every name of docs/json.md that a kind of cost can have, and nothing else.</summary>
    [Fact]
    public void Costs_are_in_the_report_with_stats_alone()
    {
        string[] arguments = ["run", "traps", "--json", "-", "--serial", "none"];
        using JsonDocument without = JsonDocument.Parse(CommandLine.Run(arguments).Output);
        Assert.Equal(JsonValueKind.Null, without.RootElement.GetProperty("costs").ValueKind);
        using JsonDocument document = JsonDocument.Parse(CommandLine.Run([.. arguments, "--stats"]).Output);
        JsonElement costs = document.RootElement.GetProperty("costs");
        Assert.Equal(["total_milliseconds", "meter_milliseconds", "engine", "exits"], costs.EnumerateObject().Select(field => field.Name));
        string documentation = File.ReadAllText(Path.Combine(GuestCatalog.RepositoryRoot, "docs", "json.md"));
        Assert.All(
            Enum.GetNames<ToyVmm.Engines.Metering.CostKind>(),
            kind => Assert.Contains($"\n| `{JsonNamingPolicy.SnakeCaseLower.ConvertName(kind)}` |", documentation, StringComparison.Ordinal));
        double sum = costs.GetProperty("meter_milliseconds").GetDouble();
        foreach (JsonProperty part in costs.GetProperty("engine").EnumerateObject().Concat(costs.GetProperty("exits").EnumerateObject()))
        {
            Assert.Equal(["count", "milliseconds", "mean_nanoseconds"], part.Value.EnumerateObject().Select(field => field.Name));
            sum += part.Value.GetProperty("milliseconds").GetDouble();
        }

        double total = costs.GetProperty("total_milliseconds").GetDouble();
        Assert.InRange(sum, total - 0.01, total + 0.01);
        Assert.InRange(total, 0, document.RootElement.GetProperty("wall_milliseconds").GetDouble());
        Assert.Contains("interpretation", costs.GetProperty("engine").EnumerateObject().Select(part => part.Name));
        ulong portAccesses = document.RootElement.GetProperty("exits").GetProperty("port_io").GetUInt64();
        Assert.InRange(costs.GetProperty("exits").GetProperty("port_io").GetProperty("count").GetUInt64(), 1u, portAccesses);
    }

    [TranslatorFact]
    public void The_translator_is_chosen_and_reports_what_it_did()
    {
        ToolResult result = CommandLine.Run("run", "compute-fib", "--append", "20", "--engine", "translator", "--verify-translations", "--stats", "--json", "-", "--serial", "none");
        Assert.Equal(0, result.Status);
        Assert.Contains("identity instructions", result.Errors, StringComparison.Ordinal);
        using JsonDocument document = JsonDocument.Parse(result.Output);
        Assert.Equal("translator", document.RootElement.GetProperty("engine").GetString());
        ulong all = document.RootElement.GetProperty("instructions").GetUInt64();
        Assert.InRange(document.RootElement.GetProperty("identity_instructions").GetUInt64(), all * 9 / 10, all);
        Assert.True(document.RootElement.GetProperty("blocks_translated").GetUInt64() > 0);
    }

    [Fact]
    public void The_report_has_the_documented_fields()
    {
        using TemporaryFile file = new(".json");
        _ = CommandLine.Run("run", "triple-fault", "--json", file.Path, "--trace-hash");
        using JsonDocument document = JsonDocument.Parse(File.ReadAllText(file.Path));
        JsonElement root = document.RootElement;
        string[] names = [.. root.EnumerateObject().Select(field => field.Name)];
        Assert.Equal(
            ["schema_version", "tool_version", "image", "format", "engine", "stop", "exit_status", "instructions", "identity_instructions", "exits", "traps",
                "hidden_faults", "true_faults", "blocks_translated", "guest_seconds", "idle_seconds", "wall_milliseconds", "costs", "advice", "strict", "trace_hash"],
            names);
        Assert.Equal(71, root.GetProperty("exit_status").GetInt32());
        Assert.Equal(VirtualMachine.TranslatorUnavailable is null ? "translator" : "interpreter", root.GetProperty("engine").GetString());
        Assert.Equal("multiboot", root.GetProperty("format").GetString());
        long instructions = root.GetProperty("instructions").GetInt64();
        Assert.True(instructions > 100);
        Assert.InRange(root.GetProperty("identity_instructions").GetInt64(), VirtualMachine.TranslatorUnavailable is null ? 1 : 0, instructions);
        Assert.Equal(1, root.GetProperty("exits").GetProperty("shutdown").GetInt32());
        JsonElement stop = root.GetProperty("stop");
        Assert.Equal("triple_fault", stop.GetProperty("reason").GetString());
        Assert.Equal(0, stop.GetProperty("autopsy")[0].GetProperty("vector").GetInt32());

        string documentation = File.ReadAllText(Path.Combine(GuestCatalog.RepositoryRoot, "docs", "json.md"));
        JsonElement explanation = stop.GetProperty("explanation");
        Assert.Equal(stop.GetProperty("autopsy")[0].GetProperty("instructions").GetUInt64(), explanation.GetProperty("first_cause").GetUInt64());
        Assert.NotEqual("", explanation.GetProperty("findings")[0].GetProperty("mend").GetString());

        IEnumerable<string> all = names.Concat(stop.EnumerateObject().Select(field => field.Name)).Concat(stop.GetProperty("autopsy")[0].EnumerateObject().Select(field => field.Name));
        Assert.All(all, name => Assert.Contains($"`{name}`", documentation, StringComparison.Ordinal));
    }

    [Fact]
    public void The_report_can_go_to_standard_output()
    {
        using JsonDocument document = JsonDocument.Parse(CommandLine.Run("run", "hello", "--serial", "none", "--json", "-", "-q").Output);
        Assert.Equal("power_off", document.RootElement.GetProperty("stop").GetProperty("reason").GetString());
    }
}
