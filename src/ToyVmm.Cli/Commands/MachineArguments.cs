using System.CommandLine;
using ToyVmm.Cli.Guests;
using ToyVmm.Engines;
using ToyVmm.Hardware;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Loading;

namespace ToyVmm.Cli.Commands;

/// <summary>The arguments that say which machine to build and what to load: the same for every command that takes an image.</summary>
internal sealed class MachineArguments
{
    private const string ImageHelp = "A guest image (raw binary, boot sector or disk, Multiboot, ELF, Linux bzImage), an assembly source (.asm), or the name of a built-in guest. Without one the BIOS boots a --disk, or with --bios also a --cdrom.";

    // One or the other is there.
    private readonly Argument<string> _image = new("image") { Description = ImageHelp, Arity = ArgumentArity.ZeroOrOne };
    private readonly Argument<string[]> _images = new("image") { Description = ImageHelp + " Several images are several guests, which share the host.", Arity = ArgumentArity.ZeroOrMore };
    private readonly bool _several;

    private readonly Option<string> _memoryMax = new("--memory-max") { HelpName = "SIZE", Description = "What RAM may grow to while the guest runs (memory-add at the monitor prompt)." };
    private readonly Option<string> _memory = new("--memory", "-m") { HelpName = "SIZE", Description = "The guest's RAM, for example 64M (the default) or 1G." };

    private readonly Option<string> _cpu = new("--cpu")
    {
        HelpName = "MODEL",
        Description = "Which processor the guest finds: " + string.Join(", ", CpuModels.All.Select(model => model.Name)) + " (the default: everything there is). What a model lacks is #UD, as on the chip.",
    };

    private readonly Option<string> _append = new("--append") { HelpName = "CMDLINE", Description = "The kernel's command line (Multiboot, Linux)." };
    private readonly Option<string> _initrd = new("--initrd") { HelpName = "FILE", Description = "The initial RAM disk (Linux); for Multiboot the first module." };

    private readonly Option<string[]> _module = new("--module")
    {
        HelpName = "FILE[ ARGS]",
        Description = "A Multiboot module, with its command line behind a space; may be repeated.",
        Arity = ArgumentArity.OneOrMore,
        AllowMultipleArgumentsPerToken = false,
    };

    private readonly Option<string[]> _disk = new("--disk")
    {
        HelpName = "FILE[,snapshot|readonly]",
        Description = "A hard disk (raw image file) on the ATA channels; up to four. snapshot: writes are forgotten at the end; readonly: they fail.",
        Arity = ArgumentArity.OneOrMore,
        AllowMultipleArgumentsPerToken = false,
    };

    private readonly Option<string> _cdrom = new("--cdrom") { HelpName = "FILE", Description = "A CD-ROM drive with this disc (an ISO image)." };
    private readonly Option<string> _bios = new("--bios") { HelpName = "FILE", Description = "A BIOS image instead of the built-in one, for example SeaBIOS's bios.bin." };
    private readonly Option<string> _vgaBios = new("--vga-bios") { HelpName = "FILE", Description = "The video BIOS that --bios runs for its screen, for example Debian's /usr/share/vgabios/vgabios.bin." };
    private readonly Option<string> _format = new("--format") { HelpName = "FORMAT", Description = "What the image is, when detection should not decide: raw, boot-sector, multiboot, elf, linux." };
    private readonly Option<string> _entry = new("--entry") { HelpName = "MODE", Description = "How a raw image is entered: real (16-bit, the default) or protected (flat 32-bit)." };
    private readonly Option<string> _loadAddress = new("--load-address") { HelpName = "ADDR", Description = "Where a raw image goes, for example 0x100000; the default is 0x7C00." };
    private readonly Option<string> _from = new("--from") { HelpName = "FILE", Description = "Go on from a snapshot (toyvmm snapshot) instead of starting: no image is named then, and the machine is the snapshot's." };
    private readonly Option<string> _startTime = new("--start-time") { HelpName = "TIME", Description = "What the guest's clock shows at power-on: an ISO 8601 time, or 'now'. The default is a fixed moment, so that runs repeat." };

