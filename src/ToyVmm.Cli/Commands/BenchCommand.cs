using System.CommandLine;
using System.Globalization;
using ToyVmm.Cli.Benchmarking;
using ToyVmm.Cli.Guests;
using ToyVmm.Cli.Hosting;
using ToyVmm.VirtualMachines;

namespace ToyVmm.Cli.Commands;

/// <summary>toyvmm bench: the compute guests, beside the same work run natively.</summary>
internal sealed class BenchCommand(HostConsole console)
{
    private const string Prefix = "compute-";
    private const int DefaultRepeat = 3;

    private readonly Argument<string[]> _names = new("name") { Description = "Which compute guests (sieve or compute-sieve); all of them by default.", Arity = ArgumentArity.ZeroOrMore };
    private readonly Option<string> _engine = EngineOption.Create();
    private readonly Option<string> _repeat = new("--repeat") { HelpName = "N", Description = "Runs for each guest, of which the best counts; the default is 3." };
    private readonly Option<string> _scale = new("--scale") { HelpName = "N", Description = "How much work each guest does; the default is the guest's own measure." };
    private readonly Option<bool> _noNative = new("--no-native") { Description = "Leave the native runs out." };
    private readonly Option<string> _json = new("--json") { HelpName = "FILE", Description = "Write the results as a JSON document (docs/json.md); - is standard output, instead of the table." };

    /// <summary>Makes the command.</summary>
    public Command Create()
    {
        Command command = new("bench", "Measure the speed of the compute guests, beside the same C code run natively.");
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
        EngineKind engine = EngineOption.Parse(parsed.GetValue(_engine));
        ulong repeat = parsed.GetValue(_repeat) is { } text ? Quantity.Count("--repeat", text) : DefaultRepeat;
        if (repeat is 0 or > 1000)
        {
            throw UserErrorException.Usage($"--repeat {repeat}: from 1 to 1000");
        }

        ulong? scale = parsed.GetValue(_scale) is { } factor ? Quantity.Count("--scale", factor) : null;
        string? json = parsed.GetValue(_json);
        using FileStream? file = json is not null and not "-" ? HostFile.Create(json, "report") : null;
        string[] names = Names(parsed.GetValue(_names) ?? []);
        BenchReport report = Measure(engine, names, (int)repeat, scale, native: !parsed.GetValue(_noNative), table: json != "-");
        if (json is not null)
        {
            try
            {
                report.Write(file ?? console.OutputStream);
            }
            catch (IOException e) when (e is not BrokenPipeException)
            {
                throw UserErrorException.File($"cannot write the report {json}: {e.Message}");
            }
        }

        return ExitStatus.Success;
    }

    private static string[] Names(string[] wanted)
    {
        string[] all = [.. BuiltInGuests.List().Select(guest => guest.Name).Where(name => name.StartsWith(Prefix, StringComparison.Ordinal))];
        return wanted.Length == 0 ? all
            : [.. wanted.Select(name => Array.Find(all, known => known == name || known == Prefix + name)
                ?? throw UserErrorException.File($"there is no compute guest '{name}'; there are {string.Join(", ", all)}"))];
    }

    private BenchReport Measure(EngineKind engine, string[] names, int repeat, ulong? scale, bool native, bool table)
    {
        string why = "";
        using NativeBenchmark? natively = native ? NativeBenchmark.Create(out why) : null;
        List<BenchResult> results = [];
        if (table)
        {
            Line("GUEST", "INSTRUCTIONS", "SECONDS", "M INSTR/S", "NATIVE S", "RATIO");
        }

        foreach (string name in names)
        {
            BenchResult result = GuestBenchmark.Measure(engine, name, repeat, scale, run => Progress($"{name}: run {run} of {repeat}"));
            Progress($"{name}: natively");
            result = result with { NativeSeconds = natively?.Measure(name, repeat, scale) };
            Progress("");
            results.Add(result);
            if (table)
            {
                Line(name, Number(result.Instructions, "N0"), Number(result.Seconds, "0.000"), Number(result.MillionsPerSecond, "0.0"),
                    Number(result.NativeSeconds, "0.000"), Number(result.Ratio, "0.0"));
            }
        }

        BenchReport report = new() { ToolVersion = ToolVersionText.Value, Engine = engine == EngineKind.Translator ? "translator" : "interpreter", Repeat = repeat, Results = results };
        if (table)
        {
            Line("geometric mean", "", "", Number(report.GeometricMeanMillionsPerSecond, "0.0"), "", Number(report.GeometricMeanRatio, "0.0"));
            console.Output.WriteLine($"Engine {report.Engine}, best of {repeat} runs each; the ratio is how many times slower than native.");
            if (why.Length > 0)
            {
                console.Output.WriteLine(why);
            }

            console.Flush();
        }

        return report;
    }

    private static string Number(IFormattable? value, string format) => value?.ToString(format, CultureInfo.InvariantCulture) ?? "-";

    private void Line(string name, string instructions, string seconds, string speed, string native, string ratio)
    {
        console.Output.WriteLine($"{name,-20} {instructions,16} {seconds,9} {speed,10} {native,9} {ratio,7}".TrimEnd());
        console.Flush();
    }

    private void Progress(string text)
    {
        if (console.ErrorIsTerminal)
        {
            console.Error.Write($"\r\x1b[K{text}");
        }
    }
}
