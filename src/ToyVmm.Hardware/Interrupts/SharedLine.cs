using ToyVmm.Hardware.State;

namespace ToyVmm.Hardware.Interrupts;

/// <summary>A request line that several chips share: it is high while any of them drives it high.</summary>
/// <param name="target">The line that is shared.</param>
public sealed class SharedLine(IInterruptLine target) : ISavedState
{
    private readonly List<CallbackLine> _inputs = [];
    private int _high;

    /// <summary>One more chip on the line.</summary>
    /// <returns>The wire that the chip drives.</returns>
    public IInterruptLine AddInput()
    {
        CallbackLine input = new(high =>
        {
            _high += high ? 1 : -1;
            target.SetLevel(_high > 0);
        });
        _inputs.Add(input);
        return input;
    }

    /// <inheritdoc/>
    void ISavedState.Transfer(StateTransfer state)
    {
        _high = 0;
        foreach (CallbackLine input in _inputs)
        {
            input.Transfer(state);
            _high += input.Level ? 1 : 0;
        }
    }
}
