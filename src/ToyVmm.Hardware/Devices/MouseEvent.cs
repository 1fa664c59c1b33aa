namespace ToyVmm.Hardware.Devices;

/// <summary>What a user does to a mouse at one moment. The directions are those of the PS/2 mouse's packets.</summary>
/// <param name="DeltaX">To the right, in counts of a quarter of a millimetre (the mouse's default resolution).</param>
/// <param name="DeltaY">Away from the user: up on the screen.</param>
/// <param name="Wheel">Steps of the wheel towards the user: down.</param>
/// <param name="Buttons">The buttons that are down from now on.</param>
public readonly record struct MouseEvent(int DeltaX, int DeltaY, int Wheel, MouseButtons Buttons);

/// <summary>The buttons of a mouse, as the bits of its packets.</summary>
[Flags]
public enum MouseButtons
{
    /// <summary>No button is down.</summary>
    None = 0,

    /// <summary>The left one.</summary>
    Left = 1,

    /// <summary>The right one.</summary>
    Right = 2,

    /// <summary>The middle one; on a wheel mouse, the wheel pressed.</summary>
    Middle = 4,
}
