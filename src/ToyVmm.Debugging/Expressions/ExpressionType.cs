namespace ToyVmm.Debugging.Expressions;

/// <summary>The types of values: C's integers of 8 to 64 bits.</summary>
public enum ExpressionType
{
    /// <summary>Unsigned, 8 bits: <c>byte</c>, AL.</summary>
    U8,

    /// <summary>Unsigned, 16 bits: <c>word</c>, AX.</summary>
    U16,

    /// <summary>Unsigned, 32 bits: <c>dword</c>, EAX, an address.</summary>
    U32,

    /// <summary>Unsigned, 64 bits: <c>qword</c>, a count.</summary>
    U64,

    /// <summary>Signed, 8 bits.</summary>
    S8,

    /// <summary>Signed, 16 bits.</summary>
    S16,

    /// <summary>Signed, 32 bits: a small number, the result of a comparison.</summary>
    S32,

    /// <summary>Signed, 64 bits.</summary>
    S64,
}

/// <summary>What follows from a type.</summary>
internal static class ExpressionTypes
{
    /// <summary>The names that a cast takes, for messages.</summary>
    public const string Names = "u8 u16 u32 u64 s8 s16 s32 s64";

    /// <summary>Bytes.</summary>
    public static int Size(this ExpressionType type) => 1 << ((int)type & 3);

    /// <summary>True for a type with a sign.</summary>
    public static bool IsSigned(this ExpressionType type) => type >= ExpressionType.S8;

    /// <summary>The unsigned type that holds so many bits.</summary>
    public static ExpressionType OfBits(int bits) => bits switch
    {
        <= 8 => ExpressionType.U8,
        <= 16 => ExpressionType.U16,
        <= 32 => ExpressionType.U32,
        _ => ExpressionType.U64,
    };

    /// <summary>The type that arithmetic happens in (C17 6.3.1.1, the integer promotions): nothing is narrower than 32 bits, and what is fits a signed one.</summary>
    public static ExpressionType Promoted(this ExpressionType type) => type.Size() < 4 ? ExpressionType.S32 : type;

    /// <summary>The type that two operands are brought to (C17 6.3.1.8, the usual arithmetic conversions).</summary>
    public static ExpressionType Common(ExpressionType x, ExpressionType y)
    {
        (x, y) = (x.Promoted(), y.Promoted());
        return x == ExpressionType.U64 || y == ExpressionType.U64 ? ExpressionType.U64
            : x == ExpressionType.S64 || y == ExpressionType.S64 ? ExpressionType.S64
            : x == ExpressionType.U32 || y == ExpressionType.U32 ? ExpressionType.U32
            : ExpressionType.S32;
    }

    /// <summary>Cuts bits down to a type, and extends them to 64 as it says.</summary>
    public static ulong Fit(this ExpressionType type, ulong bits)
    {
        int unused = 64 - (8 * type.Size());
        return type.IsSigned() ? (ulong)((long)(bits << unused) >> unused) : bits << unused >> unused;
    }

    /// <summary>A type by name.</summary>
    public static ExpressionType? Find(string name) => name switch
    {
        "u8" or "uint8_t" => ExpressionType.U8,
        "u16" or "uint16_t" => ExpressionType.U16,
        "u32" or "uint32_t" => ExpressionType.U32,
        "u64" or "uint64_t" => ExpressionType.U64,
        "s8" or "i8" or "int8_t" => ExpressionType.S8,
        "s16" or "i16" or "int16_t" => ExpressionType.S16,
        "s32" or "i32" or "int32_t" or "int" => ExpressionType.S32,
        "s64" or "i64" or "int64_t" => ExpressionType.S64,
        _ => null,
    };
}
