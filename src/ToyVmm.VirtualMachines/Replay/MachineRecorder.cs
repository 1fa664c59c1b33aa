using System.Diagnostics;
using System.IO.Hashing;
using System.Text;
using ToyVmm.Hardware;
using ToyVmm.Hardware.State;
using ToyVmm.VirtualMachines.Loading;
using ToyVmm.VirtualMachines.Snapshots;

namespace ToyVmm.VirtualMachines.Replay;

/// <summary>
/// Records a machine's run to a file: what it was built from, everything that comes from outside, and marks to compare a replay with. The file grows as the run goes on, so that
/// one whose writer was killed replays to its last whole section.
/// </summary>
/// <example>
/// <code>
/// using VirtualMachine vm = VirtualMachine.Create(image, options);
/// using MachineRecorder recorder = MachineRecorder.Start(vm, "run.toyvmrec");
/// StopReason stop = recorder.Run(new RunLimits());        // instead of vm.Run
/// recorder.Finish(stop, stop.ExitStatus);
/// </code>
/// </example>
public sealed class MachineRecorder : IDisposable
{
    private const ulong FirstMark = 10_000;
    private const ulong MemoryFactor = 8;       // instructions for a byte of RAM
    private const int MostEventBytes = 4096;
    private static readonly TimeSpan s_flush = TimeSpan.FromSeconds(1);

    private readonly VirtualMachine _vm;
    private readonly Stream _file;
    private readonly RecordingOptions _options;
    private readonly XxHash3 _whole = new();
    private readonly List<byte> _events = [];
    private readonly Stopwatch _sinceFlush = Stopwatch.StartNew();
    private readonly ulong _start;
    private InputMoment _before;
    private int _eventCount;
    private ulong _nextMark;
    private ulong _nextMemory;
    private bool _isFinished;

    private MachineRecorder(VirtualMachine vm, Stream file, RecordingOptions options)
    {
        _vm = vm;
        _file = file;
        _options = options;
        _before = vm.Now;
        _start = vm.InstructionsRetired;
        _nextMark = _start + FirstMark;
        _nextMemory = Saturate(_start, MemoryDistance);
    }

    /// <summary>What went wrong with the file; null while nothing has. The run then ends with <see cref="StopKind.HostFailure"/>.</summary>
    public IOException? Failure { get; private set; }

    /// <summary>Bytes written so far.</summary>
    public long Bytes { get; private set; }

    /// <summary>Begins a recording to a file, which is replaced if it is there.</summary>
    /// <param name="vm">The machine, not running: at power-on, or anywhere in its life.</param>
    /// <param name="path">The file.</param>
    /// <param name="options">How; null for the defaults.</param>
    /// <exception cref="RecordingException">The file cannot be written, or the machine cannot be recorded.</exception>
    public static MachineRecorder Start(VirtualMachine vm, string path, RecordingOptions? options = null)
    {
        RequireRecordable(vm);
        FileStream file;
        try
        {
            file = new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.Read, 1);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new RecordingException(RecordingProblem.Unreadable, $"cannot write the recording {path}: {(Directory.Exists(path) ? "it is a directory" : HostFileReason.ToWrite(e))}", e);
        }

