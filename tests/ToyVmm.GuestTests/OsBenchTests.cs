using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>The program that tools/compare-os.sh boots Linux around does its work right on the host's own Linux, and says when it does not.</summary>
public sealed class OsBenchTests : IDisposable
{
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(1);
    private readonly string _folder = Directory.CreateTempSubdirectory("toyvmm-osbench-").FullName;

    /// <inheritdoc/>
    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [RequiresToolFact("gcc")]
    public void Every_row_begins_and_ends()
    {
        string program = Path.Combine(_folder, "osbench");
        // The script's own flags; no library is needed, so that gcc -m32 works without the 32-bit ones.
        string[] flags = File.ReadAllText(Path.Combine(GuestCatalog.RepositoryRoot, "tools", "compare-os.sh"))
            .Split('\n').Single(line => line.StartsWith("gcc ", StringComparison.Ordinal)).TrimEnd('\\').Split(' ', StringSplitOptions.RemoveEmptyEntries)[1..];
        var compiled = ToolProcess.Run("gcc", [.. flags, "-o", program, Path.Combine(GuestCatalog.Folder, "osbench", "osbench.c")], s_limit);
        Assert.True(compiled.Status == 0, compiled.Errors);

        foreach (string row in (ReadOnlySpan<string>)["fork-exec", "fork-wait", "pipe", "page-fault", "int80"])
        {
            var run = ToolProcess.Run(program, [row, "600"], s_limit);
            Assert.Equal((0, $"BEGIN {row} 600\nEND {row} 600\n"), (run.Status, run.Output));
        }

        string fast = ToolProcess.Run(program, ["sysenter", "600"], s_limit).Output;
        Assert.True(fast is "BEGIN sysenter 600\nEND sysenter 600\n" or "BEGIN sysenter 600\nosbench: WRONG: the kernel offers no vDSO\n", fast);
        Assert.Equal(1, ToolProcess.Run(program, ["fork", "1"], s_limit).Status);
        Assert.Equal(64, ToolProcess.Run(program, ["pipe"], s_limit).Status);
    }
}
