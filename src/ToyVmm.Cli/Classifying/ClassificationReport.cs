using System.Text.Json;
using System.Text.Json.Serialization;
using ToyVmm.Engines.Classification;

namespace ToyVmm.Cli.Classifying;

/// <summary>The document that `classify --json` writes. The names are stable: docs/classification.md describes them.</summary>
internal sealed record ClassificationReport
{
    /// <summary>The version of the document.</summary>
    public int SchemaVersion { get; init; } = 1;

    /// <summary>The forms that were asked for.</summary>
    public required IReadOnlyList<FormReport> Forms { get; init; }

    /// <summary>The run of the image, where there is one.</summary>
    public UsageReport? Run { get; init; }

    /// <summary>Makes the document.</summary>
    public static ClassificationReport Of(IReadOnlyList<InstructionClassification> rows, UsageRun? run) => new()
    {
        Forms = [.. rows.Select(FormReport.Of)],
        Run = run is null ? null : new UsageReport(run.Image, run.Stop.Detail, run.Instructions, run.Unnoticed,
            [.. run.Forms.Where(form => !form.Row.IsInnocuous).Select(form => new FormUsageReport(form.Row.Name, form.Real, form.Ring0, form.Ring3, form.Virtual8086, form.Unnoticed))]),
    };

    /// <summary>Writes the document and a line end.</summary>
    public void Write(Stream output)
    {
        JsonSerializer.Serialize(output, this, ClassificationJson.Default.ClassificationReport);
        output.WriteByte((byte)'\n');
        output.Flush();
    }
}

/// <summary>One form.</summary>
internal sealed record FormReport(
    string Name,
    string Form,
    string Encoding,
    string Mnemonic,
    IReadOnlyDictionary<string, string> Outcomes,
    bool Privileged,
    string? OpenedBy,
    bool Innocuous,
    bool Hole,
    bool UserSensitive,
    IReadOnlyDictionary<string, string> Sensitivity,
    IReadOnlyList<string> Changes,
    string? RobinIrvine,
    IReadOnlyList<WitnessEntry> Witnesses)
{
    /// <summary>The report of a row.</summary>
    public static FormReport Of(InstructionClassification row) => new(
        row.Name, row.Form, row.Encoding, row.Mnemonic,
        row.Outcomes.ToDictionary(outcome => ModeName(outcome.Mode), outcome => outcome.Completes ? "completes" : outcome.Vector < 0 ? "absent" : Hardware.Cpu.Vector.Name(outcome.Vector)),
        row.IsPrivileged, row.OpenedBy == Guards.None ? null : Camel(row.OpenedBy.ToString()), row.IsInnocuous, row.IsHole, row.IsUserSensitive,
        row.Outcomes.ToDictionary(outcome => ModeName(outcome.Mode), outcome => row.In(outcome.Mode).ToString().ToLowerInvariant()),
        row.Changes, Engines.Classification.RobinIrvine.EntryOf(row),
        [.. row.Witnesses.Select(witness => new WitnessEntry(Camel(witness.Kind.ToString()), ModeName(witness.Mode), Camel(witness.Changed.ToString()), witness.Trial))]);

    private static string ModeName(ExecutionMode mode) => Camel(mode.ToString());

    private static string Camel(string text) => char.ToLowerInvariant(text[0]) + text[1..];
}

/// <summary>Where a witness's states come from.</summary>
internal sealed record WitnessEntry(string Kind, string Mode, string Differs, int Trial);

/// <summary>What a guest executed.</summary>
internal sealed record UsageReport(string Image, string Stop, ulong Instructions, ulong Unnoticed, IReadOnlyList<FormUsageReport> Forms);

/// <summary>How often it executed a form that is not innocuous.</summary>
internal sealed record FormUsageReport(string Name, ulong Real, ulong Ring0, ulong Ring3, ulong Virtual8086, ulong Unnoticed);

/// <summary>Serialization without reflection.</summary>
[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ClassificationReport))]
internal sealed partial class ClassificationJson : JsonSerializerContext;
