using ToyVmm.Engines.Interpretation.FloatingPoint;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>A memory format of up to 64 bits.</summary>
internal unsafe interface IX87Format
{
    /// <summary>Bytes.</summary>
    static abstract int Size { get; }

    /// <summary>Widens a value; no exception yet.</summary>
    static abstract Float80 Load(byte* from, ref FloatEnvironment env);

    /// <summary>Rounds a value.</summary>
    static abstract ulong Convert(Float80 value, ref FloatEnvironment env);
}

/// <summary>m32fp.</summary>
internal readonly unsafe struct SingleFormat : IX87Format
{
    public static int Size => 4;

    public static Float80 Load(byte* from, ref FloatEnvironment env) => FloatConversions.FromSingle(*(uint*)from, ref env);

    public static ulong Convert(Float80 value, ref FloatEnvironment env) => FloatConversions.ToSingle(value, ref env);
}

/// <summary>m64fp.</summary>
internal readonly unsafe struct DoubleFormat : IX87Format
{
    public static int Size => 8;

    public static Float80 Load(byte* from, ref FloatEnvironment env) => FloatConversions.FromDouble(*(ulong*)from, ref env);

    public static ulong Convert(Float80 value, ref FloatEnvironment env) => FloatConversions.ToDouble(value, ref env);
}

/// <summary>m16int.</summary>
internal readonly unsafe struct Integer16Format : IX87Format
{
    public static int Size => 2;

    public static Float80 Load(byte* from, ref FloatEnvironment env) => IntegerConversions.FromInteger(*(short*)from);

    public static ulong Convert(Float80 value, ref FloatEnvironment env) => (ulong)IntegerConversions.ToInteger(value, 16, ref env);
}

/// <summary>m32int.</summary>
internal readonly unsafe struct Integer32Format : IX87Format
{
    public static int Size => 4;

    public static Float80 Load(byte* from, ref FloatEnvironment env) => IntegerConversions.FromInteger(*(int*)from);

    public static ulong Convert(Float80 value, ref FloatEnvironment env) => (ulong)IntegerConversions.ToInteger(value, 32, ref env);
}

/// <summary>m64int.</summary>
internal readonly unsafe struct Integer64Format : IX87Format
{
    public static int Size => 8;

    public static Float80 Load(byte* from, ref FloatEnvironment env) => IntegerConversions.FromInteger(*(long*)from);

    public static ulong Convert(Float80 value, ref FloatEnvironment env) => (ulong)IntegerConversions.ToInteger(value, 64, ref env);
}

/// <summary>An integer format, truncated whatever the control word says (FISTTP).</summary>
internal readonly unsafe struct TruncatedFormat<TFormat> : IX87Format
    where TFormat : struct, IX87Format
{
    private const uint TowardZero = (uint)RoundingMode.Zero << 10;

    public static int Size => TFormat.Size;

    public static Float80 Load(byte* from, ref FloatEnvironment env) => TFormat.Load(from, ref env);

    public static ulong Convert(Float80 value, ref FloatEnvironment env)
    {
        // Truncation never rounds up, so exceptions are all there is to take over.
        FloatEnvironment truncating = new(env.Control | TowardZero);
        ulong result = TFormat.Convert(value, ref truncating);
        env.Raise(truncating.Raised);
        return result;
    }
}
