namespace ToyVmm.Cli.Guests;

/// <summary>One of the guests of the course.</summary>
/// <param name="Name">Its folder under guest-images.</param>
/// <param name="SourceName">Its source's resource name.</param>
/// <param name="ImageName">Its image's resource name.</param>
/// <param name="Format">The format its head names: raw, boot-sector, multiboot.</param>
/// <param name="Teaches">What one learns from it.</param>
/// <param name="ExpectedStatus">The exit status its head names.</param>
internal sealed record BuiltInGuest(string Name, string SourceName, string ImageName, string Format, string Teaches, string ExpectedStatus);

/// <summary>The guests that travel inside the tool: guest-images with sources, images and the files that sources include.</summary>
internal static class BuiltInGuests
{
    private const string Root = "guest-images/";

    // A disk first: the folder of a disk image may hold a flat file as an intermediate.
    private static readonly string[] s_imageExtensions = [".img", ".bin", ".elf"];

    private static readonly string[] s_sourceNames = ["{0}.asm", "{0}.c", "work.c"];

    /// <summary>The image of a guest.</summary>
    /// <returns>Null when there is no guest of that name.</returns>
    public static byte[]? ReadImage(string name)
    {
        foreach (string extension in s_imageExtensions)
        {
            if (Exists($"{Root}{name}/{name}{extension}"))
            {
                return Read($"{Root}{name}/{name}{extension}");
            }
        }

        return null;
    }

    /// <summary>All guests, by name.</summary>
    public static IReadOnlyList<BuiltInGuest> List()
    {
        SortedDictionary<string, BuiltInGuest> guests = new(StringComparer.Ordinal);
        foreach (string resource in ResourceNames())
        {
            int slash = resource.IndexOf('/', Root.Length);
            if (slash > 0 && resource[Root.Length..slash] is { } name && !guests.ContainsKey(name) && Find(name) is { } guest)
            {
                guests.Add(name, guest);
            }
        }

        return [.. guests.Values];
    }

    /// <summary>One guest, or null.</summary>
    public static BuiltInGuest? Find(string name)
    {
        string? image = null;
        foreach (string extension in s_imageExtensions)
        {
            string candidate = $"{Root}{name}/{name}{extension}";
            image ??= Exists(candidate) ? candidate : null;
        }

        foreach (string pattern in s_sourceNames)
        {
            string source = $"{Root}{name}/{pattern.Replace("{0}", name, StringComparison.Ordinal)}";
            if (image is not null && Exists(source))
            {
                string[] head = SourceHead(source);
                return HeadField(head, "guest") == name
                    ? new BuiltInGuest(name, source, image, HeadField(head, "format") ?? "?", HeadField(head, "teaches") ?? "", HeadField(head, "expect-status") ?? "0")
                    : null;
            }
        }

        return null;
    }

    /// <summary>The comment at the beginning of a source, without the comment signs.</summary>
    public static string[] SourceHead(string resource)
    {
        using StreamReader reader = new(new MemoryStream(Read(resource)));
        List<string> lines = [];
        while (reader.ReadLine() is { } line && line.Length > 0 && (line[0] is ';' or '*' || line.StartsWith("/*", StringComparison.Ordinal) || line.StartsWith(" *", StringComparison.Ordinal)))
        {
            string text = line.TrimStart(' ', ';', '/', '*');
            bool last = text.EndsWith("*/", StringComparison.Ordinal);
            lines.Add(last ? text[..^2].TrimEnd() : text);
            if (last)
            {
                break;
            }
        }

        return [.. lines];
    }

    /// <summary>The value of a "field: value" line of a source's head.</summary>
    public static string? HeadField(IEnumerable<string> head, string field)
    {
        foreach (string line in head)
        {
            if (line.StartsWith(field, StringComparison.Ordinal) && line.Length > field.Length && line[field.Length] == ':')
            {
                return line[(field.Length + 1)..].Trim();
            }
        }

        return null;
    }

    /// <summary>Writes files out as they lie in the repository.</summary>
    /// <param name="directory">Where to; made if it is missing.</param>
    /// <param name="folder">One folder of guest-images ("include"), or null for all.</param>
    /// <returns>How many files were written.</returns>
    public static int Extract(string directory, string? folder = null)
    {
        int count = 0;
        foreach (string resource in ResourceNames())
        {
            string path = resource[Root.Length..];
            if (folder is not null && !path.StartsWith(folder + "/", StringComparison.Ordinal))
            {
                continue;
            }

            string target = Path.Combine(directory, path.Replace('/', Path.DirectorySeparatorChar));
            _ = Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.WriteAllBytes(target, Read(resource));
            count++;
        }

        return count;
    }

    /// <summary>The bytes of one file, named as in the repository ("guest-images/hello/hello.asm").</summary>
    public static byte[] Read(string resource)
    {
        using Stream stream = typeof(BuiltInGuests).Assembly.GetManifestResourceStream(resource)
            ?? throw new InvalidOperationException($"{resource} is missing from the build");
        byte[] bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }

    private static bool Exists(string resource) => typeof(BuiltInGuests).Assembly.GetManifestResourceInfo(resource) is not null;

    private static IEnumerable<string> ResourceNames()
    {
        foreach (string name in typeof(BuiltInGuests).Assembly.GetManifestResourceNames())
        {
            if (name.StartsWith(Root, StringComparison.Ordinal))
            {
                yield return name;
            }
        }
    }
}
