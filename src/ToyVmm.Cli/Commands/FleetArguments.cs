using System.CommandLine;
using ToyVmm.VirtualMachines.Scheduling;

namespace ToyVmm.Cli.Commands;

/// <summary>The options that say how several guests share the host.</summary>
internal sealed class FleetArguments
{
    /// <summary>The most threads.</summary>
    public const int MostThreads = 1024;

    private readonly Option<string> _file = new("--fleet") { HelpName = "FILE", Description = "Run the guests of a fleet file (YAML, docs/fleet.md): each with its image, weight, caps, limits, disks, serial file, restarts." };
    private readonly Option<string> _threads = new("--threads") { HelpName = "N", Description = "Several guests: run so many at the same time. With 1, the default, their interleaving is the same every time." };
    private readonly Option<string> _slice = new("--slice") { HelpName = "N", Description = "Several guests: the length of a turn, in instructions' worth of work; the default is 1M." };
    private readonly Option<string> _account = new("--account")
    {
        HelpName = "WHAT",
        Description = "Several guests: what is shared. work (the default: instructions, and for exits, faults and translation their worth in instructions), instructions, or host-time (measured: no two runs are the same).",
    };

    /// <summary>Makes the options.</summary>
    public FleetArguments() => _ = _account.AcceptOnlyFromAmong("work", "instructions", "host-time");

    /// <summary>Adds the options to a command.</summary>
    public void AddTo(Command command)
    {
        foreach (Option option in (ReadOnlySpan<Option>)[_file, _threads, _slice, _account])
        {
            command.Options.Add(option);
        }
    }

    /// <summary>The fleet file, or null.</summary>
    public string? File(ParseResult parsed) => parsed.GetValue(_file);

    /// <summary>Makes sure that none of the options is given.</summary>
    /// <exception cref="UserErrorException">One is.</exception>
    public void Refuse(ParseResult parsed, string why)
    {
        foreach (Option option in (ReadOnlySpan<Option>)[_threads, _slice, _account])
        {
            if (parsed.GetResult(option) is { Implicit: false })
            {
                throw UserErrorException.Usage($"{option.Name} is {why}");
            }
        }
    }

    /// <summary>The options on top of others: those of a fleet file, or the defaults.</summary>
    /// <exception cref="UserErrorException">An argument makes no sense.</exception>
    public FleetOptions ReadOptions(ParseResult parsed, FleetOptions? file = null)
    {
        FleetOptions options = file ?? new FleetOptions();
        if (parsed.GetValue(_threads) is { } threads)
        {
            ulong count = Quantity.Count("--threads", threads);
            options = options with { Threads = count is > 0 and <= MostThreads ? (int)count : throw UserErrorException.Usage($"--threads {threads}: from 1 to {MostThreads}") };
        }

        if (parsed.GetValue(_slice) is { } slice)
        {
            ulong work = Quantity.Count("--slice", slice);
            options = options with
            {
                Slice = work is > 0 and <= FleetOptions.LongestSlice ? work : throw UserErrorException.Usage($"--slice {slice}: from 1 to {FleetOptions.LongestSlice}"),
            };
        }

        return parsed.GetValue(_account) switch
        {
            "work" => options with { Accounting = FleetAccounting.Work },
            "instructions" => options with { Accounting = FleetAccounting.Instructions },
            "host-time" => options with { Accounting = FleetAccounting.HostTime },
            _ => options,
        };
    }
}
