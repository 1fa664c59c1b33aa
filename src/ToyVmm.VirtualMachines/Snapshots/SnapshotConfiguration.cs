using ToyVmm.Engines;
using ToyVmm.Hardware;
using ToyVmm.Hardware.State;
using ToyVmm.VirtualMachines.Loading;

namespace ToyVmm.VirtualMachines.Snapshots;

/// <summary>What a machine was built from, but for the files: those have sections of their own. And how far it had come.</summary>
internal sealed class SnapshotConfiguration : ISavedState
{
    private const int MostFormats = (int)ImageFormat.LinuxKernel + 1;

    private uint _memorySize;
    private ulong _instructionsPerSecond;
    private uint _maximumMemory;
    private uint _ramSize;          // by now
    private long _startTicks;
    private int _startOffset;       // minutes
    private int _serialPorts;
    private bool _a20AtReset;
    private uint _guestNumber;
    private int _format;            // of the image, plus one; 0: detected
    private int _realModeEntry;     // 0 not said, 1 protected, 2 real
    private bool _hasLoadAddress;
    private uint _loadAddress;
    private bool _hasCommandLine;
    private string _commandLine = "";
    private bool _hasImageName;
    private string _imageName = "";
    private ulong _romHash;
    private ulong _instructions;
    private ulong _clock;

    /// <summary>The CPU model's name.</summary>
    public string Cpu { get; private set; } = "";

    /// <summary>What executed the guest.</summary>
    public string Engine { get; private set; } = "";

    /// <summary>Instructions retired.</summary>
    public ulong Instructions => _instructions;

    /// <summary>Guest time, in ticks of the clock.</summary>
    public ulong Clock => _clock;

    /// <summary>Fingerprint of the ROMs: the built-in BIOS is not in the file.</summary>
    public ulong RomHash => _romHash;

    /// <summary>Bytes of RAM, with what was added since power-on.</summary>
    public uint RamSize => _ramSize;

    /// <summary>More bytes than the state can have: the chips', and every sector of every drive, written to and not kept.</summary>
    /// <remarks>A sector is 512 bytes and its number.</remarks>
    public long MostStateBytes => (long)Drives.Aggregate(64ul << 20, (most, drive) => Math.Min(most + Math.Min(2 * drive.Length, int.MaxValue), int.MaxValue));

    /// <summary>The guest's number among those of its host.</summary>
    public uint GuestNumber => _guestNumber;

    /// <summary>The drives' files.</summary>
    public List<SnapshotDrive> Drives { get; } = [];

    /// <summary>Looks at a machine.</summary>
    /// <exception cref="IOException">A drive's file cannot be read.</exception>
    public static SnapshotConfiguration Of(VirtualMachine vm, ulong romHash)
    {
        MachineConfig machine = vm.Configuration;
        LoadOptions load = vm.Options.Load;
        SnapshotConfiguration result = new()
        {
            Cpu = vm.Vcpu.Model.Name,
            Engine = vm.EngineName,
            _memorySize = machine.MemorySize,
            _maximumMemory = machine.MaximumMemory,
            _ramSize = vm.Machine.Memory.RamSize,
            _instructionsPerSecond = machine.InstructionsPerSecond,
            _startTicks = machine.StartTime.Ticks,
            _startOffset = (int)machine.StartTime.Offset.TotalMinutes,
            _serialPorts = machine.SerialPorts,
            _a20AtReset = machine.A20AtReset,
            _guestNumber = vm.GuestNumber,
            _format = load.Format is { } format ? (int)format + 1 : 0,
            _realModeEntry = load.RealModeEntry switch { null => 0, false => 1, true => 2 },
            _hasLoadAddress = load.LoadAddress is not null,
            _loadAddress = load.LoadAddress ?? 0,
            _hasCommandLine = load.CommandLine is not null,
            _commandLine = load.CommandLine ?? "",
            _hasImageName = load.ImageName is not null,
            _imageName = load.ImageName ?? "",
            _romHash = romHash,
            _instructions = vm.InstructionsRetired,
            _clock = vm.Machine.Clock.Now,
        };
        foreach (DiskConfig disk in machine.Disks)
        {
            result.Drives.Add(SnapshotDrive.Of(disk.Path, disk.Access, isDisc: false));
        }

        if (machine.CdRom is { } disc)
        {
            result.Drives.Add(SnapshotDrive.Of(disc, DiskAccess.ReadOnly, isDisc: true));
        }

        return result;
    }

    /// <summary>The hardware, without the files of BIOSes.</summary>
    /// <exception cref="ArgumentException">There is no such machine.</exception>
    public MachineConfig Machine() => new()
    {
        MemorySize = _memorySize,
        MaximumMemory = _maximumMemory,
        InstructionsPerSecond = _instructionsPerSecond,
        StartTime = new DateTimeOffset(_startTicks, TimeSpan.FromMinutes(_startOffset)),
        SerialPorts = _serialPorts,
        A20AtReset = _a20AtReset,
        Disks = [.. Drives.Where(drive => !drive.IsDisc).Select(drive => new DiskConfig(drive.Path, drive.Access))],
        CdRom = Drives.Find(drive => drive.IsDisc)?.Path,
    };

    /// <summary>How the image was loaded, without its files.</summary>
    public LoadOptions Load() => new()
    {
        Format = _format == 0 ? null : (ImageFormat)(_format - 1),
        RealModeEntry = _realModeEntry == 0 ? null : _realModeEntry == 2,
        LoadAddress = _hasLoadAddress ? _loadAddress : null,
        CommandLine = _hasCommandLine ? _commandLine : null,
        ImageName = _hasImageName ? _imageName : null,
    };

    /// <inheritdoc/>
    public void Transfer(StateTransfer state)
    {
        Cpu = state.Text(Cpu);
        Engine = state.Text(Engine);
        state.Value(ref _instructions);
        state.Value(ref _clock);
        state.Value(ref _memorySize);
        state.Value(ref _maximumMemory);
        state.Value(ref _ramSize);
        state.Require(_ramSize >= _memorySize && _ramSize <= Math.Max(_memorySize, _maximumMemory) && _ramSize % 4096 == 0, "RAM has as much as it can have");
        state.Value(ref _instructionsPerSecond);
        state.Value(ref _startTicks);
        state.Range(ref _startOffset, -14 * 60, 14 * 60);
        state.Range(ref _serialPorts, 0, 4);
        state.Value(ref _a20AtReset);
        state.Value(ref _guestNumber);
        state.Range(ref _format, 0, MostFormats);
        state.Range(ref _realModeEntry, 0, 2);
        state.Value(ref _hasLoadAddress);
        state.Value(ref _loadAddress);
        state.Value(ref _hasCommandLine);
        _commandLine = state.Text(_commandLine);
        state.Value(ref _hasImageName);
        _imageName = state.Text(_imageName);
        state.Value(ref _romHash);
        int drives = state.Count(Drives.Count, MachineConfig.AtaPlaces);
        for (int n = 0; n < drives; n++)
        {
            if (state.IsRestoring)
            {
                Drives.Add(new SnapshotDrive());
            }

            Drives[n].Transfer(state);
        }
    }

    /// <summary>The CPU model.</summary>
    /// <returns>Null where this ToyVmm has none of that name.</returns>
    public CpuModel? FindCpu() => CpuModels.Find(Cpu);
}
