using System.Globalization;
using System.Text;
using ToyVmm.Engines;
using ToyVmm.Hardware;
using ToyVmm.Hardware.Memory;
using ToyVmm.Hardware.State;
using ToyVmm.VirtualMachines.Loading;

namespace ToyVmm.VirtualMachines.Snapshots;

/// <summary>
/// A stopped machine in a file (docs/snapshots.md): everything but the contents of its drives' files. A machine that is made of it goes on exactly as
/// the one that was saved - the same instructions, the same output, at the same guest time - on either engine.
/// </summary>
/// <example>
/// <code>
/// SnapshotFile.Write(vm, "booted.toyvmm");
/// using VirtualMachine again = SnapshotFile.Open("booted.toyvmm").CreateMachine(new VirtualMachineOptions());
/// StopReason why = again.Run();
/// </code>
/// </example>
public sealed class SnapshotFile
{
    private const long MostBiosBytes = 16 << 20;    // as MachineConfig allows

    private readonly SnapshotReader _reader;
    private readonly SnapshotConfiguration _configuration;
    private readonly byte[] _state;
    private readonly List<byte[]> _pages;
    private readonly byte[]? _image;

    private SnapshotFile(string path, SnapshotReader reader, SnapshotConfiguration configuration, byte[] state, List<byte[]> pages, Dictionary<Role, List<(string Name, byte[] Bytes)>> files)
    {
        Path = path;
        _reader = reader;
        _configuration = configuration;
        _state = state;
        _pages = pages;
        _image = Only(files, Role.Image);
        Cpu = configuration.FindCpu() ?? throw Unusable($"its CPU is a \"{configuration.Cpu}\", which this ToyVmm ({SnapshotFormat.ProductVersion}) has not. Use the one that wrote it ({reader.WrittenBy}).");
        try
        {
            Machine = configuration.Machine() with { Bios = Memory(Only(files, Role.Bios)), VgaBios = Memory(Only(files, Role.VgaBios)) };
        }
        catch (ArgumentException e)
        {
            throw reader.Contradicts($"configuration ({e.Message})");
        }

        Load = configuration.Load() with
        {
            InitialRamDisk = Memory(Only(files, Role.InitialRamDisk)),
            Modules = [.. files.GetValueOrDefault(Role.Module, []).Select(file => new BootModule(file.Name, file.Bytes))],
        };
    }

    private enum Role : byte
    {
        Image,
        Bios,
        VgaBios,
        InitialRamDisk,
        Module,
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>The version of the ToyVmm that wrote it.</summary>
    public string WrittenBy => _reader.WrittenBy;

    /// <summary>The hardware of the machine.</summary>
    public MachineConfig Machine { get; }

    /// <summary>Its processor.</summary>
    public CpuModel Cpu { get; }

    /// <summary>How its image was loaded: a reset loads it again.</summary>
    public LoadOptions Load { get; }

    /// <summary>The engine that executed it, for people; any may go on.</summary>
    public string Engine => _configuration.Engine;

    /// <summary>Instructions that it had retired.</summary>
    public ulong Instructions => _configuration.Instructions;

    /// <summary>Guest time that had passed, in seconds.</summary>
    public double GuestSeconds => _configuration.Clock / (double)Machine.InstructionsPerSecond;

    /// <summary>What it is, in one sentence.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"{Path} is a snapshot by ToyVmm {WrittenBy}: a {Cpu} with {Machine.MemorySize >> 20} MiB, {Instructions} instructions and {GuestSeconds:0.######} s after power-on, executed by the {Engine}.");

    /// <summary>Writes a machine to a file. A file of that name is replaced, when and only when the new one is complete.</summary>
    /// <param name="vm">The machine, not running.</param>
    /// <param name="path">The file.</param>
    /// <exception cref="SnapshotException">The file, or that of a drive, cannot be written or read; or the guest shares pages with another one.</exception>
    public static void Write(VirtualMachine vm, string path)
    {
        ArgumentNullException.ThrowIfNull(vm);
        string temporary = $"{path}.{Environment.ProcessId}.tmp";
        bool made = false;
        try
        {
            using (FileStream file = new(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1 << 16))
            {
                made = true;
                WriteTo(vm, file);
                file.Flush(flushToDisk: true);
            }

            File.Move(temporary, path, overwrite: true);
            made = false;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new SnapshotException(SnapshotProblem.Unreadable, $"cannot write the snapshot {path}: {e.Message}", e);
        }
        finally
        {
            if (made)
            {
                File.Delete(temporary);
            }
        }
    }

