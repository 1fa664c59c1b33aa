using ToyVmm.Hardware.Devices;
using ToyVmm.Hardware.Memory;
using ToyVmm.VirtualMachines.Hypercalls;

namespace ToyVmm.VirtualMachines.Replay;

/// <summary>
/// Events and moments as bytes: numbers in groups of seven bits, the lowest first, moments as differences from the one before. A key stroke takes some eight bytes.
/// </summary>
/// <remarks>What is read may be of a damaged or forged file: nothing throws, and a value that no machine records is refused.</remarks>
internal static class InputCodec
{
    private const int MostBytes = 10;       // of 64 bits

    private enum Kind : byte
    {
        Serial,
        KeyUp,
        KeyDown,
        Mouse,
        Bell,
        Balloon,
        Memory,
        HostTime,
        Stop,
        Reset,
    }

    /// <summary>Appends an event.</summary>
    /// <param name="to">The buffer.</param>
    /// <param name="input">The event.</param>
    /// <param name="before">The moment of the one before; becomes this one's.</param>
    public static void Write(List<byte> to, StampedInput input, ref InputMoment before)
    {
        Write(to, input.At, ref before);
        (Kind kind, ulong value) = input.Event switch
        {
            SerialInput serial => (Kind.Serial, serial.Value),
            KeyInput key => (key.Pressed ? Kind.KeyDown : Kind.KeyUp, (ulong)key.Key),
            MouseInput mouse => (Kind.Mouse, (ulong)mouse.Event.Buttons),
            EventInput bell => (Kind.Bell, (ulong)bell.Port),
            BalloonTargetInput target => (Kind.Balloon, target.Pages),
            AddMemoryInput more => (Kind.Memory, more.Bytes),
            HostTimeInput time => (Kind.HostTime, time.Ticks),
            StopInput => (Kind.Stop, 0ul),
            ResetInput => (Kind.Reset, 0ul),
            _ => throw new ArgumentException($"{input.Event.GetType().Name} has no code", nameof(input)),
        };
        to.Add((byte)kind);
        Write(to, value);
        if (input.Event is MouseInput { Event: MouseEvent moved })
        {
            Write(to, ZigZag(moved.DeltaX));
            Write(to, ZigZag(moved.DeltaY));
            Write(to, ZigZag(moved.Wheel));
        }
    }

    /// <summary>Appends a moment.</summary>
    public static void Write(List<byte> to, InputMoment at, ref InputMoment before)
    {
        Write(to, at.Instructions - before.Instructions);
        Write(to, at.Exits - before.Exits);
        Write(to, at.Clock - before.Clock - (at.Instructions - before.Instructions));   // idle time
        Write(to, at.Events - before.Events);
        before = at;
    }

    /// <summary>Appends a number.</summary>
    public static void Write(List<byte> to, ulong value)
    {
        while (value >= 0x80)
        {
            to.Add((byte)(value | 0x80));
            value >>= 7;
        }

        to.Add((byte)value);
    }

    /// <summary>Reads an event.</summary>
    /// <param name="from">The bytes; those of the event are taken off.</param>
    /// <param name="before">The moment of the one before; becomes this one's.</param>
    /// <param name="input">The event.</param>
    /// <returns>False where there is none.</returns>
    public static bool TryRead(ref ReadOnlySpan<byte> from, ref InputMoment before, out StampedInput input)
    {
        input = default;
        if (!TryRead(ref from, ref before) || from.IsEmpty)
        {
            return false;
        }

        Kind kind = (Kind)from[0];
        from = from[1..];
        if (!TryRead(ref from, out ulong value))
        {
            return false;
        }

        InputEvent? happened = kind switch
        {
            Kind.Serial when value <= byte.MaxValue => new SerialInput((byte)value),
            Kind.KeyUp or Kind.KeyDown when value <= (ulong)Ps2Key.Pause => new KeyInput((Ps2Key)value, kind == Kind.KeyDown),
            Kind.Mouse when value <= 7 && TryReadMouse(ref from, (MouseButtons)value) is { } mouse => new MouseInput(mouse),
            Kind.Bell when value is >= HypercallCatalog.FirstEventPort and < HypercallCatalog.EventPorts => new EventInput((int)value),
            Kind.Balloon when value <= uint.MaxValue => new BalloonTargetInput((uint)value),
            Kind.Memory when value <= uint.MaxValue && value % GuestPhysicalAddress.PageSize == 0 => new AddMemoryInput((uint)value),
            Kind.HostTime => new HostTimeInput(value),
            Kind.Stop when value == 0 => new StopInput(),
            Kind.Reset when value == 0 => new ResetInput(),
            _ => null,
        };
        input = new StampedInput(before, happened!);
        return happened is not null;
    }

    /// <summary>Reads a moment.</summary>
    public static bool TryRead(ref ReadOnlySpan<byte> from, ref InputMoment before)
    {
        if (!TryRead(ref from, out ulong instructions) || !TryRead(ref from, out ulong exits) || !TryRead(ref from, out ulong idle) || !TryRead(ref from, out ulong events))
        {
            return false;
        }

        InputMoment at = unchecked(new(before.Instructions + instructions, before.Exits + exits, before.Clock + instructions + idle, before.Events + events));
        bool grows = at.Instructions >= before.Instructions && at.Exits >= before.Exits && at.Events >= before.Events
            && at.Clock >= before.Clock && at.Clock - before.Clock >= idle && at.Clock - before.Clock >= instructions;
        before = at;
        return grows;
    }

    /// <summary>Reads a number.</summary>
    public static bool TryRead(ref ReadOnlySpan<byte> from, out ulong value)
    {
        value = 0;
        for (int n = 0; n < MostBytes && n < from.Length; n++)
        {
            ulong bits = from[n] & 0x7Ful;
            value |= bits << (7 * n);
            if (from[n] < 0x80)
            {
                from = from[(n + 1)..];
                return n < MostBytes - 1 || bits <= 1;
            }
        }

        return false;
    }

    private static MouseEvent? TryReadMouse(ref ReadOnlySpan<byte> from, MouseButtons buttons) =>
        TryReadSigned(ref from, out int x) && TryReadSigned(ref from, out int y) && TryReadSigned(ref from, out int wheel) ? new MouseEvent(x, y, wheel, buttons) : null;

    private static bool TryReadSigned(ref ReadOnlySpan<byte> from, out int value)
    {
        bool isThere = TryRead(ref from, out ulong raw) && raw <= uint.MaxValue;
        value = (int)(raw >> 1) ^ -(int)(raw & 1);
        return isThere;
    }

    private static ulong ZigZag(int value) => (uint)((value << 1) ^ (value >> 31));
}
