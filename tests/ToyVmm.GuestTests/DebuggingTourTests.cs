using System.Text;
using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>The guided tour tells what is so: its commands are run, and must say what stands there. TOYVMM_ACCEPT=1 writes their answers anew.</summary>
public sealed class DebuggingTourTests
{
    private const string Prompt = "    $ toyvmm ";

    [Fact]
    public void Every_command_of_the_tour_says_what_the_tour_says()
    {
        string path = Path.Combine(GuestCatalog.RepositoryRoot, "docs", "debugging.md");
        string[] lines = File.ReadAllLines(path);
        StringBuilder told = new();
        int commands = 0;
        for (int n = 0; n < lines.Length; n++)
        {
            _ = told.Append(lines[n]).Append('\n');
            if (!lines[n].StartsWith(Prompt, StringComparison.Ordinal))
            {
                continue;
            }

            commands++;
            ToolResult result = CommandLine.Run([.. Words(lines[n][Prompt.Length..].Replace(" < /dev/null", "", StringComparison.Ordinal))]);
            foreach (string line in Lasting(result.Output + result.Errors))
            {
                _ = told.Append((line.Length == 0 ? "" : "    " + line).TrimEnd()).Append('\n');
            }

            while (n + 1 < lines.Length && lines[n + 1].StartsWith("    ", StringComparison.Ordinal))
            {
                n++;
            }
        }

        Assert.True(commands >= 7);
        if (Environment.GetEnvironmentVariable("TOYVMM_ACCEPT") == "1")
        {
            File.WriteAllText(path, told.ToString());
        }

        Assert.Equal(File.ReadAllText(path), told.ToString());
    }

    // How long it took is another matter each time.
    private static IEnumerable<string> Lasting(string text) =>
        text.TrimEnd().Split('\n').Select(line => line.TrimEnd()).Where(line => !line.StartsWith("toyvmm: ", StringComparison.Ordinal));

    private static IEnumerable<string> Words(string text)
    {
        StringBuilder word = new();
        bool quoted = false;
        foreach (char letter in text + " ")
        {
            if (letter == '"')
            {
                quoted = !quoted;
            }
            else if (letter == ' ' && !quoted)
            {
                if (word.Length > 0)
                {
                    yield return word.ToString();
                }

                _ = word.Clear();
            }
            else
            {
                _ = word.Append(letter);
            }
        }
    }
}