    /// <summary>Writes a machine to a stream.</summary>
    /// <param name="vm">The machine, not running.</param>
    /// <param name="stream">An empty stream that can be sought.</param>
    /// <exception cref="SnapshotException">The guest shares pages with another one, or a drive is no regular file.</exception>
    public static void WriteTo(VirtualMachine vm, Stream stream)
    {
        ArgumentNullException.ThrowIfNull(vm);

        // As GuestMemory.Freeze: the machine that goes on would have a copy that nobody else writes to, and would not notice.
        if (vm.Machine.Memory.SharesPages)
        {
            throw new SnapshotException(SnapshotProblem.SharedPages, "the guest shares pages of memory with another guest: a snapshot of it alone would go on without the other. Take it before the pages are shared, or after both sides have withdrawn them.");
        }

        vm.FlushDrives();
        SnapshotWriter writer = new(stream);
        StateTransfer configuration = StateTransfer.ForSaving();
        SnapshotConfiguration.Of(vm, SnapshotMemory.RomHash(vm.Machine.Memory)).Transfer(configuration);
        writer.Write(SnapshotFormat.Configuration, configuration.Saved);
        VirtualMachineOptions options = vm.Options;
        WriteFile(writer, Role.Image, "", vm.ImageFile.IsEmpty ? default(ReadOnlyMemory<byte>?) : vm.ImageFile);
        WriteFile(writer, Role.Bios, "", options.Machine.Bios);
        WriteFile(writer, Role.VgaBios, "", options.Machine.VgaBios);
        WriteFile(writer, Role.InitialRamDisk, "", options.Load.InitialRamDisk);
        foreach (BootModule module in options.Load.Modules)
        {
            WriteFile(writer, Role.Module, module.CommandLine, module.Data);
        }

        writer.Write(SnapshotFormat.State, SnapshotWriter.Compress(vm.SaveState()));
        SnapshotMemory.Write(vm.Machine.Memory, writer);
        writer.End();
    }

    /// <summary>Reads a snapshot and checks all of it.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="SnapshotException">It is not there, no snapshot, damaged, incomplete or newer.</exception>
    public static SnapshotFile Open(string path)
    {
        try
        {
            using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16, FileOptions.SequentialScan);
            return Read(path, file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            string reason = e is FileNotFoundException or DirectoryNotFoundException ? "there is no such file" : e.Message;
            throw new SnapshotException(SnapshotProblem.Unreadable, $"cannot read the snapshot {path}: {reason}", e);
        }
    }

    /// <summary>Reads a snapshot from a stream.</summary>
    /// <param name="path">What messages call it.</param>
    /// <param name="stream">The stream, at its start.</param>
    /// <exception cref="SnapshotException">It is no snapshot, damaged, incomplete or newer.</exception>
    public static SnapshotFile Read(string path, Stream stream)
    {
        SnapshotReader reader = new(path, stream);
        SnapshotConfiguration? configuration = null;
        byte[]? state = null;
        List<byte[]> pages = [];
        Dictionary<Role, List<(string Name, byte[] Bytes)>> files = [];
        while (reader.Next() is var (tag, payload))
        {
            switch (tag)
            {
                case SnapshotFormat.Configuration when configuration is null:
                    configuration = new SnapshotConfiguration();
                    StateTransfer transfer = StateTransfer.ForRestoring(payload);
                    configuration.Transfer(transfer);
                    transfer.Require(transfer.Left == 0, "nothing follows the configuration");
                    if (transfer.Error is { } error)
                    {
                        throw reader.Contradicts($"configuration ({error})");
                    }

                    break;
                case SnapshotFormat.State when state is null && configuration is not null:
                    state = reader.Expand(payload, configuration.MostStateBytes, "state");
                    break;
                case SnapshotFormat.Pages:
                    pages.Add(payload);
                    break;
                case SnapshotFormat.File when configuration is not null:
                    ReadFile(reader, payload, configuration, files);
                    break;
                default:
                    throw reader.Contradicts($"section {tag}");
            }
        }

        return configuration is null || state is null
            ? throw reader.Contradicts("list of sections")
            : new SnapshotFile(path, reader, configuration, state, pages, files);
    }

