using System.Globalization;
using System.Text.RegularExpressions;
using ToyVmm.Debugging.Inspecting;
using ToyVmm.Engines;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Symbols;
using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>The tiny kernel with its line tables: every address has the line that binutils finds, and a stopped guest shows its source.</summary>
public sealed partial class SourceLinesTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("toyvmm-lines-").FullName;

    /// <inheritdoc/>
    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [RequiresToolFact("sh", "nasm", "gcc", "ld", "strip", "addr2line")]
    public void The_kernels_lines_are_those_of_addr2line()
    {
        ToolResult build = ToolProcess.Run("sh", [Path.Combine(GuestCatalog.Folder, "build.sh"), "--out", _folder, "--debug", "kernel"], TimeSpan.FromMinutes(3));
        Assert.True(build.Status == 0, build.Output + build.Errors);
        string path = Path.Combine(_folder, "kernel.elf");
        byte[] image = File.ReadAllBytes(path);
        SourceLines lines = SourceLines.Read(image, out string? problem);
        Assert.Null(problem);
        Assert.Contains(lines.Files, file => file.EndsWith("trap.c", StringComparison.Ordinal));

        SymbolTable symbols = SymbolFile.ReadFromImage(image, out _);
        uint[] addresses = [.. symbols.All.Where(symbol => symbol.Kind == SymbolKind.Function).SelectMany(symbol => Enumerable.Range(0, 8).Select(n => symbol.Address + ((uint)n * 5))).Where(address => lines.Find(address) is not null)];
        Assert.True(addresses.Length > 500, $"{addresses.Length} addresses have lines");
        ToolResult known = ToolProcess.Run("addr2line", ["-e", path, .. addresses.Select(address => address.ToString("x", CultureInfo.InvariantCulture))], TimeSpan.FromMinutes(1));
        string[] answers = known.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(addresses.Length, answers.Length);
        for (int n = 0; n < addresses.Length; n++)
        {
            SourceLine line = lines.Find(addresses[n])!.Value;
            Match answer = Place().Match(answers[n]);
            Assert.Equal($"{addresses[n]:x8} {answer.Groups[1].Value}:{answer.Groups[2].Value}", $"{addresses[n]:x8} {line}");
        }

        // The kernel in the middle of something: code with its source, and calls with their lines.
        using VirtualMachine vm = VirtualMachine.Create(image, new VirtualMachineOptions { Engine = EngineKind.Interpreter });
        _ = vm.Run(new RunLimits { MaxInstructions = 100_000 });
        Inspector inspector = new(vm) { Symbols = symbols, Lines = lines, Sources = new SourceFiles([GuestCatalog.Folder, Path.Combine(GuestCatalog.Folder, "kernel")]) };
        SourceLine entry = lines.Find(lines.Files.Single(file => file.EndsWith("/kernel.c", StringComparison.Ordinal)), 1)[0];
        Assert.NotNull(inspector.Sources.Text(entry));
        Assert.True(inspector.TryShow("code", $"0x{entry.First:x} 4", out InspectionText? text, out string? wrong), wrong);
        Assert.Contains($"; {entry}  {inspector.Sources.Text(entry)!.Trim()}", text.Text, StringComparison.Ordinal);
    }

    [GeneratedRegex(@"([^/:]+):(\d+)")]
    private static partial Regex Place();
}
