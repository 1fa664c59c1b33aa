using System.Text.RegularExpressions;
using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>A session with gdb as the documentation shows it.</summary>
/// <param name="Commands">What is typed, but for the command that connects.</param>
/// <param name="Answers">What gdb says to it.</param>
internal sealed record GdbTranscript(IReadOnlyList<string> Commands, IReadOnlyList<string> Answers)
{
    private const string Prompt = "(gdb) ";

    /// <summary>The session in a section of docs/gdb.md.</summary>
    public static GdbTranscript OfDocumentation(string heading)
    {
        string[] lines = [.. Lines(heading).SkipWhile(line => !line.StartsWith(Prompt, StringComparison.Ordinal))];
        return new GdbTranscript(
            [.. lines.Where(line => line.StartsWith(Prompt, StringComparison.Ordinal)).Select(line => line[Prompt.Length..]).Where(line => !line.StartsWith("target remote", StringComparison.Ordinal))],
            [.. lines.Where(line => line.Length > 0 && !line.StartsWith(Prompt, StringComparison.Ordinal) && !IsForTerminals(line))]);
    }

    /// <summary>The indented lines of a section of docs/gdb.md.</summary>
    public static IEnumerable<string> Lines(string heading) => File.ReadLines(Path.Combine(GuestCatalog.RepositoryRoot, "docs", "gdb.md"))
        .SkipWhile(line => line.TrimStart('#', ' ') != heading || !line.StartsWith('#')).Skip(1)
        .TakeWhile(line => !line.StartsWith('#'))
        .Where(line => line.StartsWith("    ", StringComparison.Ordinal)).Select(line => line[4..]);

    /// <summary>The answers stand in what gdb has said, in their order; addresses are the compiler's.</summary>
    public void AssertIsIn(ToolResult said)
    {
        string output = Normal(said.Output);
        string errors = Normal(said.Errors);
        (int outputAt, int errorsAt) = (0, 0);
        foreach (string answer in Answers.Select(Normal))
        {
            if (Passes(output, ref outputAt, answer) || Passes(errors, ref errorsAt, answer))
            {
                continue;
            }

            Assert.Fail($"'{answer}' is missing in\n{output[outputAt..]}\nand in\n{errors[errorsAt..]}");
        }
    }

    private static bool Passes(string text, ref int at, string part)
    {
        int found = text.IndexOf(part, at, StringComparison.Ordinal);
        at = found < 0 ? at : found + part.Length;
        return found >= 0;
    }

    // What gdb says only to somebody who types.
    private static bool IsForTerminals(string line) =>
        line is "Continuing." or "(More stack frames follow...)" || line.StartsWith("Remote debugging using", StringComparison.Ordinal) || line.StartsWith("Run till exit", StringComparison.Ordinal);

    private static string Normal(string text) => Regex.Replace(Regex.Replace(text, @"\b0x[0-9a-f]{5,}\b", "0x#"), @"[ \t]+", " ");
}
