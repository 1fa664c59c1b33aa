using System.Globalization;
using System.Text;
using ToyVmm.Engines;
using ToyVmm.Hardware;
using ToyVmm.Hardware.State;
using ToyVmm.VirtualMachines.Loading;
using ToyVmm.VirtualMachines.Snapshots;

namespace ToyVmm.VirtualMachines.Replay;

/// <summary>
/// A recorded run (docs/replay.md): the machine, everything that came into it, marks on the way, and the end. A machine that is made of it goes the same way again, on either engine.
/// </summary>
/// <example>
/// <code>
/// Recording recording = Recording.Open("run.toyvmrec");
/// using VirtualMachine vm = recording.CreateMachine(new VirtualMachineOptions());
/// ReplayVerdict verdict = new RecordingPlayer(recording, vm).Run();
/// </code>
/// </example>
public sealed class Recording
{
    private readonly RecordingContainer _container;
    private readonly RecordingInfo _info;
    private readonly List<RecordedFile> _files;

    private Recording(string path, RecordingContainer container, RecordingInfo info, List<RecordedFile> files, InputLog log, List<RecordingMark> marks, RecordingEnd? end, long bytes)
    {
        Path = path;
        _container = container;
        _info = info;
        _files = files;
        Log = log;
        Marks = marks;
        End = end;
        Bytes = bytes;
        Cpu = info.Configuration.FindCpu() ?? throw container.Invalid(
            $"its CPU is a \"{info.Configuration.Cpu}\", which this ToyVmm ({SnapshotFormat.ProductVersion}) has not", $"Use the one that wrote it ({info.WrittenBy}).");
        Machine = Build(() => info.Configuration.Machine());
        InputMoment last = log.Count > 0 ? log[log.Count - 1].At : info.Start;
        LastMoment = marks.Count > 0 && marks[^1].At > last ? marks[^1].At : last;
    }

    /// <summary>True for a file that begins as recordings do.</summary>
    /// <param name="path">An existing file.</param>
    public static bool IsRecording(string path)
    {
        Span<byte> start = stackalloc byte[RecordingFormat.Magic.Length];
        using FileStream file = File.OpenRead(path);
        return file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false) == start.Length && start.SequenceEqual(RecordingFormat.Magic);
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>Its size.</summary>
    public long Bytes { get; }

    /// <summary>What people called the image.</summary>
    public string Title => _info.Title;

    /// <summary>The version of the ToyVmm that wrote it.</summary>
    public string WrittenBy => _info.WrittenBy;

    /// <summary>The engine that executed the guest, for people; any may replay it.</summary>
    public string Engine => _info.Configuration.Engine;

    /// <summary>The processor.</summary>
    public CpuModel Cpu { get; }

    /// <summary>The hardware, without the files of BIOSes.</summary>
    public MachineConfig Machine { get; }

    /// <summary>The files that the machine was built from; drives, which the recording never holds, are in <see cref="Machine"/>.</summary>
    public IReadOnlyList<RecordedFile> Files => _files;

    /// <summary>Everything that came into the machine.</summary>
    public InputLog Log { get; }

    /// <summary>What a replay is compared with, in order.</summary>
    public IReadOnlyList<RecordingMark> Marks { get; }

    /// <summary>How the run ended; null where the recording is not whole, because the recording process was killed or the file was cut.</summary>
    public RecordingEnd? End { get; }

    /// <summary>Where the recording begins.</summary>
    public InputMoment Start => _info.Start;

    /// <summary>How far the recording goes.</summary>
    public InputMoment LastMoment { get; }

