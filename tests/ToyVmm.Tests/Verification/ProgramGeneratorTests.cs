using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Verification.Programs;
using Xunit;

namespace ToyVmm.Tests.Verification;

/// <summary>The generator of random programs, their images and sources, and the machine that runs one after the other.</summary>
public sealed class ProgramGeneratorTests
{
    private const int Programs = 600;

    [Fact]
    public void A_seed_gives_the_same_image_each_time()
    {
        for (ulong seed = 1; seed <= 50; seed++)
        {
            Assert.Equal(new ProgramImage(ProgramGenerator.Generate(seed)).Bytes, new ProgramImage(ProgramGenerator.Generate(seed)).Bytes);
        }
    }

    /// <summary>A change of the generator makes every seed that somebody wrote down mean another program: it should be noticed.</summary>
    [Fact]
    public void Seed_1_is_what_it_was()
    {
        RandomProgram program = ProgramGenerator.Generate(1);
        Assert.Equal(ProgramMode.User, program.Mode);
        Assert.Equal(0x582F_38D9_C21F_EDDEul, VirtualMachines.Comparing.StateHash.Of(new ProgramImage(program).Bytes));
    }

    [Fact]
    public void Every_mode_every_kind_of_step_and_every_judge_has_its_programs()
    {
        HashSet<ProgramMode> modes = [];
        HashSet<string> kinds = [];
        int host = 0;
        int qemu = 0;
        int timed = 0;
        int repeated = 0;
        for (ulong seed = 1; seed <= Programs; seed++)
        {
            RandomProgram program = ProgramGenerator.Generate(seed);
            _ = modes.Add(program.Mode);
            kinds.UnionWith(program.Steps.Select(step => step.Kind));
            host += program.RunsOnHost ? 1 : 0;
            qemu += program.RunsOnQemu ? 1 : 0;
            timed += program.Timer != 0 ? 1 : 0;
            repeated += program.Repeats > 1 ? 1 : 0;
        }

        Assert.Equal(Enum.GetValues<ProgramMode>().Length, modes.Count);
        Assert.Equal(
            [
                "branch", "call", "debug register", "exception", "flags", "floating-point control", "integer", "interrupt", "loop", "page-table edit", "port", "privileged",
                "question", "segment load", "self-modifying", "stack", "string", "system", "vector", "x87",
            ],
            kinds.Order(StringComparer.Ordinal));
        Assert.InRange(host, Programs / 10, Programs / 3);
        Assert.InRange(qemu, Programs / 20, Programs / 3);
        Assert.InRange(timed, Programs / 50, Programs / 4);
        Assert.InRange(repeated, Programs / 8, Programs / 2);
    }

    /// <summary>A machine that has run others before is as good as a new one.</summary>
    [Fact]
    public void A_machine_that_is_used_again_gives_the_results_of_a_new_one()
    {
        using ProgramMachine used = new(EngineSetting.Interpreter);
        for (ulong seed = 1; seed <= 150; seed++)
        {
            byte[] image = new ProgramImage(ProgramGenerator.Generate(seed)).Bytes;
            using ProgramMachine fresh = new(EngineSetting.Interpreter);
            Assert.Equal(fresh.Run(image), used.Run(image));
        }
    }

    [Fact]
    public void Nearly_all_programs_come_to_their_end_and_log_what_happens()
    {
        using ProgramMachine machine = new(EngineSetting.Interpreter);
        HashSet<uint> vectors = [];
        int ended = 0;
        for (ulong seed = 1; seed <= Programs; seed++)
        {
            RandomProgram program = ProgramGenerator.Generate(seed);
            ProgramImage image = new(program);
            ProgramRun run = machine.Run(image.Bytes);
            ProgramResult result = machine.Result(program.Mode);
            Assert.Equal(run.Stop == StopKind.DebugExit, result.Ended);
            ended += result.Ended ? 1 : 0;
            for (int n = 0; n < result.Records.Length; n += ProgramLayout.RecordWords)
            {
                _ = vectors.Add(result.Records[n]);
            }
        }

        Assert.InRange(ended, Programs * 98 / 100, Programs);

        // #DE #DB #BP #OF #BR #UD #NM #SS #GP #PF #MF #AC #XM, and software interrupts that return and that do not.
        Assert.Superset<uint>(new HashSet<uint> { 0, 1, 3, 4, 5, 6, 7, 12, 13, 14, 16, 19, 0x40, 0x60 }, vectors);
    }

    [Fact]
    public void The_source_names_every_step()
    {
        RandomProgram program = ProgramGenerator.Generate(7);
        ProgramImage image = new(program);
        string source = ProgramSource.Write(image, ["the heading"]);
        Assert.StartsWith("; the heading\n;\n; runtime.asm", source, StringComparison.Ordinal);
        foreach (ProgramStep step in program.Steps)
        {
            Assert.Contains($"; step {step.Number}: {step.Kind}\n", source, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_branch_to_a_step_that_is_gone_goes_to_the_next_one()
    {
        ProgramStep Step(int number, params ProgramInstruction[] instructions) => new(number, "test", [.. instructions], StepTraits.None);
        RandomProgram program = ProgramGenerator.Generate(1) with
        {
            Mode = ProgramMode.Flat,
            Repeats = 1,
            StartOffset = 0,
            Steps = [Step(0, new ProgramInstruction([0xE9, 0, 0, 0, 0], Target: 2)), Step(3, new ProgramInstruction([0x90])), Step(4, new ProgramInstruction([0xF4]))],
        };
        ProgramImage image = new(program);
        Assert.Equal([0xE9, 0, 0, 0, 0, 0x90, 0xF4, 0xCC], image.Bytes.AsSpan((int)(ProgramLayout.Body - ProgramLayout.Image), 8).ToArray());
        ProgramImage shorter = new(program with { Steps = program.Steps.RemoveRange(1, 2) });
        Assert.Equal([0xE9, 0, 0, 0, 0, 0xCC], shorter.Bytes.AsSpan((int)(ProgramLayout.Body - ProgramLayout.Image), 6).ToArray());
    }
}
