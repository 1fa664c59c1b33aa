using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using ToyVmm.Engines;
using ToyVmm.Hardware;
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

    /// <summary>Takes what the guest sends through COM1, byte by byte; null collects it in <see cref="VirtualMachine.SerialOutput"/>.</summary>
    public Action<byte>? SerialOutput { get; init; }

    /// <summary>Sleep while the guest is idle, so that its clock keeps host time; otherwise idle time is skipped.</summary>
    public bool Pace { get; init; }

    /// <summary>Told of every trap and, if it wants, of every instruction.</summary>
    public IEngineObserver? Observer { get; init; }

    /// <summary>Told of every exit.</summary>
    public Action<VirtualMachine, VmExit>? ExitObserver { get; init; }

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
}
