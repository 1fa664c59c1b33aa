using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Verification.Programs;
using Xunit;

namespace ToyVmm.Tests.Verification;

/// <summary>
/// The counterexamples ever found by `toyvmm verify equivalence`, shrunk, as guests that print their results: each source says what it is about. What they must print
/// is what the party that was right left behind.
/// </summary>
public sealed class CounterexampleTests
{
    private const string Folder = "tests/ToyVmm.Tests/Verification/Counterexamples";

    public static TheoryData<string> Names => [.. Directory.GetFiles(Path.Combine(RepositoryFiles.Root, Folder), "*.bin").Select(path => Path.GetFileNameWithoutExtension(path)).Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(Names))]
    public void A_counterexample_stays_mended(string name)
    {
        string path = Path.Combine(RepositoryFiles.Root, Folder, name);
        byte[] image = File.ReadAllBytes(path + ".bin");
        string expected = File.ReadAllText(path + ".expected");
        IEnumerable<EngineSetting> settings = VirtualMachine.TranslatorUnavailable is null ? EngineSetting.Translators.Prepend(EngineSetting.Interpreter) : [EngineSetting.Interpreter];
        foreach (EngineSetting setting in settings)
        {
            using VirtualMachine machine = ProgramMachine.Create(image, setting);
            StopReason stop = machine.Run(new RunLimits { MaxInstructions = 100_000_000 });
            Assert.True(stop.Kind == StopKind.DebugExit, $"{setting.Name}: {stop.Detail}");
            Assert.Equal(expected, machine.SerialOutput);
        }
    }
}
