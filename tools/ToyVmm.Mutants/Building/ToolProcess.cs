using System.ComponentModel;
using System.Diagnostics;
using System.Text;

namespace ToyVmm.Mutants.Building;

/// <summary>How a process ended.</summary>
/// <param name="ExitCode">Its exit status; -1 when it was ended for being late.</param>
/// <param name="Output">Standard output and standard error.</param>
/// <param name="TimedOut">True when it took longer than it may.</param>
internal readonly record struct ToolResult(int ExitCode, string Output, bool TimedOut);

/// <summary>Runs git and dotnet.</summary>
internal static class ToolProcess
{
    /// <summary>Runs a program to its end, or ends it and what it has started.</summary>
    /// <param name="program">Its name.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="folder">Where it runs.</param>
    /// <param name="variables">Environment variables to set; a null value takes one away.</param>
    /// <param name="limit">How long it may take.</param>
    /// <param name="cancellation">Stops it.</param>
    /// <exception cref="UserErrorException">The program is not there.</exception>
    public static async Task<ToolResult> RunAsync(
        string program, IEnumerable<string> arguments, string folder, IEnumerable<KeyValuePair<string, string?>> variables, TimeSpan limit, CancellationToken cancellation)
    {
        ProcessStartInfo start = new(program, arguments)
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
            UseShellExecute = false,
            StandardOutputEncoding = Encoding.UTF8,
        };
        foreach ((string name, string? value) in variables)
        {
            start.Environment[name] = value;
        }

        using Process process = new() { StartInfo = start };
        StringBuilder output = new();
        try
        {
            _ = process.Start();
        }
        catch (Win32Exception e)
        {
            throw UserErrorException.File($"cannot run {program}: {e.Message}");
        }

        process.StandardInput.Close();
        Task[] readers = [CopyAsync(process.StandardOutput, output), CopyAsync(process.StandardError, output)];
        using CancellationTokenSource deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        deadline.CancelAfter(limit);
        try
        {
            await process.WaitForExitAsync(deadline.Token).ConfigureAwait(false);
            await Task.WhenAll(readers).WaitAsync(deadline.Token).ConfigureAwait(false);
            return new ToolResult(process.ExitCode, Text(output), TimedOut: false);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            cancellation.ThrowIfCancellationRequested();
            return new ToolResult(-1, Text(output), TimedOut: true);
        }
    }

    private static async Task CopyAsync(StreamReader reader, StringBuilder output)
    {
        char[] buffer = new char[4096];
        for (int count; (count = await reader.ReadAsync(buffer).ConfigureAwait(false)) > 0;)
        {
            lock (output)
            {
                _ = output.Append(buffer, 0, count);
            }
        }
    }

    private static string Text(StringBuilder output)
    {
        lock (output)
        {
            return output.ToString();
        }
    }
}
