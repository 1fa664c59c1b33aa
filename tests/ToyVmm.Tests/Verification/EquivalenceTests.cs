using ToyVmm.Engines;
using ToyVmm.Tests.Fuzz;
using ToyVmm.Tests.Translation;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Verification.Equivalence;
using ToyVmm.VirtualMachines.Verification.Programs;
using Xunit;
using Xunit.Abstractions;

namespace ToyVmm.Tests.Verification;

/// <summary>Equivalence on random programs, with a new seed each time; and that a party which lies is found out.</summary>
public sealed class EquivalenceTests(ITestOutputHelper output)
{
    private const int StandardCases = 1_500;

    [TranslatorFact]
    public void Random_programs_do_the_same_everywhere()
    {
        List<JudgeSource> judges = HostJudge.Unavailable is null ? [new JudgeSource("host CPU", () => new HostJudge())] : [];
        EquivalenceProperty property = new(EngineSetting.Translators, judges, []);
        CampaignState state = new() { Property = property.Name, Seed = FuzzSettings.FirstSeed() };
        output.WriteLine($"seed 0x{state.Seed:X}; host CPU: {HostJudge.Unavailable ?? "takes part"}");
        bool complete = new VerificationCampaign(property, (ulong)FuzzSettings.Cases(StandardCases), 2).Run(state);
        foreach ((string name, ulong number) in state.Tally.Counts)
        {
            output.WriteLine($"{name}: {number}");
        }

        Assert.True(state.Counterexamples.Count == 0, string.Join("\n\n", state.Counterexamples.Select(found => $"seed {found.Seed}: {found.Summary}\n{found.Detail}\n{found.Source}")));
        Assert.True(complete);
    }

    /// <summary>The naive engine is wrong on purpose: the check finds it, and shrinks the program to one sensitive instruction.</summary>
    [Fact]
    public void An_engine_that_lies_is_found_out_and_the_program_shrinks()
    {
        EngineSetting naive = new("naive", EngineKind.Naive, new TranslatorOptions());
        using EquivalenceChecker checker = new([naive], []);
        VerificationTally tally = new();
        Counterexample? found = null;
        for (ulong seed = 1; found is null && seed < 200; seed++)
        {
            found = checker.Check(seed, tally);
        }

        Assert.NotNull(found);
        output.WriteLine(found.Detail);
        int left = int.Parse(System.Text.RegularExpressions.Regex.Match(found.Source!, "shrunk to ([0-9]+) instructions").Groups[1].Value, System.Globalization.CultureInfo.InvariantCulture);

        // None at all: the runtime itself has sensitive instructions.
        Assert.InRange(left, 0, 3);
        Assert.Contains("compared with naive", found.Detail, StringComparison.Ordinal);
        Assert.NotNull(found.FirstDivergence);
        Assert.Contains("instruction " + found.FirstDivergence, found.Detail, StringComparison.Ordinal);
        Assert.NotNull(found.Source);
    }

    /// <summary>A judge that tells another EAX is outvoted by the two engines.</summary>
    [TranslatorFact]
    public void A_judge_that_lies_is_the_odd_one_out()
    {
        using EquivalenceChecker checker = new([EngineSetting.Translators[0]], [new LyingJudge()]);
        Counterexample? found = checker.Check(1, new VerificationTally());
        Assert.NotNull(found);
        output.WriteLine(found.Detail);
        Assert.Contains("the odd one out: liar\n", found.Detail, StringComparison.Ordinal);
        Assert.Contains("EAX is", found.Detail, StringComparison.Ordinal);

        // It lies about any program, so that nothing is left of this one.
        Assert.Contains("shrunk to 0 instructions", found.Source, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0, "vector")]
    [InlineData(2, "EIP")]
    [InlineData(12, "EAX")]
    [InlineData(15, "CR0")]
    public void The_first_field_that_differs_is_named(int word, string name)
    {
        ProgramResult one = Some();
        ProgramResult other = one with { Records = one.Records.SetItem(ProgramLayout.RecordWords + word, 0x1234) };
        Assert.Null(one.DifferenceFrom(Some()));
        Assert.StartsWith($"record 1: {name} is ", one.DifferenceFrom(other), StringComparison.Ordinal);
        Assert.Equal(word >= 13, one.WithWords(13).DifferenceFrom(other.WithWords(13)) is null);
    }

