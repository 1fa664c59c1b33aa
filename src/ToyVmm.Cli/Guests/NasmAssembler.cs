using System.ComponentModel;
using System.Diagnostics;

namespace ToyVmm.Cli.Guests;

/// <summary>
/// Assembles a source on the fly. A plain source becomes a flat binary; one whose head says "format: multiboot" is linked as
/// guest-images/build.sh does it.
/// </summary>
internal static class NasmAssembler
{
    /// <summary>Assembles a file.</summary>
    /// <param name="source">The path of the source.</param>
    /// <exception cref="UserErrorException">nasm is missing (66), or does not like the source (65).</exception>
    public static byte[] Assemble(string source)
    {
        string work = Directory.CreateTempSubdirectory("toyvmm-").FullName;
        try
        {
            string include = Path.Combine(work, "include");
            _ = BuiltInGuests.Extract(work, "include");
            string output = Path.Combine(work, "image");
            string folder = Path.GetDirectoryName(Path.GetFullPath(source))!;
            bool link = NeedsLinking(source);
            string assembled = link ? Path.Combine(work, "object.o") : output;
            Run("nasm", $"install it (Debian: apt install nasm), or assemble {source} elsewhere and run the result",
                ["-f", link ? "elf32" : "bin", "-I", folder + Path.DirectorySeparatorChar, "-I", include + Path.DirectorySeparatorChar, "-o", assembled, source]);
            if (link)
            {
                Run("ld", "install binutils: a Multiboot guest is linked",
                    ["-m", "elf_i386", "-n", "-z", "noexecstack", "-T", Path.Combine(include, "link.ld"), "--build-id=none", "--no-warn-rwx-segments", "-o", output, assembled]);
            }

            return HostFile.ReadAll(output, "assembled image");
        }
        finally
        {
            Directory.Delete(work, recursive: true);
        }
    }

    /// <summary>Runs a tool to its end.</summary>
    /// <param name="tool">Its name, looked up on the PATH.</param>
    /// <param name="advice">What to do when it is missing.</param>
    /// <param name="arguments">Its arguments.</param>
    private static void Run(string tool, string advice, IEnumerable<string> arguments)
    {
        ProcessStartInfo start = new(tool, arguments) { RedirectStandardError = true, RedirectStandardOutput = true, RedirectStandardInput = true };
        Process process;
        try
        {
            process = Process.Start(start) ?? throw new InvalidOperationException($"{tool} did not start");
        }
        catch (Win32Exception)
        {
            throw UserErrorException.File($"{tool} is not on the PATH: {advice}");
        }

        using (process)
        {
            process.StandardInput.Close();
            Task<string> output = process.StandardOutput.ReadToEndAsync();
            string errors = process.StandardError.ReadToEnd() + output.Result;
            process.WaitForExit();
            if (process.ExitCode != 0)
            {
                throw new UserErrorException(ExitStatus.BadImage, $"{tool} refuses the source:\n{errors.TrimEnd()}");
            }
        }
    }

    private static bool NeedsLinking(string source)
    {
        try
        {
            return BuiltInGuests.HeadField(File.ReadLines(source).Take(10).Select(line => line.TrimStart(';', ' ')), "format") == "multiboot";
        }
        catch (Exception e) when (HostFile.IsFileProblem(e))
        {
            throw UserErrorException.File($"cannot read the source {source}: {HostFile.Reason(e)}");
        }
    }
}
