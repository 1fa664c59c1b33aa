using Iced.Intel;
using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Classification;

/// <summary>How often a guest executed an instruction form, by mode. Rings 1 and 2 count as ring 3: a monitor has them there.</summary>
/// <param name="Row">The form.</param>
/// <param name="Real">In real mode.</param>
/// <param name="Ring0">In ring 0.</param>
/// <param name="Ring3">In rings 1 to 3.</param>
/// <param name="Virtual8086">In virtual-8086 mode.</param>
public sealed record FormUsage(InstructionClassification Row, ulong Real, ulong Ring0, ulong Ring3, ulong Virtual8086)
{
    /// <summary>All together.</summary>
    public ulong Total => Real + Ring0 + Ring3 + Virtual8086;

    /// <summary>
    /// Of these, those that a monitor which only traps would not have noticed: sensitive where it would run them (ring 0 and user code in ring 3,
    /// real-mode code in virtual-8086 mode), and completing there.
    /// </summary>
    public ulong Unnoticed =>
        (IsUnnoticed(ExecutionMode.Ring3) ? Ring0 + Ring3 : 0) + (IsUnnoticed(ExecutionMode.Virtual8086) ? Real + Virtual8086 : 0);

    private bool IsUnnoticed(ExecutionMode mode) => Row.Outcome(mode).Completes && Row.In(mode) != Sensitivity.None;
}

/// <summary>Counts the instructions of a run by form and mode. Attach it as the machine's observer.</summary>
public sealed unsafe class InstructionUsage : IEngineObserver
{
    private const int Modes = 4;
    private static readonly Code[] s_codes = [.. ClassificationTable.Rows.Select(row => Enum.Parse<Code>(row.Name))];
    private readonly ulong[] _counts = new ulong[((int)Enum.GetValues<Code>().Max() + 1) * Modes];
    private readonly InstructionClassifier _classifier = new();
    private ulong _last;

    /// <inheritdoc/>
    public bool WantsInstructions => true;

    /// <summary>All instructions counted, those that are no instructions too.</summary>
    public ulong Total { get; private set; }

    /// <summary>The forms that were executed, in the table's order.</summary>
    public IEnumerable<FormUsage> Forms
    {
        get
        {
            for (int n = 0; n < s_codes.Length; n++)
            {
                int at = (int)s_codes[n] * Modes;
                FormUsage usage = new(ClassificationTable.Rows[n], _counts[at], _counts[at + 1], _counts[at + 2], _counts[at + 3]);
                if (usage.Total > 0)
                {
                    yield return usage;
                }
            }
        }
    }

    /// <summary>Forgets everything: for another run.</summary>
    public void Clear()
    {
        Array.Clear(_counts);
        (Total, _last) = (0, 0);
    }

    /// <inheritdoc/>
    public void BeforeInstruction(Vcpu vcpu)
    {
        ArgumentNullException.ThrowIfNull(vcpu);
        CpuState* s = vcpu.State;
        if (Total > 0 && s->Retired == _last)
        {
            // Another iteration of a REP string instruction, or one that waited for a device: nothing has retired since.
            return;
        }

        _last = s->Retired;
        Total++;
        _counts[((int)_classifier.NextCode(vcpu) * Modes) + (int)InstructionClassifier.ModeOf(vcpu)]++;
    }

    /// <inheritdoc/>
    public void BeforeTrap(Vcpu vcpu, in TrapInfo trap)
    {
    }
}
