using System.Diagnostics;
using System.Text;
using Microsoft.Extensions.Logging;
using ToyVmm.Engines;
using ToyVmm.Engines.Interpretation;
using ToyVmm.Hardware;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Devices;
using ToyVmm.Hardware.Time;
using ToyVmm.VirtualMachines.FirmwareTables;
using ToyVmm.VirtualMachines.Hypercalls;
using ToyVmm.VirtualMachines.Loading;

namespace ToyVmm.VirtualMachines;

/// <summary>
/// A guest and everything around it: a board, a CPU, an engine, and the loop between them. Not thread-safe, except for
/// <see cref="Input"/> and <see cref="RequestStop"/>.
/// </summary>
/// <example>
/// <code>
/// using VirtualMachine vm = VirtualMachine.Create(File.ReadAllBytes("hello.elf"));
/// StopReason why = vm.Run();
/// Console.WriteLine($"{why.Detail}: {vm.SerialOutput}, EAX = {vm.Cpu.Eax:x8}");
/// </code>
/// </example>
public sealed unsafe class VirtualMachine : IDisposable, ISerialPeer
{
    // The host looks at its clock, at input and at stop requests this often: a few milliseconds.
    private const ulong SliceInstructions = 1 << 20;

    // A guest that sleeps through so much of its own time, with no input to come, will not wake.
    private static readonly TimeSpan s_longestSleep = TimeSpan.FromHours(25);

    private readonly Interpreter _engine;
    private readonly ExitHandler _exits;
    private readonly TrapCounter _traps;
    private readonly StringBuilder _serialOutput = new();
    private readonly DriveBay _drives;
    private readonly VirtualMachineOptions _options;
    private readonly ILogger _logger;
    private volatile bool _stopRequested;
    private ulong _idle;
    private ulong _sleptSince;

    private VirtualMachine(VirtualMachineOptions options, Machine machine, LoadedImage image)
    {
        _options = options;
        _logger = options.Logging.CreateLogger("ToyVmm.VirtualMachine");
        Machine = machine;
        Image = image;
        Vcpu = new Vcpu(machine.Memory, options.Cpu with { HypercallFeatures = HypercallTable.Features });
        _traps = new TrapCounter(Statistics, options.Observer);
        Vcpu.Observer = _traps;
        _engine = new Interpreter(Vcpu);
        _exits = new ExitHandler(this, options.Logging);
        _drives = new DriveBay(_logger);
        machine.SerialPorts[0].Peer = this;
        machine.A20.Changed = SetA20;
        machine.CoprocessorErrorIgnored = () =>
        {
            Cpu.FpuError = 0;
            Cpu.FpuIgnoreError = 1;
        };
        machine.MemoryMapChanged = (_, _) => Vcpu.NotifyStateChanged();
        SetA20(machine.A20Enabled);
        EntryPoint.Apply(image.Entry, Vcpu);
    }

    /// <summary>The board.</summary>
    public Machine Machine { get; }

    /// <summary>The virtual CPU.</summary>
    public Vcpu Vcpu { get; }

    /// <summary>The CPU's registers, by reference.</summary>
    public ref CpuState Cpu => ref *Vcpu.State;

    /// <summary>What was loaded.</summary>
    public LoadedImage Image { get; }

    /// <summary>The engine that runs the guest, for people.</summary>
    public string EngineName => "interpreter";

    /// <summary>What happened so far.</summary>
    public RunStatistics Statistics { get; } = new();

    /// <summary>Input for the guest: its COM1 and its mouse.</summary>
    public InputQueue Input { get; } = new();

    /// <summary>What the guest has sent through COM1, one char a byte; empty where <see cref="VirtualMachineOptions.SerialOutput"/> takes it.</summary>
    public string SerialOutput => _serialOutput.ToString();

    /// <summary>Instructions retired so far.</summary>
    public ulong InstructionsRetired => Vcpu.State->Retired;

    /// <summary>Builds a machine and loads an image into it.</summary>
    /// <param name="image">The image file's bytes.</param>
    /// <param name="options">How; null for the defaults.</param>
    /// <exception cref="InvalidImageException">The image is malformed or of no format that can be run.</exception>
    /// <exception cref="DriveException">The file of a disk or CD-ROM cannot be opened, or there are more than the machine takes.</exception>
    public static VirtualMachine Create(ReadOnlyMemory<byte> image, VirtualMachineOptions? options = null)
    {
        options ??= new VirtualMachineOptions();
        MachineConfig config = options.Machine;
        bool bootsFromDisk = options.Load.Format is ImageFormat.BootSector
            || (options.Load.Format is null && ImageLoader.Detect(image.Span).Format == ImageFormat.BootSector);
        if (bootsFromDisk)
        {
            config = WithBios(config, options.Cpu);
        }

        Machine machine = new(config);
        LoadResult result = ImageLoader.Load(image, machine.Memory, options.Load);
        if (!result.Succeeded)
        {
            machine.Dispose();
            throw new InvalidImageException(result.Error, result.Explanation);
        }

        return Finish(options, config, machine, result.Image);
    }

