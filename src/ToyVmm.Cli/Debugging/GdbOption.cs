using System.CommandLine;
using ToyVmm.Debugging.Gdb;

namespace ToyVmm.Cli.Debugging;

/// <summary>The option --gdb.</summary>
internal static class GdbOption
{
    /// <summary>Makes the option.</summary>
    public static Option<string> Create() => new("--gdb")
    {
        HelpName = "[HOST:]PORT",
        Description = "Wait for gdb, at this host alone where no other is named, or at unix:PATH, and let it run the guest (docs/gdb.md). Port 0 is any that is free.",
    };

    /// <summary>Reads it.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="option">The option.</param>
    /// <param name="limits">Options that make no sense with it: gdb decides how long the guest runs.</param>
    /// <param name="observers">Options that make no sense with it: what they look at happens once, and in order.</param>
    /// <returns>Null where it is not given.</returns>
    /// <exception cref="UserErrorException">It makes no sense.</exception>
    public static GdbEndpoint? Read(ParseResult parsed, Option<string> option, ReadOnlySpan<Option> limits = default, ReadOnlySpan<Option> observers = default)
    {
        if (parsed.GetValue(option) is not { } text)
        {
            return null;
        }

        foreach (Option limit in limits)
        {
            if (parsed.GetResult(limit) is { Implicit: false })
            {
                throw UserErrorException.Usage($"{limit.Name} and --gdb: gdb decides how long the guest runs");
            }
        }

        foreach (Option observer in observers)
        {
            if (parsed.GetResult(observer) is { Implicit: false })
            {
                throw UserErrorException.Usage($"{observer.Name} and --gdb: a guest that gdb changes, and that goes back and forth, is not one run to watch; run it without gdb, then go to a point of it with monitor goto N");
            }
        }

        return GdbEndpoint.TryParse(text, out GdbEndpoint? endpoint, out string? problem) ? endpoint : throw UserErrorException.Usage($"--gdb {text}: {problem}");
    }
}
