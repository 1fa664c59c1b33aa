using System.Diagnostics;
using System.Text;

namespace ToyVmm.GuestTests;

/// <summary>What a program left behind: its exit status and its two streams, byte for byte as Latin-1 text.</summary>
/// <param name="Status">The exit status.</param>
/// <param name="Output">Standard output.</param>
/// <param name="Errors">Standard error.</param>
public sealed record ToolResult(int Status, string Output, string Errors);

/// <summary>Runs other people's programs in tests: with a time limit that ends them, and without a shell.</summary>
public static class ToolProcess
{
    /// <summary>Says which of the programs is missing; null when all are there.</summary>
    public static string? ReasonToSkip(IEnumerable<string> tools)
    {
        var missing = tools.Where(tool => FindOnPath(tool) is null).ToArray();
        return missing.Length == 0 ? null : $"not installed: {string.Join(", ", missing)}";
    }

    /// <summary>The program's full path, or null.</summary>
    public static string? FindOnPath(string tool) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "")
            .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            .Select(folder => Path.Combine(folder, tool))
            .FirstOrDefault(File.Exists);

    /// <summary>Runs a program to its end.</summary>
    /// <param name="tool">The program, on the PATH or with a path.</param>
    /// <param name="arguments">Its arguments, unquoted.</param>
    /// <param name="timeout">How long it may take.</param>
    /// <param name="input">Standard input as Latin-1 text; it is closed afterwards.</param>
    /// <exception cref="TimeoutException">It took longer, and was ended; the message holds its output so far.</exception>
    public static ToolResult Run(string tool, IEnumerable<string> arguments, TimeSpan timeout, string input = "")
    {
        var start = new ProcessStartInfo(tool)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardInputEncoding = Encoding.Latin1,
            StandardOutputEncoding = Encoding.Latin1,
            StandardErrorEncoding = Encoding.Latin1,
        };
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        using var process = Process.Start(start) ?? throw new InvalidOperationException($"{tool} did not start.");
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        try
        {
            process.StandardInput.Write(input);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It ended without reading its input: its status and output say why.
        }

        if (!process.WaitForExit(timeout))
        {
            process.Kill(entireProcessTree: true);
            process.WaitForExit();
            throw new TimeoutException($"{tool} {string.Join(' ', start.ArgumentList)} ran longer than {timeout.TotalSeconds:0} s; its output so far:\n{output.Result}{errors.Result}");
        }

        process.WaitForExit();      // the overload with a limit does not wait for the streams
        return new ToolResult(process.ExitCode, output.Result, errors.Result);
    }
}
