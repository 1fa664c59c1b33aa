using System.Text.Json;
using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>The texts of the tool, and the commands beside run.</summary>
public sealed class CommandLineHelpTests
{
    public static TheoryData<string, string[]> Helps => new()
    {
        { "root", ["--help"] },
        { "run", ["run", "--help"] },
        { "debug", ["debug", "--help"] },
        { "snapshot", ["snapshot", "--help"] },
        { "disasm", ["disasm", "--help"] },
        { "guests", ["guests", "--help"] },
        { "bench", ["bench", "--help"] },
        { "classify", ["classify", "--help"] },
        { "verify", ["verify", "--help"] },
    };

    /// <summary>Help is held by files: a change is a reviewed diff, and TOYVMM_ACCEPT=1 writes them anew.</summary>
    [Theory]
    [MemberData(nameof(Helps))]
    public void Help_is_the_reviewed_text(string name, string[] arguments)
    {
        ToolResult result = CommandLine.Run(arguments);
        Assert.Equal(0, result.Status);
        Assert.Equal("", result.Errors);
        string file = Path.Combine(GuestCatalog.RepositoryRoot, "tests", "ToyVmm.GuestTests", "CommandLineHelp", name + ".txt");
        if (Environment.GetEnvironmentVariable("TOYVMM_ACCEPT") == "1")
        {
            _ = Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            File.WriteAllText(file, result.Output);
        }

        Assert.True(File.Exists(file), $"{file} is missing: run the tests with TOYVMM_ACCEPT=1 and review the diff");
        Assert.Equal(File.ReadAllText(file), result.Output);
    }

    /// <summary>What the translator emits for a few blocks is a reviewed text too.</summary>
    [TranslatorFact]
    public void Translated_code_is_the_reviewed_text()
    {
        ToolResult result = CommandLine.Run("disasm", "compute-fib", "--translated", "--address", "0x100100", "--count", "60");
        Assert.Equal((0, ""), (result.Status, result.Errors));
        string file = Path.Combine(GuestCatalog.RepositoryRoot, "tests", "ToyVmm.GuestTests", "CommandLineHelp", "translated.txt");
        if (Environment.GetEnvironmentVariable("TOYVMM_ACCEPT") == "1")
        {
            File.WriteAllText(file, result.Output);
        }

        Assert.Equal(File.ReadAllText(file), result.Output);
        Assert.Contains("interpreted: 16-bit code", CommandLine.Run("disasm", "hello", "--translated", "-n", "1").Output, StringComparison.Ordinal);
    }

    [Fact]
    public void No_arguments_give_the_help()
    {
        Assert.Equal(CommandLine.Run("--help"), CommandLine.Run());
    }

    [Fact]
    public void The_version_is_a_number()
    {
        Assert.Matches(@"^\d+\.\d+\.\d+\n$", CommandLine.Run("--version").Output);
    }

    [Fact]
    public void All_guests_of_the_course_are_built_in()
    {
        string list = CommandLine.Run("guests").Output;
        Assert.All(GuestCatalog.All, guest => Assert.Contains($"\n{guest.Name} ", "\n" + list, StringComparison.Ordinal));
        Assert.DoesNotContain("\x1b", list, StringComparison.Ordinal);
    }

    [Fact]
    public void A_guest_tells_about_itself()
    {
        ToolResult result = CommandLine.Run("guests", "paging");
        Assert.Equal(0, result.Status);
        Assert.Contains("teaches:", result.Output, StringComparison.Ordinal);
        Assert.Contains("toyvmm run paging", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void The_course_can_be_written_out()
    {
        string folder = Directory.CreateTempSubdirectory("toyvmm-test-").FullName;
        try
        {
            Assert.Equal(0, CommandLine.Run("guests", "--extract", folder).Status);
            foreach (GuestImage guest in GuestCatalog.All)
            {
                Assert.Equal(File.ReadAllBytes(guest.ImagePath), File.ReadAllBytes(Path.Combine(folder, guest.Name, Path.GetFileName(guest.ImagePath))));
                Assert.True(File.Exists(Path.Combine(folder, guest.Name, Path.GetFileName(guest.SourcePath))));
            }

            Assert.True(File.Exists(Path.Combine(folder, "include", "toyvmm.inc")));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void Code_is_disassembled_in_the_mode_of_its_entry()
    {
        Assert.Contains("xor ax, ax", CommandLine.Run("disasm", "hello").Output, StringComparison.Ordinal);
        string multiboot = CommandLine.Run("disasm", "traps", "--count", "3").Output;
        Assert.StartsWith("; traps: Multiboot, entry at 0010:", multiboot, StringComparison.Ordinal);
        Assert.Equal(4, multiboot.TrimEnd().Split('\n').Length);

        using TemporaryFile image = CommandLine.File([0xB8, 0x78, 0x56, 0x34, 0x12, 0x0F, 0xFF, 0xFF]);
        Assert.Contains("b878563412             mov eax, 0x12345678", CommandLine.Run("disasm", image.Path, "--entry", "protected").Output, StringComparison.Ordinal);
        Assert.Contains("b87856                 mov ax, 0x5678", CommandLine.Run("disasm", image.Path).Output, StringComparison.Ordinal);
        Assert.Contains("(no memory here)", CommandLine.Run("disasm", image.Path, "--address", "0xF0000000").Output, StringComparison.Ordinal);
    }

    [Fact]
    public void The_benchmark_reports_every_guest_it_ran()
    {
        using JsonDocument document = JsonDocument.Parse(CommandLine.Run("bench", "fib", "compute-sieve", "--scale", "1", "--repeat", "1", "--no-native", "--json", "-").Output);
        Assert.Equal(["compute-fib", "compute-sieve"], document.RootElement.GetProperty("results").EnumerateArray().Select(result => result.GetProperty("name").GetString()));
        Assert.True(document.RootElement.GetProperty("geometric_mean_millions_per_second").GetDouble() > 0);
        Assert.Contains("geometric mean", CommandLine.Run("bench", "fib", "--scale", "1", "--repeat", "1").Output, StringComparison.Ordinal);
    }
}
