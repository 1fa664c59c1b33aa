using System.CommandLine;
using ToyVmm.Cli.Benchmarking;
using ToyVmm.Cli.Benchmarking.Density;
using ToyVmm.Cli.Guests;
using ToyVmm.Cli.Hosting;
using ToyVmm.VirtualMachines;

namespace ToyVmm.Cli.Commands;

/// <summary>toyvmm bench: the compute guests and the rows of nano, on one engine or all, beside the same work run natively.</summary>
internal sealed class BenchCommand(HostConsole console)
{
    private const int DefaultRepeat = 3;
    private const string AllEngines = "all";
    private const string Density = "density";
    private const int DensityRepeat = 50;
    private const int DensityClones = 1000;
    private const string RowPrefix = ParavirtualBenchmark.Name + ":";

    private readonly Argument<string[]> _names = new("name")
    {
        Description = "Which compute guests (sieve or compute-sieve); nano for the costs of single operations, nano:ROW for one of them; paravirt for one kernel as on a real machine, by hypercalls and on QEMU, paravirt:ROW for one of its rows; neighbour for what a bad neighbour takes of a shared host; timetravel for what it costs to be able to go back, and how long that takes; density, alone, for what one more guest costs in time and memory. All compute guests by default.",
        Arity = ArgumentArity.ZeroOrMore,
    };
    private readonly Option<string> _engine = new("--engine")
    {
        HelpName = "ENGINE",
        Description = "What executes the guests: as for run, or all: every engine, side by side, nano too.",
    };
    private readonly Option<string> _repeat = new("--repeat") { HelpName = "N", Description = "Runs for each guest, of which the best counts; the default is 3. For density: of each, of which the median counts; 50." };
    private readonly Option<string> _scale = new("--scale") { HelpName = "N", Description = "How much work each guest does, loops for nano, tenths of a second for neighbour, millions of instructions for timetravel, idle clones for density; the default is the guest's own measure, for nano 0.2 seconds, for neighbour 1 second, for density 1000." };
    private readonly Option<bool> _noNative = new("--no-native") { Description = "Leave the native runs out, and QEMU's." };
    private readonly Option<string> _json = new("--json") { HelpName = "FILE", Description = "Write the results as a JSON document (docs/json.md); - is standard output, instead of the table." };

    /// <summary>Makes the command.</summary>
    public Command Create()
    {
        Command command = new("bench", "Measure the speed of the compute guests, beside the same C code run natively, and what single operations cost.");
        command.Arguments.Add(_names);
        foreach (Option option in (ReadOnlySpan<Option>)[_engine, _repeat, _scale, _noNative, _json])
        {
            command.Options.Add(option);
        }

        command.SetAction(Run);
        return command;
    }

    private int Run(ParseResult parsed)
    {
        string[] names = parsed.GetValue(_names) ?? [];
        if (names.Contains(NeighbourBenchmark.Name))
        {
            return RunNeighbour(parsed, names);
        }

        if (names.Contains(TimeTravelBenchmark.Name))
        {
            return RunTimeTravel(parsed, names);
        }

        if (names.Contains(Density))
        {
            return RunDensity(parsed, names);
        }

        string? engine = parsed.GetValue(_engine);
        bool all = engine == AllEngines;
        string why = "";
        IReadOnlyList<EngineVariant> variants = all ? EngineVariant.Available(out why) : [EngineVariant.Of(EngineOption.Parse(engine))];
        ulong repeat = parsed.GetValue(_repeat) is { } text ? Quantity.Count("--repeat", text) : DefaultRepeat;
        if (repeat is 0 or > 1000)
        {
            throw UserErrorException.Usage($"--repeat {repeat}: from 1 to 1000");
        }

        ulong? scale = parsed.GetValue(_scale) is { } factor ? Quantity.Count("--scale", factor) : null;
        bool paravirtual = names.Any(IsParavirtual);
        if (paravirtual && (all || !names.All(IsParavirtual)))
        {
            throw UserErrorException.Usage($"{ParavirtualBenchmark.Name} compares machines, not engines: it is measured alone, on one engine");
        }

        BenchSelection selection = paravirtual ? new BenchSelection([], []) : BenchSelection.Of(names, everything: all);
        if ((paravirtual || selection.Rows.Count > 0) && scale is 0 or > int.MaxValue)
        {
            throw UserErrorException.Usage($"--scale {scale}: from 1 to {int.MaxValue} loops");
        }

        string? json = parsed.GetValue(_json);
        using FileStream? file = json is not null and not "-" ? HostFile.Create(json, "report") : null;
        bool native = !parsed.GetValue(_noNative);
        if (paravirtual)
        {
            ParavirtualRun comparison = new(variants[0], (int)repeat, (uint?)scale, json == "-" ? null : new ParavirtualTable(console), Progress);
            Write(json, file, comparison.Measure(RowsOf(names), native).Write);
            return ExitStatus.Success;
        }

        BenchTable? table = json == "-" ? null : new(console, variants);
        BenchRun run = new(variants, (int)repeat, scale, table, Progress);
        Write(json, file, run.Measure(selection, native, all ? AllEngines : variants[0].Name, why).Write);
        return ExitStatus.Success;
    }