    /// <summary>Makes the arguments.</summary>
    /// <param name="several">True where several images can be named, each of which is a guest.</param>
    public MachineArguments(bool several = false)
    {
        _several = several;
        _images.Validators.Add(static result =>
        {
            // Any number of images also takes what was meant to be an option.
            foreach (System.CommandLine.Parsing.Token token in result.Tokens.Where(token => token.Value.StartsWith('-') && token.Value.Length > 1))
            {
                result.AddError($"there is no option {token.Value}; a file of that name is ./{token.Value}");
            }
        });
        _ = _cpu.AcceptOnlyFromAmong([.. CpuModels.All.Select(model => model.Name)]);
        _ = _format.AcceptOnlyFromAmong("raw", "boot-sector", "multiboot", "elf", "linux");
        _ = _entry.AcceptOnlyFromAmong("real", "protected");
    }

    /// <summary>Adds the arguments to a command.</summary>
    public void AddTo(Command command)
    {
        command.Arguments.Add(_several ? _images : _image);
        foreach (Option option in (ReadOnlySpan<Option>)[_memory, _memoryMax, _cpu, _append, _initrd, _module, _disk, _cdrom, _bios, _vgaBios, _format, _entry, _loadAddress, _startTime, _from])
        {
            command.Options.Add(option);
        }
    }

    /// <summary>Makes sure that nothing is said about an image or a machine.</summary>
    /// <exception cref="UserErrorException">Something is.</exception>
    public void Refuse(ParseResult parsed, string why)
    {
        RefuseOptions(parsed, why);
        if (Images(parsed) is [string image, ..])
        {
            throw UserErrorException.Usage($"{image} {why}");
        }
    }

    /// <summary>Makes sure that nothing is said about a machine but which image it runs.</summary>
    /// <exception cref="UserErrorException">Something is.</exception>
    public void RefuseOptions(ParseResult parsed, string why)
    {
        foreach (Option option in (ReadOnlySpan<Option>)[_memory, _memoryMax, _cpu, _append, _initrd, _module, _disk, _cdrom, _bios, _vgaBios, _format, _entry, _loadAddress, _startTime, _from])
        {
            if (parsed.GetResult(option) is { Implicit: false })
            {
                throw UserErrorException.Usage($"{option.Name} {why}");
            }
        }
    }

    /// <summary>True where an image or a drive is named.</summary>
    public bool NamesImage(ParseResult parsed) =>
        Images(parsed).Count > 0 || parsed.GetValue(_from) is not null || parsed.GetValue(_cdrom) is not null || parsed.GetValue(_disk) is { Length: > 0 };

    /// <summary>The file of the initial RAM disk; null for none.</summary>
    public string? InitialRamDisk(ParseResult parsed) => parsed.GetValue(_initrd);

    /// <summary>The image and the machine's options as they were given, each with a space before it: for a command line that builds the same machine.</summary>
    public string Repeat(ParseResult parsed)
    {
        IEnumerable<string> words = Images(parsed);
        foreach (Option option in (ReadOnlySpan<Option>)[_memory, _memoryMax, _cpu, _append, _initrd, _module, _disk, _cdrom, _bios, _vgaBios, _format, _entry, _loadAddress, _startTime, _from])
        {
            if (parsed.GetResult(option) is { Implicit: false } result)
            {
                words = words.Concat(result.Tokens.SelectMany(token => (string[])[option.Name, token.Value]));
            }
        }

        return string.Concat(words.Select(word => " " + (word.Length > 0 && word.All(c => char.IsAsciiLetterOrDigit(c) || "-_./,:=+@%".Contains(c, StringComparison.Ordinal)) ? word : $"'{word.Replace("'", "'\\''", StringComparison.Ordinal)}'")));
    }

    /// <summary>The images that are named.</summary>
    public IReadOnlyList<string> Images(ParseResult parsed) => _several ? parsed.GetValue(_images) ?? [] : parsed.GetValue(_image) is { } image ? [image] : [];

    /// <summary>Why what is said about the machine cannot be about several guests; null where it can.</summary>
    public string? WhyNotShared(ParseResult parsed) => parsed.GetValue(_from) is not null
        ? "--from is for one guest: a snapshot is of one machine"
        : (parsed.GetValue(_disk) ?? []).FirstOrDefault(disk => ReadDisk(disk).Access == DiskAccess.ReadWrite) is { } disk
        ? $"--disk {disk}: several guests cannot write to one disk; add ,snapshot or ,readonly, or give each guest its own in a fleet file"
        : null;

