using System.Text.Json;
using ToyVmm.Mutants.Running;

namespace ToyVmm.Mutants.Reporting;

/// <summary>The kill table as a JSON document.</summary>
internal static class JsonReport
{
    private static readonly JsonSerializerOptions s_options = new() { WriteIndented = true, PropertyNamingPolicy = JsonNamingPolicy.CamelCase };

    /// <summary>Writes a file.</summary>
    public static void Write(string path, ulong seed, IReadOnlyList<Verdict> verdicts)
    {
        var document = new
        {
            Seed = seed,
            Mutants = verdicts.Count,
            Survivors = verdicts.Where(verdict => !verdict.IsKilled).Select(verdict => verdict.Mutant.Name),
            Table = verdicts.Select(verdict => new
            {
                verdict.Mutant.Name,
                verdict.Mutant.Area,
                verdict.Mutant.Breaks,
                verdict.Mutant.Source,
                Killed = verdict.IsKilled,
                Fate = JsonNamingPolicy.KebabCaseLower.ConvertName(verdict.Fate.ToString()),
                Test = verdict.Fate == Fate.TestFailed ? verdict.Test : null,
                Expected = !verdict.Wide,
                Seconds = Math.Round(verdict.Time.TotalSeconds, 2),
            }),
        };
        File.WriteAllText(path, JsonSerializer.Serialize(document, s_options) + "\n");
    }
}
