using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using ToyVmm.Engines;
using ToyVmm.VirtualMachines;
using Xunit;
using Xunit.Abstractions;

namespace ToyVmm.GuestTests.RandomPrograms;

/// <summary>
/// Random system programs - segments, gates, privilege, paging, tasks, virtual-8086 mode - print the same log here and under QEMU:
/// every interrupt and exception with its error code, registers, selectors and control registers.
/// </summary>
public sealed class RandomProgramTests(ITestOutputHelper output)
{
    private const int SnippetsEach = 250;
    private const int StandardImages = 24;
    private const int FlagsWord = 4;
    private const string PageFaultVector = "0000000E";
    private const uint ResumeFlag = 0x1_0000;
    private const int WordLength = 9; // eight digits and a space

    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(60);

    [RequiresToolTheory("qemu-system-i386")]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Logs_are_the_same_as_under_QEMU(int part)
    {
        ulong first = Environment.GetEnvironmentVariable("TOYVMM_SEED") is { Length: > 0 } text
            ? text.StartsWith("0x", StringComparison.OrdinalIgnoreCase)
                ? ulong.Parse(text.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture)
                : ulong.Parse(text, CultureInfo.InvariantCulture)
            : BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(8));
        int images = Environment.GetEnvironmentVariable("TOYVMM_FUZZ_CASES") is { Length: > 0 } percent
            ? Math.Max(1, (int)(StandardImages / 4 * double.Parse(percent, CultureInfo.InvariantCulture) / 100))
            : StandardImages / 4;
        int records = 0;
        int fetchFaults = 0;
        int reservedFaults = 0;
        for (int n = 0; n < images; n++)
        {
            ulong seed = first + (ulong)((part * images) + n);
            RandomProgram program = new(seed, SnippetsEach);
            string[] ours = RunHere(program.Build());
            string[] theirs = RunUnderQemu(program.Build());
            records += theirs.Length;
            fetchFaults += theirs.Count(record => (PageFaultError(record) & 0x10) != 0);
            reservedFaults += theirs.Count(record => (PageFaultError(record) & 8) != 0);
            if (!ours.SequenceEqual(theirs))
            {
                Assert.Fail(Explain(program, seed));
            }

            Assert.True(theirs.Length >= SnippetsEach, $"seed 0x{seed:X}: {theirs.Length} records");
        }

        output.WriteLine($"seed 0x{first:X}: {images} images, {records} records, of them page faults of a fetch {fetchFaults}, of a reserved bit {reservedFaults}");
    }

    private static string Explain(RandomProgram program, ulong seed)
    {
        HashSet<int> kept = Shrink(program);
        StringBuilder text = new();
        _ = text.AppendLine($"TOYVMM_SEED=0x{seed:X} TOYVMM_FUZZ_CASES=0: {kept.Count} of {program.Snippets.Count} snippets suffice");
        byte[] image = program.Build(kept.Contains);
        string[] ours = RunHere(image);
        string[] theirs = RunUnderQemu(image);
        int at = 0;
        while (at < ours.Length && at < theirs.Length && ours[at] == theirs[at])
        {
            at++;
        }

        _ = text.AppendLine("       vector   error    eip      cs       eflags   ss       esp      eax      ecx      edx      ebx      ebp      esi      edi      ds       es       fs       gs       cr2      cr0      dr6      tr       ldtr     snippet");
        _ = text.AppendLine($"ours   {(at < ours.Length ? ours[at] : "no more records")}");
        _ = text.AppendLine($"QEMU   {(at < theirs.Length ? theirs[at] : "no more records")}");
        foreach (int number in kept.Order().Take(5))
        {
            _ = text.Append(program.Disassemble(number));
        }

        return text.ToString();
    }

    // Halves, then quarters, ... of the snippets are dropped while the logs still differ.
    private static HashSet<int> Shrink(RandomProgram program)
    {
        List<int> kept = Enumerable.Range(0, program.Snippets.Count).ToList();
        for (int size = kept.Count / 2; size > 0; size /= 2)
        {
            for (int at = 0; at < kept.Count && kept.Count > 1;)
            {
                HashSet<int> rest = kept.Where((_, index) => index < at || index >= at + size).ToHashSet();
                byte[] image = program.Build(rest.Contains);
                if (rest.Count > 0 && !RunHere(image).SequenceEqual(RunUnderQemu(image)))
                {
                    kept = rest.Order().ToList();
                }
                else
                {
                    at += size;
                }
            }
        }

        return kept.ToHashSet();
    }

    // On every engine; where they differ among themselves, both logs come, one behind the other, and QEMU's equals neither.
    private static string[] RunHere(byte[] image)
    {
        string[][] logs = [.. GuestRunner.Engines.Select(engine => RunOn(engine, image))];
        return logs.All(log => log.SequenceEqual(logs[0])) ? logs[0] : [.. logs.SelectMany(log => log)];
    }

    private static string[] RunOn(EngineKind engine, byte[] image)
    {
        using VirtualMachine vm = VirtualMachine.Create(image, new VirtualMachineOptions { Engine = engine, Translator = new TranslatorOptions { Hotness = 0, Verify = true } });
        StopReason reason = vm.Run(new RunLimits { MaxInstructions = 50_000_000, Timeout = s_limit });
        string[] lines = Lines(vm.SerialOutput);
        return reason.Kind == StopKind.DebugExit ? lines : [.. lines, $"{reason.Detail} at {vm.Cpu.Cs.Selector:X4}:{vm.Cpu.Eip:X8}"];
    }

    private static string[] RunUnderQemu(byte[] image)
    {
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(path, image);
            ToolResult result = ToolProcess.Run(
                "qemu-system-i386",
                ["-cpu", "qemu32,+pae,+pse36,+nx", "-display", "none", "-monitor", "none", "-serial", "stdio", "-no-reboot", "-m", "64M", "-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-kernel", path],
                s_limit);
            string[] lines = Lines(result.Output);
            return result.Status == 1 ? lines : [.. lines, $"QEMU ended with status {result.Status}: {result.Errors}"];
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static string[] Lines(string log) =>
        log.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Select(Comparable).ToArray();

    // The error code of a page fault; 0 for any other record.
    private static uint PageFaultError(string record) =>
        record.StartsWith(PageFaultVector, StringComparison.Ordinal)
            ? uint.Parse(record.AsSpan(WordLength, 8), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture)
            : 0;

    // RF in a pushed EFLAGS is left out: QEMU 7 never sets it (SDM 3B 17.3.1.1 does for faults). Nor does it set bit 0 in the error code of
    // a reserved bit (SDM 3A 4.7: such an entry is present).
    private static string Comparable(string record)
    {
        string[] words = record.Split(' ');
        if (words.Length != ProgramLayout.RecordWords || record.Length != (WordLength * ProgramLayout.RecordWords) - 1)
        {
            return record;
        }

        uint flags = uint.Parse(words[FlagsWord], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture) & ~ResumeFlag;
        words[FlagsWord] = flags.ToString("X8", CultureInfo.InvariantCulture);
        if ((PageFaultError(record) & 8) != 0)
        {
            words[1] = (PageFaultError(record) | 1).ToString("X8", CultureInfo.InvariantCulture);
        }

        return string.Join(' ', words);
    }
}
