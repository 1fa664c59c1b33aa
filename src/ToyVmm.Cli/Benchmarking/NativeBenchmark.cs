using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using ToyVmm.Cli.Guests;

namespace ToyVmm.Cli.Benchmarking;

/// <summary>
/// The same C code as an ordinary 32-bit program of the host: what the guest's speed is compared with. Built from the embedded
/// sources with `gcc -m32 -O2 -march=i686`, the guests' own flags as far as they matter for speed.
/// </summary>
internal sealed class NativeBenchmark : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("toyvmm-bench-").FullName;

    private NativeBenchmark()
    {
    }

    /// <summary>Prepares native runs.</summary>
    /// <returns>Null where gcc cannot build 32-bit programs.</returns>
    /// <param name="why">Then: why.</param>
    public static NativeBenchmark? Create(out string why)
    {
        why = "";
        if (!OperatingSystem.IsLinux())
        {
            why = "native times need Linux with gcc -m32";
            return null;
        }

        NativeBenchmark native = new();
        _ = BuiltInGuests.Extract(native._directory);
        string probe = Path.Combine(native._directory, "probe.c");
        File.WriteAllText(probe, "#include <stdio.h>\nint main(void) { return 0; }\n");
        if (Run("gcc", ["-m32", "-o", Path.Combine(native._directory, "probe"), probe], out _, out string errors) != 0)
        {
            why = $"no native times: gcc -m32 does not work here ({errors.Split('\n')[0]}); on Debian: apt install gcc-multilib";
            native.Dispose();
            return null;
        }

        return native;
    }

    /// <summary>Builds and times a guest's work.</summary>
    /// <param name="name">The guest.</param>
    /// <param name="repeat">How many runs, of which the best counts.</param>
    /// <param name="scale">How much work, or null for the guest's own measure.</param>
    /// <returns>Seconds, or null when it does not build.</returns>
    public double? Measure(string name, int repeat, ulong? scale)
    {
        string program = Path.Combine(_directory, name + ".native");
        string include = Path.Combine(_directory, "include");
        if (Run("gcc", ["-m32", "-O2", "-march=i686", "-I", include, "-o", program, Path.Combine(_directory, name, "work.c"), Path.Combine(include, "native_main.c")], out _, out _) != 0)
        {
            return null;
        }

        double best = double.MaxValue;
        for (int run = 0; run < repeat; run++)
        {
            if (Run(program, scale is { } s ? [s.ToString(CultureInfo.InvariantCulture)] : [], out double seconds, out _) != 0)
            {
                return null;
            }

            best = Math.Min(best, seconds);
        }

        return best;
    }

    /// <inheritdoc/>
    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private static int Run(string program, string[] arguments, out double seconds, out string errors)
    {
        seconds = 0;
        errors = "";
        try
        {
            using Process process = Process.Start(new ProcessStartInfo(program, arguments)
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                RedirectStandardInput = true,
            })!;
            long started = Stopwatch.GetTimestamp();
            process.StandardInput.Close();
            Task<string> output = process.StandardOutput.ReadToEndAsync();
            errors = process.StandardError.ReadToEnd();
            _ = output.Result;
            process.WaitForExit();
            seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
            return process.ExitCode;
        }
        catch (Win32Exception e)
        {
            errors = e.Message;
            return -1;
        }
    }
}
