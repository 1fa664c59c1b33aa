using System.CommandLine;
using System.Globalization;
using System.Security.Cryptography;
using ToyVmm.Mutants.Building;
using ToyVmm.Mutants.Catalog;
using ToyVmm.Mutants.Reporting;
using ToyVmm.Mutants.Running;

namespace ToyVmm.Mutants;

/// <summary>The command line: chooses mutants, builds them into one copy of the sources, and says which tests notice which.</summary>
internal sealed class MutantsCommand
{
    private const int DefaultLimit = 120;

    private readonly Option<int?> _sample = new("--sample") { HelpName = "N", Description = "Only N of the chosen mutants, at random." };
    private readonly Option<string> _seed = new("--seed") { HelpName = "S", Description = "The sample's seed, and the tests' (TOYVMM_SEED): decimal, or hexadecimal with 0x. A new one by default; it is printed." };
    private readonly Option<string[]> _only = new("--only") { HelpName = "NAME", Description = "Only this mutant; may be repeated." };
    private readonly Option<string[]> _area = new("--area") { HelpName = "AREA", Description = "Only the mutants of this area; may be repeated." };
    private readonly Option<bool> _list = new("--list") { Description = "List the chosen mutants, and run nothing." };
    private readonly Option<string> _report = new("--report") { HelpName = "FILE.md", Description = "Write the kill table as Markdown: between the marks of a file that has them, else as the whole file." };
    private readonly Option<string> _json = new("--json") { HelpName = "FILE", Description = "Write the kill table as JSON." };
    private readonly Option<int> _limit = new("--limit") { HelpName = "SECONDS", Description = "How long the expected tests of one mutant may take; longer is a kill. At least twice what all of them took with no mutant active.", DefaultValueFactory = _ => DefaultLimit };
    private readonly Option<bool> _expectedOnly = new("--expected-only") { Description = "Do not ask the other tests when the expected ones of a mutant notice nothing." };
    private readonly Option<bool> _keep = new("--keep") { Description = "Leave the woven sources and their build behind, and say where." };

    /// <summary>Makes the command.</summary>
    public RootCommand Create()
    {
        RootCommand command = new($"""
            Seeds the faults of {MutantCatalog.Folder} into a copy of the VMM, one at a time, and checks that the tests notice each (docs/mutants.md).

            Exit status: 0 all killed, 1 one survived, 64 the command line makes no sense, 65 a mutant does not match the sources or the tests fail without
            any, 66 a file or tool is missing, 74 a bug in this tool.
            """);
        foreach (Option option in (ReadOnlySpan<Option>)[_sample, _seed, _only, _area, _list, _report, _json, _limit, _expectedOnly, _keep])
        {
            command.Options.Add(option);
        }

        command.SetAction(RunAsync);
        return command;
    }

    private async Task<int> RunAsync(ParseResult parsed, CancellationToken cancellation)
    {
        ulong seed = ParseSeed(parsed.GetValue(_seed));
        int? sample = parsed.GetValue(_sample);
        int limit = parsed.GetValue(_limit);
        if (sample is < 1 || limit is < 1 or > 86_400)
        {
            throw UserErrorException.Usage(sample is < 1 ? $"--sample {sample}: at least 1" : $"--limit {limit}: from 1 to 86400 seconds");
        }

        string repository = SourceTree.FindRepository();
        IReadOnlyList<Mutant> mutants = MutantSelection.Choose(
            MutantCatalog.Load(repository), parsed.GetValue(_only) ?? [], parsed.GetValue(_area) ?? [], sample, seed);
        CampaignConsole console = new();
        if (parsed.GetValue(_list))
        {
            foreach (Mutant mutant in mutants)
            {
                console.Line($"{mutant.Area,-14} {mutant.Name,-50} {mutant.Breaks}");
            }

            return ExitStatus.Killed;
        }

        if (mutants.Count == 0)
        {
            throw UserErrorException.Usage("no mutant is in all that was asked for; --list has them");
        }

        // Found out now, and not when the campaign has run.
        string? report = parsed.GetValue(_report);
        string? json = parsed.GetValue(_json);
        CheckWritable(report);
        CheckWritable(json);
        bool keep = parsed.GetValue(_keep);
        console.Line($"{mutants.Count} mutants, seed {seed}");
        using SourceTree tree = await SourceTree.CopyAsync(repository, keep, cancellation).ConfigureAwait(false);
        if (keep)
        {
            console.Line($"the woven sources are in {tree.Root}");
        }

        MutantBuild build = MutantBuild.Weave(tree, mutants);
        await build.CompileAsync(cancellation).ConfigureAwait(false);
        Campaign campaign = new(build, new RunSettings(seed, TimeSpan.FromSeconds(limit)), parsed.GetValue(_expectedOnly));
        int tests = await campaign.RunBaselineAsync(mutants, cancellation).ConfigureAwait(false);
        console.Line($"built once; {tests} tests pass with none of them active");
        IReadOnlyList<Verdict> verdicts = await TryAllAsync(campaign, mutants, console, mutant => keep ? $"{MutantBuild.Variable}={build.NumberOf(mutant)}" : "", cancellation)
            .ConfigureAwait(false);
        console.Line(KillTable.Summary(verdicts));
        if (report is not null)
        {
            KillTable.Write(report, verdicts);
        }

        if (json is not null)
        {
            JsonReport.Write(json, seed, verdicts);
        }

        foreach (Verdict survivor in verdicts.Where(verdict => !verdict.IsKilled))
        {
            console.Line($"{survivor.Mutant.Name} survived ({survivor.Mutant.Place}): a test is missing. {survivor.Mutant.Breaks}");
        }

        return verdicts.All(verdict => verdict.IsKilled) ? ExitStatus.Killed : ExitStatus.Survivors;
    }

    private static async Task<IReadOnlyList<Verdict>> TryAllAsync(
        Campaign campaign, IReadOnlyList<Mutant> mutants, CampaignConsole console, Func<Mutant, string> note, CancellationToken cancellation)
    {
        List<Verdict> verdicts = [];
        await console.ProgressAsync(mutants.Count, async step =>
        {
            foreach (Mutant mutant in mutants)
            {
                Verdict verdict = await campaign.TryAsync(mutant, cancellation).ConfigureAwait(false);
                verdicts.Add(verdict);
                console.Verdict(verdict, note(mutant));
                step();
            }
        }).ConfigureAwait(false);
        return verdicts;
    }

    private static void CheckWritable(string? path)
    {
        if (path is not null)
        {
            using FileStream file = File.Open(path, FileMode.OpenOrCreate, FileAccess.Write);
        }
    }

    private static ulong ParseSeed(string? text)
    {
        if (text is null)
        {
            return BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(8));
        }

        bool isHex = text.StartsWith("0x", StringComparison.OrdinalIgnoreCase);
        bool isValid = isHex
            ? ulong.TryParse(text.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ulong seed)
            : ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out seed);
        return isValid ? seed : throw UserErrorException.Usage($"--seed {text}: neither a decimal number nor a hexadecimal one with 0x");
    }
}
