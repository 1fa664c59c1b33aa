using System.Collections.Immutable;
using Iced.Intel;
using ToyVmm.Engines.Decoding;

namespace ToyVmm.Engines.Classification;

/// <summary>
/// Classifies instruction forms after Popek and Goldberg (CACM 17:7, 1974) by executing them: each form on the reference interpreter, one
/// instruction at a time, in random but structured states, alone and in pairs of states that differ in one thing only.
/// </summary>
/// <remarks>
/// Their definitions, for this processor. A <i>trap</i> is an exception; pairs in which one state traps say nothing about behaviour.
/// <i>Privileged</i>: completes in ring 0, always traps in ring 3. <i>Control-sensitive</i>: completes and has changed a system resource - mode,
/// segments, tables, control registers, IF and IOPL, ports, the clock. <i>Behaviour-sensitive</i>: both states complete, and the results
/// differ in bits that the states did not differ in from the start. What is never found is not proved absent; the number of trials is told.
/// Not thread-safe.
/// </remarks>
public sealed class ClassificationSearch : IDisposable
{
    /// <summary>Trials for each form, mode and comparison, where no other number is asked for.</summary>
    public const int DefaultTrials = 256;

    private const ulong EncodingSalt = 0x454E_434F_4445;

    private const SystemAspects LocationAspects =
        SystemAspects.Relocation | SystemAspects.Selectors | SystemAspects.CoprocessorPointers | SystemAspects.TableLimits | SystemAspects.PageDirectory;

    // Those that cannot make an instruction trap are tried together first; one at a time where that has found something.
    private static readonly SystemAspects[] s_probes =
    [
        SystemAspects.Relocation,
        SystemAspects.Selectors,
        SystemAspects.CoprocessorPointers | SystemAspects.TableLimits | SystemAspects.PageDirectory,
        SystemAspects.PrivilegeLevel,
        SystemAspects.InterruptFlag | SystemAspects.Protection | SystemAspects.FaultAddress | SystemAspects.TimeStamp | SystemAspects.Sysenter
            | SystemAspects.Debug | SystemAspects.Efer | SystemAspects.ApicBase,
        SystemAspects.IoPrivilege,
        SystemAspects.TaskSwitched,
        SystemAspects.Coprocessor,
        SystemAspects.Cr4,
    ];

    private static readonly SystemAspects[] s_aspects = [.. Enum.GetValues<SystemAspects>().Where(aspect => aspect != SystemAspects.None)];

    private readonly TrialMachine _machine = new();
    private readonly FormEncodings _encodings = new();
    private readonly TrialResult _first = new();
    private readonly TrialResult _second = new();
    private readonly byte[] _code = new byte[15];
    private readonly int _trials;