    [Fact]
    public void Every_part_of_a_result_counts_but_what_depends_on_the_processor()
    {
        ProgramResult one = Some();
        for (int n = 0; n < 512; n++)
        {
            bool counts = n is < 6 or (>= 24 and < 28) or (>= 160 and < 288) || (n is >= 32 and < 160 && (n & 15) < 10);
            Assert.Equal(counts, one.DifferenceFrom(one with { FloatingPoint = one.FloatingPoint.SetItem(n, 1) }) is not null);
        }

        Assert.Contains("page at offset f000", one.DifferenceFrom(one with { PageSums = one.PageSums.SetItem(15, 1) }), StringComparison.Ordinal);
        Assert.Contains("1 records", one.DifferenceFrom(one with { Records = one.Records[..16] }), StringComparison.Ordinal);
        Assert.NotNull(one.DifferenceFrom(one with { Ended = false }));
    }

    [Fact]
    public void What_a_verbose_program_prints_is_read_back()
    {
        using ProgramMachine machine = new(EngineSetting.Interpreter) { MostInstructions = 10_000_000 };
        for (ulong seed = 1; seed <= 20; seed++)
        {
            RandomProgram program = ProgramGenerator.Generate(seed);
            if (!program.RunsOnQemu)
            {
                continue;
            }

            ProgramImage image = new(program);
            using VirtualMachine vm = ProgramMachine.Create(image.Verbose(), EngineSetting.Interpreter);
            Assert.Equal(StopKind.DebugExit, vm.Run().Kind);
            Assert.Null(QemuJudge.Parse(vm.SerialOutput).DifferenceFrom(ProgramResult.Read(vm.Machine.Memory, program.Mode)));
        }
    }

    /// <summary>Each judge compares only what it can tell, and two of them what both can.</summary>
    [Fact]
    public void Judges_leave_out_what_they_cannot_tell()
    {
        uint[] words = new uint[16];
        (words[0], words[1], words[3], words[15]) = (14, 7, 0x10_0000, 0x8005_0033);
        ProgramResult fault = Some() with { Records = [.. words] };
        using QemuJudge qemu = new(every: 1);
        Assert.Equal([14u, 5u, 0u, 0x10_0000u], qemu.Comparable(fault).Records.AsSpan(0, 4).ToArray());
        Assert.Equal(0x8005_0033u, qemu.Comparable(fault).Records[15]);
        if (HostJudge.Unavailable is null)
        {
            using HostJudge host = new();
            Assert.Equal([14u, 6u, 0u, 0x10_0000u], host.Comparable(fault).Records.AsSpan(0, 4).ToArray());
            Assert.Equal(0u, host.Comparable(fault).Records[15]);
            words[3] = ProgramLayout.Body + ProgramLayout.ReadOnly;
            Assert.Equal(7u, host.Comparable(fault with { Records = [.. words] }).Records[1]);
        }
    }

    private static ProgramResult Some() => new(true, [.. new uint[32]], [.. new byte[512]], [.. new uint[16]]);

    private sealed class LyingJudge : IProgramJudge
    {
        public string Name => "liar";

        public string? Options => null;

        public bool CanJudge(RandomProgram program) => true;

        public ProgramResult? Run(ProgramImage image, out string? problem)
        {
            problem = null;
            using ProgramMachine machine = new(EngineSetting.Interpreter);
            _ = machine.Run(image.Bytes);
            ProgramResult result = machine.Result(image.Program.Mode);
            return result with { Records = result.Records.SetItem(12, ~result.Records[12]) };
        }

        public ProgramResult Comparable(ProgramResult result) => result;

        public void Dispose()
        {
        }
    }
}
