using System.Globalization;
using ToyVmm.Cli.Commands;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace ToyVmm.Cli.Fleets;

/// <summary>A value of a fleet file, with what it is called and where it stands: whatever is wrong with it is told with file, line and column.</summary>
/// <param name="file">The file, for messages.</param>
/// <param name="name">Its key, for messages.</param>
/// <param name="node">The value.</param>
internal sealed class YamlEntry(string file, string name, YamlNode node)
{
    /// <summary>The value.</summary>
    public YamlNode Node => node;

    /// <summary>The text of a value that is no list and no mapping.</summary>
    public string Text(string example) => node is YamlScalarNode { Value: { Length: > 0 } text } scalar && !(scalar.Style == ScalarStyle.Plain && text is "~" or "null")
        ? text
        : throw Wrong($"{name}: {Kind()}; write for example {name}: {example}");

    /// <summary>One of a few words.</summary>
    public T Word<T>(params ReadOnlySpan<(string Word, T Value)> words)
    {
        string text = Text(words[0].Word);
        foreach ((string word, T value) in words)
        {
            if (word == text)
            {
                return value;
            }
        }

        List<string> all = [];
        foreach ((string word, _) in words)
        {
            all.Add(word);
        }

        throw Wrong($"{name}: {text}: write {Or(all)}");
    }

    /// <summary>A count: "5000", "1_000_000", "10M".</summary>
    public ulong Count(ulong least = 0, ulong most = ulong.MaxValue) => InRange(Quantity.Scaled(Text("10M"), 1000), "a count", "5000, 1_000_000 or 10M", least, most);

    /// <summary>A size in bytes: "64M".</summary>
    public ulong Bytes(ulong least = 0, ulong most = ulong.MaxValue) => InRange(Quantity.Scaled(Text("64M"), 1024), "a size", "64M, 512K or 1G", least, most);

    /// <summary>A length of time: "10ms", "2s", "500us"; a number alone is seconds.</summary>
    public TimeSpan Duration()
    {
        string text = Text("10ms");
        (string number, double unit) = text.EndsWith("us", StringComparison.Ordinal) ? (text[..^2], 1e-6)
            : text.EndsWith("ms", StringComparison.Ordinal) ? (text[..^2], 1e-3)
            : text.EndsWith('s') ? (text[..^1], 1)
            : (text, 1);
        return double.TryParse(number.TrimEnd(), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double value) && value * unit <= 1e9
            ? TimeSpan.FromTicks((long)Math.Round(value * unit * TimeSpan.TicksPerSecond))
            : throw Wrong($"{name}: {text}: not a length of time; write for example 10ms, 0.5s or 500us");
    }

    /// <summary>The parts of a list; a single value is a list of one.</summary>
    public IReadOnlyList<YamlEntry> List() => node is YamlSequenceNode sequence ? [.. sequence.Children.Select(child => new YamlEntry(file, name, child))]
        : node is YamlScalarNode ? [this]
        : throw Wrong($"{name}: {Kind()}; write a list, each entry with a dash in front of it");

    /// <summary>A mapping.</summary>
    public YamlMap Map() => node is YamlMappingNode mapping ? new YamlMap(file, mapping) : throw Wrong($"{name}: {Kind()}; write keys and values");

    /// <summary>Something is wrong with this value.</summary>
    public UserErrorException Wrong(string what, int status = ExitStatus.BadImage) => At(file, node.Start, what, status);

    /// <summary>Something is wrong at that place.</summary>
    public static UserErrorException At(string file, Mark place, string what, int status = ExitStatus.BadImage) => new(status, $"{file}:{place.Line}:{place.Column}: {what}");

    /// <summary>"a, b or c".</summary>
    public static string Or(IReadOnlyList<string> words) => words.Count == 1 ? words[0] : $"{string.Join(", ", words.Take(words.Count - 1))} or {words[^1]}";

    private ulong InRange(ulong? value, string what, string example, ulong least, ulong most)
    {
        string text = Text(example);
        return value is not { } number ? throw Wrong($"{name}: {text}: not {what}; write for example {example}")
            : number < least || number > most ? throw Wrong(most == ulong.MaxValue ? $"{name}: {text}: at least {least}" : $"{name}: {text}: from {least} to {most}")
            : number;
    }

    private string Kind() => node switch
    {
        YamlSequenceNode => "a list stands here",
        YamlMappingNode => "keys and values stand here",
        _ => "there is no value",
    };
}
