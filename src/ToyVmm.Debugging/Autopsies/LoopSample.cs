using ToyVmm.Engines;
using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;
using ToyVmm.VirtualMachines;

namespace ToyVmm.Debugging.Autopsies;

/// <summary>
/// What a guest that a limit has stopped would do next: a clone of it runs on for a moment, instruction by instruction, and hears of no input. The
/// guest itself stays as it is.
/// </summary>
internal sealed unsafe class LoopSample : IEngineObserver
{
    /// <summary>So far the clone runs.</summary>
    public const ulong Instructions = 20_000;

    private const int MostPlaces = 4096;

    private readonly Dictionary<uint, ulong> _places = [];
    private readonly byte[] _bytes = new byte[2];
    private ulong _zeros;

    private LoopSample()
    {
    }

    /// <inheritdoc/>
    public bool WantsInstructions => true;

    /// <summary>Instructions seen.</summary>
    public ulong Seen { get; private set; }

    /// <summary>The linear addresses of the instructions, ascending: all of them only where <see cref="IsSmall"/>.</summary>
    public IReadOnlyList<uint> Places => [.. _places.Keys.Order()];

    /// <summary>True where few instructions were executed over and over.</summary>
    public bool IsSmall => Seen >= Instructions / 2 && _places.Count <= 64;

    /// <summary>True where what was executed was nearly all zeros.</summary>
    public bool IsZeros => Seen > 0 && _zeros > Seen / 10 * 9;

    /// <summary>Traps on the way, by vector.</summary>
    public Dictionary<int, ulong> Traps { get; } = [];

    /// <summary>Ports that were accessed, and how often.</summary>
    public Dictionary<ushort, ulong> Ports { get; } = [];

    /// <summary>Device memory that was accessed.</summary>
    public ulong DeviceAccesses { get; private set; }

    /// <summary>Interrupts that were delivered.</summary>
    public ulong Interrupts { get; private set; }

    /// <summary>Lets a clone of a machine run on.</summary>
    /// <returns>Null where a clone cannot be made: of a disk that is written to, for example.</returns>
    public static LoopSample? Take(VirtualMachine machine)
    {
        LoopSample sample = new();
        try
        {
            using MachineTemplate template = machine.Freeze();
            using VirtualMachine clone = template.Clone(options => options with
            {
                Engine = EngineKind.Interpreter,
                Observer = sample,
                ExitObserver = sample.OnExit,
                ReadObserver = null,
                MarkObserver = null,
                Network = null,
                SerialOutput = static _ => { },
                Pace = false,
                MeterCosts = false,
                Advise = false,
                Limits = new ResourceLimits(),
                Logging = Microsoft.Extensions.Logging.Abstractions.NullLoggerFactory.Instance,
            });
            _ = clone.Run(new RunLimits { MaxInstructions = Instructions, MaxExits = Instructions, Timeout = TimeSpan.FromSeconds(2) });
            return sample;
        }
        catch (Exception e) when (e is NotSupportedException or IOException or DriveException or InvalidStateException or PlatformNotSupportedException)
        {
            return null;
        }
    }

    /// <inheritdoc/>
    public void BeforeInstruction(Vcpu vcpu)
    {
        Seen++;
        uint linear = vcpu.State->Cs.Base + vcpu.State->Eip;
        if (_places.TryGetValue(linear, out ulong times))
        {
            _places[linear] = times + 1;
        }
        else if (_places.Count < MostPlaces)
        {
            _places.Add(linear, 1);
        }

        if (Disassembler.ReadCode(vcpu, linear, _bytes) == 2 && _bytes[0] == 0 && _bytes[1] == 0)
        {
            _zeros++;
        }
    }

    /// <inheritdoc/>
    public void BeforeTrap(Vcpu vcpu, in TrapInfo trap)
    {
        if (trap.Source == TrapSource.ExternalInterrupt)
        {
            Interrupts++;
        }
        else
        {
            Traps[trap.Vector] = Traps.GetValueOrDefault(trap.Vector) + 1;
        }
    }

    private void OnExit(VirtualMachine machine, VmExit exit)
    {
        if (exit.Reason == ExitReason.PortIo)
        {
            Ports[(ushort)exit.Address] = Ports.GetValueOrDefault((ushort)exit.Address) + 1;
        }
        else if (exit.Reason == ExitReason.Mmio)
        {
            DeviceAccesses++;
        }
    }
}
