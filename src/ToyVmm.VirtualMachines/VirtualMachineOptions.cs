using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using ToyVmm.Engines;
using ToyVmm.Hardware;
using ToyVmm.VirtualMachines.Hypercalls;
using ToyVmm.VirtualMachines.Loading;

namespace ToyVmm.VirtualMachines;

/// <summary>How to build and run a machine; everything has a default.</summary>
public sealed record VirtualMachineOptions
{
    /// <summary>The hardware. Without a BIOS in it, images that boot from a disk get the built-in one.</summary>
    public MachineConfig Machine { get; init; } = new();

    /// <summary>Which processor the machine has.</summary>
    public CpuModel Cpu { get; init; } = CpuModels.Default;

    /// <summary>How to load the image.</summary>
    public LoadOptions Load { get; init; } = new();

    /// <summary>What executes guest code.</summary>
    public EngineKind Engine { get; init; } = EngineKind.Auto;

    /// <summary>How the translator goes about it.</summary>
    public TranslatorOptions Translator { get; init; } = new();

    /// <summary>What the guest may use up over its whole life.</summary>
    public ResourceLimits Limits { get; init; } = new();

    /// <summary>Takes what the guest sends through COM1, byte by byte; null collects it in <see cref="VirtualMachine.SerialOutput"/>.</summary>
    public Action<byte>? SerialOutput { get; init; }

    /// <summary>
    /// True: the guest's clock keeps host time. It sleeps while the guest idles, never gets ahead, and makes lag up by skipping idle
    /// time. False: idle time is skipped. Null: skipped, but while input may come (<see cref="InputQueue.IsOpen"/>) the guest sleeps.
    /// </summary>
    public bool? Pace { get; init; }

    /// <summary>Told of every trap and, if it wants, of every instruction.</summary>
    public IEngineObserver? Observer { get; init; }

    /// <summary>Told of every exit, before it is handled.</summary>
    public Action<VirtualMachine, VmExit>? ExitObserver { get; init; }

    /// <summary>Told of every read exit (IN, a load from a device) once it is answered: <see cref="VmExit.Value"/> is the answer.</summary>
    public Action<VirtualMachine, VmExit>? ReadObserver { get; init; }

    /// <summary>The guest's number among those of its host: CPUID leaf 0x40000002.</summary>
    public uint GuestNumber { get; init; }

    /// <summary>How the guest reaches others; null where it is alone.</summary>
    public IGuestNetwork? Network { get; init; }

    /// <summary>Told of every mark that the guest leaves with the hypercall <c>trace_mark</c>.</summary>
    public Action<VirtualMachine, TraceMark>? MarkObserver { get; init; }

    /// <summary>Measure what host time is spent on (<see cref="RunStatistics.Costs"/>). Reading the clock makes the run slower; when false nothing is.</summary>
    public bool MeterCosts { get; init; }

    /// <summary>Attribute what the guest leaves its code for to its instructions (<see cref="VirtualMachine.Advisor"/>). Measures costs too; when false nothing is done.</summary>
    public bool Advise { get; init; }

    /// <summary>Where log messages go; nothing is logged on the hot path.</summary>
    public ILoggerFactory Logging { get; init; } = NullLoggerFactory.Instance;
}

/// <summary>What executes guest code.</summary>
public enum EngineKind
{
    /// <summary>The best engine that this host has.</summary>
    Auto,

    /// <summary>The reference interpreter.</summary>
    Interpreter,

    /// <summary>The translator: hot code runs on the host CPU (Linux on x86-64).</summary>
    Translator,

    /// <summary>The interpreter as a monitor that only traps and emulates, on an architecture where that is not enough: wrong on purpose (<see cref="Engines.Classification.NaiveMonitor"/>).</summary>
    Naive,
}
