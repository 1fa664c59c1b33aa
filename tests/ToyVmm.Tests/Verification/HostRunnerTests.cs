using System.ComponentModel;
using System.Diagnostics;
using ToyVmm.Tests.Loading;
using ToyVmm.VirtualMachines.Verification.HostCpu;
using Xunit;

namespace ToyVmm.Tests.Verification;

/// <summary>The program that <see cref="HostProcessor"/> starts, alone: that it is what its source says, and that it does not outlive its parent.</summary>
public sealed class HostRunnerTests
{
    private const uint Code = 0x13_0000;

    private static readonly string s_runner =
        Path.Combine(RepositoryFiles.Root, "src", "ToyVmm.VirtualMachines", "Verification", "HostCpu", "runner.elf");

    /// <summary>What is committed and embedded is what the source says.</summary>
    [BiosToolTheory("nasm")]
    [InlineData("runner.asm")]
    public void It_is_built_from_its_source(string source)
    {
        string folder = Path.GetDirectoryName(s_runner)!;
        string built = Path.GetTempFileName();
        try
        {
            using Process nasm = Process.Start("nasm", ["-w+all", "-w+error", "-f", "bin", "-o", built, Path.Combine(folder, source)]);
            Assert.True(nasm.WaitForExit(60_000));
            Assert.Equal(0, nasm.ExitCode);
            byte[] expected = File.ReadAllBytes(built);
            Assert.Equal(expected, File.ReadAllBytes(s_runner));
            using Stream embedded = typeof(HostProcessor).Assembly.GetManifestResourceStream("runner.elf")!;
            using var copy = new MemoryStream();
            embedded.CopyTo(copy);
            Assert.Equal(expected, copy.ToArray());
        }
        finally
        {
            File.Delete(built);
        }
    }

    /// <summary>The runner alone, with this test as its parent: it dies when the parent's pipes close, be it waiting or in the middle of a program.</summary>
    [HostProcessorTheory]
    [InlineData(false)]
    [InlineData(true)]
    public void It_dies_with_its_parent(bool running)
    {
        string folder = Directory.CreateTempSubdirectory("toyvmm-").FullName;
        try
        {
            string runner = Path.Combine(folder, "runner.elf");
            string shared = Path.Combine(folder, "shared");
            File.Copy(s_runner, runner);
            if (!OperatingSystem.IsWindows())
            {
                File.SetUnixFileMode(runner, UnixFileMode.UserRead | UnixFileMode.UserExecute);
            }

            byte[] memory = new byte[0x1_1000 + 0x2E_0000];
            Bytes("000F1300 00000000 01000000 01000000").CopyTo(memory, 0);          // end, resume addresses, limit, changes
            BitConverter.TryWriteBytes(memory.AsSpan(0x40 + 36), Code);              // EIP
            BitConverter.TryWriteBytes(memory.AsSpan(0x200), (ushort)0x37F);            // FCW
            BitConverter.TryWriteBytes(memory.AsSpan(0x218), 0x1F80);                // MXCSR
            BitConverter.TryWriteBytes(memory.AsSpan(0x1000), Code | 7);
            BitConverter.TryWriteBytes(memory.AsSpan(0x1004), 4096);
            Bytes("EBFE").CopyTo(memory, 0x1_1000 + (int)(Code - HostProgram.LowestAddress));
            File.WriteAllBytes(shared, memory);
            using Process process = Start(runner, shared);
            Assert.True(process.StandardOutput.BaseStream.ReadByte() >= 0);
            if (running)
            {
                process.StandardInput.BaseStream.WriteByte(0);
                process.StandardInput.BaseStream.Flush();
                Assert.False(process.WaitForExit(100));
                process.StandardError.Close();
            }
            else
            {
                process.StandardInput.Close();
            }

            bool ended = process.WaitForExit(10_000);
            if (!ended)
            {
                process.Kill();
            }

            Assert.True(ended);
            Assert.Equal(running ? 128 + 29 : 0, process.ExitCode); // SIGIO
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static Process Start(string runner, string shared)
    {
        var start = new ProcessStartInfo(runner, [shared])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                return Process.Start(start)!;
            }
            catch (Win32Exception e) when (e.NativeErrorCode == 26 && attempt < 20)
            {
                // ETXTBSY: a process that another test is starting just now still holds our file open for writing.
                Thread.Sleep(50);
            }
        }
    }

    private static byte[] Bytes(string hex) => Convert.FromHexString(hex.Replace(" ", "", StringComparison.Ordinal));
}