    /// <summary>Reads the image that is named, or sees that there is a drive to boot instead.</summary>
    /// <exception cref="UserErrorException">There is neither, or the image cannot be read.</exception>
    public ImageSource ReadImage(ParseResult parsed)
    {
        if (parsed.GetValue(_from) is { } from)
        {
            return ReadSnapshot(parsed, from);
        }

        if (Images(parsed) is [string name, ..])
        {
            return ImageSource.Open(name);
        }

        string? disk = parsed.GetValue(_disk) is [string first, ..] ? ReadDisk(first).Path : null;
        string? disc = parsed.GetValue(_cdrom);
        if (disk is null && (disc is null || parsed.GetValue(_bios) is null))
        {
            throw UserErrorException.Usage(disc is null
                ? "there is nothing to run: name an image, or a --disk to boot; `toyvmm guests` lists the built-in images"
                : "the built-in BIOS does not boot from a CD-ROM: give a --bios that does, for example SeaBIOS's bios.bin");
        }

        foreach (Option option in (ReadOnlySpan<Option>)[_append, _initrd, _module, _format, _entry, _loadAddress])
        {
            if (parsed.GetResult(option) is { Implicit: false })
            {
                throw UserErrorException.Usage($"{option.Name} is about an image, and there is none: the BIOS boots a drive");
            }
        }

        return ImageSource.OnDrive((disk ?? disc)!);
    }

    /// <summary>The board and the way of loading that are asked for.</summary>
    /// <exception cref="UserErrorException">An argument makes no sense, or a file cannot be read.</exception>
    public VirtualMachineOptions ReadOptions(ParseResult parsed, ImageSource image)
    {
        if (image.Snapshot is { } snapshot)
        {
            return new VirtualMachineOptions { Machine = snapshot.Machine, Cpu = snapshot.Cpu, Load = snapshot.Load };
        }

        MachineConfig machine = new() { Disks = [.. (parsed.GetValue(_disk) ?? []).Select(ReadDisk)], CdRom = parsed.GetValue(_cdrom) };
        if (parsed.GetValue(_memory) is { } memory)
        {
            ulong bytes = Quantity.Bytes("--memory", memory);
            machine = machine with { MemorySize = bytes <= uint.MaxValue ? (uint)bytes : throw UserErrorException.Usage($"--memory {memory}: a 32-bit PC has at most 3.5 GiB") };
        }

        if (parsed.GetValue(_memoryMax) is { } most)
        {
            ulong bytes = Quantity.Bytes("--memory-max", most);
            machine = machine with { MaximumMemory = bytes <= uint.MaxValue ? (uint)bytes : throw UserErrorException.Usage($"--memory-max {most}: a 32-bit PC has at most 3.5 GiB") };
        }

        if (parsed.GetValue(_bios) is { } bios)
        {
            machine = machine with { Bios = HostFile.ReadAll(bios, "BIOS") };
        }

        if (parsed.GetValue(_vgaBios) is { } vgaBios)
        {
            machine = machine with { VgaBios = HostFile.ReadAll(vgaBios, "VGA BIOS") };
        }

        if (parsed.GetValue(_startTime) is { } time)
        {
            machine = machine with { StartTime = StartTime(time) };
        }

        try
        {
            machine.Validate();
        }
        catch (ArgumentException e)
        {
            throw UserErrorException.Usage(e.Message);
        }

        CpuModel cpu = CpuModels.Find(parsed.GetValue(_cpu) ?? "") ?? CpuModels.Default;
        return new VirtualMachineOptions { Machine = machine, Cpu = cpu, Load = ReadLoadOptions(parsed, image) };
    }

