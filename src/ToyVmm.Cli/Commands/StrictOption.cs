using System.CommandLine;
using ToyVmm.Debugging.Strict;

namespace ToyVmm.Cli.Commands;

/// <summary>--strict[=CHECKS]: alone it takes no value, so that an image can stand behind it.</summary>
internal static class StrictOption
{
    private const string Name = "--strict";
    private const string Fail = "fail";

    /// <summary>Makes the option.</summary>
    public static Option<string> Create() => new(Name)
    {
        HelpName = "CHECKS",
        Description = "--strict or --strict=CHECKS: report what works here and not on hardware (docs/strict.md); on the interpreter, and slow. CHECKS: some of "
            + string.Join(", ", StrictCheckNames.All.Select(entry => entry.Name)) + "; with fail among them, findings turn status 0 into 81.",
    };

    /// <summary>Gives the option its default value where it stands alone.</summary>
    public static string[] Spell(string[] arguments) => [.. arguments.Select(argument => argument == Name ? Name + "=all" : argument)];

    /// <summary>Reads the value.</summary>
    /// <exception cref="UserErrorException">There is no such check.</exception>
    public static (StrictChecks Checks, bool Fails) Parse(string text)
    {
        StrictChecks checks = StrictChecks.None;
        bool fails = false;
        foreach (string name in text.Split(',', StringSplitOptions.TrimEntries))
        {
            if (name == Fail)
            {
                fails = true;
            }
            else if (StrictCheckNames.TryParse(name, out StrictChecks check))
            {
                checks |= check;
            }
            else
            {
                throw UserErrorException.Usage($"{Name}={text}: '{name}' is no check; write some of {string.Join(", ", StrictCheckNames.All.Select(entry => entry.Name))}, and {Fail}, with commas between them");
            }
        }

        return (checks == StrictChecks.None ? StrictChecks.All : checks, fails);
    }
}
