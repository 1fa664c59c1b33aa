using System.Collections.Immutable;

namespace ToyVmm.Engines.Classification;

/// <summary>What became of an instruction form's trials in one mode, all guards closed.</summary>
/// <param name="Mode">The mode.</param>
/// <param name="Completes">True where at least one trial completed.</param>
/// <param name="Vector">Where none did, the exception of the first; -1 where the form has no encoding in such code.</param>
public readonly record struct ModeOutcome(ExecutionMode Mode, bool Completes, int Vector);

/// <summary>
/// Where to look for what makes an instruction sensitive: two trials that differ in one aspect of the system and in what they compute or, for
/// control sensitivity, one trial that changes the system. The states come out again from the form's name and the number of the trial.
/// </summary>
/// <param name="Kind">What it shows.</param>
/// <param name="Mode">In which mode.</param>
/// <param name="Changed">In what the two states differ; nothing for control sensitivity.</param>
/// <param name="Trial">The number of the trial.</param>
public readonly record struct Witness(Sensitivity Kind, ExecutionMode Mode, SystemAspects Changed, int Trial);

/// <summary>A witness, looked at.</summary>
/// <param name="Witness">Which.</param>
/// <param name="Holds">True where it shows what it claims.</param>
/// <param name="Instruction">The instruction, in NASM's syntax.</param>
/// <param name="Code">Its bytes.</param>
/// <param name="Finding">What was seen: the first field that differs, in both states, or what was changed.</param>
public sealed record WitnessReport(Witness Witness, bool Holds, string Instruction, string Code, string Finding);

/// <summary>What the search found about one instruction form.</summary>
public sealed record InstructionClassification
{
    /// <summary>Iced's name of the form: the key.</summary>
    public required string Name { get; init; }

    /// <summary>The form as manuals write it: "MOV r/m16, Sreg".</summary>
    public required string Form { get; init; }

    /// <summary>Its encoding as manuals write it: "o16 8C /r".</summary>
    public required string Encoding { get; init; }

    /// <summary>Its mnemonic, in capitals.</summary>
    public required string Mnemonic { get; init; }

    /// <summary>What became of it in each mode.</summary>
    public required ImmutableArray<ModeOutcome> Outcomes { get; init; }

    /// <summary>Privileged: it completes in ring 0, and in ring 3 with all guards closed it always traps.</summary>
    public required bool IsPrivileged { get; init; }

    /// <summary>For a privileged one: the switches any of which lets user code execute it.</summary>
    public required Guards OpenedBy { get; init; }

    /// <summary>True where completing means to enter an interrupt handler.</summary>
    public required bool EntersHandler { get; init; }

    /// <summary>The system resources it was seen to change, in any mode, by name.</summary>
    public required ImmutableArray<string> Changes { get; init; }

    /// <summary>The witnesses: at most one for each mode and aspect.</summary>
    public required ImmutableArray<Witness> Witnesses { get; init; }

    /// <summary>Sensitivity in protected mode, either ring.</summary>
    public Sensitivity Sensitivity => In(ExecutionMode.Ring0) | In(ExecutionMode.Ring3);

    /// <summary>Popek and Goldberg's user-sensitive: sensitive in a state that is user's (ring 3, guards closed).</summary>
    public bool IsUserSensitive => In(ExecutionMode.Ring3) != Sensitivity.None;

    /// <summary>Neither privileged nor sensitive in protected mode.</summary>
    public bool IsInnocuous => !IsPrivileged && Sensitivity == Sensitivity.None;

    /// <summary>Sensitive and not privileged: what a monitor that only traps cannot see.</summary>
    public bool IsHole => !IsPrivileged && Sensitivity != Sensitivity.None;

    /// <summary>Everything that its result was seen to depend on, in any mode.</summary>
    public SystemAspects DependsOn => Witnesses.Aggregate(SystemAspects.None, (all, witness) => all | witness.Changed);

    /// <summary>The outcome in a mode.</summary>
    /// <param name="mode">The mode.</param>
    public ModeOutcome Outcome(ExecutionMode mode) => Outcomes[(int)mode];

    /// <summary>How it is sensitive in a mode.</summary>
    /// <param name="mode">The mode.</param>
    public Sensitivity In(ExecutionMode mode) =>
        Witnesses.Where(witness => witness.Mode == mode).Aggregate(Sensitivity.None, (all, witness) => all | witness.Kind);
}
