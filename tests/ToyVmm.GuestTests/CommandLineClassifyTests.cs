using System.Text.Json;
using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>toyvmm classify: the table, its filters, its witnesses, and what a guest executes.</summary>
public sealed class CommandLineClassifyTests
{
    /// <summary>The whole text without innocuous forms is a reviewed file: the table, the counts, the two lists, the theorems.</summary>
    [Fact]
    public void The_classification_is_the_reviewed_text()
    {
        ToolResult result = CommandLine.Run("classify");
        Assert.Equal((0, ""), (result.Status, result.Errors));
        string file = Path.Combine(GuestCatalog.RepositoryRoot, "tests", "ToyVmm.GuestTests", "CommandLineHelp", "classification.txt");
        if (Environment.GetEnvironmentVariable("TOYVMM_ACCEPT") == "1")
        {
            File.WriteAllText(file, result.Output);
        }

        Assert.Equal(File.ReadAllText(file), result.Output);
        Assert.Contains("18 of 18 found again", result.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("hole", "POPF ", "HLT ")]
    [InlineData("privileged", "HLT ", "POPF ")]
    [InlineData("innocuous", "SAHF ", "SGDT ")]
    [InlineData("control", "MOV Sreg, r/m16 ", "PUSHF ")]
    [InlineData("location", "SGDT ", "SMSW ")]
    [InlineData("mode", "LAR ", "SMSW ")]
    [InlineData("state", "SMSW ", "LAR ")]
    [InlineData("user", "STR ", "LTR ")]
    [InlineData("sensitive", "LGDT ", "INVLPG ")]
    [InlineData("behaviour", "RDTSC ", "HLT ")]
    public void A_class_shows_its_own(string name, string shown, string hidden)
    {
        string[] lines = CommandLine.Run("classify", "--class", name).Output.Split('\n');
        Assert.Contains(lines, line => line.StartsWith(shown, StringComparison.Ordinal));
        Assert.DoesNotContain(lines, line => line.StartsWith(hidden, StringComparison.Ordinal));
    }

    [Fact]
    public void Witnesses_are_executed_again()
    {
        ToolResult result = CommandLine.Run("classify", "--mnemonic", "smsw", "--witness");
        Assert.Equal(0, result.Status);
        Assert.Contains("CR0 differs: ", result.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("DOES NOT HOLD", result.Output, StringComparison.Ordinal);
    }

    /// <summary>A search finds what is stored.</summary>
    [Fact]
    public void A_search_finds_the_stored_rows() =>
        Assert.Equal(CommandLine.Run("classify", "--mnemonic", "lar"), CommandLine.Run("classify", "--mnemonic", "lar", "--search"));

    [Fact]
    public void The_document_holds_the_rows()
    {
        using JsonDocument document = JsonDocument.Parse(CommandLine.Run("classify", "--class", "all", "--json", "-").Output);
        JsonElement forms = document.RootElement.GetProperty("forms");
        Assert.True(forms.GetArrayLength() > 1100);
        JsonElement sgdt = forms.EnumerateArray().First(form => form.GetProperty("mnemonic").GetString() == "SGDT");
        Assert.True(sgdt.GetProperty("hole").GetBoolean());
        Assert.Equal("SGDT", sgdt.GetProperty("robin_irvine").GetString());
        Assert.Equal("completes", sgdt.GetProperty("outcomes").GetProperty("ring3").GetString());
        Assert.Contains("location", sgdt.GetProperty("sensitivity").GetProperty("ring3").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_guest_s_instructions_are_counted_by_mode()
    {
        using JsonDocument document = JsonDocument.Parse(CommandLine.Run("classify", "rings", "--json", "-").Output);
        JsonElement run = document.RootElement.GetProperty("run");
        JsonElement str = run.GetProperty("forms").EnumerateArray().Single(form => form.GetProperty("name").GetString()!.StartsWith("Str_", StringComparison.Ordinal));
        Assert.Equal((0ul, 1ul, 1ul), (str.GetProperty("ring0").GetUInt64(), str.GetProperty("ring3").GetUInt64(), str.GetProperty("unnoticed").GetUInt64()));
        string text = CommandLine.Run("classify", "hello").Output;
        Assert.Contains("(UNNOTICED): 1.", text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--mnemonic FROB", "none of our processors has such an instruction")]
    [InlineData("--trials 5", "--trials goes with --search")]
    [InlineData("--search --trials 0", "from 1 to 1,000,000")]
    [InlineData("--timeout 3", "there is none")]
    public void A_line_that_makes_no_sense_is_refused(string arguments, string reason)
    {
        ToolResult result = CommandLine.Run(["classify", .. arguments.Split(' ')]);
        Assert.Equal(64, result.Status);
        Assert.Contains(reason, result.Errors, StringComparison.Ordinal);
    }
}
