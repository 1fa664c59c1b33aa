using ToyVmm.Engines;
using ToyVmm.Hardware;
using ToyVmm.VirtualMachines.Comparing;
using ToyVmm.VirtualMachines.Tracing;

namespace ToyVmm.VirtualMachines.Verification.Isolation;

/// <summary>Everything that can be seen of a neighbour: its whole history of traps and exits, its state at the end, and what it said.</summary>
/// <param name="Stop">How it ended.</param>
/// <param name="Retired">Instructions retired.</param>
/// <param name="Events">Traps and exits.</param>
/// <param name="Trace">The hash over all of them.</param>
/// <param name="Cpu">The hash of its CPU.</param>
/// <param name="Memory">The hash of its RAM.</param>
/// <param name="Serial">What it printed.</param>
internal sealed record NeighbourHistory(StopKind Stop, ulong Retired, ulong Events, ulong Trace, ulong Cpu, ulong Memory, string Serial);

/// <summary>
/// A guest that is known, and runs in slices between those of an attacker (two-run non-interference: Goguen and Meseguer 1982). Three kinds: one whose
/// clock ticks, one that lives in its page tables, one that changes its own code.
/// </summary>
internal sealed class Neighbour : IDisposable
{
    /// <summary>How many kinds there are.</summary>
    public const int Kinds = 3;

    /// <summary>Slices until it is looked at.</summary>
    public const int Slices = 12;

    private const ulong SliceInstructions = 4000;
    private const uint MemorySize = 4 << 20;
    private static readonly string[] s_images = ["neighbour-tasks.elf", "neighbour-paging-pae.elf", "neighbour-smc.elf"];

    private readonly TraceHash _trace = new();
    private StopReason? _stop;

    public Neighbour(int kind, EngineKind engine)
    {
        VirtualMachineOptions options = new()
        {
            Machine = new MachineConfig { MemorySize = MemorySize },
            Engine = engine,
            Translator = new TranslatorOptions { Hotness = 1 },
            Observer = _trace,
            ExitObserver = _trace.OnExit,
            Pace = false,
        };
        Machine = VirtualMachine.Create(Read(kind), options);
    }

    /// <summary>Its machine.</summary>
    public VirtualMachine Machine { get; }

    /// <summary>Runs a slice, unless it has ended.</summary>
    public void RunSlice()
    {
        if (_stop is null or { Kind: StopKind.InstructionLimit })
        {
            _stop = Machine.Run(new RunLimits { MaxInstructions = SliceInstructions });
        }
    }

    /// <summary>What is to be seen of it.</summary>
    public NeighbourHistory History() => new(
        _stop?.Kind ?? StopKind.InstructionLimit,
        Machine.InstructionsRetired,
        _trace.Events,
        _trace.Value,
        StateHash.OfCpu(Machine.Vcpu),
        StateHash.OfMemory(Machine.Machine.Memory),
        Machine.SerialOutput);

    /// <summary>Its history where it is alone.</summary>
    public static NeighbourHistory Alone(int kind, EngineKind engine)
    {
        using Neighbour neighbour = new(kind, engine);
        for (int slice = 0; slice < Slices; slice++)
        {
            neighbour.RunSlice();
        }

        return neighbour.History();
    }

    /// <inheritdoc/>
    public void Dispose() => Machine.Dispose();

    private static byte[] Read(int kind)
    {
        using Stream stream = typeof(Neighbour).Assembly.GetManifestResourceStream(s_images[kind])
            ?? throw new InvalidOperationException($"{s_images[kind]} is missing from the build");
        byte[] image = new byte[stream.Length];
        stream.ReadExactly(image);
        return image;
    }
}
