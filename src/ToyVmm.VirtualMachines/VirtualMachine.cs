using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Text;
using Microsoft.Extensions.Logging;
using ToyVmm.Engines;
using ToyVmm.Engines.Classification;
using ToyVmm.Engines.Interpretation;
using ToyVmm.Engines.Metering;
using ToyVmm.Hardware;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Devices;
using ToyVmm.Hardware.Memory;
using ToyVmm.Hardware.Time;
using ToyVmm.VirtualMachines.Advising;
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
public sealed unsafe partial class VirtualMachine : IDisposable, ISerialPeer
{
    // The host looks at its clock, at input and at stop requests every RunLimits.LookEvery instructions. And no later than after so many port accesses, which can be slow (a disk's).
    private const int SliceAccesses = 1024;

    // A guest that sleeps through so much of its own time, with no input to come, will not wake; nor one that so many timers in a row have not
    // woken, for which a fast timer that is masked would otherwise keep the host busy for hours.
    private const int MostTimersUnheard = 1 << 24;
    private static readonly TimeSpan s_longestSleep = TimeSpan.FromHours(25);

    // However far the next timer is, the host is looked at this often.
    private static readonly TimeSpan s_longestWait = TimeSpan.FromMilliseconds(100);

    // A sleeping guest is woken for its timers a little too late, so that those of a whole interval share one wake-up of the host. The
    // interval starts short and doubles while nothing comes in or goes out: an idle kernel with a periodic tick of 250 Hz has it for
    // 10 wake-ups a second. The guest's clock says what it should, and input wakes it at once.
    private static readonly TimeSpan s_leastSlack = TimeSpan.FromMilliseconds(5);

    // So far a busy guest's clock may be ahead of the host's.
    private static readonly TimeSpan s_mostAhead = TimeSpan.FromMilliseconds(20);

    private readonly Interpreter _engine;
    private readonly ExitHandler _exits;
    private readonly TrapCounter _traps;
    private readonly StringBuilder _serialOutput = new();
    private readonly DriveBay _drives;
    private readonly DiskMeter _disks;
    private readonly VirtualMachineOptions _options;
    private readonly MachineConfig _config;
    private readonly ILogger _logger;
    private readonly HostPace _host;
    private readonly CostMeter? _costs;
    private ReadOnlyMemory<byte> _imageFile;
    private volatile bool _stopRequested;
    private ulong _idle;
    private ulong _sleptSince;
    private int _timersUnheard;
    private ulong _exitsHandled;
    private bool _asleep;
    private bool _mustLook;
    private bool _isDisposed;
    private StopReason? _hypercallStop;
    private int _accessesLeft;
    private ulong _hostLookAt;
    private ulong _lastInstruction;
    private TimeSpan _slack = s_leastSlack;

    private VirtualMachine(VirtualMachineOptions options, MachineConfig config, Machine machine, LoadedImage image, ReadOnlyMemory<byte> imageFile, bool isClone = false)
    {
        _config = config;
        _options = options;
        _imageFile = imageFile;
        _host = new HostPace(machine.Clock);
        _logger = options.Logging.CreateLogger("ToyVmm.VirtualMachine");
        Machine = machine;
        Image = image;
        Vcpu = new Vcpu(machine.Memory, options.Cpu with
        {
            HypercallFeatures = HypercallCatalog.Features,
            GuestNumber = options.GuestNumber,
            MostPages = machine.Memory.Capacity / GuestPhysicalAddress.PageSize,
        });
        InterventionProfile? profile = options.Advise ? new InterventionProfile(Vcpu) : null;
        Vcpu.Costs = _costs = options.MeterCosts || options.Advise ? new CostMeter(profile) : null;
        Advisor = profile is null ? null : new ExitAdvisor(this, profile);
        Statistics.Meter = _costs;
        _traps = new TrapCounter(Statistics, options.Observer);
        Vcpu.Observer = _traps;
        _engine = new Interpreter(Vcpu);
        _warmsUp = isClone && WantsTranslator(options.Engine);
        string? reason = WantsTranslator(options.Engine) && !isClone ? _engine.TryTranslate(options.Translator) : TranslatorUnavailable;
        if (reason is not null && options.Engine == EngineKind.Translator)
        {
            throw new PlatformNotSupportedException(reason);
        }

        WhyInterpreted = options.Engine == EngineKind.Auto ? reason : null;
        Naive = options.Engine == EngineKind.Naive ? NaiveMonitor.Attach(_engine) : null;

        Hypercalls = new HypercallHandler(this, options);
        _exits = new ExitHandler(this, options);
        _disks = new DiskMeter(options.Limits.DiskWriteBytes, ExceedDiskLimit, NoticeLongWork);
        _drives = new DriveBay(_logger, _disks);
        machine.SerialPorts[0].Peer = this;
        machine.A20.Changed = SetA20;
        machine.CoprocessorErrorIgnored = () =>
        {
            Cpu.FpuError = 0;
            Cpu.FpuIgnoreError = 1;
        };
        machine.Memory.LimitReached = StopForMemory;
        if (machine.Memory.IsOverLimit || machine.Memory.HostRefuses)
        {
            StopForMemory();
        }

        machine.MemoryMapChanged = (_, _) => NotifyMemoryMapChanged();
        SetA20(machine.A20Enabled);
        if (!isClone)
        {
            EntryPoint.Apply(image.Entry, Vcpu);
        }

        ChoosePorts();
    }

