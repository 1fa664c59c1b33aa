namespace ToyVmm.Hardware.Interrupts;

/// <summary>A request line that several chips share: it is high while any of them drives it high.</summary>
/// <param name="target">The line that is shared.</param>
public sealed class SharedLine(IInterruptLine target)
{
    private int _high;

    /// <summary>One more chip on the line.</summary>
    /// <returns>The wire that the chip drives.</returns>
    public IInterruptLine AddInput() => new CallbackLine(high =>
    {
        _high += high ? 1 : -1;
        target.SetLevel(_high > 0);
    });
}
