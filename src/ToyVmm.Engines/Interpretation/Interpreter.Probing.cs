using ToyVmm.Engines.Probing;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation;

/// <summary>
/// Telling a probe what is done. The short cuts (flat segments and gates, descriptors in the TLB's projection) compare against masks that never
/// match while there is a probe, so that they need not ask for it; the long ways, which end in the same, do.
/// </summary>
public sealed unsafe partial class Interpreter
{
    // What IsFlat looks at of a descriptor; nothing of it while a probe wants to see the long way, and nothing is no segment.
    private uint _flatMask = FlatMask;

    // Selectors with one of these bits take the long way: those of the LDT; all but the null selectors while there is a probe.
    private uint _longSelectors = LocalTableBit;

    private const uint LocalTableBit = 4;

    private ITrapProbe? Probe => Vcpu.Probe;

    /// <summary>Tells a probe of a step; for slow paths.</summary>
    internal void Tell(in MicroStep step) => Probe?.Happened(step);

    private void OnProbeChanged()
    {
        bool probed = Probe is not null;
        _flatMask = probed ? 0 : FlatMask;
        _longSelectors = probed ? 0xFFFC : LocalTableBit;
    }

    private void TellEntered()
    {
        if (Probe is { } probe)
        {
            probe.Happened(new MicroStep(MicroStepKind.HandlerEntered, State->Eip, Selector: State->Cs.Selector, Detail: LazyFlags.GetEflags(State)));
        }
    }
}
