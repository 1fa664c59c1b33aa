using System.ComponentModel;
using System.Diagnostics;

namespace ToyVmm.Cli.Benchmarking.Density;

/// <summary>Programs of the host that are measured beside guests.</summary>
internal static class HostProgram
{
    // With an argument it waits to be killed.
    private const string HelloSource = """
        #include <unistd.h>

        int main(int argc, char **argv)
        {
            (void)argv;
            if (write(1, "Hello, world\n", 13) != 13)
                return 1;
            while (argc > 1)
                pause();
            return 0;
        }

        """;

    /// <summary>Where a program is, by the PATH; null where it is not installed.</summary>
    public static string? Find(string name) => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
        .Select(folder => Path.Combine(folder, name)).FirstOrDefault(File.Exists);

    /// <summary>Builds a program that prints the guest's first line.</summary>
    /// <param name="directory">Where to.</param>
    /// <returns>Its path; null without a compiler that links statically.</returns>
    public static string? BuildHello(string directory)
    {
        string source = Path.Combine(directory, "hello.c");
        string program = Path.Combine(directory, "hello");
        File.WriteAllText(source, HelloSource);
        try
        {
            using Process compiler = Process.Start(new ProcessStartInfo("gcc", ["-O2", "-static", "-s", "-o", program, source])
            {
                RedirectStandardError = true,
                RedirectStandardOutput = true,
            })!;
            _ = compiler.StandardError.ReadToEnd();
            compiler.WaitForExit();
            return compiler.ExitCode == 0 ? program : null;
        }
        catch (Win32Exception)
        {
            return null;
        }
    }
}
