using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>The committed images are what their sources say: rebuilt, they are the same bytes.</summary>
public sealed class GuestRebuildTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("toyvmm-guests-").FullName;

    /// <inheritdoc/>
    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [RequiresToolFact("sh", "nasm")]
    public void Flat_images_rebuild_to_the_same_bytes() => RebuildAndCompare(GuestCatalog.All.Where(guest => !guest.IsLinked));

    [RequiresRecordedToolchainFact]
    public void Linked_images_rebuild_to_the_same_bytes() => RebuildAndCompare(GuestCatalog.All.Where(guest => guest.IsLinked));

    private void RebuildAndCompare(IEnumerable<GuestImage> guests)
    {
        var list = guests.ToArray();
        Assert.NotEmpty(list);
        var build = ToolProcess.Run(
            "sh",
            [Path.Combine(GuestCatalog.Folder, "build.sh"), "--out", _folder, .. list.Select(guest => guest.Name)],
            TimeSpan.FromMinutes(3));
        Assert.True(build.Status == 0, $"build.sh failed with status {build.Status}:\n{build.Output}{build.Errors}");

        var different = list.Where(guest => !File.ReadAllBytes(guest.ImagePath).AsSpan().SequenceEqual(File.ReadAllBytes(Path.Combine(_folder, Path.GetFileName(guest.ImagePath)))));
        Assert.True(!different.Any(), $"These images are not what build.sh makes of their sources: {string.Join(", ", different)}. Run guest-images/build.sh and commit.");
    }
}

/// <summary>A fact that is skipped where the tools are not the ones that built the committed images.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class RequiresRecordedToolchainFactAttribute : FactAttribute
{
    /// <summary>Compares the installed versions with <c>guest-images/toolchain.txt</c>.</summary>
    public RequiresRecordedToolchainFactAttribute() => Skip = ReasonToSkip();

    private static string? ReasonToSkip()
    {
        if (ToolProcess.ReasonToSkip(["sh", "nasm", "gcc", "ld", "strip"]) is { } missing)
        {
            return missing;
        }

        var recorded = File.ReadLines(Path.Combine(GuestCatalog.Folder, "toolchain.txt"))
            .Where(line => !line.StartsWith('#'))
            .Select(line => line.Split(' '))
            .ToDictionary(words => words[0], words => words[1]);
        var gcc = FirstLine("gcc", "-dumpfullversion");
        if (gcc != recorded["gcc"])
        {
            return $"the images were built by gcc {recorded["gcc"]}, here is {gcc}";
        }

        // "GNU ld (GNU Binutils for Debian) 2.40", "NASM version 2.16.01": the version is one of the words.
        return new[] { ("ld", "--version"), ("nasm", "-v") }
            .Select(tool => (Name: tool.Item1, Line: FirstLine(tool.Item1, tool.Item2)))
            .Where(tool => !tool.Line.Split(' ').Contains(recorded[tool.Name]))
            .Select(tool => $"the images were built by {tool.Name} {recorded[tool.Name]}, here is {tool.Line}")
            .FirstOrDefault();
    }

    private static string FirstLine(string tool, string argument) =>
        ToolProcess.Run(tool, [argument], TimeSpan.FromSeconds(30)).Output.Split('\n')[0].Trim();
}
