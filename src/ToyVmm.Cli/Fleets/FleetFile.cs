using ToyVmm.Cli.Commands;
using ToyVmm.Cli.Guests;
using ToyVmm.Engines;
using ToyVmm.Hardware;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Loading;
using ToyVmm.VirtualMachines.Scheduling;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace ToyVmm.Cli.Fleets;

/// <summary>
/// Reads a fleet file: which guests there are, and what each may have (docs/fleet.md). Strict: what is not understood is an error, told with the
/// place and with what to write there. Paths are relative to the file's own folder.
/// </summary>
internal sealed class FleetFile
{
    private const int MostGuests = 10_000;
    private const ulong TicksPerSecond = 1_000_000_000; // of the fleet's clock

    private readonly string _path;
    private readonly string _folder;
    private readonly List<(FleetMember Member, YamlEntry Place)> _members = [];

    private FleetFile(string path)
    {
        _path = path;
        _folder = Path.GetDirectoryName(path) is { Length: > 0 } folder ? folder : ".";
    }

    /// <summary>Reads the file.</summary>
    /// <exception cref="UserErrorException">It cannot be read (66), or something in it makes no sense (65).</exception>
    public static FleetPlan Read(string path) => new FleetFile(path).Parse(System.Text.Encoding.UTF8.GetString(HostFile.ReadAll(path, "fleet file")));

    private FleetPlan Parse(string text)
    {
        YamlStream stream = [];
        try
        {
            stream.Load(new StringReader(text));
        }
        catch (YamlException e)
        {
            throw YamlEntry.At(_path, e.Start, e.InnerException?.Message ?? e.Message);
        }

        if (stream.Documents.Count != 1)
        {
            throw new UserErrorException(ExitStatus.BadImage, $"{_path}:1:1: {(stream.Documents.Count == 0 ? "there is nothing in this file" : "there is more than one document in this file")}; write guests: and a list");
        }

        YamlMap root = new YamlEntry(_path, "fleet", stream.Documents[0].RootNode).Map();
        FleetOptions options = new();
        if (root["slice"] is { } slice)
        {
            options = options with { Slice = slice.Count(1, FleetOptions.LongestSlice) };
        }

        if (root["threads"] is { } threads)
        {
            options = options with { Threads = (int)threads.Count(1, FleetArguments.MostThreads) };
        }

        if (root["account"] is { } account)
        {
            options = options with { Accounting = account.Word(("work", FleetAccounting.Work), ("instructions", FleetAccounting.Instructions), ("host-time", FleetAccounting.HostTime)) };
        }

        if (root["host-memory"] is { } hostMemory)
        {
            options = options with { HostMemory = hostMemory.Bytes(1 << 20, ulong.MaxValue) };
        }

        TimeSpan? timeout = root["timeout"]?.Duration();
        YamlEntry guests = root.Required("guests", "[{name: a, image: hello}]");
        root.Done("a fleet");
        foreach (YamlEntry guest in guests.List())
        {
            ReadGuest(guest);
        }

        if (_members.Count == 0)
        {
            throw guests.Wrong("guests: there are none; write for example - image: hello");
        }

        CheckNames();
        CheckDisks();
        return new FleetPlan { Members = [.. _members.Select(member => member.Member)], Options = options, Timeout = timeout };
    }

