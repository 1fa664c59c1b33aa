using System.CommandLine;
using ToyVmm.VirtualMachines;

namespace ToyVmm.Cli.Commands;

/// <summary>--engine: what executes guest code.</summary>
internal static class EngineOption
{
    /// <summary>Makes the option.</summary>
    public static Option<string> Create() => new("--engine")
    {
        HelpName = "ENGINE",
        Description = "What executes guest code: auto (the default: the translator where the host has it), interpreter, translator (hot code runs on the host CPU; Linux on x86-64), or naive (trap-and-emulate and nothing else: wrong on purpose, see `toyvmm classify`).",
    };

    /// <summary>The engine of a name.</summary>
    /// <param name="name">The engine's name; null is auto.</param>
    /// <exception cref="UserErrorException">There is no such engine, not yet, or not here.</exception>
    public static EngineKind Parse(string? name)
    {
        switch (name)
        {
            case null or "auto":
                return EngineKind.Auto;
            case "interpreter":
                return EngineKind.Interpreter;
            case "translator":
                return VirtualMachine.TranslatorUnavailable is { } reason
                    ? throw UserErrorException.Usage($"--engine translator: not on this host: {reason}; use --engine interpreter")
                    : EngineKind.Translator;
            case "naive":
                return EngineKind.Naive;
            case "kvm":
                throw UserErrorException.Usage($"--engine {name}: the {name} engine is not built yet; use --engine interpreter");
            default:
                throw UserErrorException.Usage($"--engine {name}: there is no such engine; write auto, interpreter, translator or naive");
        }
    }
}