        try
        {
            return Start(vm, file, options);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Begins a recording to a stream.</summary>
    /// <param name="vm">The machine, not running.</param>
    /// <param name="file">An empty stream, which the recorder owns from now on.</param>
    /// <param name="options">How; null for the defaults.</param>
    /// <exception cref="RecordingException">The stream cannot be written, or the machine cannot be recorded.</exception>
    public static MachineRecorder Start(VirtualMachine vm, Stream file, RecordingOptions? options = null)
    {
        RequireRecordable(vm);
        ArgumentNullException.ThrowIfNull(file);
        MachineRecorder recorder = new(vm, file, options ?? new RecordingOptions());
        recorder.WriteMachine();
        if (recorder.Failure is { } failure)
        {
            throw new RecordingException(RecordingProblem.Unreadable, $"cannot write the recording: {failure.Message}", failure);
        }

        vm.Input.Recorder += recorder.Record;
        return recorder;
    }

    /// <summary>Runs the machine as <see cref="VirtualMachine.Run"/> does, and marks the way.</summary>
    /// <param name="limits">When to stop; null for never.</param>
    public StopReason Run(RunLimits? limits = null)
    {
        limits ??= RunLimits.None;
        ulong end = Saturate(_vm.InstructionsRetired, limits.MaxInstructions);
        ulong lastExit = Saturate(_vm.ExitsHandled, limits.MaxExits);
        long started = Stopwatch.GetTimestamp();
        for (; ; )
        {
            ulong now = _vm.InstructionsRetired;
            StopReason stop = _vm.Run(limits with
            {
                MaxInstructions = Math.Min(_nextMark, end) - now,
                MaxExits = lastExit == ulong.MaxValue ? lastExit : lastExit - _vm.ExitsHandled,
                Timeout = limits.Timeout < TimeSpan.Zero ? limits.Timeout : limits.Timeout - Stopwatch.GetElapsedTime(started) is var left && left > TimeSpan.Zero ? left : TimeSpan.Zero,
            });
            if (stop.Kind == StopKind.InstructionLimit && _vm.InstructionsRetired >= _nextMark)
            {
                Mark();
            }

            if (stop.Kind != StopKind.InstructionLimit || _vm.InstructionsRetired >= end)
            {
                return stop.Kind == StopKind.InstructionLimit
                    ? stop with { Detail = $"the limit of {limits.MaxInstructions} instructions is reached" }
                    : stop.Kind == StopKind.TimeLimit ? stop with { Detail = $"the limit of {limits.Timeout.TotalSeconds:0.###} s of host time is reached" }
                    : stop.Kind == StopKind.ExitLimit ? stop with { Detail = $"the limit of {limits.MaxExits} exits is reached" } : stop;
            }
        }
    }

    /// <summary>Writes the end. A recording without one replays as far as it goes, and says that it is not whole.</summary>
    /// <param name="stop">How the run ended.</param>
    /// <param name="exitStatus">The exit status of the process, 0 to 255.</param>
    public void Finish(StopReason stop, int exitStatus)
    {
        ArgumentNullException.ThrowIfNull(stop);
        if (_isFinished)
        {
            return;
        }

        _isFinished = true;
        _vm.Input.Recorder -= Record;
        WriteMark(_vm.Vcpu.IsInsideString ? null : MachineFingerprint.Of(_vm, withMemory: true));
        List<byte> end = [];
        InputCodec.Write(end, (ulong)stop.Kind);
        InputCodec.Write(end, stop.Code);
        InputCodec.Write(end, (ulong)(byte)exitStatus);
        end.AddRange(Encoding.UTF8.GetBytes(stop.Detail));
        Write(RecordingFormat.End, [.. end]);
    }

    /// <inheritdoc/>
    /// <remarks>Without <see cref="Finish"/> the recording stays without an end.</remarks>
    public void Dispose()
    {
        _vm.Input.Recorder -= Record;
        if (!_isFinished)
        {
            WriteEvents();
        }

        _file.Dispose();
    }

    // The contents of a drive that is written to are gone when the run is over, and a page of two guests is changed by the other one.
    private static void RequireRecordable(VirtualMachine vm)
    {
        ArgumentNullException.ThrowIfNull(vm);
        if (vm.Configuration.Disks.FirstOrDefault(disk => disk.Access == DiskAccess.ReadWrite) is { } disk)
        {
            throw new RecordingException(
                RecordingProblem.NotRecordable, $"the guest can write to the disk {disk.Path}, and a replay needs it as it is now: add ,snapshot to have the writes forgotten at the end, or ,readonly");
        }

        // Each instruction that should have trapped, and did not, would go another way under a monitor that is right.
        if (vm.Naive is not null)
        {
            throw new RecordingException(RecordingProblem.NotRecordable, "the naive engine is wrong on purpose, and no other engine goes its way again: record the run with another --engine");
        }

        if (vm.Machine.Memory.SharesPages || vm.Options.Network is not null)
        {
            throw new RecordingException(RecordingProblem.NotRecordable, "the guest has to do with other guests: only a guest that is alone can be recorded");
        }
    }

    private void WriteMachine()
    {
        byte[] header = RecordingFormat.Header();
        _whole.Append(header);
        Put(header);
        RecordingInfo info;
        try
        {
            info = RecordingInfo.Of(_vm, _options.Title);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or SnapshotException)
        {
            throw new RecordingException(RecordingProblem.Unreadable, e.Message, e);
        }

        StateTransfer state = StateTransfer.ForSaving();
        info.Transfer(state);
        Write(RecordingFormat.Info, state.Saved);
        VirtualMachineOptions options = _vm.Options;
        if (_vm.Now != default || _vm.InputsTaken != 0)
        {
            WriteSnapshot();
            return;
        }

        WriteFile(RecordedFileRole.Image, "", _vm.ImageFile.IsEmpty ? null : _vm.ImageFile, _options.ImagePath);
        WriteFile(RecordedFileRole.Bios, "", options.Machine.Bios, null);
        WriteFile(RecordedFileRole.VgaBios, "", options.Machine.VgaBios, null);
        WriteFile(RecordedFileRole.InitialRamDisk, "", options.Load.InitialRamDisk, _options.InitialRamDiskPath);
        foreach (BootModule module in options.Load.Modules)
        {
            WriteFile(RecordedFileRole.Module, module.CommandLine, module.Data, null);
        }
    }

    // A machine in the middle of its life: the snapshot that it was made from, or one that is taken now.
    private void WriteSnapshot()
    {
        try
        {
            byte[] bytes;
            if (_options.SnapshotPath is { } path)
            {
                bytes = File.ReadAllBytes(path);
            }
            else
            {
                using MemoryStream stream = new();
                SnapshotFile.WriteTo(_vm, stream);
                bytes = stream.ToArray();
            }

            WriteFile(RecordedFileRole.Snapshot, "", bytes, _options.SnapshotPath);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or SnapshotException)
        {
            throw new RecordingException(RecordingProblem.Unreadable, $"cannot put the snapshot into the recording: {e.Message}", e);
        }
    }

    private void WriteFile(RecordedFileRole role, string name, ReadOnlyMemory<byte>? bytes, string? path)
    {
        if (bytes is { } content)
        {
            StateTransfer state = StateTransfer.ForSaving();
            ((ISavedState)RecordedFile.Of(role, name, content, path, _options.MostBytesInside)).Transfer(state);
            Write(RecordingFormat.File, state.Saved);
        }
    }

    private void Record(StampedInput input)
    {
        InputCodec.Write(_events, input, ref _before);
        _eventCount++;
        if (_events.Count >= MostEventBytes || _sinceFlush.Elapsed > s_flush)
        {
            WriteEvents();
        }
    }

    private void WriteEvents()
    {
        if (_events.Count > 0)
        {
            Write(RecordingFormat.Events, [.. _events]);
            _events.Clear();
        }

        _sinceFlush.Restart();
    }

    // RAM is hashed the more seldom, the larger it is: it always costs about the same share of the run, some percent.
    private ulong MemoryDistance => Math.Max(_options.MarkDistance, MemoryFactor * _vm.Machine.Memory.RamSize);

    // Early marks lie close together, so that a short run has some.
    private void Mark()
    {
        ulong now = _vm.InstructionsRetired;
        bool withMemory = now >= _nextMemory;
        WriteMark(_vm.Vcpu.IsInsideString ? null : MachineFingerprint.Of(_vm, withMemory));
        ulong gone = now - _start;
        _nextMark = Saturate(now, Math.Max(1, Math.Min(gone, _options.MarkDistance)));
        if (withMemory)
        {
            _nextMemory = Saturate(now, MemoryDistance);
        }
    }

    private void WriteMark(MachineFingerprint? fingerprint)
    {
        WriteEvents();
        List<byte> mark = [];
        InputCodec.Write(mark, (ulong)_eventCount);
        InputCodec.Write(mark, _vm.Now, ref _before);
        InputCodec.Write(mark, _vm.Cpu.Eip);
        mark.Add(fingerprint is null ? (byte)0 : fingerprint.Value.Memory is null ? (byte)1 : (byte)2);
        if (fingerprint is { } hashes)
        {
            mark.AddRange(BitConverter.GetBytes(hashes.Cpu));
            mark.AddRange(BitConverter.GetBytes(hashes.Devices));
            mark.AddRange(hashes.Memory is { } memory ? BitConverter.GetBytes(memory) : []);
        }

        Write(RecordingFormat.Mark, [.. mark]);
    }

    private void Write(string tag, ReadOnlySpan<byte> payload) => Put(RecordingFormat.Section(tag, payload, _whole));

    // Nobody must think that a run is recorded which is not: the guest stops.
    private void Put(byte[] bytes)
    {
        if (Failure is not null)
        {
            return;
        }

        try
        {
            _file.Write(bytes);
            _file.Flush();
            Bytes += bytes.Length;
        }
        catch (IOException e)
        {
            Failure = e;
            _vm.EndWith(new StopReason(StopKind.HostFailure, 0, $"the recording cannot be written: {e.Message}"));
        }
    }

    private static ulong Saturate(ulong start, ulong more) => more > ulong.MaxValue - start ? ulong.MaxValue : start + more;
}
