namespace ToyVmm.Engines.Interpretation.FloatingPoint;

/// <summary>The rounding-control field of the control word (SDM 1 4.8.4).</summary>
internal enum RoundingMode
{
    /// <summary>To the nearest, ties to even.</summary>
    Nearest,

    /// <summary>Toward minus infinity.</summary>
    Down,

    /// <summary>Toward plus infinity.</summary>
    Up,

    /// <summary>Toward zero.</summary>
    Zero,
}

/// <summary>The six floating-point exceptions, as status-word flags and control-word masks (SDM 1 8.1.3, 8.1.5).</summary>
internal static class FloatException
{
    /// <summary>IE: invalid operation.</summary>
    public const uint Invalid = 1;

    /// <summary>DE: denormal operand.</summary>
    public const uint Denormal = 2;

    /// <summary>ZE: division of a finite number by zero.</summary>
    public const uint DivideByZero = 4;

    /// <summary>OE: overflow.</summary>
    public const uint Overflow = 8;

    /// <summary>UE: underflow.</summary>
    public const uint Underflow = 16;

    /// <summary>PE: inexact result.</summary>
    public const uint Precision = 32;

    /// <summary>Those that are found before the operation: unmasked, they leave operands and stack as they were (SDM 1 8.6).</summary>
    public const uint PreComputation = Invalid | Denormal | DivideByZero;

    /// <summary>All six.</summary>
    public const uint All = 63;
}

/// <summary>What an operation obeys (the control word) and what it reports (exceptions, the direction of rounding).</summary>
internal struct FloatEnvironment
{
    /// <summary>Makes the environment of one operation.</summary>
    /// <param name="control">The x87 control word.</param>
    public FloatEnvironment(uint control) => Control = control;

    /// <summary>The x87 control word: masks in bits 0-5, precision in 8-9, rounding in 10-11.</summary>
    public readonly uint Control;

    /// <summary>The exceptions that the operation met.</summary>
    public uint Raised;

    /// <summary>True when the result is larger in magnitude than the exact one: C1 (SDM 1 8.1.3.3).</summary>
    public bool RoundedUp;

    /// <summary>The exception is a stack fault (SDM 1 8.5.1.1): for an overflow <see cref="RoundedUp"/> (C1) is set, for an underflow clear.</summary>
    public bool StackFault;

    /// <summary>An operand was denormal in the memory format it came from, where the register format holds it as a normal number.</summary>
    public bool DenormalSource;

    /// <summary>Rounding control.</summary>
    public readonly RoundingMode Rounding => (RoundingMode)((Control >> 10) & 3);

    /// <summary>Bits of the significand under precision control: 24, 53 or 64. The reserved value 1 rounds to 64.</summary>
    public readonly int Precision => ((Control >> 8) & 3) switch
    {
        0 => 24,
        2 => 53,
        _ => 64,
    };

    /// <summary>The exceptions met that are not masked.</summary>
    public readonly uint Unmasked => Raised & ~Control & FloatException.All;

    /// <summary>True when an unmasked exception keeps the operation from having a result.</summary>
    public readonly bool IsAborted => (Unmasked & FloatException.PreComputation) != 0;

    /// <summary>True when an exception is masked.</summary>
    public readonly bool IsMasked(uint exception) => (Control & exception) != 0;

    /// <summary>Notes exceptions.</summary>
    public void Raise(uint exceptions) => Raised |= exceptions;

    /// <summary>The masked response to an operand that is an empty register.</summary>
    public Float80 StackUnderflow()
    {
        StackFault = true;
        return Invalid();
    }

    /// <summary>The masked response to a push onto a register that is not empty.</summary>
    public Float80 StackOverflow()
    {
        StackFault = true;
        RoundedUp = true;
        return Invalid();
    }

    /// <summary>The masked response to an invalid operation.</summary>
    public Float80 Invalid()
    {
        Raised |= FloatException.Invalid;
        return Float80.Indefinite;
    }
}
