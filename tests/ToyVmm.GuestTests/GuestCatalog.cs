using System.Globalization;
using System.Text;

namespace ToyVmm.GuestTests;

/// <summary>
/// Reads the heads of all guests. A head is the first comment of <c>NAME/NAME.asm</c>, <c>NAME/NAME.c</c> or
/// <c>NAME/work.c</c>: lines of <c>key: value</c> from <c>guest:</c> on, up to the first line that is none. The
/// expectation stands beside the code that has to meet it, and every test reads it from there.
/// </summary>
public static class GuestCatalog
{
    // Before the properties below: static initializers run in this order.
    private static readonly string[] KnownKeys =
    [
        "guest", "format", "teaches", "expect-status", "expect-serial", "expect-serial-contains", "qemu-status", "qemu-skip", "qemu-cpu", "memory", "append", "serial-input",
    ];

    /// <summary>The repository's root: the nearest folder above the test's own that holds the solution.</summary>
    public static string RepositoryRoot { get; } = FindRoot();

    /// <summary>The folder of the guests.</summary>
    public static string Folder { get; } = Path.Combine(RepositoryRoot, "guest-images");

    /// <summary>Every guest, in alphabetical order.</summary>
    public static IReadOnlyList<GuestImage> All { get; } = ReadAll();

    /// <summary>The names of all guests, for theories.</summary>
    public static IEnumerable<object[]> Names => All.Select(guest => new object[] { guest.Name });

    /// <summary>The names of the guests that QEMU runs as a real machine does.</summary>
    public static IEnumerable<object[]> QemuNames => All.Where(guest => guest.QemuSkip is null).Select(guest => new object[] { guest.Name });

    /// <summary>The names of the benchmark workloads.</summary>
    public static IEnumerable<object[]> ComputeNames => All.Where(guest => guest.IsCompute).Select(guest => new object[] { guest.Name });

    /// <summary>The guest of that name.</summary>
    /// <exception cref="KeyNotFoundException">There is none.</exception>
    public static GuestImage Find(string name) =>
        All.FirstOrDefault(guest => guest.Name == name) ?? throw new KeyNotFoundException($"There is no guest '{name}' in {Folder}.");

    /// <summary>Reads one head.</summary>
    /// <exception cref="FormatException">A key is missing, unknown or given twice, or a value is malformed.</exception>
    public static GuestImage ReadHead(string sourcePath)
    {
        var name = Path.GetFileName(Path.GetDirectoryName(sourcePath))!;
        var head = ParseHead(sourcePath);
        string? Optional(string key) => !head.TryGetValue(key, out var values) ? null
            : values.Count == 1 ? values[0]
            : throw new FormatException($"{sourcePath}: '{key}' is given {values.Count} times.");
        string Required(string key) => Optional(key) ?? throw new FormatException($"{sourcePath}: the head has no '{key}:' line.");
        int Status(string key, string text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var status) && status <= 255
            ? status
            : throw new FormatException($"{sourcePath}: '{key}: {text}' is not an exit status.");

        if (Required("guest") != name)
        {
            throw new FormatException($"{sourcePath}: the head names the guest '{Required("guest")}', the folder is '{name}'.");
        }

        var (format, extension) = Required("format") switch
        {
            "raw" => (GuestFormat.Raw, ".bin"),
            "boot-sector" => (GuestFormat.BootSector, ".img"),
            "multiboot" => (GuestFormat.Multiboot, ".elf"),
            "multiboot-flat" => (GuestFormat.MultibootFlat, ".bin"),
            var other => throw new FormatException($"{sourcePath}: unknown format '{other}'."),
        };
        var parts = head.GetValueOrDefault("expect-serial-contains", []).Select(Unescape).ToArray();
        var whole = head.TryGetValue("expect-serial", out var lines) ? string.Concat(lines.Select(Unescape)) : null;
        if (whole is null && parts.Length == 0)
        {
            throw new FormatException($"{sourcePath}: the head says nothing about the serial output.");
        }

        var status = Status("expect-status", Required("expect-status"));
        return new GuestImage(
            name,
            format,
            sourcePath,
            Path.Combine(Path.GetDirectoryName(sourcePath)!, name + extension),
            Required("teaches"),
            status,
            whole,
            parts,
            Optional("qemu-status") is { } qemuStatus ? Status("qemu-status", qemuStatus) : status,
            Optional("qemu-skip"),
            Optional("qemu-cpu"),
            Optional("memory"),
            Optional("append"),
            Optional("serial-input") is { } input ? Unescape(input) : null);
    }

    private static Dictionary<string, List<string>> ParseHead(string sourcePath)
    {
        var head = new Dictionary<string, List<string>>(StringComparer.Ordinal);
        foreach (var line in File.ReadLines(sourcePath))
        {
            var text = line.TrimStart(';', '/', '*', ' ');
            var colon = text.IndexOf(": ", StringComparison.Ordinal);
            if (colon <= 0 || !text[..colon].All(c => char.IsAsciiLetterLower(c) || c == '-'))
            {
                break;      // the head ends where the prose begins
            }

            var key = text[..colon];
            if (!KnownKeys.Contains(key))
            {
                throw new FormatException($"{sourcePath}: unknown key '{key}' in the head.");
            }

            if (!head.TryGetValue(key, out var values))
            {
                head[key] = values = [];
            }

            values.Add(text[(colon + 2)..]);
        }

        return head;
    }

    /// <summary>C escapes: \n \r \t \\ and \xHH.</summary>
    private static string Unescape(string text)
    {
        var result = new StringBuilder(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] != '\\')
            {
                result.Append(text[i]);
                continue;
            }

            var escape = ++i < text.Length ? text[i] : throw new FormatException($"'{text}' ends in a backslash.");
            switch (escape)
            {
                case 'n':
                    result.Append('\n');
                    break;
                case 'r':
                    result.Append('\r');
                    break;
                case 't':
                    result.Append('\t');
                    break;
                case '\\':
                    result.Append('\\');
                    break;
                case 'x' when i + 2 < text.Length && byte.TryParse(text.AsSpan(i + 1, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value):
                    result.Append((char)value);
                    i += 2;
                    break;
                default:
                    throw new FormatException($"'{text}' has an unknown escape '\\{escape}'.");
            }
        }

        return result.ToString();
    }

    private static GuestImage[] ReadAll() =>
    [
        .. Directory.EnumerateDirectories(Folder)
            .Order(StringComparer.Ordinal)
            .SelectMany(folder => new[] { Path.GetFileName(folder) + ".asm", Path.GetFileName(folder) + ".c", "work.c" }.Select(file => Path.Combine(folder, file)))
            .Where(path => File.Exists(path) && File.ReadLines(path).First().Contains(" guest: ", StringComparison.Ordinal))
            .Select(ReadHead),
    ];

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "ToyVmm.sln")))
            {
                return folder.FullName;
            }
        }

        throw new DirectoryNotFoundException($"No ToyVmm.sln above {AppContext.BaseDirectory}.");
    }
}