    private void ReadGuest(YamlEntry entry)
    {
        YamlMap map = entry.Map();
        YamlEntry imageEntry = map.Required("image", "hello");
        ImageSource image = ReadImage(imageEntry);
        string name = map["name"]?.Text("web") ?? Path.GetFileNameWithoutExtension(image.Name);
        int count = (int)(map["count"]?.Count(1, MostGuests) ?? 1);
        MachineConfig machine = new();
        if (map["memory"] is { } memory)
        {
            machine = machine with { MemorySize = (uint)memory.Bytes(1 << 20, 0xE000_0000) / 4096 * 4096 };
        }

        machine = machine with { Disks = [.. (map["disks"]?.List() ?? []).Select(ReadDisk)] };
        EngineKind engine = map["engine"] is { } engineEntry ? ReadEngine(engineEntry) : EngineKind.Auto;
        CpuModel cpu = map["cpu"] is { } cpuEntry ? ReadCpu(cpuEntry) : CpuModels.Default;
        string? append = map["append"]?.Text("\"console=ttyS0\"");
        byte[]? initrd = map["initrd"] is { } initrdEntry ? ReadBytes(initrdEntry, "initial RAM disk") : null;
        YamlEntry? serial = map["serial"];
        string where = serial?.Text("stdio") ?? "stdio";
        if (where is not ("stdio" or "none") && !(where.StartsWith("file:", StringComparison.Ordinal) && where.Length > 5))
        {
            throw serial!.Wrong($"serial: {where}: write stdio, none or file:PATH");
        }

        YamlEntry? limits = map["limits"];
        FleetMember member = new()
        {
            Name = name,
            Image = image,
            Options = new VirtualMachineOptions
            {
                Machine = machine,
                Cpu = cpu,
                Engine = engine,
                Load = new LoadOptions { CommandLine = append, ImageName = image.Name, InitialRamDisk = initrd },
            },
            Weight = (uint)(map["weight"]?.Count(1, FairQueueMember.LargestWeight) ?? 100),
            Caps = map["caps"] is { } caps ? ReadCaps(caps.Map()) : new GuestCaps(),
            Limits = limits is null ? new GuestLimits() : ReadLimits(limits.Map()),
            Restart = map["restart"] is { } restart ? ReadRestart(restart) : new RestartPolicy(),
            SuccessStatuses = map["expect-status"] is { } expected ? [.. expected.List().Select(status => (int)status.Count(0, 255))] : [0],
            Connect = [.. (map["connect"]?.List() ?? []).Select(other => other.Text("other-guest"))],
            SerialToOutput = where == "stdio",
        };
        if (limits?.Map()["memory"] is { } most)
        {
            member = member with { Options = member.Options with { Machine = member.Options.Machine with { MemoryLimit = (uint)most.Bytes(1 << 20, uint.MaxValue) / 4096 * 4096 } } };
        }

        map.Done("a guest");
        for (int n = 1; n <= count; n++)
        {
            string own = count == 1 ? name : $"{name}-{n}";
            string? file = where.StartsWith("file:", StringComparison.Ordinal) ? where[5..].Replace("{name}", own, StringComparison.Ordinal) : null;
            if (file is not null && count > 1 && !where.Contains("{name}", StringComparison.Ordinal))
            {
                throw serial!.Wrong($"serial: {where}: {count} guests cannot write to one file; write {{name}} into its name");
            }

            _members.Add((member with { Name = own, SerialFile = file is null ? null : InFolder(file) }, entry));
        }
    }

    private ImageSource ReadImage(YamlEntry entry)
    {
        string name = entry.Text("hello");
        string path = InFolder(name);
        try
        {
            return ImageSource.Open(File.Exists(path) || Directory.Exists(path) ? path : name);
        }
        catch (UserErrorException e)
        {
            throw entry.Wrong($"image: {e.Message}", e.Status);
        }
    }

    private byte[] ReadBytes(YamlEntry entry, string what)
    {
        try
        {
            return HostFile.ReadAll(InFolder(entry.Text("initrd.gz")), what);
        }
        catch (UserErrorException e)
        {
            throw entry.Wrong(e.Message, e.Status);
        }
    }

    private DiskConfig ReadDisk(YamlEntry entry)
    {
        string text;
        DiskAccess access = DiskAccess.ReadWrite;
        if (entry.Node is YamlMappingNode)
        {
            YamlMap map = entry.Map();
            text = map.Required("file", "disk.img").Text("disk.img");
            access = map["access"]?.Word(("read-write", DiskAccess.ReadWrite), ("snapshot", DiskAccess.Snapshot), ("readonly", DiskAccess.ReadOnly)) ?? access;
            map.Done("a disk");
        }
        else
        {
            text = entry.Text("disk.img,snapshot");
            (text, access) = text.EndsWith(",snapshot", StringComparison.Ordinal) ? (text[..^9], DiskAccess.Snapshot)
                : text.EndsWith(",readonly", StringComparison.Ordinal) ? (text[..^9], DiskAccess.ReadOnly)
                : (text, access);
        }

        string path = InFolder(text);
        return File.Exists(path) ? new DiskConfig(path, access) : throw entry.Wrong($"disks: there is no file {path}", ExitStatus.BadFile);
    }

    private static EngineKind ReadEngine(YamlEntry entry)
    {
        EngineKind engine = entry.Word(("auto", EngineKind.Auto), ("translator", EngineKind.Translator), ("interpreter", EngineKind.Interpreter));
        return engine == EngineKind.Translator && VirtualMachine.TranslatorUnavailable is { } reason
            ? throw entry.Wrong($"engine: translator: not on this host: {reason}; write interpreter, or auto")
            : engine;
    }

