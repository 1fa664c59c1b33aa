namespace ToyVmm.Hardware.State;

/// <summary>
/// Something whose state can be taken out of a stopped machine and put into another one of the same configuration. One method
/// names every field that changes, in one order, for both directions: what is saved and what is restored cannot differ.
/// </summary>
public interface ISavedState
{
    /// <summary>
    /// Hands each changing field to <paramref name="state"/>, which writes or replaces it. Nothing else may happen: no wire is driven,
    /// no timer armed, nobody told - what is at their other ends is restored from its own section.
    /// </summary>
    /// <param name="state">Where the state goes to, or comes from. It may hold anything: what code relies on is checked with it (<see cref="StateTransfer.Require"/>).</param>
    void Transfer(StateTransfer state);
}
