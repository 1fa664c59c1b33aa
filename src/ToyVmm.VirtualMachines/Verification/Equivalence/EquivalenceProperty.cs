using ToyVmm.VirtualMachines.Verification.Programs;

namespace ToyVmm.VirtualMachines.Verification.Equivalence;

/// <summary>Equivalence: a random program does the same, instruction for instruction, on every engine in every setting, on the host CPU, and on other VMMs.</summary>
public sealed class EquivalenceProperty : IVerifiedProperty
{
    private readonly IReadOnlyList<EngineSetting> _settings;
    private readonly IReadOnlyList<JudgeSource> _judges;
    private readonly IReadOnlyList<string> _absent;

    /// <summary>Makes the property.</summary>
    /// <param name="settings">The engine settings that are compared with the interpreter.</param>
    /// <param name="judges">The others who run what they can.</param>
    /// <param name="absent">Who could not take part, and why.</param>
    public EquivalenceProperty(IReadOnlyList<EngineSetting> settings, IReadOnlyList<JudgeSource> judges, IReadOnlyList<string> absent)
    {
        _settings = settings;
        _judges = judges;
        _absent = absent;
    }

    /// <inheritdoc/>
    public string Name => "equivalence";

    /// <inheritdoc/>
    public PropertyStatement Statement => new(
        "A program ends in the same way, after the same number of instructions, with the same registers, flags, segment caches, control registers, x87 and SSE state, "
            + "memory, TLB and log of exceptions, on the interpreter and on the translator (each of its settings has every second program); the host CPU, where it can run the program, and QEMU, where it is asked, agree with them.",
        "Structured random guests of 4 to 64 steps in eight modes: flat, paged and PAE ring 0; flat, PAE and 16-bit ring 3; virtual-8086; real. "
            + "Integer, x87, MMX and SSE to SSE4.2 in every form, memory across page edges, stack, calls, loops, REP strings, faults with live handlers, software interrupts, "
            + "sensitive and privileged instructions, ports, page-table edits with and without INVLPG, self-modifying stores, timer interrupts, debug registers.",
        [
            "all: SYSENTER, SYSEXIT, HLT, RSM and hypercalls; task switches and call gates (random system programs and unit tests have them); far and indirect near branches, LOOP; "
                + "loads of SS and DS, LDS LES LSS LFS LGS; ESP as an operand; 67h addresses; bit strings of 16 bits; instruction and I/O breakpoints; no-execute and global pages; "
                + "TLB entries from 4 MiB on; the state of devices",
            "translator: 16-bit code - real, virtual-8086, 16-bit ring 3 - is the interpreter's there too (docs/translator.md): of these modes only the runtime, faults and events are compared between engines",
            "host CPU: everything but flat ring 3 without timer, FS and GS; programs that do not end; instructions whose undefined flags this host leaves in another way than AMD's processors; "
                + "FSIN FCOS FSINCOS FPTAN FPATAN F2XM1 FYL2X FYL2XP1 RCPPS RCPSS RSQRTPS RSQRTSS (last bits differ between processors), "
                + "FSTENV FSAVE FXSAVE and their loads (pointers differ), CPUID, RDTSC, SGDT SIDT SLDT STR SMSW LAR LSL VERR VERW (the host's own tables), INT 40h-47h (handlers), ports, privileged instructions but eight, "
                + "POPF of AC NT ID IOPL, CMPS (which operand is read first), string instructions over code (how far one that overwrites itself goes), "
                + "stores into code but by self-modifying steps, MASKMOVDQU (may fault without storing), LDMXCSR of random data (which bits are reserved differs), "
                + "MASKMOVQ and conversions to and from MMX registers (AMD's processors change TOP before they fault), reserved NOPs, system calls; "
                + "not compared: FIP, FDP, FOP, selectors, CR0, and the P bit of page faults outside of the body",
            "QEMU: ring 0; x87, MMX, SSE, CLFLUSH, ARPL, CRC32, PAUSE and CMPXCHG8B; self-modifying code; segment limits, segment loads, CS overrides; forms that leave flags undefined; CMPS; stale TLB entries; timers, ports, debug registers; "
                + "privileged instructions; not compared: the W bit of page faults",
        ],
        "SplitMix64 from the seed chooses mode, state, steps and operands (Verification/Programs); a case is what `toyvmm verify equivalence --seed S --cases 1` makes of seed S.",
        [.. _settings.Select(setting => setting.Name).Prepend(EngineSetting.Interpreter.Name), .. _judges.Select(judge => judge.Name), .. _absent]);

    /// <inheritdoc/>
    public ICaseChecker CreateChecker() => new EquivalenceChecker(_settings, [.. _judges.Select(judge => judge.Make())]);
}
