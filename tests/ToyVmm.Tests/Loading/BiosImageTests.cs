using System.Diagnostics;
using Xunit;

namespace ToyVmm.Tests.Loading;

/// <summary>The committed BIOS: its fixed places, that it is built from its source, and that it works on QEMU's machine.</summary>
public sealed class BiosImageTests
{
    private static readonly string Folder = FindFolder();

    [Fact]
    public void The_image_has_what_a_PC_expects_at_fixed_places()
    {
        byte[] bios = File.ReadAllBytes(Path.Combine(Folder, "bios.bin"));
        Assert.Equal(0x1_0000, bios.Length);
        Assert.Equal(0xEA, bios[0xFFF0]);                           // far jump ...
        Assert.Equal([0x00, 0xF0], bios[0xFFF3..0xFFF5]);           // ... into segment F000
        Assert.Equal("01/01/26"u8.ToArray(), bios[0xFFF5..0xFFFD]);
        Assert.Equal(0xFC, bios[0xFFFE]);
    }

    [BiosToolTheory("nasm")]
    [InlineData("bios.asm", "bios.bin")]
    [InlineData("bios-test.asm", "bios-test.img")]
    public void The_images_are_built_from_their_sources(string source, string image)
    {
        string built = Path.GetTempFileName();
        try
        {
            (int status, string output) = Run("nasm", Folder, 60, "-w+all", "-w+error", "-f", "bin", "-o", built, source);
            Assert.True(status == 0, output);
            Assert.Equal(File.ReadAllBytes(Path.Combine(Folder, image)), File.ReadAllBytes(built));
        }
        finally
        {
            File.Delete(built);
        }
    }

    /// <summary>With the ATA disk of QEMU, and - the oracle for the expected text - under SeaBIOS.</summary>
    [BiosToolTheory("qemu-system-i386")]
    [InlineData("-bios", "bios.bin")]
    [InlineData("-cpu", "qemu32")]
    public void The_test_disk_reports_the_expected_text(string option, string value)
    {
        (int status, string output) = Run("qemu-system-i386", Folder, 60, option, value, "-m", "64", "-display", "none", "-serial", "stdio",
            "-monitor", "none", "-no-reboot", "-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-drive", "file=bios-test.img,format=raw,snapshot=on");
        Assert.Equal(File.ReadAllText(Path.Combine(Folder, "bios-test.expected")), output.Replace("\r", "", StringComparison.Ordinal));
        Assert.Equal(33, status);
    }

    private static (int Status, string Output) Run(string program, string folder, int seconds, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardInput = true,
        };
        using Process process = Process.Start(start)!;
        process.StandardInput.Close();
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        if (!process.WaitForExit(TimeSpan.FromSeconds(seconds)))
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"{program} did not end within {seconds} s; it printed: {output.Result}");
        }

        return (process.ExitCode, output.Result);
    }

    private static string FindFolder()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "ToyVmm.sln")))
            {
                return Path.Combine(folder.FullName, "guest-images", "bios");
            }
        }

        throw new DirectoryNotFoundException("the tests run outside the repository");
    }
}

/// <summary>A theory that is skipped, with the reason, where a program is not on the PATH.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class BiosToolTheoryAttribute : TheoryAttribute
{
    public BiosToolTheoryAttribute(string program)
    {
        Program = program;
        string[] folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator);
        if (!folders.Any(folder => File.Exists(Path.Combine(folder, program))))
        {
            Skip = $"{program} is not installed";
        }
    }

    public string Program { get; }
}
