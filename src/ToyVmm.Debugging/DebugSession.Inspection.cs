using ToyVmm.Debugging.Expressions;
using ToyVmm.Debugging.Inspecting;
using ToyVmm.Debugging.Registers;
using ToyVmm.Debugging.Traps;
using ToyVmm.VirtualMachines.Symbols;

namespace ToyVmm.Debugging;

/// <content>Looking at the machine, and changing what somebody names.</content>
public sealed unsafe partial class DebugSession
{
    /// <summary>Looks inside the machine: registers, tables, page walks, code, stack, devices.</summary>
    public Inspector Inspector => field ??= new Inspector(Machine)
    {
        HasBreakpoint = linear => Breakpoints.Any(one => one.IsEnabled && one.Spec is LinearSpec spec && spec.Address == linear),
    };

    /// <summary>Names of the guest's addresses.</summary>
    public SymbolTable Symbols
    {
        get => Inspector.Symbols;
        set => Inspector.Symbols = value;
    }

    /// <summary>The source lines of the guest's code.</summary>
    public SourceLines Lines
    {
        get => Inspector.Lines;
        set => Inspector.Lines = value;
    }

    /// <summary>How traps name the guest's addresses: by symbol, and by source line.</summary>
    public TrapNaming Naming => field ??= TrapNaming.Of(Inspector);

    /// <summary>What expressions are evaluated against now.</summary>
    /// <param name="hits">How often the breakpoint in question was reached.</param>
    public ExpressionContext ContextFor(ulong hits = 0) => new(Machine, Point.Events, hits);

    /// <summary>Gives a breakpoint a condition (<see cref="Breakpoint.SetCondition"/>).</summary>
    /// <param name="breakpoint">The breakpoint.</param>
    /// <param name="text">The condition.</param>
    /// <returns>Null, or what is wrong with the text: nothing is changed then.</returns>
    public ExpressionError? SetCondition(Breakpoint breakpoint, string text)
    {
        ArgumentNullException.ThrowIfNull(breakpoint);
        if (!Expression.TryParse(text, Symbols, out Expression? expression, out ExpressionError? error))
        {
            return error;
        }

        breakpoint.SetCondition(expression);
        return null;
    }

    /// <summary>Changes a register or a part of one.</summary>
    /// <param name="register">The register.</param>
    /// <param name="value">The value.</param>
    /// <returns>Null, or why it cannot be: nothing is changed then.</returns>
    public string? TryWrite(RegisterField register, UInt128 value)
    {
        ArgumentNullException.ThrowIfNull(register);
        NoteChange();
        return register.TryWrite(Machine, value);
    }

    /// <summary>Changes the register or the memory that an expression stands for.</summary>
    /// <param name="target">The expression.</param>
    /// <param name="value">The value; what does not fit is cut off.</param>
    /// <returns>Null, or why it cannot be: nothing is changed then.</returns>
    public string? TryAssign(Expression target, in ExpressionValue value)
    {
        ArgumentNullException.ThrowIfNull(target);
        if (!value.IsAvailable)
        {
            return value.Problem;
        }

        if (!target.TryGetPlace(ContextFor(), out ExpressionPlace place, out string? problem))
        {
            return problem;
        }

        if (place.Register is { } register)
        {
            return TryWrite(register, register.Bits >= 64 ? value.Bits : value.Bits & ((1ul << register.Bits) - 1));
        }

        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        System.Buffers.Binary.BinaryPrimitives.WriteUInt64LittleEndian(bytes, value.Bits);
        Span<byte> old = stackalloc byte[sizeof(ulong)];
        int readable = place.IsPhysical ? Memory.ReadPhysical(place.Address, old[..place.Size]) : Memory.ReadLinear((uint)place.Address, old[..place.Size]);
        int written = readable < place.Size ? 0
            : place.IsPhysical ? Memory.WritePhysical(place.Address, bytes[..place.Size])
            : Memory.WriteLinear((uint)place.Address, bytes[..place.Size]);
        if (written == place.Size)
        {
            return null;
        }

        // The first of two pages may have been RAM, and the second none.
        _ = place.IsPhysical ? Memory.WritePhysical(place.Address, old[..written]) : Memory.WriteLinear((uint)place.Address, old[..written]);
        return FormattableString.Invariant($"the memory at {place.Address:x8} takes no writes: it is not mapped, ROM, or a device's");
    }
}