    /// <summary>Builds a machine without an image: its firmware - <see cref="MachineConfig.Bios"/>, or the built-in BIOS - boots one of the drives.</summary>
    /// <param name="options">How; <see cref="VirtualMachineOptions.Load"/> has no say here.</param>
    /// <exception cref="DriveException">The file of a disk or CD-ROM cannot be opened, or there are more than the machine takes.</exception>
    public static VirtualMachine CreateFromDrives(VirtualMachineOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        MachineConfig config = WithBios(options.Machine, options.Cpu);
        Machine machine = new(config);
        LoadedImage nothing = new(ImageFormat.BootSector, new EntryState { BootThroughBios = true }, ["The BIOS boots one of the drives."]);
        return Finish(options, config, machine, nothing);
    }

    /// <summary>Runs the guest until it stops or a limit is reached; may be called again after a limit.</summary>
    /// <param name="limits">When to stop; null for never.</param>
    /// <returns>Why it stopped. No guest bytes make this throw.</returns>
    public StopReason Run(RunLimits? limits = null)
    {
        limits ??= RunLimits.None;
        long started = Stopwatch.GetTimestamp();
        ulong virtualStart = Machine.Clock.Now;
        ulong lastInstruction = Saturate(InstructionsRetired, limits.MaxInstructions);
        for (; ; )
        {
            if (HostStop(limits, started) is { } hostStop)
            {
                return hostStop;
            }

            DrainInput();
            OfferInterrupts();
            ulong left = lastInstruction - InstructionsRetired;
            if (left == 0)
            {
                return new StopReason(StopKind.InstructionLimit, 0, $"the limit of {limits.MaxInstructions} instructions is reached");
            }

            ulong budget = Math.Min(Math.Min(Machine.Clock.NextDeadline - Machine.Clock.Now, SliceInstructions), left);
            VmExit exit = _engine.Run(budget);
            Machine.Clock.AdvanceTo(InstructionsRetired + _idle);
            Statistics.Count(exit.Reason);
            _options.ExitObserver?.Invoke(this, exit);
            StopReason? stop = exit.Reason == ExitReason.Halt
                ? Sleep(limits, started, virtualStart)
                : _exits.Handle(exit);
            if ((stop ?? _exits.HandleRequest()) is { } reason)
            {
                LogMessages.Stopped(_logger, reason.Detail, InstructionsRetired);
                return reason;
            }
        }
    }

    /// <summary>Asks a running machine to stop soon; from any thread.</summary>
    public void RequestStop()
    {
        _stopRequested = true;
        Vcpu.CancelRequested = true;
        Input.Wake();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _engine.Dispose();
        Vcpu.Dispose();
        Machine.Dispose();
        Input.Dispose();
        _drives.Dispose();
    }

    /// <summary>A byte from the guest's COM1, or from its console hypercall.</summary>
    void ISerialPeer.Transmit(byte value) => TransmitSerial(value);

    internal void TransmitSerial(byte value)
    {
        if (_options.SerialOutput is { } sink)
        {
            sink(value);
        }
        else
        {
            _ = _serialOutput.Append((char)value);
        }
    }

    // The tables describe a system with APICs; a PC of the time of CPUs without one had none.
    private static bool HasTables(CpuModel cpu) => cpu.Has(CpuFeatures.Apic);

    private static MachineConfig WithBios(MachineConfig config, CpuModel cpu)
    {
        if (config.Bios is not null)
        {
            return config;
        }

        byte[] bios = BuiltInBios.Read();
        if (HasTables(cpu))
        {
            FirmwareTableArea.WriteToBios(bios, cpu);
        }

        return config with { Bios = bios };
    }

    private static VirtualMachine Finish(VirtualMachineOptions options, MachineConfig config, Machine machine, LoadedImage image)
    {
        if (options.Machine.Bios is null && HasTables(options.Cpu))
        {
            FirmwareTableArea.Write(config, options.Cpu, machine.Memory);
        }

        VirtualMachine vm = new(options, machine, image);
        try
        {
            vm._drives.Attach(machine, config, image.Disk);
            return vm;
        }
        catch
        {
            vm.Dispose();
            throw;
        }
    }

