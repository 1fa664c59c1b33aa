using System.Text.Json;
using ToyVmm.Debugging.Traps;
using Xunit;

namespace ToyVmm.GuestTests.Traps;

/// <summary><c>run --trace traps:FILE</c>: documents that can be read, the same from every engine, and within their limit.</summary>
public sealed class TrapFileTests
{
    [Theory]
    [InlineData("paging", ".jsonl")]
    [InlineData("rings", ".jsonl")]
    [InlineData("tss", ".json")]
    [InlineData("hello", ".perfetto")]
    [InlineData("paging", ".traps")]
    [InlineData("interrupts", ".json", "--max-instructions", "200000")]
    public void Files_are_the_same_on_every_engine(string guest, string extension, params string[] more)
    {
        string? expected = null;
        foreach (string engine in GuestRunner.Engines.Select(GuestRunner.NameOf))
        {
            using TemporaryFile file = new(extension);
            _ = CommandLine.Run(["run", guest, "--engine", engine, "--serial", "none", "--trace", $"traps:{file.Path}", .. more]);
            string text = File.ReadAllText(file.Path);
            expected ??= text;
            Assert.Equal(expected, text);
            Assert.NotEqual('\uFEFF', text[0]);
            Assert.True(text.All(char.IsAscii));
        }

        if (extension == ".jsonl")
        {
            CheckLines(expected!);
        }
        else if (extension == ".traps")
        {
            CheckText(expected!);
        }
        else
        {
            CheckTimeline(expected!);
        }
    }

    [Fact]
    public void A_file_of_traps_has_a_limit()
    {
        using TemporaryFile lines = new(".jsonl");
        ToolResult result = CommandLine.Run("run", "paging", "--serial", "none", "--trace", $"traps:{lines.Path}", "--max-trace", "20K");
        Assert.Equal(79, result.Status);
        Assert.InRange(new FileInfo(lines.Path).Length, 15_000, 20_480);
        CheckLines(File.ReadAllText(lines.Path));

        using TemporaryFile timeline = new(".json");
        Assert.Equal(79, CommandLine.Run("run", "paging", "--serial", "none", "--trace", $"traps:{timeline.Path}", "--max-trace", "20K").Status);
        Assert.InRange(new FileInfo(timeline.Path).Length, 15_000, 20_480);
        CheckTimeline(File.ReadAllText(timeline.Path));

        using TemporaryFile tiny = new(".json");
        Assert.Equal(79, CommandLine.Run("run", "paging", "--serial", "none", "--trace", $"traps:{tiny.Path}", "--max-trace", "100").Status);
        Assert.Equal(0, new FileInfo(tiny.Path).Length);
    }

    [Fact]
    public void Traps_are_named_by_the_symbols_of_the_image()
    {
        using TemporaryFile file = new(".jsonl");
        _ = CommandLine.Run("run", "kernel", "--serial", "none", "--max-instructions", "20000", "--trace", $"traps:{file.Path}");
        Assert.Contains(File.ReadLines(file.Path), line => line.Contains("\"symbol\":\"", StringComparison.Ordinal));
    }

    private static void CheckText(string text)
    {
        string[] traps = text.Split("\n\n", StringSplitOptions.RemoveEmptyEntries);
        Assert.True(traps.Length > 10);
        for (int n = 0; n < traps.Length; n++)
        {
            Assert.StartsWith($"trap {n + 1}: ", traps[n], StringComparison.Ordinal);
            Assert.Matches(@"\n  when         \d+ instructions retired.*\n  instruction  [0-9a-f]{4}:[0-9a-f]{8}  [^$]*\n  why          .*\n[^$]*\n      1\. [^$]*\n  cost         ", traps[n]);
        }
    }

    private static void CheckLines(string text)
    {
        ulong number = 0;
        foreach (string line in text.TrimEnd('\n').Split('\n'))
        {
            using JsonDocument document = JsonDocument.Parse(line);
            JsonElement trap = document.RootElement;
            Assert.Equal(++number, trap.GetProperty("number").GetUInt64());
            Assert.Contains(trap.GetProperty("kind").GetString(), Enum.GetNames<TrapKind>().Select(JsonNamingPolicy.SnakeCaseLower.ConvertName));
            Assert.True(trap.GetProperty("steps").GetArrayLength() > 0);
            foreach (JsonElement step in trap.GetProperty("steps").EnumerateArray())
            {
                Assert.NotEmpty(step.GetProperty("text").GetString()!);
            }

            Assert.True(trap.GetProperty("cost").GetProperty("steps").GetUInt64() >= (ulong)trap.GetProperty("steps").GetArrayLength());
            Assert.NotEmpty(trap.GetProperty("reason").GetProperty("rule").GetString()!);
        }
    }

    // What Perfetto wants: complete events do not overlap on a track, and each track has a name.
    private static void CheckTimeline(string text)
    {
        using JsonDocument document = JsonDocument.Parse(text);
        Dictionary<(int, int), decimal> ends = [];
        HashSet<(int, int)> named = [];
        int spans = 0;
        foreach (JsonElement item in document.RootElement.GetProperty("traceEvents").EnumerateArray())
        {
            int process = item.GetProperty("pid").GetInt32();
            if (item.GetProperty("ph").GetString() == "M")
            {
                _ = named.Add((process, item.TryGetProperty("tid", out JsonElement track) ? track.GetInt32() : 0));
                continue;
            }

            Assert.Equal("X", item.GetProperty("ph").GetString());
            (int, int) place = (process, item.GetProperty("tid").GetInt32());
            Assert.Contains(place, named);
            decimal start = item.GetProperty("ts").GetDecimal();
            decimal duration = item.GetProperty("dur").GetDecimal();
            Assert.True(duration > 0 && start >= 0);
            if (process != 3)
            {
                // An interrupt retires nothing: the instruction behind it begins at the same tick.
                Assert.True(start >= ends.GetValueOrDefault(place) - 0.1m, $"{item}");
                ends[place] = start + duration;
            }

            spans++;
        }

        Assert.True(spans > 0);
    }
}
