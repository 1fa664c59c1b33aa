using YamlDotNet.RepresentationModel;

namespace ToyVmm.Cli.Fleets;

/// <summary>Keys and values of a fleet file. A key that nobody has asked for is a mistake.</summary>
/// <param name="file">The file, for messages.</param>
/// <param name="mapping">The keys and values.</param>
internal sealed class YamlMap(string file, YamlMappingNode mapping)
{
    private readonly List<string> _known = [];

    /// <summary>A value.</summary>
    /// <returns>Null where the key is not there.</returns>
    public YamlEntry? this[string key]
    {
        get
        {
            _known.Add(key);
            return mapping.Children.TryGetValue(new YamlScalarNode(key), out YamlNode? node) ? new YamlEntry(file, key, node) : null;
        }
    }

    /// <summary>A value that must be there.</summary>
    public YamlEntry Required(string key, string example)
    {
        if (this[key] is { } entry)
        {
            return entry;
        }

        YamlNode? near = mapping.Children.Keys.FirstOrDefault(other => other is YamlScalarNode { Value: { } text } && Distance(text, key) <= 2);
        throw YamlEntry.At(file, (near ?? mapping).Start, near is null ? $"there is no {key} here; write for example {key}: {example}" : $"'{near}' means nothing here; did you mean {key}?");
    }

    /// <summary>Everything has been asked for.</summary>
    /// <exception cref="UserErrorException">There is a key that means nothing.</exception>
    public void Done(string what)
    {
        foreach (YamlNode key in mapping.Children.Keys)
        {
            string text = (key as YamlScalarNode)?.Value ?? "";
            if (!_known.Contains(text))
            {
                string? near = _known.MinBy(known => Distance(known, text));
                string hint = near is not null && Distance(near, text) <= 2 ? $"did you mean {near}?" : $"there are {string.Join(", ", _known)}";
                throw YamlEntry.At(file, key.Start, $"'{text}' means nothing in {what}; {hint}");
            }
        }
    }

    // Levenshtein's.
    private static int Distance(string a, string b)
    {
        int[] row = [.. Enumerable.Range(0, b.Length + 1)];
        for (int i = 1; i <= a.Length; i++)
        {
            (int diagonal, row[0]) = (row[0], i);
            for (int j = 1; j <= b.Length; j++)
            {
                (diagonal, row[j]) = (row[j], Math.Min(Math.Min(row[j], row[j - 1]) + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)));
            }
        }

        return row[b.Length];
    }
}