    /// <summary>Makes the machine that goes on from here.</summary>
    /// <param name="host">Engine, output, pace, observers, logging; hardware, processor and loading are the snapshot's.</param>
    /// <exception cref="SnapshotException">A drive's file is missing or has changed, or the state is not one of this ToyVmm's machines.</exception>
    /// <exception cref="PlatformNotSupportedException">The translator is asked for, and cannot run here.</exception>
    public VirtualMachine CreateMachine(VirtualMachineOptions host)
    {
        ArgumentNullException.ThrowIfNull(host);
        foreach (SnapshotDrive drive in _configuration.Drives)
        {
            drive.Check();
        }

        // The limit of host memory is the host's, and holds for what the machine has when it goes on: not for what its image took that it has given away
        // since. Until then pages are counted, and none refused.
        uint? limit = host.Machine.MemoryLimit;
        MachineConfig machine = Machine with { MemoryLimit = limit is null ? null : uint.MaxValue };
        VirtualMachineOptions options = host with { Machine = machine, Cpu = Cpu, Load = Load, GuestNumber = _configuration.GuestNumber };
        VirtualMachine? vm = null;
        try
        {
            vm = _image is not null ? VirtualMachine.Create(_image, options) : VirtualMachine.CreateFromDrives(options);
            if (SnapshotMemory.RomHash(vm.Machine.Memory) != _configuration.RomHash)
            {
                throw Unusable($"its machine has another built-in BIOS than this ToyVmm ({SnapshotFormat.ProductVersion}). Use the one that wrote it ({WrittenBy}).");
            }

            vm.Machine.Memory.Grow(_configuration.RamSize - vm.Machine.Memory.RamSize);
            SnapshotMemory.Read(vm.Machine.Memory, _pages, _reader);
            vm.RestoreState(_state);
            if (limit is { } most)
            {
                Limit(vm, most);
            }

            return vm;
        }
        catch (Exception e)
        {
            vm?.Dispose();
            throw e switch
            {
                InvalidStateException => Unusable($"{e.Message}. It was written by ToyVmm {WrittenBy}; this is {SnapshotFormat.ProductVersion}."),
                InvalidImageException => Unusable($"the image in it does not load: {e.Message}"),
                ArgumentException => _reader.Contradicts($"configuration ({e.Message})"),
                DriveException drive => new SnapshotException(SnapshotProblem.Unreadable, $"cannot use the disk {drive.Path}: {drive.Message}", e),
                _ => e,
            };
        }
    }

    // A machine that is over its limit ends before its next instruction, as one that gets there while it runs.
    private static void Limit(VirtualMachine vm, uint most)
    {
        GuestMemory memory = vm.Machine.Memory;
        if (memory.PageLimit is null)
        {
            return;     // RAM is private to the process: nothing is counted here, nor for a machine that starts
        }

        memory.PageLimit = most / GuestPhysicalAddress.PageSize;
        if (memory.OwnedPages > memory.PageLimit)
        {
            vm.EndWith(new StopReason(StopKind.MemoryLimit, 0, $"the guest goes on with {(ulong)memory.OwnedPages * 4} KiB, more than the {most >> 10} KiB of host memory that it may have"));
        }
    }

    private static ReadOnlyMemory<byte>? Memory(byte[]? bytes) => bytes is null ? default(ReadOnlyMemory<byte>?) : bytes;

    private static byte[]? Only(Dictionary<Role, List<(string Name, byte[] Bytes)>> files, Role role) => files.TryGetValue(role, out List<(string Name, byte[] Bytes)>? found) ? found[0].Bytes : null;

    private static void WriteFile(SnapshotWriter writer, Role role, string name, ReadOnlyMemory<byte>? bytes)
    {
        if (bytes is { } content)
        {
            byte[] text = Encoding.UTF8.GetBytes(name);
            writer.Write(SnapshotFormat.File, [(byte)role, .. BitConverter.GetBytes(text.Length), .. text, .. SnapshotWriter.Compress(content.Span)]);
        }
    }

    private static void ReadFile(SnapshotReader reader, byte[] payload, SnapshotConfiguration configuration, Dictionary<Role, List<(string Name, byte[] Bytes)>> files)
    {
        const int Head = 1 + sizeof(int);
        int length = payload.Length < Head ? -1 : BitConverter.ToInt32(payload, 1);
        if (length < 0 || length > payload.Length - Head || payload[0] > (byte)Role.Module)
        {
            throw reader.Contradicts("list of files");
        }

        Role role = (Role)payload[0];
        if (!files.TryGetValue(role, out List<(string Name, byte[] Bytes)>? same))
        {
            files[role] = same = [];
        }

        // What is loaded beside a kernel lies in RAM; an image may be a disk, or have symbols, and be larger than RAM.
        long most = role switch
        {
            Role.Bios or Role.VgaBios => MostBiosBytes,
            Role.Image => Array.MaxLength,
            _ => configuration.RamSize,
        };
        same.Add((Encoding.UTF8.GetString(payload, Head, length), reader.Expand(payload.AsSpan(Head + length), most, "list of files")));
    }

    private SnapshotException Unusable(string what) => new(SnapshotProblem.Invalid, $"the snapshot {Path} cannot be used: {what}");
}
