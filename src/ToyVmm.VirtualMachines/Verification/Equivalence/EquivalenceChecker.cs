using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using ToyVmm.Engines.Classification;
using ToyVmm.VirtualMachines.Verification.Programs;

namespace ToyVmm.VirtualMachines.Verification.Equivalence;

/// <summary>Runs programs everywhere, and finds out who is the odd one out where not all agree.</summary>
public sealed partial class EquivalenceChecker : ICaseChecker
{
    // Telling executed forms apart costs more than running them: a sample is told.
    private const int CoverageEvery = 16;

    // So many cases that ran before on the same machines are named where a difference does not come again without them.
    private const int Recent = 16;

    private static readonly TimeSpan s_shrinkTime = TimeSpan.FromSeconds(20);

    private readonly IReadOnlyList<EngineSetting> _settings;
    private readonly IReadOnlyList<IProgramJudge> _judges;
    private readonly ProgramMachine _reference = new(EngineSetting.Interpreter);
    private readonly List<ProgramMachine> _machines;
    private readonly Queue<ulong> _recent = new();
    private readonly InstructionUsage _usage = new();
    private readonly ProgramMachine _observed;

    /// <summary>Makes a checker.</summary>
    /// <param name="settings">The engine settings that are compared with the interpreter.</param>
    /// <param name="judges">Who else runs what they can; disposed of with the checker.</param>
    public EquivalenceChecker(IReadOnlyList<EngineSetting> settings, IReadOnlyList<IProgramJudge> judges)
    {
        ArgumentNullException.ThrowIfNull(settings);
        _settings = settings;
        _judges = judges;
        _machines = [.. settings.Select(setting => new ProgramMachine(setting))];
        _observed = new ProgramMachine(EngineSetting.Interpreter, _usage);
    }

    /// <inheritdoc/>
    public Counterexample? Check(ulong seed, VerificationTally tally)
    {
        ArgumentNullException.ThrowIfNull(tally);
        RandomProgram program = ProgramGenerator.Generate(seed);
        ProgramImage image = new(program);
        ProgramRun expected = _reference.Run(image.Bytes);
        ProgramResult result = _reference.Result(program.Mode);
        _recent.Enqueue(seed);
        if (_recent.Count > Recent)
        {
            _ = _recent.Dequeue();
        }

        tally.Count($"programs, {Text(program.Mode)}");
        tally.Count($"ends, {expected.Stop}");
        tally.Count("instructions on the interpreter", expected.Retired);
        tally.Count("exceptions and software interrupts", (ulong)(result.Records.Length / ProgramLayout.RecordWords));
        tally.Measure("instructions of a program", expected.Retired, seed);
        if (seed % CoverageEvery == 0)
        {
            _usage.Clear();
            if (_observed.Run(image.Bytes) != expected)
            {
                return Report(program, "observed interpreter", "a program that is watched goes another way", Before(), null, vote: false);
            }

            foreach (FormUsage form in _usage.Forms)
            {
                Cover(tally, form);
            }
        }

        // Each setting sees every second program, so that a campaign gets through twice as many.
        for (int n = _machines.Count > 1 ? (int)(seed & 1) : 0; n < _machines.Count; n += 2)
        {
            ProgramRun run = _machines[n].Run(image.Bytes);
            tally.Count("comparisons, " + _settings[n].Name);
            if (run != expected)
            {
                return Investigate(program, n);
            }
        }

        foreach (IProgramJudge judge in _judges)
        {
            if (expected.Stop == StopKind.DebugExit && judge.CanJudge(program))
            {
                string? difference = Disagreement(judge, image, result, out bool hasOpinion);
                tally.Count((hasOpinion ? "comparisons, " : "no opinion, ") + judge.Name);
                if (difference is not null && Investigate(program, judge, difference) is { } found)
                {
                    return found;
                }

                if (difference is not null)
                {
                    tally.Count("differences that did not come again, " + judge.Name);
                }
            }
        }

        return null;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _reference.Dispose();
        _observed.Dispose();
        foreach (ProgramMachine machine in _machines)
        {
            machine.Dispose();
        }

        foreach (IProgramJudge judge in _judges)
        {
            judge.Dispose();
        }
    }

