using ToyVmm.Engines;
using ToyVmm.Hardware.Memory;
using ToyVmm.Hardware.Paging;
using ToyVmm.VirtualMachines.Verification.Programs;

namespace ToyVmm.VirtualMachines.Verification.Efficiency;

/// <summary>Runs innocuous programs, and counts how often the VMM takes part.</summary>
internal sealed class EfficiencyChecker : ICaseChecker
{
    /// <summary>The engine settings that are held to the bound.</summary>
    public static IReadOnlyList<EngineSetting> Settings { get; } =
    [
        new("translator, hotness 0", EngineKind.Translator, new TranslatorOptions { Hotness = 0 }),
        new("translator, hotness 16", EngineKind.Translator, new TranslatorOptions()),
    ];

    // Far more than 3,000 passes of any program that was counted.
    private const ulong MostInstructions = 1_000_000_000;
    private static readonly uint[] s_repeats = [1, 100, 3_000];
    private readonly TouchCounter _touched = new();
    private readonly ProgramMachine _counted;

    /// <summary>Makes a checker.</summary>
    public EfficiencyChecker() => _counted = new ProgramMachine(EngineSetting.Interpreter, _touched) { MostInstructions = 2_000_000 };

    /// <inheritdoc/>
    public Counterexample? Check(ulong seed, VerificationTally tally)
    {
        ArgumentNullException.ThrowIfNull(tally);
        if (Innocuous(ProgramGenerator.GenerateInnocuous(seed)) is { } program)
        {
            return Check(program, tally);
        }

        tally.Count("programs of which no innocuous step was left");
        return null;
    }

    /// <summary>Checks a program, whatever is in it.</summary>
    internal Counterexample? Check(RandomProgram program, VerificationTally tally)
    {
        // Later passes meet what earlier ones have left, and take other branches.
        _touched.Clear();
        if (_counted.Run(new ProgramImage(program with { Repeats = s_repeats[1] }).Bytes).Stop != StopKind.DebugExit)
        {
            tally.Count("programs that raise an exception or are too long to count");
            return null;
        }

        int pages = PagesOf(_counted.Machine.Vcpu.Mmu.Tlb);
        tally.Count("programs");
        tally.Measure("distinct blocks", _touched.Blocks, program.Seed);
        for (int n = 0; n < Settings.Count; n++)
        {
            foreach (uint repeats in s_repeats)
            {
                if (Check(program with { Repeats = repeats }, n, pages, tally) is { } found)
                {
                    return found;
                }
            }
        }

        return null;
    }

    /// <inheritdoc/>
    public void Dispose() => _counted.Dispose();

    private Counterexample? Check(RandomProgram program, int setting, int pages, VerificationTally tally)
    {
        ProgramImage image = new(program);

        // A new machine for each run: what the translator has learnt of another program at the same addresses is not this one's.
        using ProgramMachine machine = new(Settings[setting]) { MostInstructions = MostInstructions };
        ProgramRun run = machine.Run(image.Bytes);
        if (machine.Result(program.Mode).Records.Length > ProgramLayout.RecordWords)
        {
            tally.Count("runs that raised an exception in a later pass, and do not count");
            return null;
        }

        TranslationStatistics done = machine.Statistics!;
        ulong interventions = EfficiencyBound.Interventions(done);
        ulong host = done.HostInstructions;
        ulong interpreted = run.Retired - host;
        ulong most = EfficiencyBound.MostInterventions(_touched.Blocks, pages);
        int hotness = Settings[setting].Translator.Hotness;
        ulong mostInterpreted = EfficiencyBound.MostInterpreted(_touched.Instructions, hotness);
        tally.Count("instructions", run.Retired);
        tally.Count("instructions in emitted code", host);
        tally.Count("interventions", interventions);
        tally.Measure("per cent of the bound on interventions", 100.0 * interventions / most, program.Seed);
        tally.Measure("per cent of the bound on interpreted instructions", 100.0 * interpreted / mostInterpreted, program.Seed);
        if (interventions <= most && interpreted <= mostInterpreted && run.Stop == StopKind.DebugExit)
        {
            return null;
        }

        string detail =
            $"{Settings[setting].Name}, body repeated {program.Repeats} times, {run.Retired} instructions, {run.Stop}\n{interventions} interventions, at most {most}: {_touched.Blocks} blocks, {pages} pages\n"
            + $"  look-ups {done.Lookups}, links {done.Links}, call-outs {done.CallOuts}, x87 loads {done.FloatingPointLoads}, host faults {done.HostFaults}\n"
            + $"{interpreted} instructions interpreted, at most {mostInterpreted}: {_touched.Instructions} distinct instructions\n";
        return new Counterexample("efficiency", program.Seed, "the VMM takes part more often than the bound allows", detail)
        {
            Source = ProgramSource.Write(image, [$"A counterexample to efficiency: seed {program.Seed}.", .. detail.TrimEnd().Split('\n')]),
            Image = image.Bytes,
        };
    }

    // Leaves out the steps in which exceptions were raised, until there are none.
    private RandomProgram? Innocuous(RandomProgram program)
    {
        while (program.Steps.Length > 0)
        {
            ProgramImage image = new(program with { Repeats = 2 });
            ProgramRun run = _counted.Run(image.Bytes);
            ProgramResult result = _counted.Result(program.Mode);
            int records = result.Records.Length / ProgramLayout.RecordWords;
            if (run.Stop == StopKind.DebugExit && records == 1)
            {
                return program;
            }

            // Where it does not end, no step is to blame: one from the middle goes.
            uint at = run.Stop == StopKind.DebugExit && records > 0 ? result.Records[2] : image.StepAddresses[program.Steps.Length / 2];
            int step = program.Steps.Length - 1;
            while (step > 0 && image.StepAddresses[step] > at)
            {
                step--;
            }

            program = program with { Steps = program.Steps.RemoveAt(step) };
        }

        return null;
    }

    private static int PagesOf(Tlb tlb)
    {
        int pages = 0;
        for (uint linear = 0; linear < ProgramLayout.MappedEnd; linear += GuestPhysicalAddress.PageSize)
        {
            pages += tlb.TryGet(linear, out _, out _) ? 1 : 0;
        }

        return pages;
    }
}
