using ToyVmm.Hardware.State;
using ToyVmm.VirtualMachines.Snapshots;

namespace ToyVmm.VirtualMachines.Replay;

/// <summary>The first section of a recording: what the machine was built from, and what of the host's settings changes how a guest goes.</summary>
internal sealed class RecordingInfo : ISavedState
{
    private ulong _inputs;
    private ulong _diskWriteBytes = ulong.MaxValue;
    private ulong _serialBytes = ulong.MaxValue;
    private InputMoment _start;

    /// <summary>The version of the ToyVmm that wrote it.</summary>
    public string WrittenBy { get; private set; } = SnapshotFormat.ProductVersion;

    /// <summary>What the user called the image.</summary>
    public string Title { get; private set; } = "";

    /// <summary>The machine.</summary>
    public SnapshotConfiguration Configuration { get; private set; } = new();

    /// <summary>Inputs that the machine had taken before.</summary>
    public ulong Inputs => _inputs;

    /// <summary>Where the recording begins.</summary>
    public InputMoment Start => _start;

    /// <summary>What the guest might use up.</summary>
    public ResourceLimits Limits => new() { DiskWriteBytes = _diskWriteBytes, SerialBytes = _serialBytes };

    /// <summary>Looks at a machine.</summary>
    public static RecordingInfo Of(VirtualMachine vm, string title) => new()
    {
        Title = title,
        Configuration = SnapshotConfiguration.Of(vm, SnapshotMemory.RomHash(vm.Machine.Memory)),
        _inputs = vm.InputsTaken,
        _start = vm.Now,
        _diskWriteBytes = vm.Options.Limits.DiskWriteBytes,
        _serialBytes = vm.Options.Limits.SerialBytes,
    };

    /// <inheritdoc/>
    public void Transfer(StateTransfer state)
    {
        WrittenBy = state.Text(WrittenBy);
        Title = state.Text(Title);
        state.Section("configuration"u8, 1, Configuration);
        state.Value(ref _inputs);
        _start = new InputMoment(state.Pass(_start.Instructions), state.Pass(_start.Exits), state.Pass(_start.Clock), state.Pass(_start.Events));
        state.Value(ref _diskWriteBytes);
        state.Value(ref _serialBytes);
    }
}