    private static string Text(ProgramMode mode) => mode switch
    {
        ProgramMode.Flat => "ring 0, no paging",
        ProgramMode.Paged => "ring 0, paging",
        ProgramMode.Pae => "ring 0, PAE",
        ProgramMode.User => "ring 3, paging",
        ProgramMode.UserPae => "ring 3, PAE",
        ProgramMode.User16 => "ring 3, 16-bit segments",
        ProgramMode.Virtual8086 => "virtual-8086",
        _ => "real",
    };

    private static void Cover(VerificationTally tally, FormUsage form)
    {
        foreach ((ExecutionMode mode, ulong times) in ((ExecutionMode, ulong)[])
            [(ExecutionMode.Real, form.Real), (ExecutionMode.Ring0, form.Ring0), (ExecutionMode.Ring3, form.Ring3), (ExecutionMode.Virtual8086, form.Virtual8086)])
        {
            if (times > 0)
            {
                tally.Cover($"{form.Row.Name}/{mode}", times);
            }
        }
    }

    private static string? Disagreement(IProgramJudge judge, ProgramImage image, ProgramResult ours, out bool hasOpinion)
    {
        ProgramResult? theirs = judge.Run(image, out string? problem);
        hasOpinion = theirs is not null || problem is not null;
        return theirs is null ? problem : judge.Comparable(ours).DifferenceFrom(judge.Comparable(theirs));
    }

    private string Before() => $"on machines on which these programs ran before it: seeds {string.Join(", ", _recent)}\n";

    private Counterexample Investigate(RandomProgram program, int setting)
    {
        // On machines of its own, so that a counterexample needs nothing but itself.
        bool Differs(RandomProgram candidate)
        {
            ProgramImage image = new(candidate);
            using ProgramMachine reference = new(EngineSetting.Interpreter);
            using ProgramMachine other = new(_settings[setting]);
            return reference.Run(image.Bytes) != other.Run(image.Bytes);
        }

        if (!Differs(program))
        {
            _machines[setting].Dispose();
            _machines[setting] = new ProgramMachine(_settings[setting]);
            return Report(program, _settings[setting].Name, "differs only behind the programs that ran before it on the same machine", Before(), null, vote: false);
        }

        RandomProgram small = new ProgramShrinker(Differs, s_shrinkTime).Shrink(program);
        ProgramImage smallImage = new(small);
        using ProgramMachine again = new(EngineSetting.Interpreter);
        ProgramRun expected = again.Run(smallImage.Bytes);
        using ProgramMachine odd = new(_settings[setting]);
        ProgramRun actual = odd.Run(smallImage.Bytes);
        FirstDivergence? first = FirstDivergence.Find(smallImage, EngineSetting.Interpreter, _settings[setting], Math.Max(expected.Retired, actual.Retired));
        string detail = $"stops: {expected.Stop} after {expected.Retired} instructions, {actual.Stop} after {actual.Retired}\n{first?.Text}";
        return Report(small, _settings[setting].Name, "the engines part", detail, first?.Instruction);
    }

    // Null where the difference does not come again: a judge on a busy host may take too long.
    private Counterexample? Investigate(RandomProgram program, IProgramJudge judge, string difference)
    {
        string? DifferenceOn(RandomProgram candidate)
        {
            if (!judge.CanJudge(candidate))
            {
                return null;
            }

            ProgramImage image = new(candidate);
            return _reference.Run(image.Bytes).Stop == StopKind.DebugExit ? Disagreement(judge, image, _reference.Result(candidate.Mode), out _) : null;
        }

        // A program that shows something else is no smaller form of this one.
        string wanted = Kind(difference);
        if (Kind(DifferenceOn(program)) != wanted)
        {
            return null;
        }

        RandomProgram small = new ProgramShrinker(candidate => Kind(DifferenceOn(candidate)) == wanted, s_shrinkTime).Shrink(program);
        return Report(small, judge.Name, "the engines and the judge part", (DifferenceOn(small) ?? difference) + "\n", null, judge.Options);
    }

