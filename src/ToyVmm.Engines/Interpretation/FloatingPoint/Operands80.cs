namespace ToyVmm.Engines.Interpretation.FloatingPoint;

/// <summary>What all operations do with special operands first (SDM 1 4.8.3.5, table 4-7; 8.5.1-8.5.2).</summary>
internal static class Operands80
{
    /// <summary>Handles unsupported operands and NaNs. Where it returns true, <paramref name="result"/> is the masked response.</summary>
    public static bool IsInvalidOrNaN(Float80 a, ref FloatEnvironment env, out Float80 result)
    {
        if (a.IsUnsupported)
        {
            result = env.Invalid();
            return true;
        }

        if (a.IsNaN)
        {
            env.Raise(a.IsSignalingNaN ? FloatException.Invalid : 0);
            result = a.Quieted();
            return true;
        }

        result = default;
        return false;
    }

    /// <summary>As above, for two operands.</summary>
    public static bool IsInvalidOrNaN(Float80 a, Float80 b, ref FloatEnvironment env, out Float80 result)
    {
        if (a.IsUnsupported || b.IsUnsupported)
        {
            result = env.Invalid();
            return true;
        }

        if (a.IsNaN || b.IsNaN)
        {
            result = Propagate(a, b, ref env);
            return true;
        }

        result = default;
        return false;
    }

    /// <summary>
    /// The NaN that results from two operands of which at least one is a NaN: a quiet NaN before a signalling one, otherwise the larger significand,
    /// otherwise the positive one.
    /// </summary>
    public static Float80 Propagate(Float80 a, Float80 b, ref FloatEnvironment env)
    {
        env.Raise(a.IsSignalingNaN || b.IsSignalingNaN ? FloatException.Invalid : 0);
        if (!a.IsNaN || !b.IsNaN)
        {
            return (a.IsNaN ? a : b).Quieted();
        }

        if (a.IsSignalingNaN != b.IsSignalingNaN)
        {
            return a.IsSignalingNaN ? b : a;
        }

        if (a.Significand != b.Significand)
        {
            return (a.Significand > b.Significand ? a : b).Quieted();
        }

        return (a.Sign ? b : a).Quieted();
    }

    /// <summary>Raises the denormal-operand exception where an operand is denormal.</summary>
    public static void NoteDenormal(Float80 a, ref FloatEnvironment env) =>
        env.Raise(a.IsDenormal || env.DenormalSource ? FloatException.Denormal : 0);

    /// <summary>As above, for two operands.</summary>
    public static void NoteDenormal(Float80 a, Float80 b, ref FloatEnvironment env) =>
        env.Raise(a.IsDenormal || b.IsDenormal || env.DenormalSource ? FloatException.Denormal : 0);
}
