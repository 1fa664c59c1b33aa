using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using ToyVmm.Cli.Hosting;
using ToyVmm.Cli.Verifying;
using ToyVmm.VirtualMachines.Verification;

namespace ToyVmm.Cli.Commands;

/// <summary>toyvmm verify: checks the properties of the VMM on any number of random cases, and writes what was found.</summary>
internal sealed class VerifyCommand(HostConsole console)
{
    private const ulong DefaultCases = 10_000;
    private const ulong MostCases = 1_000_000_000;
    private const ulong DefaultQemuEvery = 2_000;
    private const string All = "all";

    private readonly Argument<string> _property = new("property")
    {
        Description = "Which property: equivalence, efficiency, isolation, or all of them, one after the other. All by default.",
        Arity = ArgumentArity.ZeroOrOne,
    };
    private readonly Option<string> _cases = new("--cases") { HelpName = "N", Description = "Cases for each property; the default is 10,000." };
    private readonly Option<string> _seed = new("--seed") { HelpName = "S", Description = "The first case, a number; the others follow. A new one each time by default, which is printed." };
    private readonly Option<string> _threads = new("--threads") { HelpName = "N", Description = "Cases at a time; the default is the number of host CPUs." };
    private readonly Option<string[]> _report = new("--report") { HelpName = "FILE", Description = "Write a report: FILE.json a JSON document, FILE.html one page that needs nothing else. May be given twice (docs/properties.md)." };
    private readonly Option<string> _state = new("--state") { HelpName = "FILE", Description = "Keep there how far the campaign is; where the file is there already, go on with it, seed included." };
    private readonly Option<string> _counterexamples = new("--counterexamples") { HelpName = "FOLDER", Description = "Where to write the guests for which a property does not hold; the default is toyvmm-counterexamples." };
    private readonly Option<string> _qemuEvery = new("--qemu-every") { HelpName = "N", Description = "Have QEMU, where it is installed, run one in N of the programs that it could; 0 for none. The default is 2,000." };

    /// <summary>Makes the command.</summary>
    public Command Create()
    {
        Command command = new("verify", "Check equivalence, efficiency and isolation on random guests, and report what was checked.");
        _ = _property.AcceptOnlyFromAmong([All, .. PropertyCatalog.Names]);
        command.Arguments.Add(_property);
        foreach (Option option in (ReadOnlySpan<Option>)[_cases, _seed, _threads, _report, _state, _counterexamples, _qemuEvery])
        {
            command.Options.Add(option);
        }

        command.SetAction(Run);
        return command;
    }

    private int Run(ParseResult parsed)
    {
        string name = parsed.GetValue(_property) ?? All;
        ulong cases = Number(parsed, _cases, DefaultCases, 1, MostCases);
        int threads = (int)Number(parsed, _threads, (ulong)Environment.ProcessorCount, 1, 1024);
        ulong qemuEvery = Number(parsed, _qemuEvery, DefaultQemuEvery, 0, MostCases);
        IReadOnlyList<string> reports = parsed.GetValue(_report) ?? [];
        foreach (string report in reports)
        {
            VerificationFiles.CheckReportName(report);
        }

        string? stateName = parsed.GetValue(_state);
        List<CampaignState> saved = stateName is null ? [] : VerificationFiles.ReadState(stateName);
        ulong? asked = parsed.GetValue(_seed) is { } text ? Quantity.Count("--seed", text) : null;
        if (asked is { } wanted && saved.Exists(state => state.Seed != wanted))
        {
            throw UserErrorException.Usage($"--seed {wanted}: the campaign in {stateName} began with seed {saved[0].Seed}; leave --seed out to go on with it, or name another file");
        }

        ulong seed = asked ?? (saved.Count > 0 ? saved[0].Seed : NewSeed());
        using CancellationTokenSource stop = new();
        using StopSignals signals = new(stop.Cancel);
        string folder = parsed.GetValue(_counterexamples) ?? "toyvmm-counterexamples";
        List<PropertyReport> results = [];
        foreach (string property in name == All ? PropertyCatalog.Names : [name])
        {
            CampaignState? state = saved.Find(candidate => candidate.Property == property);
            if (state is null)
            {
                state = new CampaignState { Property = property, Seed = seed };
                saved.Add(state);
            }

            IVerifiedProperty loaded = PropertyCatalog.Load(property, qemuEvery);
            results.Add(Check(loaded, state, new VerificationCampaign(loaded, cases, threads), cases, folder, stateName is null ? null : () => VerificationFiles.WriteState(stateName, saved), stop.Token));
            if (stop.IsCancellationRequested)
            {
                break;
            }
        }

        VerificationReport document = VerificationReport.Of(results);
        foreach (string report in reports)
        {
            VerificationFiles.WriteReport(report, document);
        }

        return results.Exists(result => result.Counterexamples.Count > 0) ? ExitStatus.CounterexampleFound
            : signals.Number != 0 ? ExitStatus.SignalBase + signals.Number
            : ExitStatus.Success;
    }

    private PropertyReport Check(IVerifiedProperty property, CampaignState state, VerificationCampaign campaign, ulong cases, string folder, Action? save, CancellationToken stop)
    {
        console.Error.WriteLine($"toyvmm: {property.Name}: seed {state.Seed}, {cases:N0} cases{(state.Checked > 0 ? $", {state.Checked:N0} of them checked before" : "")}");
        ulong before = state.Checked;
        CampaignProgress progress = new(console, property.Name, cases, before);
        Stopwatch sinceSaved = Stopwatch.StartNew();
        int written = state.Counterexamples.Count;
        bool complete = campaign.Run(
            state,
            now =>
            {
                progress.Show(now);
                if (now.Counterexamples.Count > written)
                {
                    // At once: whatever ends the campaign, they are not lost.
                    progress.Clear();
                    VerificationFiles.WriteCounterexamples(folder, now.Counterexamples.Skip(written), console.Error);
                    written = now.Counterexamples.Count;
                }

                if (save is not null && sinceSaved.Elapsed > TimeSpan.FromSeconds(20))
                {
                    save();
                    sinceSaved.Restart();
                }
            },
            stop);
        progress.Clear();
        save?.Invoke();
        PropertyReport report = PropertyReport.Of(property, state, cases, complete);
        VerificationText.Write(console.Output, report);
        console.Flush();
        return report;
    }

    private static ulong NewSeed() => (ulong)Random.Shared.NextInt64(1, 1L << 40);

    private static ulong Number(ParseResult parsed, Option<string> option, ulong standard, ulong least, ulong most)
    {
        if (parsed.GetValue(option) is not { } text)
        {
            return standard;
        }

        ulong number = Quantity.Count(option.Name, text);
        return number >= least && number <= most
            ? number
            : throw UserErrorException.Usage(string.Create(CultureInfo.InvariantCulture, $"{option.Name} {text}: from {least:N0} to {most:N0}"));
    }
}