    // What a machine is cannot be changed in its middle: an option may say the same again, or is a misunderstanding.
    private ImageSource ReadSnapshot(ParseResult parsed, string from)
    {
        if (Images(parsed) is [string image, ..])
        {
            throw UserErrorException.Usage($"{image} and --from {from}: a run starts an image, or goes on from a snapshot (which has its image in it)");
        }

        foreach (Option option in (ReadOnlySpan<Option>)[_memoryMax, _append, _initrd, _module, _disk, _cdrom, _bios, _vgaBios, _format, _entry, _loadAddress])
        {
            if (parsed.GetResult(option) is { Implicit: false })
            {
                throw UserErrorException.Usage($"{option.Name} with --from: the machine of a snapshot is complete and in the middle of its run; leave {option.Name} out, or take a new snapshot");
            }
        }

        ImageSource source = ImageSource.FromSnapshot(from);
        MachineConfig machine = source.Snapshot!.Machine;
        Agree(parsed, _memory, text => Quantity.Bytes("--memory", text) == machine.MemorySize, $"{machine.MemorySize >> 20}M");
        Agree(parsed, _cpu, text => text == source.Snapshot.Cpu.Name, source.Snapshot.Cpu.Name);
        Agree(parsed, _startTime, text => StartTime(text) == machine.StartTime, machine.StartTime.ToString("u", System.Globalization.CultureInfo.InvariantCulture));
        return source;
    }

    private static void Agree(ParseResult parsed, Option<string> option, Func<string, bool> isSame, string present)
    {
        if (parsed.GetValue(option) is { } text && !isSame(text))
        {
            throw UserErrorException.Usage($"{option.Name} {text} contradicts the snapshot, whose machine has {present}: leave {option.Name} out");
        }
    }

    private LoadOptions ReadLoadOptions(ParseResult parsed, ImageSource image) => new()
    {
        Format = parsed.GetValue(_format) switch
        {
            "raw" => ImageFormat.Raw,
            "boot-sector" => ImageFormat.BootSector,
            "multiboot" => ImageFormat.Multiboot,
            "elf" => ImageFormat.Elf,
            "linux" => ImageFormat.LinuxKernel,
            _ => null,
        },
        RealModeEntry = parsed.GetValue(_entry) is { } entry ? entry == "real" : null,
        LoadAddress = parsed.GetValue(_loadAddress) is { } address ? Quantity.Address("--load-address", address) : null,
        CommandLine = parsed.GetValue(_append),
        ImageName = image.Name,
        InitialRamDisk = parsed.GetValue(_initrd) is { } initrd ? HostFile.ReadAll(initrd, "initial RAM disk") : null,
        Modules = ReadModules(parsed.GetValue(_module) ?? []),
    };

    // A file whose name ends in such a word can be given as "name,word,": only the part behind the last comma is an access.
    private static DiskConfig ReadDisk(string text)
    {
        int comma = text.LastIndexOf(',');
        (string path, DiskAccess access) = comma < 0 ? (text, DiskAccess.ReadWrite) : text[(comma + 1)..] switch
        {
            "snapshot" => (text[..comma], DiskAccess.Snapshot),
            "readonly" => (text[..comma], DiskAccess.ReadOnly),
            "" => (text[..comma], DiskAccess.ReadWrite),
            _ when File.Exists(text) => (text, DiskAccess.ReadWrite),
            string word => throw UserErrorException.Usage($"--disk {text}: '{word}' is neither snapshot nor readonly"),
        };
        return path.Length > 0 ? new DiskConfig(path, access) : throw UserErrorException.Usage($"--disk {text}: there is no file name");
    }

    private static BootModule[] ReadModules(string[] arguments)
    {
        BootModule[] modules = new BootModule[arguments.Length];
        for (int n = 0; n < arguments.Length; n++)
        {
            // As QEMU and GRUB pass it: the whole argument, file name first, is the module's command line.
            string file = arguments[n].Split(' ', 2)[0];
            modules[n] = new BootModule(arguments[n], HostFile.ReadAll(file, "module"));
        }

        return modules;
    }

    private static DateTimeOffset StartTime(string text) => text == "now" ? DateTimeOffset.Now
        : DateTimeOffset.TryParse(text, System.Globalization.CultureInfo.InvariantCulture, System.Globalization.DateTimeStyles.AssumeUniversal, out DateTimeOffset time)
        ? time
        : throw UserErrorException.Usage($"--start-time {text}: write a time such as 2026-01-01T12:00:00Z, or 'now'");
}
