using System.Collections.Immutable;

namespace ToyVmm.VirtualMachines.Verification.Programs;

/// <summary>In which mode a random program runs its body, the simpler first.</summary>
public enum ProgramMode
{
    /// <summary>Ring 0, flat segments, no paging.</summary>
    Flat,

    /// <summary>Ring 0, 32-bit paging.</summary>
    Paged,

    /// <summary>Ring 0, PAE paging.</summary>
    Pae,

    /// <summary>Ring 3, 32-bit paging.</summary>
    User,

    /// <summary>Ring 3, PAE paging with no-execute enabled.</summary>
    UserPae,

    /// <summary>Ring 3, 16-bit segments with a base.</summary>
    User16,

    /// <summary>Virtual-8086 mode.</summary>
    Virtual8086,

    /// <summary>Real mode.</summary>
    Real,
}

/// <summary>Who can judge a step beside our own engines.</summary>
[Flags]
public enum StepTraits
{
    /// <summary>Everybody.</summary>
    None = 0,

    /// <summary>Not the host CPU: the step needs a system of its own, or asks what differs between processors.</summary>
    NotOnHost = 1,

    /// <summary>Not QEMU: it depends on time, on stale TLB entries, or on what QEMU is known to do otherwise.</summary>
    NotOnQemu = 2,

    /// <summary>Its instructions belong together: none can be left out.</summary>
    Whole = 4,
}

/// <summary>An instruction of a random program.</summary>
/// <param name="Bytes">The encoding; of a near branch to another step the relative address, the last 32 (in 16-bit code 16) bits, is filled in when the program is laid out.</param>
/// <param name="Target">The number of the step that it branches to; -1 for none.</param>
public readonly record struct ProgramInstruction(ImmutableArray<byte> Bytes, int Target = -1);

/// <summary>A step: instructions after which, should one of them fault, the program goes on with the next step.</summary>
/// <param name="Number">Its number, which stays when others are left out.</param>
/// <param name="Kind">What it is about.</param>
/// <param name="Instructions">The instructions.</param>
/// <param name="Traits">Who can judge it.</param>
public sealed record ProgramStep(int Number, string Kind, ImmutableArray<ProgramInstruction> Instructions, StepTraits Traits);

/// <summary>A random guest: a machine state, and steps to execute. The runtime (runtime.asm) brings the machine into the state, logs what happens, and ends it.</summary>
public sealed record RandomProgram
{
    /// <summary>What it was made from.</summary>
    public required ulong Seed { get; init; }

    /// <summary>The mode of the body.</summary>
    public required ProgramMode Mode { get; init; }

    /// <summary>The body.</summary>
    public required ImmutableArray<ProgramStep> Steps { get; init; }

    /// <summary>EAX ECX EDX EBX ESP EBP ESI EDI.</summary>
    public required ImmutableArray<uint> Registers { get; init; }

    /// <summary>EFLAGS at the start, without VM.</summary>
    public required uint Eflags { get; init; }

    /// <summary>CR0 at the start, without PE and PG.</summary>
    public required uint Cr0 { get; init; }

    /// <summary>CR4 at the start, without PAE.</summary>
    public required uint Cr4 { get; init; }

    /// <summary>Selectors of FS and GS.</summary>
    public required (ushort Fs, ushort Gs) ExtraSegments { get; init; }

    /// <summary>An FXSAVE image: x87, MXCSR and XMM at the start.</summary>
    public required ImmutableArray<byte> FloatingPoint { get; init; }

    /// <summary>The data's four pages.</summary>
    public required ImmutableArray<byte> Data { get; init; }

    /// <summary>The offset of the first step in the code.</summary>
    public required uint StartOffset { get; init; }

    /// <summary>How often the body is executed.</summary>
    public required uint Repeats { get; init; }

    /// <summary>Ticks of the 8254 between timer interrupts; 0 for none.</summary>
    public required uint Timer { get; init; }

    /// <summary>The most records; the program ends with the last.</summary>
    public const uint MostRecords = 48;

    /// <summary>The most instructions that a program is given.</summary>
    public const ulong MostInstructions = 60_000;

    /// <summary>True for a body of 32-bit code.</summary>
    public bool Code32 => Mode.IsCode32();

    /// <summary>True where the host CPU can judge: a flat 32-bit program in ring 3 all of whose steps it can execute.</summary>
    public bool RunsOnHost => Mode == ProgramMode.User && Timer == 0 && (Eflags & Hardware.Cpu.Eflags.IF) != 0 && ExtraSegments == default && Steps.All(step => (step.Traits & StepTraits.NotOnHost) == 0);

    /// <summary>True where QEMU can judge: in ring 3, so that what exceptions push does not stay on the program's stack.</summary>
    public bool RunsOnQemu => !Mode.IsSupervisor()
        && Timer == 0 && ExtraSegments == default && Steps.All(step => (step.Traits & StepTraits.NotOnQemu) == 0);

    /// <summary>How many instructions the body has.</summary>
    public int InstructionCount => Steps.Sum(step => step.Instructions.Length);
}