    /// <summary>The board.</summary>
    public Machine Machine { get; }

    /// <summary>The virtual CPU.</summary>
    public Vcpu Vcpu { get; }

    internal Interpreter Engine => _engine;

    /// <summary>What the guest may ask for.</summary>
    internal HypercallHandler Hypercalls { get; }

    /// <summary>The guest's number among those of its host.</summary>
    public uint GuestNumber => _options.GuestNumber;

    /// <summary>Guest time in which the CPU slept, in ticks of the clock.</summary>
    public ulong IdleTicks => _idle;

    /// <summary>The CPU's registers, by reference.</summary>
    public ref CpuState Cpu => ref *Vcpu.State;

    /// <summary>What was loaded.</summary>
    public LoadedImage Image { get; private set; }

    /// <summary>What the machine was built from.</summary>
    public MachineConfig Configuration => _options.Machine;

    /// <summary>The engine that runs the guest, for people.</summary>
    public string EngineName => Naive is not null ? "naive" : Vcpu.Translation is null && !_warmsUp ? "interpreter" : "translator";

    /// <summary>With <see cref="EngineKind.Naive"/>, the monitor that is wrong on purpose; otherwise null.</summary>
    public NaiveMonitor? Naive { get; }

    /// <summary>With <see cref="EngineKind.Auto"/>, why the engine is not the translator; null where it is, or the interpreter was asked for.</summary>
    public string? WhyInterpreted { get; private set; }

    /// <summary>Why this host cannot run <see cref="EngineKind.Translator"/>; null where it can.</summary>
    public static string? TranslatorUnavailable => Interpreter.TranslationUnavailable;

    /// <summary>What happened so far.</summary>
    public RunStatistics Statistics { get; } = new();

    /// <summary>Says in the end what paravirtual calls would save; null without <see cref="VirtualMachineOptions.Advise"/>.</summary>
    public ExitAdvisor? Advisor { get; }

    /// <summary>Input for the guest: COM1, the keyboard and the mouse.</summary>
    public InputQueue Input { get; } = new();

    /// <summary>What the guest has sent through COM1, one char a byte; empty where <see cref="VirtualMachineOptions.SerialOutput"/> takes it.</summary>
    public string SerialOutput => _serialOutput.ToString();

    /// <summary>Instructions retired so far.</summary>
    public ulong InstructionsRetired => Vcpu.State->Retired;

    /// <summary>The present moment, as input is stamped with it.</summary>
    public InputMoment Now => new(InstructionsRetired, _exitsHandled + Vcpu.LatchAccessesUncounted, Machine.Clock.Now, Vcpu.EventsDelivered);

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

