using System.Text;

namespace ToyVmm.GuestTests;

/// <summary>Starts the built tool as its users do: as a process.</summary>
internal static class CommandLine
{
    private static readonly TimeSpan s_timeout = TimeSpan.FromSeconds(60);

    /// <summary>The tool of this build: same configuration, same framework as the tests.</summary>
    public static string Tool { get; } = Path.Combine(
        GuestCatalog.RepositoryRoot,
        "src",
        "ToyVmm.Cli",
        "bin",
        Path.GetRelativePath(Path.Combine(GuestCatalog.RepositoryRoot, "tests", "ToyVmm.GuestTests", "bin"), AppContext.BaseDirectory),
        "toyvmm.dll");

    /// <summary>Runs the tool to its end, with nothing on standard input.</summary>
    public static ToolResult Run(params string[] arguments) => RunWithInput("", arguments);

    /// <summary>Runs the tool with text on standard input.</summary>
    public static ToolResult RunWithInput(string input, params string[] arguments) =>
        ToolProcess.Run("dotnet", [Tool, .. arguments], s_timeout, input);

    /// <summary>Runs the tool as the last arguments of another program.</summary>
    public static ToolResult RunUnder(string[] program, params string[] arguments) =>
        ToolProcess.Run(program[0], [.. program[1..], "dotnet", Tool, .. arguments], s_timeout, "");

    /// <summary>A temporary file with the bytes of a guest.</summary>
    public static TemporaryFile File(ReadOnlySpan<byte> bytes, string extension = ".bin")
    {
        TemporaryFile file = new(extension);
        System.IO.File.WriteAllBytes(file.Path, bytes.ToArray());
        return file;
    }

    /// <summary>A temporary text file.</summary>
    public static TemporaryFile File(string text, string extension) => File(Encoding.UTF8.GetBytes(text), extension);
}

/// <summary>A file that goes away with the test.</summary>
internal sealed class TemporaryFile(string extension) : IDisposable
{
    /// <summary>Where it is; nothing is there at first.</summary>
    public string Path { get; } = System.IO.Path.Combine(System.IO.Path.GetTempPath(), $"toyvmm-test-{Guid.NewGuid():N}{extension}");

    /// <inheritdoc/>
    public void Dispose() => File.Delete(Path);
}
