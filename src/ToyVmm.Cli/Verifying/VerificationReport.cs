using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json.Serialization;
using ToyVmm.Engines.Classification;
using ToyVmm.VirtualMachines.Verification;

namespace ToyVmm.Cli.Verifying;

/// <summary>The document that `verify --report FILE.json` writes. The names are stable: docs/properties.md describes them.</summary>
internal sealed record VerificationReport
{
    /// <summary>The version of the document.</summary>
    public int SchemaVersion { get; init; } = 1;

    /// <summary>The version of ToyVmm.</summary>
    public required string Version { get; init; }

    /// <summary>The host: system, architecture, CPUs.</summary>
    public required string Host { get; init; }

    /// <summary>What was checked.</summary>
    public required IReadOnlyList<PropertyReport> Properties { get; init; }

    /// <summary>Makes the document.</summary>
    public static VerificationReport Of(IReadOnlyList<PropertyReport> properties) => new()
    {
        Version = ToolVersionText.Value,
        Host = $"{RuntimeInformation.OSDescription}, {RuntimeInformation.OSArchitecture}, {Environment.ProcessorCount} CPUs ({ProcessorName()}), .NET {Environment.Version}",
        Properties = properties,
    };

    private static string ProcessorName()
    {
        const string Field = "model name";
        try
        {
            return File.ReadLines("/proc/cpuinfo").FirstOrDefault(line => line.StartsWith(Field, StringComparison.Ordinal))?.Split(':', 2)[1].Trim() ?? "unknown";
        }
        catch (IOException)
        {
            return "unknown";
        }
    }
}

/// <summary>One property's campaign.</summary>
internal sealed record PropertyReport
{
    /// <summary>Its name.</summary>
    public required string Property { get; init; }

    /// <summary>What holds of every case.</summary>
    public required string Claim { get; init; }

    /// <summary>Which cases there are.</summary>
    public required string Domain { get; init; }

    /// <summary>What is left out.</summary>
    public required IReadOnlyList<string> Exclusions { get; init; }

    /// <summary>How cases are made.</summary>
    public required string Generator { get; init; }

    /// <summary>What took part, and what could not.</summary>
    public required IReadOnlyList<string> Engines { get; init; }

    /// <summary>The first case.</summary>
    public required ulong Seed { get; init; }

    /// <summary>How many cases were asked for.</summary>
    public required ulong Cases { get; init; }

    /// <summary>How many were checked.</summary>
    public required ulong Checked { get; init; }

    /// <summary>holds, violated, or incomplete.</summary>
    public required string Result { get; init; }

    /// <summary>Host time.</summary>
    public required double Seconds { get; init; }

    /// <summary>Cases an hour.</summary>
    public required double PerHour { get; init; }

    /// <summary>Counts by name.</summary>
    public required IReadOnlyDictionary<string, ulong> Counts { get; init; }

    /// <summary>The largest value of each measure.</summary>
    public required IReadOnlyList<WorstReport> Worst { get; init; }

    /// <summary>Where the property does not hold.</summary>
    public required IReadOnlyList<CounterexampleReport> Counterexamples { get; init; }

    /// <summary>How often which instruction form was executed in which mode.</summary>
    public required IReadOnlyList<CoverageReport> Coverage { get; init; }

    /// <summary>Forms of the classification that were not executed.</summary>
    public required IReadOnlyList<string> NotCovered { get; init; }

    /// <summary>Makes the report.</summary>
    public static PropertyReport Of(IVerifiedProperty property, CampaignState state, ulong cases, bool complete)
    {
        PropertyStatement statement = property.Statement;
        Dictionary<string, CoverageReport> coverage = [];
        foreach ((string key, ulong times) in state.Tally.Coverage)
        {
            string[] parts = key.Split('/');
            CoverageReport form = coverage.GetValueOrDefault(parts[0]) ?? new CoverageReport(parts[0], 0, 0, 0, 0);
            coverage[parts[0]] = parts[1] switch
            {
                nameof(ExecutionMode.Real) => form with { Real = times },
                nameof(ExecutionMode.Ring0) => form with { Ring0 = times },
                nameof(ExecutionMode.Ring3) => form with { Ring3 = times },
                _ => form with { Virtual8086 = times },
            };
        }

        return new PropertyReport
        {
            Property = property.Name,
            Claim = statement.Claim,
            Domain = statement.Domain,
            Exclusions = statement.Exclusions,
            Generator = statement.Generator,
            Engines = statement.Engines,
            Seed = state.Seed,
            Cases = cases,
            Checked = state.Checked,
            Result = state.Counterexamples.Count > 0 ? "violated" : complete ? "holds" : "incomplete",
            Seconds = Math.Round(state.Time.TotalSeconds, 1),
            PerHour = Math.Round(state.Checked / Math.Max(state.Time.TotalHours, 1e-9)),
            Counts = state.Tally.Counts,
            Worst = [.. state.Tally.Worst.Select(worst => new WorstReport(worst.Key, worst.Value.Value, worst.Value.Seed, Replay(property.Name, worst.Value.Seed)))],
            Counterexamples = [.. state.Counterexamples.Select(found => new CounterexampleReport(
                found.Seed, found.Summary, found.Detail, found.FirstDivergence, VerificationFiles.NameOf(found), Replay(property.Name, found.Seed, found.Options)))],
            Coverage = [.. coverage.Values.OrderBy(form => form.Form, StringComparer.Ordinal)],
            NotCovered = coverage.Count == 0 ? [] : [.. ClassificationTable.Rows.Select(row => row.Name).Where(name => !coverage.ContainsKey(name))],
        };
    }

    private static string Replay(string property, ulong seed, string? options = null) =>
        string.Create(CultureInfo.InvariantCulture, $"toyvmm verify {property} --seed {seed} --cases 1{(options is null ? "" : " " + options)}");
}

/// <summary>A worst case.</summary>
internal sealed record WorstReport(string Measure, double Value, ulong Seed, string Replay);

/// <summary>A case for which the property does not hold.</summary>
internal sealed record CounterexampleReport(ulong Seed, string Summary, string Detail, ulong? FirstDivergence, string File, string Replay);

/// <summary>Executions of an instruction form, by mode.</summary>
internal sealed record CoverageReport(string Form, ulong Real, ulong Ring0, ulong Ring3, ulong Virtual8086);

/// <summary>What `--state` keeps.</summary>
internal sealed record SavedCampaigns(int SchemaVersion, IReadOnlyList<CampaignState> Campaigns);

/// <summary>Serialization without reflection.</summary>
[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(VerificationReport))]
[JsonSerializable(typeof(SavedCampaigns))]
internal sealed partial class VerificationJson : JsonSerializerContext;
