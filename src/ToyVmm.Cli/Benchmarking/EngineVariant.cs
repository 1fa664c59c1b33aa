using ToyVmm.Cli.Guests;
using ToyVmm.Engines;
using ToyVmm.VirtualMachines;

namespace ToyVmm.Cli.Benchmarking;

/// <summary>One way to execute guests that a benchmark measures: a column of its table.</summary>
/// <param name="Name">What the report calls it: <c>translator</c>.</param>
/// <param name="Short">The same in three letters, for the heads of the ratios.</param>
/// <param name="Engine">What executes the guest.</param>
/// <param name="Translator">How, if it is the translator.</param>
internal sealed record EngineVariant(string Name, string Short, EngineKind Engine, TranslatorOptions Translator)
{
    private static readonly EngineVariant[] s_all =
    [
        new("interpreter", "int", EngineKind.Interpreter, new()),
        new("translator", "tra", EngineKind.Translator, new()),
        new("trap-only", "trp", EngineKind.Translator, new() { TrapOnly = true }),
    ];

    /// <summary>Every variant that this host can run.</summary>
    /// <param name="why">Why it is not all of them; empty when it is.</param>
    public static IReadOnlyList<EngineVariant> Available(out string why)
    {
        string? reason = VirtualMachine.TranslatorUnavailable;
        why = reason is null ? "" : $"the translator does not run on this host: {reason}";
        return [.. s_all.Where(variant => variant.Engine != EngineKind.Translator || reason is null)];
    }

    /// <summary>The variant that runs when that engine is asked for.</summary>
    public static EngineVariant Of(EngineKind engine)
    {
        if (engine == EngineKind.Auto)
        {
            using VirtualMachine vm = VirtualMachine.Create(BuiltInGuests.ReadImage("hello")!, new VirtualMachineOptions());
            return s_all.First(variant => variant.Name == vm.EngineName);
        }

        return s_all.FirstOrDefault(variant => variant.Engine == engine)
            ?? throw UserErrorException.Usage("--engine naive: it is wrong on purpose, and there is nothing to measure; write auto, interpreter, translator or all");
    }
}