    /// <summary>Makes a search.</summary>
    /// <param name="trials">Trials for each form, mode and comparison.</param>
    public ClassificationSearch(int trials = DefaultTrials)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(trials, 1);
        _trials = trials;
    }

    /// <summary>Instructions executed so far.</summary>
    public long Executed { get; private set; }

    /// <summary>The names of all forms that 16- or 32-bit code can hold in the encodings our processors know.</summary>
    public static IEnumerable<string> FormNames => FormEncodings.AllForms.Select(code => code.ToString());

    /// <summary>Classifies a form.</summary>
    /// <param name="name">Its name, of <see cref="FormNames"/>.</param>
    /// <returns>Null where the processor has no such instruction: it is #UD in every mode.</returns>
    /// <exception cref="ArgumentException">There is no such form.</exception>
    public InstructionClassification? Classify(string name)
    {
        Code code = Parse(name);
        ImmutableArray<ModeOutcome>.Builder outcomes = ImmutableArray.CreateBuilder<ModeOutcome>(4);
        List<Witness> witnesses = [];
        SortedSet<string> changes = new(StringComparer.Ordinal);
        bool entersHandler = false;
        foreach (ExecutionMode mode in Enum.GetValues<ExecutionMode>())
        {
            outcomes.Add(Observe(code, mode, Guards.None, witnesses, changes, ref entersHandler));
        }

        // #UD everywhere, or not to be written at all.
        if (outcomes.All(outcome => !outcome.Completes && outcome.Vector is -1 or Hardware.Cpu.Vector.InvalidOpcode))
        {
            return null;
        }

        foreach (ModeOutcome outcome in outcomes)
        {
            if (outcome.Completes)
            {
                Compare(code, outcome.Mode, witnesses);
            }
        }

        bool privileged = outcomes[(int)ExecutionMode.Ring0].Completes && !outcomes[(int)ExecutionMode.Ring3].Completes;
        OpCodeInfo info = code.ToOpCode();
        return new InstructionClassification
        {
            Name = name,
            Form = info.ToInstructionString(),
            Encoding = info.ToOpCodeString(),
            Mnemonic = code.Mnemonic().ToString().ToUpperInvariant(),
            Outcomes = outcomes.MoveToImmutable(),
            IsPrivileged = privileged,
            OpenedBy = privileged ? FindGuards(code) : Guards.None,
            EntersHandler = entersHandler,
            Changes = [.. changes],
            Witnesses = [.. witnesses],
        };
    }

    /// <summary>Runs a witness again.</summary>
    /// <param name="name">The form it is about.</param>
    /// <param name="witness">The witness.</param>
    /// <exception cref="ArgumentException">There is no such form.</exception>
    public WitnessReport Check(string name, Witness witness)
    {
        Code code = Parse(name);
        int length = Encode(code, witness.Mode, witness.Trial);
        string bytes = Convert.ToHexStringLower(_code.AsSpan(0, length));
        string text = new Disassembler().Disassemble(_code.AsSpan(0, length), Bitness(witness.Mode), TrialWorld.Instruction).Text;
        if (length == 0 || !Run(code, witness.Mode, witness.Trial, SystemAspects.None, Guards.None, _first) || _first.End != TrialEnd.Completed)
        {
            return new WitnessReport(witness, false, text, bytes, "it does not complete");
        }

        if (witness.Kind == Sensitivity.Control)
        {
            string changed = string.Join(", ", _first.ChangedResources());
            return new WitnessReport(witness, changed.Length > 0, text, bytes, changed.Length > 0 ? $"changes {changed}" : "changes nothing");
        }

        _ = Run(code, witness.Mode, witness.Trial, witness.Changed, Guards.None, _second);
        string? difference = _second.End == TrialEnd.Completed ? _first.Difference(_second) : null;
        return new WitnessReport(witness, difference is not null, text, bytes, difference ?? "no difference");
    }

    /// <inheritdoc/>
    public void Dispose() => _machine.Dispose();

    /// <summary>What a difference in an aspect says.</summary>
    internal static Sensitivity KindOf(SystemAspects aspect) =>
        aspect == SystemAspects.PrivilegeLevel ? Sensitivity.Mode
        : (aspect & LocationAspects) != 0 ? Sensitivity.Location
        : Sensitivity.State;

    private static Code Parse(string name) =>
        Enum.TryParse(name, out Code code) && code.ToString() == name ? code : throw new ArgumentException($"there is no instruction form {name}", nameof(name));

    private static int Bitness(ExecutionMode mode) => mode is ExecutionMode.Ring0 or ExecutionMode.Ring3 ? 32 : 16;

    private int Encode(Code code, ExecutionMode mode, int trial)
    {
        TrialRandom random = new(TrialRandom.Seed(code.ToString(), trial) ^ EncodingSalt);
        return _encodings.Encode(code, Bitness(mode), ref random, _code);
    }

    private bool Run(Code code, ExecutionMode mode, int trial, SystemAspects changed, Guards guards, TrialResult result)
    {
        int length = Encode(code, mode, trial);
        if (length > 0)
        {
            Execute(code, mode, trial, changed, guards, length, result);
        }

        return length > 0;
    }

    private void Execute(Code code, ExecutionMode mode, int trial, SystemAspects changed, Guards guards, int length, TrialResult result)
    {
        Executed++;
        _machine.Run(new TrialSetup(mode, TrialRandom.Seed(code.ToString(), trial), changed, guards), _code.AsSpan(0, length), result);
    }

    // Single trials: does it complete, what does it change?
    private ModeOutcome Observe(Code code, ExecutionMode mode, Guards guards, List<Witness> witnesses, SortedSet<string> changes, ref bool entersHandler)
    {
        bool completes = false;
        bool controls = false;
        int vector = -1;
        for (int trial = 0; trial < _trials; trial++)
        {
            if (!Run(code, mode, trial, SystemAspects.None, guards, _first))
            {
                continue;
            }

            if (_first.End != TrialEnd.Completed)
            {
                vector = vector < 0 ? _first.Vector : vector;
                continue;
            }

            completes = true;
            entersHandler |= _first.EnteredHandler;
            if (_first.ChangesResources)
            {
                foreach (string resource in _first.ChangedResources().SelectMany(text => text.Split(", ")))
                {
                    _ = changes.Add(resource.Replace(" base", "", StringComparison.Ordinal).Replace(" limit", "", StringComparison.Ordinal).Replace(" access", "", StringComparison.Ordinal));
                }

                if (!controls)
                {
                    controls = true;
                    witnesses.Add(new Witness(Sensitivity.Control, mode, SystemAspects.None, trial));
                }
            }
        }

        return new ModeOutcome(mode, completes, completes ? -1 : vector);
    }

    // Pairs: does it compute something else?
    private void Compare(Code code, ExecutionMode mode, List<Witness> witnesses)
    {
        SystemAspects suspects = SystemAspects.None;
        for (int trial = 0; trial < _trials; trial++)
        {
            int length = Encode(code, mode, trial);
            if (length == 0)
            {
                continue;
            }

            Execute(code, mode, trial, SystemAspects.None, Guards.None, length, _first);
            if (_first.End != TrialEnd.Completed)
            {
                continue;
            }

            foreach (SystemAspects probe in s_probes)
            {
                if ((suspects & probe) == 0 && IsMeaningful(probe, mode) && Differs(code, mode, trial, probe, length))
                {
                    suspects |= probe;
                }
            }
        }

        foreach (SystemAspects aspect in s_aspects)
        {
            if ((suspects & aspect) != 0)
            {
                Pin(code, mode, aspect, witnesses);
            }
        }
    }

    // The first trial in which one aspect alone makes the difference.
    private void Pin(Code code, ExecutionMode mode, SystemAspects aspect, List<Witness> witnesses)
    {
        for (int trial = 0; trial < _trials; trial++)
        {
            int length = Encode(code, mode, trial);
            if (length == 0)
            {
                continue;
            }

            Execute(code, mode, trial, SystemAspects.None, Guards.None, length, _first);
            if (_first.End == TrialEnd.Completed && Differs(code, mode, trial, aspect, length))
            {
                witnesses.Add(new Witness(KindOf(aspect), mode, aspect, trial));
                return;
            }
        }
    }

    private bool Differs(Code code, ExecutionMode mode, int trial, SystemAspects changed, int length)
    {
        Execute(code, mode, trial, changed, Guards.None, length, _second);
        return _second.End == TrialEnd.Completed && _first.Difference(_second) is not null;
    }

    // Real mode has one level and no tables; virtual-8086 mode is always level 3.
    private static bool IsMeaningful(SystemAspects aspect, ExecutionMode mode) => aspect switch
    {
        SystemAspects.PrivilegeLevel => mode is ExecutionMode.Ring0 or ExecutionMode.Ring3,
        SystemAspects.Selectors => mode != ExecutionMode.Real,
        _ => true,
    };

    private Guards FindGuards(Code code)
    {
        Guards found = Guards.None;
        foreach (Guards guard in (ReadOnlySpan<Guards>)[Guards.Iopl, Guards.TimeStampDisable, Guards.PerformanceCounters])
        {
            for (int trial = 0; trial < _trials && (found & guard) == 0; trial++)
            {
                if (Run(code, ExecutionMode.Ring3, trial, SystemAspects.None, guard, _first) && _first.End == TrialEnd.Completed)
                {
                    found |= guard;
                }
            }
        }

        return found;
    }
}
