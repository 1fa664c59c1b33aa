namespace ToyVmm.VirtualMachines.Verification.Isolation;

/// <summary>
/// Isolation, the "resource control" of Popek and Goldberg (1974): a guest reaches nothing that it was not given, whatever its bytes are. Each case is a
/// hostile guest on both engines; see <see cref="Statement"/>, and properties.md for how to read the report.
/// </summary>
/// <param name="countsResources">
/// True to count, in a sample of the cases, what a machine takes of the host. That needs the rest of the process to hold still: checkers of one property
/// see to it among themselves; where anything else makes machines at the same time, it must be false.
/// </param>
public sealed class IsolationProperty(bool countsResources = true) : IVerifiedProperty
{
    private readonly ReaderWriterLock _gate = new();

    /// <inheritdoc/>
    public string Name => "isolation";

    /// <inheritdoc/>
    public PropertyStatement Statement => new(
        "Whatever a guest's bytes, tables, port accesses and hypercalls are: the host memory beside its RAM, beside its CPU's state and beside its emitted code does not change; "
        + "no exception leaves the VMM's run loop, and every run ends for one of the typed reasons; its instruction budget is held to the instruction; a verifier that knows nothing of "
        + "the translator accepts every block before it runs; both engines leave the same CPU, memory and output. In samples: the host, when asked, has nothing but the guest's RAM mapped "
        + "in the windows that emitted code reaches, and none of it executable; the verifier accepts all emitted code again, with the branches between blocks; a neighbour's whole history is the same with and without the attacker; what the machine took of the host "
        + "(files, mappings, addresses, native memory) is given back; the images of its drives are unchanged.",
        "Guests of 1 MiB in real, protected (flat, paged, PAE, segments with bases) and virtual-8086 mode, rings 0 and 3: random bytes; structured noise; noise over damaged descriptor tables, "
        + "task states and page tables; devices programmed with nonsense through ports and memory, with and without drives; hypercalls with wild arguments; string instructions of billions of "
        + "elements; thousands of blocks in a small code cache, self-modifying code. Up to 24,000 instructions or 600 exits, with interrupts and NMIs from outside, and resets.",
        [
            "Timing: a guest can make the VMM slow (a string instruction over a device), and can measure host time by nothing but the clock it is given; runs that take a second of host time (a halted guest whose timers tick and wake nobody can) are cut, counted, and not compared.",
            "Canaries are one page on either side, then a page that faults: they show stores that miss by a little. What emitted code can address at all is the verifier's and the windows' part.",
            "The host kernel's own isolation, and side channels through caches and branch predictors.",
            "Where the seeds of a campaign are few, samples may not occur: the report's counts say how many were made.",
        ],
        "IsolationCase(seed): SplitMix64; 7 kinds; the translator's hotness 0-2, cache 64 KiB or 32 MiB, 1 or 4 views; 1 case in 32 with a neighbour, 1 in 32 asks for the windows, 1 in 16 compares TLBs, 1 in 512 counts resources.",
        VirtualMachine.TranslatorUnavailable is { } reason
            ? ["interpreter", $"translator: could not take part ({reason})"]
            : ["interpreter", "translator with Verify, hotness 0-2"]);

    /// <inheritdoc/>
    public ICaseChecker CreateChecker() => CreateChecker(null);

    /// <summary>Makes a checker that a test interferes with.</summary>
    internal IsolationChecker CreateChecker(IsolationSabotage? sabotage) => new(Name, countsResources ? _gate : null, sabotage);
}
