using System.Collections.Immutable;
using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using ToyVmm.Engines.Generation;
using ToyVmm.VirtualMachines.Verification.Programs;

namespace ToyVmm.VirtualMachines.Verification.Equivalence;

/// <summary>QEMU as a judge: the program's image, which prints its results, run by qemu-system-i386. A start takes a good part of a second, so it is asked about a sample.</summary>
public sealed class QemuJudge : IProgramJudge
{
    private const string Program = "qemu-system-i386";
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(30);

    // Its single-step trap behind PAUSE comes late, and CMPXCHG8B changes more flags than ZF (seen in 7.2).
    private static readonly string[] s_mistaken = ["PAUSE", "CMPXCHG8B"];
    private readonly ulong _every;
    private readonly string _image = Path.GetTempFileName();

    /// <summary>Makes a judge.</summary>
    /// <param name="every">It judges one in so many of the programs that it could.</param>
    public QemuJudge(ulong every) => _every = every;

    /// <summary>Why there is no QEMU here; null where there is.</summary>
    public static string? Unavailable
    {
        get
        {
            try
            {
                using Process? process = Process.Start(new ProcessStartInfo(Program, "--version") { RedirectStandardOutput = true, RedirectStandardError = true });
                process?.WaitForExit();
                return null;
            }
            catch (Win32Exception)
            {
                return $"{Program} is not installed";
            }
        }
    }

    /// <inheritdoc/>
    public string Name => "QEMU";

    /// <inheritdoc/>
    public string? Options => $"--qemu-every {_every}";

    /// <inheritdoc/>
    public bool CanJudge(RandomProgram program)
    {
        ArgumentNullException.ThrowIfNull(program);
        return program.RunsOnQemu && program.Seed % _every == 0
            && !program.Steps.Any(step => step.Instructions.Any(instruction => s_mistaken.Contains(HostExecution.MnemonicOf(instruction.Bytes.AsSpan(), program.Code32))));
    }

    /// <inheritdoc/>
    public ProgramResult? Run(ProgramImage image, out string? problem)
    {
        ArgumentNullException.ThrowIfNull(image);
        File.WriteAllBytes(_image, image.Verbose());
        ProcessStartInfo start = new(Program) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (string argument in (string[])
            ["-M", "pc", "-accel", "tcg", "-m", "16", "-cpu", "max", "-display", "none", "-monitor", "none", "-serial", "stdio", "-no-reboot", "-device", "isa-debug-exit,iobase=0xf4,iosize=1", "-kernel", _image])
        {
            start.ArgumentList.Add(argument);
        }

        using Process process = Process.Start(start) ?? throw new InvalidOperationException($"{Program} does not start");
        Task<string> errors = process.StandardError.ReadToEndAsync();
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        if (!process.WaitForExit(s_limit))
        {
            process.Kill();
            process.WaitForExit();
            problem = $"{Program} did not end within {s_limit.TotalSeconds} s";
            return null;
        }

        // The status of the debug exit port is also that of a QEMU which does not start.
        ProgramResult result = Parse(output.Result);
        problem = process.ExitCode == 1 && result.Ended ? null : $"{Program} ended with status {process.ExitCode}: {errors.Result.Trim()}";
        return problem is null ? result : null;
    }

    /// <inheritdoc/>
    public ProgramResult Comparable(ProgramResult result)
    {
        ArgumentNullException.ThrowIfNull(result);

        // Instructions that read and write demand the write from the start (SDM 3A 4.7), and their page fault says so; QEMU reads first.
        const uint Write = 2;
        return result.WithPageFaults((_, code) => code & ~Write);
    }

    /// <inheritdoc/>
    public void Dispose() => File.Delete(_image);

    /// <summary>Reads what a verbose program prints: records of 16 words, 18 lines of 4 words of x87 and SSE state, a checksum a line.</summary>
    internal static ProgramResult Parse(string output)
    {
        List<uint> records = [];
        List<byte> floatingPoint = [];
        List<uint> sums = [];
        foreach (string line in output.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            string[] texts = line.Split((char[])[' ', '\r'], StringSplitOptions.RemoveEmptyEntries);
            uint[] words = new uint[texts.Length];
            bool isResult = true;
            for (int n = 0; n < texts.Length; n++)
            {
                isResult &= uint.TryParse(texts[n], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out words[n]);
            }

            if (!isResult)
            {
                continue;
            }

            switch (words.Length)
            {
                case ProgramLayout.RecordWords:
                    records.AddRange(words);
                    break;
                case 4:
                    floatingPoint.AddRange(words.SelectMany(BitConverter.GetBytes));
                    break;
                case 1:
                    sums.Add(words[0]);
                    break;
            }
        }

        ImmutableArray<byte> state = [.. floatingPoint.Concat(new byte[512]).Take(512)];
        return new ProgramResult(sums.Count == (int)(ProgramLayout.BodySize >> 12), [.. records], state, [.. sums]);
    }
}