    private static ulong Saturate(ulong start, ulong more) => more > ulong.MaxValue - start ? ulong.MaxValue : start + more;

    private void SetA20(bool enabled)
    {
        Vcpu.Mmu.PhysicalMask = enabled ? ulong.MaxValue : ~(1ul << 20);
        Vcpu.NotifyStateChanged();
    }

    private StopReason? HostStop(RunLimits limits, long started)
    {
        if (_stopRequested)
        {
            _stopRequested = false;
            Vcpu.CancelRequested = false;
            return new StopReason(StopKind.Stopped, 0, "stopped by the user");
        }

        return limits.Timeout >= TimeSpan.Zero && Stopwatch.GetElapsedTime(started) >= limits.Timeout
            ? new StopReason(StopKind.TimeLimit, 0, $"the limit of {limits.Timeout.TotalSeconds:0.###} s of host time is reached")
            : null;
    }

    private void DrainInput()
    {
        Serial16550 port = Machine.SerialPorts[0];
        while (port.CanReceive && Input.TryTake(out byte value))
        {
            _ = port.Receive(value);
        }

        while (Input.TryTake(out MouseEvent mouse))
        {
            Machine.MoveMouse(mouse.DeltaX, mouse.DeltaY, mouse.Wheel, mouse.Buttons);
        }
    }

    private void OfferInterrupts()
    {
        Machine.SetLocalApicBase(Vcpu.ApicBase);
        if (Machine.NmiPending && Machine.TakeNmi())
        {
            Vcpu.RaiseNmi();
        }

        Machine.CoprocessorError.SetError(Cpu.FpuError != 0);
        bool wanted = Machine.InterruptRequested;
        if (wanted && Vcpu.CanAcceptInterrupt)
        {
            Vcpu.InjectInterrupt(Machine.AcknowledgeInterrupt());
            wanted = Machine.InterruptRequested;
        }

        Vcpu.RequestInterruptWindow(wanted);
    }

    // The CPU sleeps: time goes on without it, to the next thing that can wake it.
    private StopReason? Sleep(RunLimits limits, long started, ulong virtualStart)
    {
        Machine.CoprocessorError.SetError(Cpu.FpuError != 0);
        if ((Cpu.OtherFlags & Eflags.IF) == 0 && !Machine.NmiPending)
        {
            return new StopReason(StopKind.HaltedForever, 0, "the CPU halted with interrupts off");
        }

        VirtualClock clock = Machine.Clock;
        _sleptSince = clock.Now;
        ulong longest = (ulong)s_longestSleep.TotalSeconds * clock.Frequency;
        while (!Machine.InterruptRequested && !Machine.NmiPending)
        {
            DrainInput();
            if (Machine.InterruptRequested)
            {
                break;
            }

            if (HostStop(limits, started) is { } hostStop)
            {
                return hostStop;
            }

            bool waits = Input.IsOpen;
            bool timeToCome = clock.NextDeadline != ulong.MaxValue;
            if (!waits && (!timeToCome || clock.Now - _sleptSince > longest))
            {
                return new StopReason(StopKind.HaltedForever, 0, "the CPU halted, and no interrupt will wake it");
            }

            if (waits || _options.Pace)
            {
                TimeSpan ahead = timeToCome ? HostTimeUntil(clock.NextDeadline - virtualStart, started) : TimeSpan.FromMilliseconds(100);
                if (ahead > TimeSpan.Zero)
                {
                    Input.Wait(ahead < TimeSpan.FromMilliseconds(100) ? ahead : TimeSpan.FromMilliseconds(100));
                    continue;
                }
            }

            if (timeToCome)
            {
                ulong skipped = clock.NextDeadline - clock.Now;
                _idle += skipped;
                Statistics.IdleTicks += skipped;
                Cpu.TscOffset += skipped;
                clock.AdvanceTo(clock.NextDeadline);
            }
        }

        return null;
    }

    private TimeSpan HostTimeUntil(ulong ticks, long started) =>
        TimeSpan.FromSeconds((double)ticks / Machine.Clock.Frequency) - Stopwatch.GetElapsedTime(started);

    private sealed class TrapCounter(RunStatistics statistics, IEngineObserver? next) : IEngineObserver
    {
        public bool WantsInstructions => next?.WantsInstructions ?? false;

        public void BeforeInstruction(Vcpu vcpu) => next?.BeforeInstruction(vcpu);

        public void BeforeTrap(Vcpu vcpu, in TrapInfo trap)
        {
            statistics.CountTrap(trap.Vector);
            next?.BeforeTrap(vcpu, trap);
        }
    }
}
