using ToyVmm.VirtualMachines.Verification.Equivalence;
using ToyVmm.VirtualMachines.Verification.Programs;
using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>What random programs are to other tools: NASM makes the same bytes of their sources, QEMU the same results of their images.</summary>
public sealed class ProgramSourceTests : IDisposable
{
    private const string Programs = "src/ToyVmm.VirtualMachines/Verification/Programs";
    private const string Counterexamples = "tests/ToyVmm.Tests/Verification/Counterexamples";
    private readonly string _folder = Directory.CreateTempSubdirectory("toyvmm-programs-").FullName;

    /// <inheritdoc/>
    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [RequiresToolFact("nasm")]
    public void The_runtime_rebuilds_to_the_same_bytes() =>
        Assert.Equal(File.ReadAllBytes(Path.Combine(Root, Programs, "runtime.bin")), Assemble(Path.Combine(Root, Programs, "runtime.asm")));

    [RequiresToolFact("nasm")]
    public void Counterexamples_rebuild_to_the_same_bytes()
    {
        string[] sources = Directory.GetFiles(Path.Combine(Root, Counterexamples), "*.asm");
        Assert.NotEmpty(sources);
        Assert.All(sources, source => Assert.Equal(File.ReadAllBytes(Path.ChangeExtension(source, ".bin")), Assemble(source)));
    }

    [RequiresToolFact("nasm")]
    public void The_source_of_a_program_assembles_to_its_image()
    {
        for (ulong seed = 1; seed <= 24; seed++)
        {
            ProgramImage image = new(ProgramGenerator.Generate(seed));
            string source = Path.Combine(_folder, "program.asm");
            File.WriteAllText(source, ProgramSource.Write(image, [$"seed {seed}"]));
            Assert.Equal(image.Bytes, Assemble(source));
        }
    }

    /// <summary>The same programs each time: what QEMU is known to do otherwise is excluded by name, and campaigns, not this test, look for more.</summary>
    [RequiresToolFact("qemu-system-i386")]
    public void QEMU_agrees_on_the_programs_that_it_can_run()
    {
        ulong seed = 1;
        using QemuJudge qemu = new(every: 1);
        using ProgramMachine machine = new(EngineSetting.Interpreter);
        for (int asked = 0; asked < 20; seed++)
        {
            RandomProgram program = ProgramGenerator.Generate(seed);
            if (!qemu.CanJudge(program))
            {
                continue;
            }

            ProgramImage image = new(program);
            if (machine.Run(image.Bytes).Stop != VirtualMachines.StopKind.DebugExit)
            {
                continue;
            }

            asked++;
            ProgramResult ours = machine.Result(program.Mode);
            ProgramResult? theirs = qemu.Run(image, out string? problem);
            Assert.True(theirs is not null, $"seed {seed}: {problem}");
            string? difference = qemu.Comparable(ours).DifferenceFrom(qemu.Comparable(theirs));
            Assert.True(difference is null, $"toyvmm verify equivalence --seed {seed} --cases 1 --qemu-every 1: {difference}");
        }
    }

    private static string Root => GuestCatalog.RepositoryRoot;

    private byte[] Assemble(string source)
    {
        string image = Path.Combine(_folder, "image.bin");
        var nasm = ToolProcess.Run("nasm", ["-f", "bin", "-o", image, source], TimeSpan.FromSeconds(60));
        Assert.True(nasm.Status == 0, nasm.Output + nasm.Errors);
        return File.ReadAllBytes(image);
    }
}
