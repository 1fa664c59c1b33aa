using System.CommandLine;

namespace ToyVmm.Cli.Commands;

/// <summary>--engine: what executes guest code.</summary>
internal static class EngineOption
{
    /// <summary>Makes the option.</summary>
    public static Option<string> Create() => new("--engine") { HelpName = "ENGINE", Description = "What executes guest code: auto (the default) or interpreter." };

    /// <summary>Checks the option's value.</summary>
    /// <param name="name">The engine's name; null is auto.</param>
    /// <exception cref="UserErrorException">There is no such engine, or not yet.</exception>
    public static void Check(string? name)
    {
        switch (name)
        {
            case null or "auto" or "interpreter":
                break;
            case "translator" or "kvm":
                throw UserErrorException.Usage($"--engine {name}: the {name} is not built yet; use --engine interpreter");
            default:
                throw UserErrorException.Usage($"--engine {name}: there is no such engine; write auto or interpreter");
        }
    }
}
