using ToyVmm.Hardware.State;

namespace ToyVmm.Hardware.Devices;

/// <summary>
/// The gate on address line 20. When it is shut, bit 20 of every physical address is zero and memory wraps at 1 MiB as on an 8086
/// (SDM 3A 9.1.3, A20M#). Several ports drive the one gate; the last write decides, as on the chipsets that merge them.
/// </summary>
public sealed class A20Gate : ISavedState
{
    /// <summary>Told of each change, with the new state: engines must forget address translations.</summary>
    public Action<bool>? Changed { get; set; }

    /// <summary>True when bit 20 passes.</summary>
    public bool Enabled { get; private set; }

    /// <summary>Opens or shuts the gate.</summary>
    public void Set(bool enabled)
    {
        if (enabled != Enabled)
        {
            Enabled = enabled;
            Changed?.Invoke(enabled);
        }
    }

    /// <inheritdoc/>
    void ISavedState.Transfer(StateTransfer state) => Enabled = state.Pass(Enabled);
}
