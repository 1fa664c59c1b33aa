using System.ComponentModel;
using System.Diagnostics;
using ToyVmm.Cli.Guests;

namespace ToyVmm.Cli.Benchmarking;

/// <summary>QEMU, running the guest kernel as a real machine would.</summary>
internal sealed class QemuProgram : IDisposable
{
    private const string Program = "qemu-system-i386";

    private readonly string _image = Path.GetTempFileName();

    private QemuProgram()
    {
    }

    /// <summary>Its first line about itself.</summary>
    public required string Version { get; init; }

    /// <summary>Finds it.</summary>
    /// <returns>Null where it is not installed.</returns>
    /// <param name="why">Then: why there are no numbers.</param>
    public static QemuProgram? Find(out string why)
    {
        why = $"no numbers of QEMU: {Program} is not installed";
        if (Run(["--version"], out string version, out _) != 0)
        {
            return null;
        }

        why = "";
        QemuProgram qemu = new() { Version = version.Split('\n')[0].Trim() };
        File.WriteAllBytes(qemu._image, BuiltInGuests.ReadImage(ParavirtualBenchmark.Guest)!);
        return qemu;
    }

    /// <summary>Runs the kernel to its end.</summary>
    /// <param name="commandLine">Its command line.</param>
    /// <returns>CPU seconds; null where the guest failed.</returns>
    public double? Run(string commandLine)
    {
        string[] arguments =
        [
            "-display", "none", "-monitor", "none", "-serial", "stdio", "-no-reboot", "-accel", "tcg", "-m", "64M",
            "-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-kernel", _image, "-append", commandLine,
        ];
        return Run(arguments, out _, out double seconds) == 0 ? seconds : null;
    }

    /// <inheritdoc/>
    public void Dispose() => File.Delete(_image);

    private static int Run(string[] arguments, out string output, out double seconds)
    {
        output = "";
        seconds = 0;
        double started = HostClock.ChildrenSeconds();
        try
        {
            using Process process = Process.Start(new ProcessStartInfo(Program, arguments)
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                RedirectStandardInput = true,
            })!;
            process.StandardInput.Close();
            Task<string> errors = process.StandardError.ReadToEndAsync();
            output = process.StandardOutput.ReadToEnd();
            _ = errors.Result;
            process.WaitForExit();
            seconds = HostClock.ChildrenSeconds() - started;
            return process.ExitCode;
        }
        catch (Win32Exception)
        {
            return -1;
        }
    }
}
