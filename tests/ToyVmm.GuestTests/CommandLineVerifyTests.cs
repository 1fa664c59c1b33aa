using System.Text.Json;
using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>toyvmm verify: campaigns, reports, states and mistakes.</summary>
public sealed class CommandLineVerifyTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("toyvmm-verify-").FullName;

    public static TheoryData<string[], string> Mistakes => new()
    {
        { ["verify", "speed"], "speed" },
        { ["verify", "--cases", "0"], "--cases 0: from 1 to" },
        { ["verify", "--cases", "many"], "--cases many: not a count" },
        { ["verify", "--threads", "0"], "--threads 0: from 1 to" },
        { ["verify", "--report", "report.pdf"], "must end in .json or .html" },
    };

    /// <inheritdoc/>
    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [TranslatorTheory]
    [InlineData("equivalence")]
    [InlineData("efficiency")]
    [InlineData("isolation")]
    public void A_campaign_reports_what_it_checked(string property)
    {
        string json = Path.Combine(_folder, "report.json");
        string html = Path.Combine(_folder, "report.html");
        ToolResult result = CommandLine.Run("verify", property, "--cases", "40", "--seed", "77", "--threads", "2", "--report", json, "--report", html);
        Assert.True(result.Status == 0, result.Output + result.Errors);
        Assert.Contains($"{property} holds: 40 of 40 cases", result.Output, StringComparison.Ordinal);
        Assert.Contains($"{property}: seed 77, 40 cases", result.Errors, StringComparison.Ordinal);
        using JsonDocument document = JsonDocument.Parse(File.ReadAllText(json));
        JsonElement report = Assert.Single(document.RootElement.GetProperty("properties").EnumerateArray());
        Assert.Equal(property, report.GetProperty("property").GetString());
        Assert.Equal(40, report.GetProperty("checked").GetInt32());
        Assert.Equal("holds", report.GetProperty("result").GetString());
        Assert.Empty(report.GetProperty("counterexamples").EnumerateArray());
        Assert.NotEmpty(report.GetProperty("exclusions").EnumerateArray());
        Assert.NotEmpty(report.GetProperty("counts").EnumerateObject());
        Assert.Equal(property == "equivalence", report.GetProperty("coverage").GetArrayLength() > 100);

        string page = File.ReadAllText(html);
        Assert.StartsWith("<!DOCTYPE html>", page, StringComparison.Ordinal);
        Assert.Contains($"<h2>{property}: <span class=\"holds\">holds</span></h2>", page, StringComparison.Ordinal);
        foreach (string elsewhere in (string[])["http", "<script", "<link", "<img", "url("])
        {
            Assert.DoesNotContain(elsewhere, page, StringComparison.OrdinalIgnoreCase);
        }
    }

    [Fact]
    public void A_seed_gives_the_same_counts_in_any_number_of_threads()
    {
        string[] counts = [.. ((string[])["1", "3"]).Select(threads =>
        {
            string json = Path.Combine(_folder, threads + ".json");
            Assert.Equal(0, CommandLine.Run("verify", "equivalence", "--cases", "100", "--seed", "5", "--qemu-every", "0", "--threads", threads, "--report", json).Status);
            using JsonDocument document = JsonDocument.Parse(File.ReadAllText(json));
            JsonElement report = document.RootElement.GetProperty("properties")[0];
            return report.GetProperty("counts").ToString() + report.GetProperty("worst") + report.GetProperty("coverage");
        })];
        Assert.Equal(counts[0], counts[1]);
    }

    [Fact]
    public void A_campaign_goes_on_from_its_state()
    {
        string state = Path.Combine(_folder, "state");
        Assert.Equal(0, CommandLine.Run("verify", "equivalence", "--cases", "50", "--seed", "9", "--qemu-every", "0", "--state", state).Status);
        ToolResult longer = CommandLine.Run("verify", "equivalence", "--cases", "130", "--qemu-every", "0", "--state", state);
        Assert.True(longer.Status == 0, longer.Errors);
        Assert.Contains("seed 9, 130 cases, 50 of them checked before", longer.Errors, StringComparison.Ordinal);
        Assert.Contains("130 of 130 cases", longer.Output, StringComparison.Ordinal);
        ToolResult straight = CommandLine.Run("verify", "equivalence", "--cases", "130", "--seed", "9", "--qemu-every", "0");
        Assert.Equal(straight.Output.Split('\n')[1..], longer.Output.Split('\n')[1..]);

        ToolResult other = CommandLine.Run("verify", "equivalence", "--seed", "10", "--state", state);
        Assert.Equal(64, other.Status);
        Assert.Contains("began with seed 9", other.Errors, StringComparison.Ordinal);
    }

    /// <summary>Interrupted in the middle, and gone on with, a campaign has the report of one that was not.</summary>
    [RequiresToolFact("sh", "timeout")]
    public void An_interrupted_campaign_loses_nothing()
    {
        string state = Path.Combine(_folder, "state");
        string[] campaign = ["verify", "equivalence", "--cases", "1500", "--qemu-every", "0", "--threads", "2"];
        ToolResult interrupted = CommandLine.RunUnder(["timeout", "--signal=TERM", "3"], [.. campaign, "--seed", "21", "--state", state]);
        Assert.Contains("equivalence incomplete: ", interrupted.Output, StringComparison.Ordinal);
        ToolResult rest = CommandLine.Run([.. campaign, "--state", state]);
        Assert.True(rest.Status == 0, rest.Output + rest.Errors);
        Assert.Contains("of them checked before", rest.Errors, StringComparison.Ordinal);
        ToolResult straight = CommandLine.Run([.. campaign, "--seed", "21"]);
        Assert.Equal(straight.Output.Split('\n')[1..], rest.Output.Split('\n')[1..]);
    }

    [Theory]
    [InlineData("{")]
    [InlineData("{\"schema_version\": 99, \"campaigns\": []}")]
    [InlineData("{\"schema_version\": 1, \"campaigns\": [{\"property\": \"equivalence\", \"seed\": 1, \"pieces\": null}]}")]
    [InlineData("null")]
    [InlineData("{\"schema_version\": 1}")]
    public void A_state_that_is_damaged_is_refused_and_kept(string text)
    {
        string state = Path.Combine(_folder, "state");
        File.WriteAllText(state, text);
        ToolResult result = CommandLine.Run("verify", "equivalence", "--cases", "1", "--state", state);
        Assert.Equal(65, result.Status);
        Assert.Contains("the state " + state, result.Errors, StringComparison.Ordinal);
        Assert.Equal(text, File.ReadAllText(state));
    }

    [Theory]
    [MemberData(nameof(Mistakes))]
    public void Mistakes_are_told(string[] arguments, string message)
    {
        ToolResult result = CommandLine.Run(arguments);
        Assert.Equal(64, result.Status);
        Assert.Contains(message, result.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public void A_report_that_cannot_be_written_is_told_before_the_work()
    {
        ToolResult result = CommandLine.Run("verify", "--cases", "1000000", "--report", Path.Combine(_folder, "no", "such", "folder.json"));
        Assert.Equal(66, result.Status);
        Assert.Contains("cannot write the report", result.Errors, StringComparison.Ordinal);
    }
}
