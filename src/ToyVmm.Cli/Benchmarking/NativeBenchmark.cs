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

    private string NanoProgram => Path.Combine(_directory, "nano.native");

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

    /// <summary>Builds the rows of nano that any process can run.</summary>
    /// <param name="why">Why it cannot be done; empty when it can.</param>
    /// <returns>The rows' names; none where it cannot be done.</returns>
    public IReadOnlyList<string> BuildNano(out string why)
    {
        // The rows are NASM sources that include each other by their path under guest-images.
        string rows = Path.Combine(_directory, "nano.o");
        string root = _directory + Path.DirectorySeparatorChar;
        int status = Run("nasm", ["-f", "elf32", "-I", root, "-o", rows, Path.Combine(_directory, "nano", "native.asm")], out _, out string errors);
        if (status == 0)
        {
            status = Run("gcc", ["-m32", "-O2", "-no-pie", "-o", NanoProgram, Path.Combine(_directory, "nano", "native_main.c"), rows], out _, out errors);
        }

        string list = "";
        if (status == 0)
        {
            status = Run(NanoProgram, ["list"], out _, out errors, out list);
        }

        why = status == 0 ? "" : $"no native times of nano: {errors.Split('\n')[0]} (on Debian: apt install nasm gcc-multilib)";
        return status == 0 ? list.Split('\n', StringSplitOptions.RemoveEmptyEntries) : [];
    }

    /// <summary>Times a row that <see cref="BuildNano"/> named.</summary>
    /// <returns>Nanoseconds for an operation, or null when the row fails or nothing could be told.</returns>
    public double? MeasureNano(string row, uint operations, int repeat, uint? loops) =>
        DifferenceTimer.Measure(
            count => Run(NanoProgram, [row, count.ToString(CultureInfo.InvariantCulture)], out double seconds, out _) == 0 ? seconds : null,
            repeat,
            loops).Seconds * 1e9 / operations;

    /// <inheritdoc/>
    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private static int Run(string program, string[] arguments, out double seconds, out string errors) => Run(program, arguments, out seconds, out errors, out _);

    private static int Run(string program, string[] arguments, out double seconds, out string errors, out string output)
    {
        seconds = 0;
        errors = "";
        output = "";
        double started = HostClock.ChildrenSeconds();
        try
        {
            using Process process = Process.Start(new ProcessStartInfo(program, arguments)
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                RedirectStandardInput = true,
            })!;
            process.StandardInput.Close();
            Task<string> reading = process.StandardOutput.ReadToEndAsync();
            errors = process.StandardError.ReadToEnd();
            output = reading.Result;
            process.WaitForExit();
            seconds = HostClock.ChildrenSeconds() - started;
            return process.ExitCode;
        }
        catch (Win32Exception e)
        {
            errors = e.Message;
            return -1;
        }
    }
}
