using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>A workload computes the same natively as in the guest: else the benchmark compares different work.</summary>
public sealed class ComputeGuestNativeTests
{
    [RequiresMultilibTheory]
    [MemberData(nameof(GuestCatalog.ComputeNames), MemberType = typeof(GuestCatalog))]
    public void A_workload_gives_the_same_checksum_natively(string name)
    {
        var guest = GuestCatalog.Find(name);
        var folder = Directory.CreateTempSubdirectory("toyvmm-native-");
        try
        {
            var include = Path.Combine(GuestCatalog.Folder, "include");
            var program = Path.Combine(folder.FullName, name);
            var compile = ToolProcess.Run(
                "gcc",
                ["-m32", "-O2", "-march=i686", "-I", include, "-o", program, guest.SourcePath, Path.Combine(include, "native_main.c")],
                TimeSpan.FromMinutes(1));
            Assert.True(compile.Status == 0, compile.Errors);
            var run = ToolProcess.Run(program, [], TimeSpan.FromMinutes(1));
            Assert.Equal((0, guest.ExpectedSerial), (run.Status, run.Output));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}

/// <summary>A theory that is skipped where gcc cannot build 32-bit programs.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class RequiresMultilibTheoryAttribute : TheoryAttribute
{
    /// <summary>Looks for gcc and for its 32-bit start-up file.</summary>
    public RequiresMultilibTheoryAttribute() => Skip = ReasonToSkip();

    private static string? ReasonToSkip() =>
        ToolProcess.ReasonToSkip(["gcc"])
        ?? (Path.IsPathRooted(ToolProcess.Run("gcc", ["-m32", "-print-file-name=crtbegin.o"], TimeSpan.FromSeconds(30)).Output.Trim())
            ? null
            : "gcc -m32 has no 32-bit libraries (Debian: gcc-multilib)");
}
