using System.Text.RegularExpressions;
using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>
/// What a beginner reads when his kernel dies: each guest in Broken/ makes one mistake, and the text beside it is what the tool says.
/// TOYVMM_ACCEPT=1 writes the texts anew.
/// </summary>
public sealed partial class AutopsyTextTests
{
    private static readonly string s_folder = Path.Combine(GuestCatalog.RepositoryRoot, "tests", "ToyVmm.GuestTests", "Broken");

    public static IEnumerable<object[]> Names => Directory.GetFiles(s_folder, "*.asm").Select(Path.GetFileNameWithoutExtension).Order(StringComparer.Ordinal).Select(name => new object[] { name! });

    /// <summary>The explanation of every broken guest.</summary>
    [Theory]
    [MemberData(nameof(Names))]
    public void A_broken_guest_is_explained(string name)
    {
        string image = Image(name);
        ToolResult result = CommandLine.Run(["run", image, .. Arguments(name)]);
        Assert.NotEqual(0, result.Status);
        string text = Timing().Replace(result.Errors.Replace(image, Path.GetFileName(image), StringComparison.Ordinal), "");
        string golden = Path.Combine(s_folder, name + ".txt");
        if (Environment.GetEnvironmentVariable("TOYVMM_ACCEPT") == "1")
        {
            File.WriteAllText(golden, text);
        }

        Assert.True(File.Exists(golden), $"{golden} is missing: run the test with TOYVMM_ACCEPT=1 and read it");
        Assert.Equal(File.ReadAllText(golden), text);
    }

    /// <summary>The engines differ in nothing that an autopsy tells.</summary>
    [Theory]
    [InlineData("unmapped-handler")]
    [InlineData("storm")]
    [InlineData("wait-deaf")]
    public void The_engines_agree(string name)
    {
        string[] texts = [.. new[] { "interpreter", "auto" }.Select(engine => Timing().Replace(CommandLine.Run(["run", Image(name), "--engine", engine, .. Arguments(name)]).Errors, ""))];
        Assert.Equal(texts[0], texts[1]);
    }

    /// <summary>The committed images are what their sources say.</summary>
    [RequiresRecordedToolchainFact]
    public void The_images_rebuild_to_the_same_bytes()
    {
        string folder = Directory.CreateTempSubdirectory("toyvmm-broken-").FullName;
        try
        {
            ToolResult build = ToolProcess.Run("sh", [Path.Combine(s_folder, "build.sh"), folder], TimeSpan.FromMinutes(1));
            Assert.True(build.Status == 0, build.Errors);
            Assert.All(Names, name => Assert.Equal(File.ReadAllBytes(Image((string)name[0])), File.ReadAllBytes(Path.Combine(folder, Path.GetFileName(Image((string)name[0]))))));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static string Image(string name) => Directory.GetFiles(s_folder, name + ".*").Single(file => file.EndsWith(".elf", StringComparison.Ordinal) || file.EndsWith(".img", StringComparison.Ordinal));

    private static string[] Arguments(string name) => File.ReadLines(Path.Combine(s_folder, name + ".asm")).FirstOrDefault(line => line.StartsWith("; arguments: ", StringComparison.Ordinal)) is { } line ? line["; arguments: ".Length..].Split(' ') : [];

    [GeneratedRegex(@" in [0-9.]+ m?s \([0-9.]+ M/s\)")]
    private static partial Regex Timing();
}
