using ToyVmm.Hardware.Devices;

namespace ToyVmm.VirtualMachines;

/// <summary>Something that the image does not determine. Together with their moments, a run's events make the run.</summary>
public abstract record InputEvent;

/// <summary>A byte arrives at COM1.</summary>
/// <param name="Value">The byte.</param>
public sealed record SerialInput(byte Value) : InputEvent;

/// <summary>A key of the PS/2 keyboard goes down or up.</summary>
/// <param name="Key">The key.</param>
/// <param name="Pressed">Down, or up.</param>
public sealed record KeyInput(Ps2Key Key, bool Pressed) : InputEvent;

/// <summary>The mouse is moved, or its buttons change.</summary>
/// <param name="Event">What the user does.</param>
public sealed record MouseInput(MouseEvent Event) : InputEvent;

/// <summary>Another guest rings this one's bell (the hypercall <c>event_send</c>).</summary>
/// <param name="Port">The bit of the clock page's pending word.</param>
public sealed record EventInput(int Port) : InputEvent;

/// <summary>The host would like the guest's balloon to hold so many pages.</summary>
/// <param name="Pages">Pages of 4 KiB.</param>
public sealed record BalloonTargetInput(uint Pages) : InputEvent;

/// <summary>The host gives the guest more memory, as far as the machine has room for it (<see cref="Hardware.MachineConfig.MaximumMemory"/>).</summary>
/// <param name="Bytes">How much; whole pages.</param>
public sealed record AddMemoryInput(uint Bytes) : InputEvent;

/// <summary>Host time that a sleeping guest's clock takes over, because other input wakes it before its next timer does.</summary>
/// <param name="Ticks">Ticks of the virtual clock.</param>
public sealed record HostTimeInput(ulong Ticks) : InputEvent;

/// <summary>The run ends here by the will of the host: the user, a signal, a time limit.</summary>
public sealed record StopInput : InputEvent;

/// <summary>The user resets the machine: see <see cref="VirtualMachine.Reset"/>.</summary>
public sealed record ResetInput : InputEvent;

/// <summary>
/// A moment between two steps of the run loop, the same in every run that went the same way so far. One number is not enough:
/// an instruction may need several exits, and a sleeping CPU retires nothing.
/// </summary>
/// <param name="Instructions">Instructions retired.</param>
/// <param name="Exits">Exits of the guest's own making handled: not spent budgets, interrupt windows and cancellations, which only say how a run is sliced.</param>
/// <param name="Clock">The virtual clock.</param>
/// <param name="Events">Interrupts and exceptions delivered (<see cref="Engines.Vcpu.EventsDelivered"/>): a debugger stops between an interrupt's delivery and its handler.</param>
public readonly record struct InputMoment(ulong Instructions, ulong Exits, ulong Clock, ulong Events = 0) : IComparable<InputMoment>
{
    /// <summary>Whether one moment comes before another. None of the numbers ever falls within a run.</summary>
    public static bool operator <(InputMoment left, InputMoment right) => left.CompareTo(right) < 0;

    /// <summary>Whether one moment comes after another.</summary>
    public static bool operator >(InputMoment left, InputMoment right) => left.CompareTo(right) > 0;

    /// <summary>Whether one moment is another or comes before it.</summary>
    public static bool operator <=(InputMoment left, InputMoment right) => left.CompareTo(right) <= 0;

    /// <summary>Whether one moment is another or comes after it.</summary>
    public static bool operator >=(InputMoment left, InputMoment right) => left.CompareTo(right) >= 0;

    /// <summary>For people.</summary>
    public override string ToString() =>
        string.Create(System.Globalization.CultureInfo.InvariantCulture, $"instruction {Instructions} (exit {Exits}, clock {Clock}, event {Events})");

    /// <inheritdoc/>
    public int CompareTo(InputMoment other) => (Instructions, Exits, Clock, Events).CompareTo((other.Instructions, other.Exits, other.Clock, other.Events));
}

/// <summary>An input event, and when the machine took it.</summary>
/// <param name="At">The moment.</param>
/// <param name="Event">The event.</param>
public readonly record struct StampedInput(InputMoment At, InputEvent Event);