    private static bool IsParavirtual(string name) => name == ParavirtualBenchmark.Name || name.StartsWith(RowPrefix, StringComparison.Ordinal);

    // None: all of them.
    private static string[] RowsOf(string[] names) => names.Contains(ParavirtualBenchmark.Name) ? [] : [.. names.Select(name => name[RowPrefix.Length..])];

    private void Write(string? json, FileStream? file, Action<Stream> write)
    {
        if (json is not null)
        {
            try
            {
                write(file ?? console.OutputStream);
            }
            catch (IOException e) when (e is not BrokenPipeException)
            {
                throw UserErrorException.File($"cannot write the report {json}: {e.Message}");
            }
        }
    }

    // A benchmark of its own: two guests at a time, and no native run to compare with.
    private int RunNeighbour(ParseResult parsed, string[] names)
    {
        if (names.Length > 1)
        {
            throw UserErrorException.Usage($"{NeighbourBenchmark.Name} is measured by itself");
        }

        ulong tenths = parsed.GetValue(_scale) is { } scale ? Quantity.Count("--scale", scale) : NeighbourBenchmark.DefaultTenths;
        if (tenths is 0 or > 1000)
        {
            throw UserErrorException.Usage($"--scale {tenths}: from 1 to 1000 tenths of a second");
        }

        string? json = parsed.GetValue(_json);
        using FileStream? file = json is not null and not "-" ? HostFile.Create(json, "report") : null;
        NeighbourReport report = new NeighbourBenchmark(console, EngineOption.Parse(parsed.GetValue(_engine)), tenths / 10.0).Measure(Progress, print: json != "-");
        Write(json, file, report.Write);
        return ExitStatus.Success;
    }

    private int RunTimeTravel(ParseResult parsed, string[] names)
    {
        ulong millions = parsed.GetValue(_scale) is { } scale ? Quantity.Count("--scale", scale) : TimeTravelBenchmark.DefaultMillions;
        ulong repeat = parsed.GetValue(_repeat) is { } text ? Quantity.Count("--repeat", text) : DefaultRepeat;
        if (names.Length > 1 || millions is 0 or > 1_000_000 || repeat is 0 or > 1000)
        {
            throw UserErrorException.Usage($"bench {TimeTravelBenchmark.Name}: by itself, with --scale from 1 to 1000000 millions of instructions and --repeat from 1 to 1000");
        }

        string? json = parsed.GetValue(_json);
        using FileStream? file = json is not null and not "-" ? HostFile.Create(json, "report") : null;
        TimeTravelReport report = new TimeTravelBenchmark(console, EngineOption.Parse(parsed.GetValue(_engine)), (int)repeat, millions).Measure(Progress, print: json != "-");
        Write(json, file, report.Write);
        return ExitStatus.Success;
    }

    private int RunDensity(ParseResult parsed, string[] names)
    {
        string? engine = parsed.GetValue(_engine);
        if (names.Length > 1 || engine == AllEngines)
        {
            throw UserErrorException.Usage($"bench density: {(names.Length > 1 ? "by itself, for memory is measured too" : "of one engine")}");
        }

        EngineKind kind = EngineOption.Parse(engine);
        _ = EngineVariant.Of(kind);
        ulong repeat = parsed.GetValue(_repeat) is { } text ? Quantity.Count("--repeat", text) : DensityRepeat;
        ulong clones = parsed.GetValue(_scale) is { } count ? Quantity.Count("--scale", count) : DensityClones;
        if (repeat is 0 or > 1000 || clones is 0 or > 10_000)
        {
            throw UserErrorException.Usage(repeat is 0 or > 1000 ? $"--repeat {repeat}: from 1 to 1000" : $"--scale {clones}: from 1 to 10000 clones");
        }

        string? json = parsed.GetValue(_json);
        using FileStream? file = json is not null and not "-" ? HostFile.Create(json, "report") : null;
        DensityTable? table = json == "-" ? null : new(console);
        table?.Head();
        DensityReport report = new DensityBenchmark(kind, (int)repeat, (int)clones, row => table?.Row(row), Progress).Measure(native: !parsed.GetValue(_noNative));
        table?.Foot(report);
        Write(json, file, report.Write);
        return ExitStatus.Success;
    }

    private void Progress(string text)
    {
        if (console.ErrorIsTerminal)
        {
            console.Error.Write($"\r\x1b[K{text}");
        }
    }
}
