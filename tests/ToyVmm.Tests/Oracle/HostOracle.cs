using Iced.Intel;
using ToyVmm.Tests.Properties;

namespace ToyVmm.Tests.Oracle;

/// <summary>What came out of judging one form.</summary>
/// <param name="Cases">Cases run on the host and on the CPU under test.</param>
/// <param name="Faults">Cases whose exception follows from arithmetic (#DE, #BR, #OF), run on the CPU under test only.</param>
/// <param name="Encodings">Different encodings among them.</param>
/// <param name="Mismatches">Reports of the first differences.</param>
public sealed record OracleVerdict(int Cases, int Faults, int Encodings, IReadOnlyList<string> Mismatches);

/// <summary>Judges a CPU by the host's: random encodings of a form, many states each, the same on both, compared.</summary>
public sealed class HostOracle(HostCpu host, ICpuUnderTest cpu, ulong seed)
{
    // Enough states to amortize encoding and decoding, few enough that a form with 1,000 cases sees 25 encodings and more.
    private const int StatesPerEncoding = 40;
    private const int MaxMismatches = 3;
    private const int MaxBarrenEncodings = 2000;

    private readonly bool isAmd = HostCpu.Vendor() == "AuthenticAMD";
    private readonly byte[] window = new byte[OracleLayout.WindowSize];

    /// <summary>The seed of every form follows from this one and the form, so that a form can be repeated alone.</summary>
    public static ulong SeedFor(ulong seed, Code form) => new EdgeRandom(seed ^ ((ulong)form << 40)).Bits64();

    /// <summary>Judges one form.</summary>
    /// <param name="form">A form of <see cref="InstructionForms.Judged"/>.</param>
    /// <param name="cases">How many cases; a few more may be run to fill the last batch.</param>
    /// <exception cref="InvalidOperationException">The generator finds no states for the form.</exception>
    public OracleVerdict Judge(InstructionForm form, int cases)
    {
        host.Note($"TOYVMM_SEED=0x{seed:X16} {form}");
        var random = new EdgeRandom(SeedFor(seed, form.Code));
        var encoder = new FormEncoder(random);
        var states = new StateGenerator(random);
        var mismatches = new List<string>();
        int done = 0;
        int faults = 0;
        int encodings = 0;
        int barren = 0;
        while (done + faults < cases && mismatches.Count < MaxMismatches)
        {
            EncodedInstruction instruction = encoder.Encode(form);
            cpu.Load(instruction.Code, instruction.Address);
            int count = 0;
            for (int i = 0; i < StatesPerEncoding && mismatches.Count < MaxMismatches; i++)
            {
                OracleImage image = host.Input(count);
                int outcome = states.Generate(instruction, image);
                if (outcome == StateGenerator.Completes)
                {
                    count++;
                }
                else if (outcome >= 0)
                {
                    faults++;
                    CompareFault(instruction, outcome, image, mismatches);
                }
                else
                {
                    break; // this encoding is a poor one; what states it has are used
                }
            }

            if (count == 0)
            {
                if (++barren > MaxBarrenEncodings + done + faults)
                {
                    throw new InvalidOperationException($"No states for {form} (the last encoding was {Convert.ToHexString(instruction.Code)}): the generator needs a rule.");
                }

                continue;
            }

            host.Load(instruction.Code, instruction.Address, [instruction.Target]);
            host.Run(count);
            for (int i = 0; i < count && mismatches.Count < MaxMismatches; i++)
            {
                Compare(instruction, host.Input(i), host.Output(i), mismatches);
            }

            done += count;
            encodings++;
        }

        return new OracleVerdict(done, faults, encodings, mismatches);
    }

    private void Compare(EncodedInstruction instruction, OracleImage before, OracleImage expected, List<string> mismatches)
    {
        OracleState actual = before.State;
        before.Window.CopyTo(window);
        int vector = cpu.Run(1, ref actual, window);
        uint undefined = isAmd && cpu.FollowsAmdUndefinedFlags ? 0 : UndefinedFlags.Mask(instruction, before.State);
        string? difference = vector == ICpuUnderTest.NoException
            ? OracleComparer.Difference(expected.State, expected.Window, actual, window, undefined)
            : $"host completes, under test raises exception {vector}";
        if (difference is not null)
        {
            mismatches.Add(OracleComparer.Report(instruction, difference, seed, before.State, before.Window, expected.State.ToString(), expected.Window, actual, window));
        }
    }

    private void CompareFault(EncodedInstruction instruction, int expected, OracleImage before, List<string> mismatches)
    {
        OracleState actual = before.State;
        before.Window.CopyTo(window);
        int vector = cpu.Run(1, ref actual, window);
        string? difference = vector != expected
            ? $"exception: by the arithmetic {expected}, under test {(vector == ICpuUnderTest.NoException ? "none" : vector)}"
            // Division leaves its flags undefined even when it faults; INTO is a trap, so EIP is behind it (SDM 3A 6.5).
            : OracleComparer.Difference(before.State, before.Window, actual with { Eip = before.State.Eip }, window, instruction.Form.Mnemonic is Mnemonic.Bound or Mnemonic.Into ? 0u : 0x8D5u);
        if (difference is not null)
        {
            mismatches.Add(OracleComparer.Report(instruction, difference, seed, before.State, before.Window, $"exception {expected}, nothing changed", before.Window, actual, window));
        }
    }
}
