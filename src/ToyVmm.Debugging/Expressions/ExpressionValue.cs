using System.Globalization;

namespace ToyVmm.Debugging.Expressions;

/// <summary>Why an expression has no value at the moment.</summary>
public enum Unavailability
{
    /// <summary>It has one.</summary>
    None,

    /// <summary>It divides by zero.</summary>
    DivisionByZero,

    /// <summary>It reads what is no memory: nothing is mapped there, or it belongs to a device, which is not read.</summary>
    UnreadableMemory,

    /// <summary>It goes through a selector that names no segment.</summary>
    UnknownSelector,
}

/// <summary>What an expression gives: a number with a type, or the reason why there is none.</summary>
/// <param name="Bits">The number, extended to 64 bits as its type says.</param>
/// <param name="Type">Its type.</param>
/// <param name="Why">Why there is no number; then <paramref name="Bits"/> is the address or the selector that it failed at.</param>
public readonly record struct ExpressionValue(ulong Bits, ExpressionType Type, Unavailability Why = Unavailability.None)
{
    /// <summary>True where there is a number.</summary>
    public bool IsAvailable => Why == Unavailability.None;

    /// <summary>True for a number other than zero.</summary>
    public bool IsTrue => IsAvailable && Bits != 0;

    /// <summary>The number as an address: its low 32 bits.</summary>
    public uint Address => (uint)Bits;

    /// <summary>No number: the reason in words. Null where there is one.</summary>
    public string? Problem => Why switch
    {
        Unavailability.None => null,
        Unavailability.DivisionByZero => "a division by zero",
        Unavailability.UnreadableMemory => string.Create(CultureInfo.InvariantCulture, $"the memory at {Bits:x8} cannot be read: it is not mapped, or a device's"),
        _ => string.Create(CultureInfo.InvariantCulture, $"the selector {Bits:x4} names no segment"),
    };

    /// <summary>The number for people, in hexadecimal and decimal: <c>0x1c (28)</c>; or "unavailable" and why.</summary>
    public override string ToString() => !IsAvailable ? $"unavailable: {Problem}"
        : Type.IsSigned() ? string.Create(CultureInfo.InvariantCulture, $"0x{Hexadecimal} ({(long)Bits})")
        : string.Create(CultureInfo.InvariantCulture, $"0x{Hexadecimal} ({Bits})");

    private string Hexadecimal => (Type.Size() == 8 ? Bits : Bits & ((1ul << (8 * Type.Size())) - 1)).ToString("x", CultureInfo.InvariantCulture);

    internal static ExpressionValue Unavailable(Unavailability why, ulong where = 0) => new(where, ExpressionType.U64, why);

    internal static ExpressionValue Of(ExpressionType type, ulong bits) => new(type.Fit(bits), type);

    internal static ExpressionValue Of(bool truth) => new(truth ? 1ul : 0, ExpressionType.S32);
}