    private static CpuModel ReadCpu(YamlEntry entry)
    {
        string name = entry.Text(CpuModels.Default.Name);
        return CpuModels.Find(name) ?? throw entry.Wrong($"cpu: {name}: write {YamlEntry.Or([.. CpuModels.All.Select(model => model.Name)])}");
    }

    private static GuestCaps ReadCaps(YamlMap map)
    {
        GuestCaps caps = new()
        {
            Instructions = map["instructions"]?.Count(1) ?? ulong.MaxValue,
            Exits = map["exits"]?.Count(1) ?? ulong.MaxValue,
            Period = map["period"] is { } period ? Ticks(period, least: 1) : new GuestCaps().Period,
        };
        map.Done("caps");
        return caps;
    }

    private static GuestLimits ReadLimits(YamlMap map)
    {
        GuestLimits limits = new()
        {
            Instructions = map["instructions"]?.Count(1) ?? ulong.MaxValue,
            Exits = map["exits"]?.Count(1) ?? ulong.MaxValue,
            HostTime = map["host-time"]?.Duration() ?? TimeSpan.MaxValue,
            Resources = new ResourceLimits
            {
                DiskWriteBytes = map["disk-writes"]?.Bytes() ?? ulong.MaxValue,
                SerialBytes = map["serial"]?.Bytes() ?? ulong.MaxValue,
            },
        };
        _ = map["memory"]; // the machine's
        map.Done("limits");
        return limits;
    }

    private static RestartPolicy ReadRestart(YamlEntry entry)
    {
        (string, RestartMode)[] modes = [("never", RestartMode.Never), ("on-failure", RestartMode.OnFailure), ("always", RestartMode.Always)];
        if (entry.Node is YamlScalarNode)
        {
            return new RestartPolicy { Mode = entry.Word(modes) };
        }

        YamlMap map = entry.Map();
        RestartPolicy standard = new();
        RestartPolicy policy = new()
        {
            Mode = map.Required("mode", "on-failure").Word(modes),
            Most = (uint)(map["most"]?.Count(0, uint.MaxValue) ?? standard.Most),
            BackOff = map["back-off"] is { } pause ? Ticks(pause, least: 0) : standard.BackOff,
            LongestBackOff = map["longest-back-off"] is { } longest ? Ticks(longest, least: 0) : standard.LongestBackOff,
        };
        map.Done("restart");
        return policy;
    }

    private static ulong Ticks(YamlEntry entry, ulong least)
    {
        ulong ticks = (ulong)entry.Duration().Ticks * (TicksPerSecond / TimeSpan.TicksPerSecond);
        return ticks >= least ? ticks : throw entry.Wrong("this must be longer than nothing; write for example 10ms");
    }

    private string InFolder(string path) => Path.IsPathRooted(path) || _folder == "." ? path : Path.Combine(_folder, path);

    private void CheckNames()
    {
        HashSet<string> names = [];
        foreach ((FleetMember member, YamlEntry place) in _members)
        {
            if (!names.Add(member.Name))
            {
                throw place.Wrong($"two guests are called {member.Name}; give each a name: of its own");
            }
        }

        foreach ((FleetMember member, YamlEntry place) in _members)
        {
            if (member.Connect.FirstOrDefault(other => !names.Contains(other)) is { } missing)
            {
                throw place.Wrong($"connect: there is no guest {missing}; there are {string.Join(", ", names.Take(20))}");
            }
        }
    }

    // Two writers would ruin a disk; a writer would change it under a reader.
    private void CheckDisks()
    {
        Dictionary<string, (FleetMember Member, bool Writes)> users = [];
        foreach ((FleetMember member, YamlEntry place) in _members)
        {
            foreach (DiskConfig disk in member.Options.Machine.Disks)
            {
                bool writes = disk.Access == DiskAccess.ReadWrite;
                string path = Path.GetFullPath(disk.Path);
                if (users.TryGetValue(path, out (FleetMember Member, bool Writes) other) && (writes || other.Writes))
                {
                    throw place.Wrong($"disks: {member.Name} and {other.Member.Name} have one disk, {disk.Path}, and {(writes ? member.Name : other.Member.Name)} writes to it; write ,snapshot or ,readonly behind both");
                }

                users[path] = (member, writes || other.Writes);
            }
        }
    }
}
