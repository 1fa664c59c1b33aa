using ToyVmm.VirtualMachines.Symbols;

namespace ToyVmm.Debugging.Inspecting;

/// <summary>
/// Finds the text of sources: by the path in the debug information, and in folders that somebody named. What a file of a stranger calls a source is read
/// only where it is an ordinary file of moderate size.
/// </summary>
/// <param name="folders">Where to look first; the path's own folders are tried below each, the most of them first.</param>
public sealed class SourceFiles(IReadOnlyList<string> folders)
{
    private const long Largest = 16 << 20;
    private const int LongestLine = 4096;
    private readonly Dictionary<string, string[]?> _files = [];

    /// <summary>No folders but those in the debug information.</summary>
    public SourceFiles()
        : this([])
    {
    }

    /// <summary>The folders that somebody named.</summary>
    public IReadOnlyList<string> Folders => folders;

    /// <summary>A line's text.</summary>
    /// <param name="line">The line.</param>
    /// <returns>Null where the source is not to be found, or is shorter than that.</returns>
    public string? Text(SourceLine line) => Lines(line.File) is { } lines && line.Line <= lines.Count ? lines[line.Line - 1] : null;

    /// <summary>All lines of a source.</summary>
    /// <param name="path">Its path, as the debug information has it.</param>
    /// <returns>Null where it is not to be found.</returns>
    public IReadOnlyList<string>? Lines(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        if (!_files.TryGetValue(path, out string[]? lines))
        {
            lines = Candidates(path).Select(Read).FirstOrDefault(found => found is not null);
            _files[path] = lines;
        }

        return lines;
    }

    private IEnumerable<string> Candidates(string path)
    {
        string[] parts = path.Split('/', StringSplitOptions.RemoveEmptyEntries);
        foreach (string folder in folders)
        {
            for (int first = 0; first < parts.Length; first++)
            {
                // What climbs out of the folder is not in it.
                if (Array.IndexOf(parts, "..", first) < 0)
                {
                    yield return Path.Combine(folder, Path.Combine(parts[first..]));
                }
            }
        }

        yield return path;
    }

    private static string[]? Read(string path)
    {
        try
        {
            FileInfo file = new(path);
            if (!file.Exists || file.Length is 0 or > Largest || (file.Attributes & (FileAttributes.Device | FileAttributes.Directory)) != 0)
            {
                return null;
            }

            return [.. File.ReadLines(path).Select(Printable)];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            return null;
        }
    }

    // A tab is four columns; what could steer a terminal does not.
    private static string Printable(string line)
    {
        string text = line.Length > LongestLine ? line[..LongestLine] : line;
        text = text.Replace("\t", "    ", StringComparison.Ordinal);
        return text.Any(char.IsControl) ? string.Concat(text.Select(c => char.IsControl(c) ? '?' : c)) : text;
    }
}
