using System.CommandLine;
using ToyVmm.Cli.Classifying;
using ToyVmm.Cli.Guests;
using ToyVmm.Cli.Hosting;
using ToyVmm.Engines.Classification;
using ToyVmm.VirtualMachines;

namespace ToyVmm.Cli.Commands;

/// <summary>toyvmm classify: which instructions are privileged, sensitive or innocuous, and which of them a guest executes.</summary>
internal sealed class ClassifyCommand(HostConsole console)
{
    private readonly MachineArguments _machine = new();
    private readonly Option<string> _class = new("--class") { HelpName = "CLASS", Description = "Only instructions of this class; all shows the innocuous ones too." };
    private readonly Option<string> _mnemonic = new("--mnemonic") { HelpName = "NAME", Description = "Only instructions of this name, for example POPF." };
    private readonly Option<bool> _witness = new("--witness") { Description = "Below each form the pairs of states that prove its class, executed again." };
    private readonly Option<bool> _search = new("--search") { Description = "Search anew on the reference interpreter (a minute for everything) instead of taking the stored table." };
    private readonly Option<string> _trials = new("--trials") { HelpName = "N", Description = "With --search: random states for each form, mode and comparison; the default is 256." };
    private readonly Option<string> _json = new("--json") { HelpName = "FILE", Description = "Write what is found as a JSON document (docs/classification.md); - is standard output, instead of the table." };
    private readonly Option<string> _maxInstructions = new("--max-instructions") { HelpName = "N", Description = "With an image: stop after N guest instructions; the default is 100M." };
    private readonly Option<string> _timeout = new("--timeout") { HelpName = "SECONDS", Description = "With an image: stop after so much host time." };

    /// <summary>Makes the command.</summary>
    public Command Create()
    {
        _ = _class.AcceptOnlyFromAmong([.. ClassFilter.Names]);
        Command command = new("classify", "Tell which instructions are privileged, sensitive or innocuous, and which of them a guest executes.");
        _machine.AddTo(command);
        foreach (Option option in (ReadOnlySpan<Option>)[_class, _mnemonic, _witness, _search, _trials, _json, _maxInstructions, _timeout])
        {
            command.Options.Add(option);
        }

        command.SetAction(Run);
        return command;
    }

    private int Run(ParseResult parsed)
    {
        ClassFilter filter = new(parsed.GetValue(_class), parsed.GetValue(_mnemonic));
        int trials = parsed.GetValue(_trials) is { } number ? Trials(number, parsed.GetValue(_search)) : ClassificationSearch.DefaultTrials;
        string? json = parsed.GetValue(_json);
        bool hasImage = _machine.NamesImage(parsed);
        if (!hasImage && (parsed.GetValue(_maxInstructions) ?? parsed.GetValue(_timeout)) is not null)
        {
            throw UserErrorException.Usage("--max-instructions and --timeout are about the run of an image, and there is none");
        }

        using ClassificationSearch search = new(trials);
        IReadOnlyList<InstructionClassification> rows = parsed.GetValue(_search) ? Search(search, filter) : ClassificationTable.Rows;
        if (!rows.Any(filter.HasMnemonic))
        {
            throw UserErrorException.Usage($"--mnemonic {filter.Mnemonic}: none of our processors has such an instruction");
        }

        using FileStream? file = json is not null and not "-" ? HostFile.Create(json, "report") : null;
        UsageRun? run = hasImage ? RunImage(parsed) : null;
        if (json is not null)
        {
            Write(ClassificationReport.Of([.. rows.Where(filter.Accepts)], run), file, json);
        }

        if (json != "-")
        {
            if (run is not null)
            {
                UsageText.Write(console.Output, run, filter);
            }
            else
            {
                new ClassificationText(console.Output, parsed.GetValue(_witness) ? search : null).Write(rows, filter);
            }
        }

        return ExitStatus.Success;
    }

    private static int Trials(string text, bool searches)
    {
        ulong trials = Quantity.Count("--trials", text);
        return !searches ? throw UserErrorException.Usage("--trials goes with --search")
            : trials is >= 1 and <= 1_000_000 ? (int)trials
            : throw UserErrorException.Usage($"--trials {text}: from 1 to 1,000,000");
    }

    private List<InstructionClassification> Search(ClassificationSearch search, ClassFilter filter)
    {
        List<InstructionClassification> rows = [];
        foreach (string name in ClassificationSearch.FormNames)
        {
            if (filter.Mnemonic is { } mnemonic && !name.StartsWith(mnemonic, StringComparison.OrdinalIgnoreCase))
            {
                continue;
            }

            if (search.Classify(name) is { } row)
            {
                rows.Add(row);
                if (console.ErrorIsTerminal)
                {
                    console.Error.Write($"\r\x1b[K{row.Form}");
                }
            }
        }

        if (console.ErrorIsTerminal)
        {
            console.Error.Write("\r\x1b[K");
        }

        return rows;
    }

    private UsageRun RunImage(ParseResult parsed)
    {
        RunLimits limits = new()
        {
            MaxInstructions = parsed.GetValue(_maxInstructions) is { } most ? Quantity.Count("--max-instructions", most) : UsageRun.DefaultInstructions,
            Timeout = parsed.GetValue(_timeout) is { } seconds ? Quantity.Seconds("--timeout", seconds) : Timeout.InfiniteTimeSpan,
        };
        ImageSource image = _machine.ReadImage(parsed);
        return UsageRun.Execute(image, _machine.ReadOptions(parsed, image), limits, console);
    }

    private void Write(ClassificationReport report, FileStream? file, string name)
    {
        try
        {
            report.Write(file ?? console.OutputStream);
        }
        catch (IOException e) when (e is not BrokenPipeException)
        {
            throw UserErrorException.File($"cannot write the report {name}: {e.Message}");
        }
    }
}
