using ToyVmm.Hardware.Paging;

namespace ToyVmm.Engines.Probing;

/// <summary>
/// Told what the interpreter does for an instruction or an event, step by step, by the very code that does it: the walks of the MMU, the checks
/// and descriptors of a segment load, the frame of an interrupt, a device's answer. It may look, and change nothing.
/// </summary>
/// <remarks>
/// Attach it as <see cref="Vcpu.Probe"/>, together with an <see cref="IEngineObserver"/> that wants instructions. Without a probe nothing on a fast
/// path asks whether there is one: with one, the short cuts of events and segment loads do not match, and the long ways, which come to the same, tell it.
/// </remarks>
public interface ITrapProbe : IPagingProbe
{
    /// <summary>A step was done.</summary>
    /// <param name="step">Which.</param>
    void Happened(in MicroStep step);

    /// <summary>An instruction that waited for the monitor begins again, with the monitor's answer: the device accesses told of before will be told again.</summary>
    void InstructionRestarts();

    /// <summary>The instruction told of last (<see cref="IEngineObserver.BeforeInstruction"/>) has ended.</summary>
    /// <param name="completed">False when it ended in a fault, whose delivery follows.</param>
    /// <param name="retired">Instructions retired so far: not more than before it between two iterations of a REP string instruction.</param>
    void InstructionEnded(bool completed, ulong retired);

    /// <summary>The delivery of an event (<see cref="IEngineObserver.BeforeTrap"/>) has ended; of INT n and its like <see cref="InstructionEnded"/> tells.</summary>
    /// <param name="delivered">False for a triple fault.</param>
    void DeliveryEnded(bool delivered);
}
