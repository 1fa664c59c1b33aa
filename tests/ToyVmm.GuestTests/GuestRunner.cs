using System.Globalization;
using System.Text;
using ToyVmm.Engines;
using ToyVmm.Hardware;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Loading;
using ToyVmm.VirtualMachines.Tracing;

namespace ToyVmm.GuestTests;

/// <summary>What a guest did under ToyVmm.</summary>
/// <param name="Stop">Why it stopped.</param>
/// <param name="Serial">What COM1 printed.</param>
/// <param name="Instructions">Instructions retired.</param>
/// <param name="TraceHash">The fingerprint of every trap and exit.</param>
/// <param name="HostInstructions">Instructions of it that ran on the host CPU.</param>
public sealed record GuestRun(StopReason Stop, string Serial, ulong Instructions, ulong TraceHash, ulong HostInstructions);

/// <summary>Runs the guests of <c>guest-images/</c> as their heads say.</summary>
public static class GuestRunner
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(120);

    /// <summary>The engines that every guest must pass on.</summary>
    public static IReadOnlyList<EngineKind> Engines { get; } =
        VirtualMachine.TranslatorUnavailable is null ? [EngineKind.Interpreter, EngineKind.Translator] : [EngineKind.Interpreter];

    /// <summary>What the command line calls an engine.</summary>
    public static string NameOf(EngineKind engine) => engine.ToString().ToLowerInvariant();

    /// <summary>The engines, a row each.</summary>
    public static IEnumerable<object[]> EngineRows => Engines.Select(engine => new object[] { engine });

    /// <summary>Every guest on every engine.</summary>
    public static IEnumerable<object[]> Everything =>
        GuestCatalog.All.SelectMany(guest => Engines.Select(engine => new object[] { guest.Name, engine }));

    /// <summary>Runs a guest to its end.</summary>
    /// <param name="guest">The guest.</param>
    /// <param name="engine">What executes it.</param>
    /// <param name="sliceInstructions">The pieces in which it runs.</param>
    /// <param name="translator">How the translator goes about it; null translates everything at once and has it verified.</param>
    public static GuestRun Run(GuestImage guest, EngineKind engine, ulong sliceInstructions = ulong.MaxValue, TranslatorOptions? translator = null)
    {
        TraceHash hash = new();
        using VirtualMachine vm = Create(guest, engine, hash, translator);
        if (guest.SerialInput is { } typed)
        {
            vm.Input.Enqueue(Encoding.Latin1.GetBytes(typed));
        }

        StopReason stop;
        do
        {
            stop = vm.Run(new RunLimits { MaxInstructions = sliceInstructions, Timeout = s_limit });
        }
        while (stop.Kind == StopKind.InstructionLimit && vm.InstructionsRetired < 3_000_000_000);
        return new GuestRun(stop, vm.SerialOutput, vm.InstructionsRetired, hash.Value, vm.Vcpu.Translation?.HostInstructions ?? 0);
    }

    /// <summary>Makes the machine that a guest's head asks for.</summary>
    public static VirtualMachine Create(GuestImage guest, EngineKind engine, TraceHash hash, TranslatorOptions? translator = null) =>
        VirtualMachine.Create(File.ReadAllBytes(guest.ImagePath), Options(guest, engine, hash, translator));

    /// <summary>How a guest's head asks to be run, with every trap and every exit in the fingerprint.</summary>
    public static VirtualMachineOptions Options(GuestImage guest, EngineKind engine, TraceHash hash, TranslatorOptions? translator = null) =>
        new()
        {
            Engine = engine,
            Translator = translator ?? new TranslatorOptions { Hotness = 0, Verify = true },
            Observer = hash,
            ExitObserver = hash.OnExit,
            Machine = new MachineConfig { MemorySize = Memory(guest) },
            Load = new LoadOptions
            {
                CommandLine = guest.Append,
                Format = guest.Format == GuestFormat.Raw ? ImageFormat.Raw : null,
            },
        };

    private static uint Memory(GuestImage guest) =>
        guest.Memory is { } text
            ? uint.Parse(text.TrimEnd('M'), CultureInfo.InvariantCulture) << 20
            : MachineConfig.DefaultMemorySize;
}
