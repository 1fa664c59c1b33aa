using ToyVmm.Hardware.State;

namespace ToyVmm.Hardware.Interrupts;

/// <summary>A wire that ends in a callback: how the board connects one chip's output to another chip's input.</summary>
/// <param name="changed">Told of each change of level.</param>
public sealed class CallbackLine(Action<bool> changed) : IInterruptLine, ISavedState
{
    /// <summary>The level last driven.</summary>
    public bool Level { get; private set; }

    /// <inheritdoc/>
    public void SetLevel(bool high)
    {
        if (high != Level)
        {
            Level = high;
            changed(high);
        }
    }

    /// <inheritdoc/>
    void ISavedState.Transfer(StateTransfer state) => Transfer(state);

    internal void Transfer(StateTransfer state) => Level = state.Pass(Level);
}