        return Finish(options, config, machine, result.Image, image);
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
        return Finish(options, config, machine, nothing, default);
    }

    /// <summary>The host addresses that emitted code was given, at this moment; empty where everything is interpreted.</summary>
    public IReadOnlyList<HostRange> HostRanges => _engine.HostRanges;

    /// <summary>Has the verifier, which knows nothing of the translator, look at all emitted code as it stands now, with the branches between blocks.</summary>
    /// <returns>Null, also where everything is interpreted; or what is wrong.</returns>
    public string? VerifyEmittedCode() => _engine.VerifyEmittedCode();

    /// <summary>Null while the host memory beside guest RAM, beside the CPU's state and beside emitted code is as it was; else where somebody has stored.</summary>
    public string? BrokenCanary => !Machine.Memory.IsIntact ? "guest RAM" : !Vcpu.IsIntact ? "the CPU's state" : !_engine.IsIntact ? "emitted code" : null;

    /// <summary>Runs the guest until it stops or a limit is reached; may be called again after a limit.</summary>
    /// <param name="limits">When to stop; null for never.</param>
    /// <returns>Why it stopped. No guest bytes make this throw.</returns>
    public StopReason Run(RunLimits? limits = null)
    {
        limits ??= RunLimits.None;
        _host.Start();
        _costs?.Start();
        try
        {
            return RunLoop(limits);
        }
        finally
        {
            _costs?.Stop();
            _host.Stop();
        }
    }

    /// <summary>
    /// The reset button: every chip and the CPU to its power-on state, and the image loaded again into cleared memory. The clock, the
    /// statistics, CMOS memory and what was written to the disks live on.
    /// </summary>
    /// <remarks>Not while <see cref="Run"/> runs.</remarks>
    /// <exception cref="InvalidOperationException">The machine replays (<see cref="Replay"/>).</exception>
    public void Reset()
    {
        if (Replay is { } replay && !replay.IsAtEnd(this))
        {
            throw new InvalidOperationException("a machine that replays takes its resets from the log");
        }

        Record(new ResetInput());
        PowerOn();
    }

    /// <summary>
    /// Another image, in a machine as if just made: instructions count from zero. Only the guest's date moves on, by a multiple of 18 seconds, in
    /// which every chip's clock has a whole number of periods (the refresh toggle's is 36 / 1.193182 MHz). What lives on: statistics, serial output so far, CMOS
    /// memory, the disks. Ten times as fast as a new machine.
    /// </summary>
    /// <param name="image">An image that the loader takes, and that does not boot from a disk.</param>
    internal void Restart(ReadOnlyMemory<byte> image)
    {
        _imageFile = image;
        PowerOn();
        ulong period = 18 * Machine.Clock.Frequency;
        _idle = (Machine.Clock.Now + period - 1) / period * period;
        Machine.Clock.AdvanceTo(_idle);
        Cpu.Retired = 0;
    }

    private void PowerOn()
    {
        Machine.Reset();
        Hypercalls.Clock.Reset();
        Machine.Memory.MakeWhole();
        Machine.Memory.Clear(0, Machine.Memory.RamSize / GuestPhysicalAddress.PageSize, PageKind.Ram);
        EntryState entry = Image.Entry;
        if (!_imageFile.IsEmpty)
        {
            LoadResult result = ImageLoader.Load(_imageFile, Machine.Memory, _options.Load);
            Image = result.Succeeded ? result.Image : throw new InvalidOperationException($"the image does not load: {result.Error}");
            entry = Image.Entry;
        }

        if (_options.Machine.Bios is null && HasTables(_options.Cpu))
        {
            FirmwareTableArea.Write(_options.Machine, _options.Cpu, Machine.Memory);
        }

        Vcpu.Reset();
        SetA20(Machine.A20Enabled);
        EntryPoint.Apply(entry, Vcpu);
        _asleep = false;
    }

    private StopReason RunLoop(RunLimits limits)
    {
        long started = Stopwatch.GetTimestamp();
        BeginLimits(limits);
        BeginReplay();
        Machine.Memory.ForgetSharedCode();
        if (_asleep && Sleep(limits, started) is { } stillAsleep)
        {
            return stillAsleep;
        }

        for (; ; )
        {
            if ((HostStop(limits, started) ?? LimitStop(limits)) is { } hostStop)
            {
                return hostStop;
            }

            if (Replay is not null && TakeReplayed() is { } replayStop)
            {
                return replayStop;
            }

            DrainInput();
            OfferInterrupts();
            ulong retired = InstructionsRetired;
            ulong budget = _warmsUp ? WarmUp(Budget(retired)) : Budget(retired);
            if (budget == 0)
            {
                return new StopReason(StopKind.InstructionLimit, 0, $"the limit of {limits.MaxInstructions} instructions is reached");
            }

            _mustLook = false;
            _cutString = false;
            _accessesLeft = PrepareAccesses(budget);
            _hostLookAt = retired + _lookEvery;
            VmExit exit = _engine.Run(budget);
            _cutString = exit.Reason == ExitReason.Cancelled && Vcpu.IsInsideString;
            if (_costs is not null)
            {
                _costs.Begin(exit.Reason);
                Advisor?.BeginExit(exit);
            }

            Machine.Clock.AdvanceTo(InstructionsRetired + _idle);
            if (exit.Reason == ExitReason.StopCondition)
            {
                return new StopReason(StopKind.Breakpoint, 0, "a debugger's condition is met");
            }

            StopReason? stop = _hypercallStop;
            _hypercallStop = null;
            if (exit.Reason != ExitReason.PortIoPerformed)
            {
                Statistics.Count(exit.Reason);
                _options.ExitObserver?.Invoke(this, exit);
                if (exit.Reason is not (ExitReason.BudgetSpent or ExitReason.InterruptWindow or ExitReason.Cancelled))
                {
                    _exitsHandled++;
                }
                else if (_options.Pace == true && !_replays)
                {
                    WaitForHost();
                }

                _longWork |= exit.Reason == ExitReason.Cancelled;
                uint number = Cpu.Eax; // of a hypercall, before the answer is there
                stop = exit.Reason == ExitReason.Halt
                    ? Sleep(limits, started)
                    : _exits.Handle(exit);
                NoteExit(exit, number);
            }

            if ((stop ?? _exits.HandleRequest()) is { } reason)
            {
                LogMessages.Stopped(_logger, reason.Detail, InstructionsRetired);
                return reason;
            }
        }
    }

    // How far the engine may go: to the next timer, to the next look at the host, to the next event that is replayed, to the limit of this run; 0 at that limit.
    private ulong Budget(ulong retired)
    {
        VirtualClock clock = Machine.Clock;
        ulong budget = Math.Min(Math.Min(clock.NextDeadline - clock.Now, _lookEvery), _lastInstruction - retired);

        // Where a replayed event is due within the next instruction, that one makes the exit that is still missing.
        return Math.Min(budget, _replayAt > retired ? _replayAt - retired : 1);
    }

    /// <summary>A port access in place: what the loop does when the engine leaves for one. <see cref="EndAccess"/> follows.</summary>
    /// <param name="retired">Instructions retired so far.</param>
    /// <param name="reason">What the engine would have left for.</param>
    internal void BeginAccess(ulong retired, ExitReason reason = ExitReason.PortIo)
    {
        _costs?.Enter(reason);
        Machine.Clock.AdvanceTo(retired + _idle);
        Statistics.Count(reason);
        _exitsHandled++;
    }

    /// <summary>A hypercall in place.</summary>
    internal void PerformHypercall()
    {
        _hypercallStop = Hypercalls.Call();
        _mustLook |= _hypercallStop is not null;
    }

    /// <summary>Accesses to latches, which emitted code has performed.</summary>
    internal void CountLatchAccesses(ulong accesses)
    {
        Statistics.CountLatchAccesses(accesses);
        _exitsHandled += accesses;
    }

    /// <summary>What the loop does between an access and the next run of the engine.</summary>
    /// <param name="retired">Instructions retired so far.</param>
    /// <returns>The budget of that run; 0 where the loop itself must look.</returns>
    internal ulong EndAccess(ulong retired)
    {
        ulong budget = BudgetAfterAccess(retired);
        _costs?.Leave();
        return budget;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private ulong BudgetAfterAccess(ulong retired)
    {
        if (_mustLook || _stopRequested || retired >= _hostLookAt || retired >= _replayAt || --_accessesLeft < 0 || Machine.Request.Kind != MachineRequestKind.None)
        {
            return 0;
        }

        if (Input.MayHaveInput)
        {
            DrainInput();
        }

        OfferInterrupts();
        return Budget(retired);
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
        if (_isDisposed)
        {
            return;
        }

        _isDisposed = true;
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
        _slack = s_leastSlack;
        if (!TakeSerialByte())
        {
            return;
        }

        if (_options.SerialOutput is { } sink)
        {
            // What the guest sends again, behind a checkpoint that it was taken back to, was shown already.
            if (SerialBytesSent > SerialBytesShown)
            {
                SerialBytesShown = SerialBytesSent;
                sink(value);
            }
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

    private static VirtualMachine Finish(VirtualMachineOptions options, MachineConfig config, Machine machine, LoadedImage image, ReadOnlyMemory<byte> imageFile)
    {
        if (options.Machine.Bios is null && HasTables(options.Cpu))
        {
            FirmwareTableArea.Write(config, options.Cpu, machine.Memory);
        }

        if (machine.Memory.IsOverLimit)
        {
            machine.Dispose();
            throw new InvalidImageException(
                new LoadError($"loading it takes more than the {options.Machine.MemoryLimit >> 10} KiB of host memory that the guest may have", null, "Allow it more."), image.Explanation);
        }

        VirtualMachine vm = new(options, config, machine, image, imageFile);
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

    private static bool WantsTranslator(EngineKind engine) =>
        engine == EngineKind.Translator || (engine == EngineKind.Auto && TranslatorUnavailable is null);

    private static ulong Saturate(ulong start, ulong more) => more > ulong.MaxValue - start ? ulong.MaxValue : start + more;

    private void SetA20(bool enabled)
    {
        Vcpu.Mmu.PhysicalMask = enabled ? ulong.MaxValue : ~(1ul << 20);
        NotifyMemoryMapChanged();
    }

    // The instruction that did it may be one of a block, or an element of a string, whose code lies elsewhere now: the engine starts anew.
    internal void NotifyMemoryMapChanged()
    {
        Vcpu.NotifyStateChanged();
        _mustLook = true;
    }

    private StopReason? HostStop(RunLimits limits, long started)
    {
        if (_stopRequested)
        {
            _stopRequested = false;
            Vcpu.CancelRequested = false;
            RecordStop();
            return new StopReason(StopKind.Stopped, 0, "stopped by the user");
        }

        if (limits.Timeout >= TimeSpan.Zero && Stopwatch.GetElapsedTime(started) >= limits.Timeout)
        {
            RecordStop();
            return new StopReason(StopKind.TimeLimit, 0, $"the limit of {limits.Timeout.TotalSeconds:0.###} s of host time is reached");
        }

        return null;
    }

    // What waits in the queue and what its device has room for.
    private bool CanTakeInput =>
        !_replays && ((Input.HasBytes && Machine.SerialPorts[0].CanReceive) || (Input.HasKeys && Machine.Keyboard.HasRoom) || Input.HasMouseEvents || Input.HasHostEvents);

    private void DrainInput()
    {
        if (_replays || IsInputTooLate)
        {
            return;
        }

        Serial16550 port = Machine.SerialPorts[0];
        while (Input.HasBytes && port.CanReceive && Input.TryTake(out byte value))
        {
            Record(new SerialInput(value));
            _ = port.Receive(value);
        }

        while (Input.HasKeys && Machine.Keyboard.HasRoom && Input.TryTake(out KeyInput? key))
        {
            Record(key);
            Machine.Keyboard.KeyEvent(key.Key, key.Pressed);
        }

        while (Input.HasMouseEvents && Input.TryTake(out MouseEvent mouse))
        {
            Record(new MouseInput(mouse));
            Machine.MoveMouse(mouse.DeltaX, mouse.DeltaY, mouse.Wheel, mouse.Buttons);
        }

        while (Input.HasHostEvents && Input.TryTake(out InputEvent? happened))
        {
            Record(happened);
            Happen(happened);
        }
    }

    // A busy guest on a fast host must not get ahead of it: its clock would run away, and its next sleep would last too long.
    private void WaitForHost()
    {
        TimeSpan ahead = _host.Until(Machine.Clock.Now);
        if (ahead > s_mostAhead)
        {
            WaitForInput(ahead);
        }
    }

    private void WaitForInput(TimeSpan longest)
    {
        _costs?.Enter(CostKind.Sleep);
        Input.Wait(longest);
        _costs?.Leave();
    }

    // The pin's, or the clock page's.
    private bool InterruptRequested => Machine.InterruptRequested || Hypercalls.Clock.InterruptRequested;

    private void OfferInterrupts()
    {
        Machine.SetLocalApicBase(Vcpu.ApicBase);
        if (Machine.NmiPending && Machine.TakeNmi())
        {
            Vcpu.RaiseNmi();
        }

        Machine.CoprocessorError.SetError(Cpu.FpuError != 0);
        bool wanted = InterruptRequested;
        if (wanted && Vcpu.CanAcceptInterrupt)
        {
            Vcpu.InjectInterrupt(Hypercalls.Clock.InterruptRequested ? Hypercalls.Clock.Acknowledge() : Machine.AcknowledgeInterrupt());
            _injectedAt = Now;
            wanted = InterruptRequested;
        }

        Vcpu.RequestInterruptWindow(wanted);
    }

    // The CPU sleeps: time goes on without it, to the next thing that can wake it.
    private StopReason? Sleep(RunLimits limits, long started)
    {
        Machine.CoprocessorError.SetError(Cpu.FpuError != 0);
        if ((Cpu.OtherFlags & Eflags.IF) == 0 && !Machine.NmiPending)
        {
            return new StopReason(StopKind.HaltedForever, 0, "the CPU halted with interrupts off");
        }

        VirtualClock clock = Machine.Clock;
        _sleptSince = _asleep ? _sleptSince : clock.Now;
        _timersUnheard = _asleep ? _timersUnheard : 0;
        _asleep = true;
        ulong longest = (ulong)s_longestSleep.TotalSeconds * clock.Frequency;
        while (!InterruptRequested && !Machine.NmiPending)
        {
            if (Replay is not null)
            {
                if (SleepReplayed(limits, started, out StopReason? replayStop))
                {
                    return replayStop;
                }

                if (_replays)
                {
                    continue;
                }
            }

            if (CanTakeInput)
            {
                TakeHostTime();
                DrainInput();
                _slack = s_leastSlack;
                continue;
            }

            if (HostStop(limits, started) is { } hostStop)
            {
                return hostStop; // still asleep: the next run goes on here
            }

            bool waits = Input.IsOpen;
            bool timeToCome = clock.NextDeadline != ulong.MaxValue;
            if (!waits && (!timeToCome || clock.Now - _sleptSince > longest || _timersUnheard > MostTimersUnheard))
            {
                return new StopReason(StopKind.HaltedForever, 0, "the CPU halted, and no interrupt will wake it");
            }

            if (limits.IdleUntil != ulong.MaxValue)
            {
                if (clock.NextDeadline > limits.IdleUntil)
                {
                    return new StopReason(StopKind.Asleep, 0, "the guest sleeps");
                }

                waits = false; // that time has come already
            }

            TimeSpan sleep = !timeToCome ? s_longestWait : _options.Pace ?? waits ? _host.Until(clock.NextDeadline) : TimeSpan.Zero;
            if (sleep > TimeSpan.Zero)
            {
                TimeSpan least = _options.Pace == true ? _slack : TimeSpan.Zero;
                WaitForInput(sleep < least ? least : sleep < s_longestWait ? sleep : s_longestWait);
                _slack = _slack * 2 < s_longestWait ? _slack * 2 : s_longestWait;
            }
            else
            {
                SkipIdleTime(clock.NextDeadline - clock.Now);
                _timersUnheard++;
            }
        }

        _asleep = false;
        return null;
    }

    // Input wakes a guest before its timer does: its clock has to say when that was.
    private void TakeHostTime()
    {
        ulong now = Math.Min(_host.Now, Machine.Clock.NextDeadline);
        if (_options.Pace == true && now > Machine.Clock.Now)
        {
            Record(new HostTimeInput(now - Machine.Clock.Now));
            SkipIdleTime(now - Machine.Clock.Now);
        }
    }

    private void SkipIdleTime(ulong ticks)
    {
        _idle += ticks;
        Statistics.IdleTicks += ticks;
        Cpu.TscOffset += ticks;
        Machine.Clock.AdvanceTo(Machine.Clock.Now + ticks);
    }

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
