namespace ToyVmm.Tests.Oracle;

/// <summary>
/// When division raises #DE (SDM 2A, DIV, IDIV, AAM): the divisor is zero, or the quotient does not fit its register. Pure
/// arithmetic, wider than the operands, so that nothing in the model itself can overflow.
/// </summary>
public static class DivideModel
{
    /// <summary>Vector of the divide error.</summary>
    public const int DivideError = 0;

    /// <summary>Whether an unsigned division of the double-width dividend faults.</summary>
    /// <param name="dividend">AX, DX:AX or EDX:EAX.</param>
    /// <param name="divisor">The operand.</param>
    /// <param name="bits">Width of the divisor: 8, 16 or 32.</param>
    public static bool UnsignedFaults(ulong dividend, uint divisor, int bits) => divisor == 0 || dividend / divisor > (1UL << bits) - 1;

    /// <summary>Whether a signed division of the double-width dividend faults.</summary>
    /// <param name="dividend">AX, DX:AX or EDX:EAX, sign-extended to 64 bits by the caller.</param>
    /// <param name="divisor">The operand, sign-extended.</param>
    /// <param name="bits">Width of the divisor: 8, 16 or 32.</param>
    public static bool SignedFaults(long dividend, int divisor, int bits)
    {
        if (divisor == 0)
        {
            return true;
        }

        Int128 quotient = (Int128)dividend / divisor; // truncates towards zero, as IDIV does; 2^63 / -1 fits
        Int128 limit = Int128.One << (bits - 1);
        return quotient < -limit || quotient > limit - 1;
    }

    /// <summary>Whether DIV or IDIV of these registers by this operand faults.</summary>
    public static bool Faults(bool signed, uint eax, uint edx, uint divisor, int bits) => (signed, bits) switch
    {
        (false, 8) => UnsignedFaults((ushort)eax, (byte)divisor, 8),
        (false, 16) => UnsignedFaults(((uint)(ushort)edx << 16) | (ushort)eax, (ushort)divisor, 16),
        (false, 32) => UnsignedFaults(((ulong)edx << 32) | eax, divisor, 32),
        (true, 8) => SignedFaults((short)eax, (sbyte)divisor, 8),
        (true, 16) => SignedFaults((int)(((uint)(ushort)edx << 16) | (ushort)eax), (short)divisor, 16),
        (true, 32) => SignedFaults((long)(((ulong)edx << 32) | eax), (int)divisor, 32),
        _ => throw new ArgumentOutOfRangeException(nameof(bits), bits, "Divisors have 8, 16 or 32 bits."),
    };
}
