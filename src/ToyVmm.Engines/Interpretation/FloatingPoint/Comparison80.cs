namespace ToyVmm.Engines.Interpretation.FloatingPoint;

/// <summary>How two values compare.</summary>
internal enum Relation
{
    /// <summary>The first is greater.</summary>
    Greater,

    /// <summary>The first is less.</summary>
    Less,

    /// <summary>They are equal; zeros of either sign are.</summary>
    Equal,

    /// <summary>One is not a number.</summary>
    Unordered,
}

/// <summary>Comparison and classification (SDM 1 8.3.6).</summary>
internal static class Comparison80
{
    /// <summary>Compares.</summary>
    /// <param name="a">The first value.</param>
    /// <param name="b">The second value.</param>
    /// <param name="quiet">FUCOM: only signalling NaNs are invalid operands. FCOM: all NaNs are.</param>
    /// <param name="env">The environment.</param>
    public static Relation Compare(Float80 a, Float80 b, bool quiet, ref FloatEnvironment env)
    {
        if (a.IsUnsupported || b.IsUnsupported)
        {
            _ = env.Invalid();
            return Relation.Unordered;
        }

        if (a.IsNaN || b.IsNaN)
        {
            env.Raise(!quiet || a.IsSignalingNaN || b.IsSignalingNaN ? FloatException.Invalid : 0);
            return Relation.Unordered;
        }

        Operands80.NoteDenormal(a, b, ref env);
        if (a.IsZero && b.IsZero)
        {
            return Relation.Equal;
        }

        if (a.Sign != b.Sign)
        {
            return a.Sign ? Relation.Less : Relation.Greater;
        }

        // A pseudo-denormal has the value that exponent 1 gives it.
        UInt128 magnitudeA = new((ulong)Math.Max(a.Exponent, 1), a.Significand);
        UInt128 magnitudeB = new((ulong)Math.Max(b.Exponent, 1), b.Significand);
        if (magnitudeA == magnitudeB)
        {
            return Relation.Equal;
        }

        return magnitudeA < magnitudeB != a.Sign ? Relation.Less : Relation.Greater;
    }
}