    /// <summary>Reads a recording and checks all of it.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="RecordingException">It is not there, no recording, damaged, cut before its first input, or newer.</exception>
    public static Recording Open(string path)
    {
        byte[] bytes;
        try
        {
            bytes = File.ReadAllBytes(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new RecordingException(RecordingProblem.Unreadable, $"cannot read the recording {path}: {HostFileReason.ToRead(e)}", e);
        }

        return Read(path, bytes);
    }

    /// <summary>Reads a recording from a buffer.</summary>
    /// <param name="path">What messages call it.</param>
    /// <param name="bytes">The file's contents.</param>
    /// <exception cref="RecordingException">It is no recording, damaged, cut before its first input, or newer.</exception>
    public static Recording Read(string path, byte[] bytes)
    {
        ArgumentNullException.ThrowIfNull(bytes);
        RecordingContainer container = new(path, bytes);
        container.ReadHeader();
        RecordingReader reader = new(container);
        reader.ReadAll();
        if (reader.Info is not { } info)
        {
            throw container.Invalid("it ends before it says which machine was recorded", "The copy is incomplete: copy it again.");
        }

        // Without all of its files the machine would be another one, and what is wrong with that would be told instead.
        return !reader.HasRun
            ? throw container.Invalid($"{container.Cut ?? "it ends"}, before anything of the run", "Copy it again, or record the run again.")
            : new Recording(path, container, info, reader.Files, reader.Log, reader.Marks, reader.End, bytes.Length);
    }

    /// <summary>Makes the machine, at the recording's start, with its replay set (<see cref="VirtualMachine.Replay"/>): it stops where the recorded one was stopped by the host.</summary>
    /// <param name="host">Engine, output, observers, logging; hardware, processor, loading and the guest's limits are the recording's.</param>
    /// <exception cref="RecordingException">A file that the recording names is missing or has changed, or the recording is not one of this ToyVmm's machines.</exception>
    /// <exception cref="PlatformNotSupportedException">The translator is asked for, and cannot run here.</exception>
    public VirtualMachine CreateMachine(VirtualMachineOptions host)
    {
        ArgumentNullException.ThrowIfNull(host);
        VirtualMachineOptions options = host with { Limits = _info.Limits };
        VirtualMachine vm = Build(() => Find(RecordedFileRole.Snapshot) is { } snapshot ? GoOn(snapshot, options) : PowerOn(options));
        if (vm.InputsTaken != _info.Inputs || vm.Now != _info.Start)
        {
            vm.Dispose();
            throw _container.Contradicts("start");
        }

        vm.Replay = new InputReplayer(Log) { End = LastMoment, StopsAtEnd = End is null or { IsByHost: true }, OffersAtEnd = End is { Stop.Kind: StopKind.InstructionLimit } };
        return vm;
    }

    /// <summary>What it is, in one sentence.</summary>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{Path} is a recording by ToyVmm {WrittenBy} of {Title}: a {Cpu} with {Machine.MemorySize >> 20} MiB, {LastMoment.Instructions - Start.Instructions} instructions, {Log.Count} inputs, {Marks.Count} marks, executed by the {Engine}.");

    private RecordedFile? Find(RecordedFileRole role) => _files.Find(file => file.Role == role);

    private ReadOnlyMemory<byte>? Contents(RecordedFileRole role) => Find(role) is { } file ? file.Read(_container) : default(ReadOnlyMemory<byte>?);

    private VirtualMachine PowerOn(VirtualMachineOptions host)
    {
        foreach (SnapshotDrive drive in _info.Configuration.Drives)
        {
            drive.Check("recording");
        }

        VirtualMachineOptions options = host with
        {
            Machine = Machine with { Bios = Contents(RecordedFileRole.Bios), VgaBios = Contents(RecordedFileRole.VgaBios), MemoryLimit = host.Machine.MemoryLimit },
            Cpu = Cpu,
            GuestNumber = _info.Configuration.GuestNumber,
            Load = _info.Configuration.Load() with
            {
                InitialRamDisk = Contents(RecordedFileRole.InitialRamDisk),
                Modules = [.. _files.Where(file => file.Role == RecordedFileRole.Module).Select(file => new BootModule(file.Name, file.Read(_container)))],
            },
        };
        options.Machine.Validate();
        VirtualMachine vm = Contents(RecordedFileRole.Image) is { } image ? VirtualMachine.Create(image, options) : VirtualMachine.CreateFromDrives(options);
        if (SnapshotMemory.RomHash(vm.Machine.Memory) != _info.Configuration.RomHash)
        {
            vm.Dispose();
            throw _container.Invalid($"its machine has another built-in BIOS than this ToyVmm ({SnapshotFormat.ProductVersion})", $"Use the one that wrote it ({WrittenBy}).");
        }

        return vm;
    }

    private VirtualMachine GoOn(RecordedFile snapshot, VirtualMachineOptions host)
    {
        using MemoryStream stream = new(snapshot.Read(_container));
        return SnapshotFile.Read(snapshot.IsInside ? $"in {Path}" : snapshot.Path, stream).CreateMachine(host);
    }

    private T Build<T>(Func<T> make)
    {
        try
        {
            return make();
        }
        catch (Exception e)
        {
            throw e switch
            {
                SnapshotException snapshot => new RecordingException(
                    snapshot.Problem switch { SnapshotProblem.Unreadable => RecordingProblem.Unreadable, SnapshotProblem.DriveChanged => RecordingProblem.Changed, _ => RecordingProblem.Invalid },
                    snapshot.Message,
                    e),
                InvalidImageException => _container.Invalid($"the image in it does not load: {e.Message}", "Use the ToyVmm that wrote it."),
                DriveException drive => new RecordingException(RecordingProblem.Unreadable, $"cannot use the disk {drive.Path}: {drive.Message}", e),
                ArgumentException => _container.Contradicts($"configuration ({e.Message})"),
                _ => e,
            };
        }
    }
}
