using ToyVmm.Engines;
using ToyVmm.Hardware;
using ToyVmm.VirtualMachines.Comparing;

namespace ToyVmm.VirtualMachines.Verification.Programs;

/// <summary>How a random program ran on one of our engines: everything in which two runs are compared.</summary>
/// <param name="Stop">Why it stopped.</param>
/// <param name="Code">The stop's code.</param>
/// <param name="Retired">Instructions retired.</param>
/// <param name="Cpu">The CPU's state (<see cref="StateHash.OfCpu"/>).</param>
/// <param name="Memory">RAM.</param>
/// <param name="Tlb">The architectural TLB, where programs have pages.</param>
public readonly record struct ProgramRun(StopKind Stop, uint Code, ulong Retired, ulong Cpu, ulong Memory, ulong Tlb);

/// <summary>A setting of an engine, by name.</summary>
/// <param name="Name">For reports.</param>
/// <param name="Engine">The engine.</param>
/// <param name="Translator">How the translator goes about it.</param>
/// <param name="Slice">Instructions to which each run of the machine is limited; 0 for no limit.</param>
public sealed record EngineSetting(string Name, EngineKind Engine, TranslatorOptions Translator, ulong Slice = 0)
{
    /// <summary>The reference.</summary>
    public static EngineSetting Interpreter { get; } = new("interpreter", EngineKind.Interpreter, new TranslatorOptions());

    /// <summary>The settings of the translator that programs run with: hotness, views, mappings, code cache, traps, verifier, slices.</summary>
    public static IReadOnlyList<EngineSetting> Translators { get; } =
    [
        Translating("hotness 0", new TranslatorOptions { Hotness = 0 }),
        Translating("hotness 1, one view", new TranslatorOptions { Hotness = 1, Views = 1 }),
        Translating("hotness 16", new TranslatorOptions()),
        Translating("trap only", new TranslatorOptions { Hotness = 0, TrapOnly = true }),
        Translating("64 KiB of code, two views", new TranslatorOptions { Hotness = 0, CodeCacheBytes = 64 << 10, Views = 2 }),
        Translating("few mappings", new TranslatorOptions { Hotness = 0, Mappings = 24 }),
        Translating("verified", new TranslatorOptions { Hotness = 0, Verify = true }),
        Translating("slices of 97", new TranslatorOptions { Hotness = 2 }) with { Slice = 97 },
    ];

    private static EngineSetting Translating(string name, TranslatorOptions options) => new($"translator, {name}", EngineKind.Translator, options);
}

/// <summary>A machine that runs one random program after the other.</summary>
public sealed class ProgramMachine : IDisposable
{
    private readonly EngineSetting _setting;
    private readonly IEngineObserver? _observer;
    private VirtualMachine? _machine;

    /// <summary>Makes a machine; it is built with the first program.</summary>
    /// <param name="setting">Its engine.</param>
    /// <param name="observer">Told of every instruction or trap; null for nobody.</param>
    public ProgramMachine(EngineSetting setting, IEngineObserver? observer = null)
    {
        ArgumentNullException.ThrowIfNull(setting);
        _setting = setting;
        _observer = observer;
    }

    /// <summary>Instructions that a program is given.</summary>
    public ulong MostInstructions { get; init; } = RandomProgram.MostInstructions;

    /// <summary>What the translator did for all programs so far; null before the first, and without a translator.</summary>
    public TranslationStatistics? Statistics => _machine?.Vcpu.Translation;

    /// <summary>The machine, behind the first run.</summary>
    public VirtualMachine Machine => _machine ?? throw new InvalidOperationException("nothing has run yet");

    /// <summary>Builds a machine for an image.</summary>
    /// <param name="image">A program's image.</param>
    /// <param name="setting">The engine.</param>
    /// <param name="observer">Told of every instruction or trap; null for nobody.</param>
    public static VirtualMachine Create(ReadOnlyMemory<byte> image, EngineSetting setting, IEngineObserver? observer = null)
    {
        ArgumentNullException.ThrowIfNull(setting);
        return VirtualMachine.Create(
            image,
            new VirtualMachineOptions
            {
                Engine = setting.Engine,
                Translator = setting.Translator,
                Observer = observer,
                Machine = new MachineConfig { MemorySize = ProgramLayout.MemorySize },
            });
    }

    /// <summary>Runs a program from power-on to its end or its limit.</summary>
    /// <param name="image">The program.</param>
    public ProgramRun Run(ReadOnlyMemory<byte> image)
    {
        if (_machine is null)
        {
            _machine = Create(image, _setting, _observer);
        }
        else
        {
            _machine.Restart(image);
        }

        StopReason stop;
        do
        {
            ulong left = MostInstructions - _machine.InstructionsRetired;
            stop = _machine.Run(new RunLimits { MaxInstructions = _setting.Slice == 0 ? left : Math.Min(left, _setting.Slice) });
        }
        while (stop.Kind == StopKind.InstructionLimit && _machine.InstructionsRetired < MostInstructions);

        return new ProgramRun(
            stop.Kind, stop.Code, _machine.InstructionsRetired, StateHash.OfCpu(_machine.Vcpu), StateHash.OfMemory(_machine.Machine.Memory), StateHash.OfTlb(_machine.Vcpu.Mmu.Tlb, ProgramLayout.MappedEnd));
    }

    /// <summary>What the last program left behind.</summary>
    /// <param name="mode">Its mode.</param>
    public ProgramResult Result(ProgramMode mode) => ProgramResult.Read(Machine.Machine.Memory, mode);

    /// <inheritdoc/>
    public void Dispose() => _machine?.Dispose();
}
