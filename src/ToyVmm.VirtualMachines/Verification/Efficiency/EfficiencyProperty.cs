namespace ToyVmm.VirtualMachines.Verification.Efficiency;

/// <summary>Efficiency: innocuous programs run on the host CPU, and how often the VMM takes part does not depend on how long they run.</summary>
public sealed class EfficiencyProperty : IVerifiedProperty
{
    /// <inheritdoc/>
    public string Name => "efficiency";

    /// <inheritdoc/>
    public PropertyStatement Statement => new(
        $"Emitted code is left for the VMM at most {EfficiencyBound.PerBlock} x distinct blocks + {EfficiencyBound.PerPage} x distinct pages + {EfficiencyBound.Constant} times, "
            + $"and at most distinct instructions x (hotness + {EfficiencyBound.InterpretedMargin}) + {EfficiencyBound.InterpretedConstant} instructions are interpreted, however often the body is repeated - blocks, pages and instructions being those that 100 passes touch; "
            + "the VMM's own time slices, one in 1,048,576 instructions, are not counted.",
        "Innocuous programs in ring 3 with paging: integer, x87, MMX and SSE forms, memory, branches, loops, calls and string instructions that raise no exception; the body repeated 1, 100 and 3,000 times.",
        [
            "runs in which a later pass raises an exception, and programs of more than 20,000 instructions a pass (both are counted)",
            "sensitive and privileged instructions, exceptions, unmasked floating-point exceptions, self-modifying code, stack forms that do not balance",
            "forms that the translator leaves to the interpreter wherever they stand (BCD, SALC, ARPL, BOUND and what else docs/translator.md lists): a step with one is left out",
        ],
        "As for equivalence; a step that raises an exception, or has a form that is always called out, is left out, until none does.",
        [.. EfficiencyChecker.Settings.Select(setting => setting.Name), "distinct blocks, instructions and pages: counted on the interpreter"]);

    /// <inheritdoc/>
    public ICaseChecker CreateChecker() => new EfficiencyChecker();
}
