using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.State;

namespace ToyVmm.Engines.Interpretation;

/// <content>What is decided already about an instruction that was left in its middle: everything else an engine holds derives from memory and CPU.</content>
public sealed unsafe partial class Interpreter : ISavedState
{
    /// <inheritdoc/>
    void ISavedState.Transfer(StateTransfer state)
    {
        state.Value(ref _insideString);
        state.Value(ref _debugConditions);
        state.Value(ref _stepTrap);
        state.Value(ref _resumeFlag);
        state.Value(ref _suspended);
        IsSingleStepping = state.Pass(IsSingleStepping);
        ShadowBefore = (InterruptShadow)state.Choice((int)ShadowBefore, (int)InterruptShadow.MovSs);
    }
}