    // Without the numbers: "record : EAX is  and ".
    private static string Kind(string? difference) => Numbers().Replace(difference ?? "", "");

    [GeneratedRegex(@"\b[0-9a-fA-F]*[0-9][0-9a-fA-F]*\b")]
    private static partial Regex Numbers();

    private Counterexample Report(RandomProgram program, string suspect, string summary, string detail, ulong? instruction, string? options = null, bool vote = true)
    {
        ProgramImage image = new(program);
        string text = $"{summary}; compared with {suspect}\n{(vote ? Vote(image) : "")}{detail}";
        IEnumerable<string> heading =
        [
            $"A counterexample to equivalence: seed {program.Seed}, shrunk to {program.InstructionCount} instructions in {Text(program.Mode)}.",
            "Assemble with `nasm -f bin`; run with `toyvmm run FILE --memory 2M`.",
            .. instruction is { } first ? [$"Up to the first divergence: `toyvmm run FILE --memory 2M --max-instructions {first} --trace instructions`."] : (IEnumerable<string>)[],
            .. text.TrimEnd().Split('\n'),
        ];
        return new Counterexample("equivalence", program.Seed, $"{summary} ({suspect})", text)
        {
            Source = ProgramSource.Write(image, heading),
            Image = image.Bytes,
            FirstDivergence = instruction,
            Options = options,
        };
    }

    // Everybody's result, in groups; each implementation has one voice, however many settings of it there are.
    private string Vote(ProgramImage image)
    {
        List<(List<string> Parties, HashSet<string> Implementations, ProgramResult Result, IProgramJudge? Judge)> groups = [];
        void Add(string party, string implementation, ProgramResult result, IProgramJudge? judge)
        {
            int at = groups.FindIndex(group => Seen(Seen(group.Result, judge), group.Judge).DifferenceFrom(Seen(Seen(result, judge), group.Judge)) is null);
            if (at < 0)
            {
                at = groups.Count;
                groups.Add(([], [], result, judge));
            }

            groups[at].Parties.Add(party);
            _ = groups[at].Implementations.Add(implementation);
        }

        static ProgramResult Seen(ProgramResult result, IProgramJudge? judge) => judge?.Comparable(result) ?? result;
        foreach (EngineSetting setting in _settings.Prepend(EngineSetting.Interpreter))
        {
            using ProgramMachine machine = new(setting);
            _ = machine.Run(image.Bytes);
            Add(setting.Name, setting.Engine.ToString(), machine.Result(image.Program.Mode), null);
        }

        StringBuilder text = new();
        foreach (IProgramJudge judge in _judges.Where(judge => judge.CanJudge(image.Program)))
        {
            if (judge.Run(image, out string? problem) is { } result)
            {
                Add(judge.Name, judge.Name, result, judge);
            }
            else
            {
                _ = text.Append(CultureInfo.InvariantCulture, $"no vote: {judge.Name}: {problem ?? "no opinion"}\n");
            }
        }

        groups.Sort((a, b) => b.Implementations.Count.CompareTo(a.Implementations.Count));
        foreach ((List<string> parties, _, _, _) in groups)
        {
            _ = text.Append(CultureInfo.InvariantCulture, $"agree: {string.Join("; ", parties)}\n");
        }

        bool decided = groups.Count > 1 && groups[0].Implementations.Count > groups[1].Implementations.Count;
        _ = groups.Count == 1 ? text.Append("all end in the same result: the difference is in system state that only engines show\n")
            : decided ? text.Append(CultureInfo.InvariantCulture, $"the odd one out: {string.Join("; ", groups.Skip(1).SelectMany(group => group.Parties))}\n")
            : text.Append("no majority: two implementations, two opinions\n");
        return text.ToString();
    }
}
