namespace ToyVmm.Debugging.Expressions;

/// <summary>-x ~x !x</summary>
internal sealed class UnaryNode(char operation, ExpressionNode operand) : ExpressionNode
{
    /// <inheritdoc/>
    public override ExpressionValue Evaluate(in ExpressionContext context)
    {
        ExpressionValue value = operand.Evaluate(context);
        if (!value.IsAvailable)
        {
            return value;
        }

        ExpressionType type = value.Type.Promoted();
        return operation switch
        {
            '!' => ExpressionValue.Of(value.Bits == 0),
            '-' => ExpressionValue.Of(type, 0 - value.Bits),
            '~' => ExpressionValue.Of(type, ~value.Bits),
            _ => ExpressionValue.Of(type, value.Bits),
        };
    }
}

/// <summary>&amp;&amp; and ||: the right operand is evaluated only where it decides.</summary>
internal sealed class LogicalNode(bool isAnd, ExpressionNode left, ExpressionNode right) : ExpressionNode
{
    /// <inheritdoc/>
    public override ExpressionValue Evaluate(in ExpressionContext context)
    {
        ExpressionValue first = left.Evaluate(context);
        if (!first.IsAvailable || first.Bits != 0 != isAnd)
        {
            return first.IsAvailable ? ExpressionValue.Of(!isAnd) : first;
        }

        ExpressionValue second = right.Evaluate(context);
        return second.IsAvailable ? ExpressionValue.Of(second.Bits != 0) : second;
    }
}

/// <summary>The other operators with two operands.</summary>
internal sealed class BinaryNode(string operation, ExpressionNode left, ExpressionNode right) : ExpressionNode
{
    /// <inheritdoc/>
    public override ExpressionValue Evaluate(in ExpressionContext context)
    {
        ExpressionValue x = left.Evaluate(context);
        if (!x.IsAvailable)
        {
            return x;
        }

        ExpressionValue y = right.Evaluate(context);
        if (!y.IsAvailable)
        {
            return y;
        }

        if (operation is "<<" or ">>")
        {
            return Shift(x, y);
        }

        ExpressionType type = ExpressionTypes.Common(x.Type, y.Type);
        ulong a = type.Fit(x.Bits);
        ulong b = type.Fit(y.Bits);
        bool less = type.IsSigned() ? (long)a < (long)b : a < b;
        return operation switch
        {
            "+" => ExpressionValue.Of(type, a + b),
            "-" => ExpressionValue.Of(type, a - b),
            "*" => ExpressionValue.Of(type, a * b),
            "/" => Divide(type, a, b, remainder: false),
            "%" => Divide(type, a, b, remainder: true),
            "&" => ExpressionValue.Of(type, a & b),
            "|" => ExpressionValue.Of(type, a | b),
            "^" => ExpressionValue.Of(type, a ^ b),
            "==" => ExpressionValue.Of(a == b),
            "!=" => ExpressionValue.Of(a != b),
            "<" => ExpressionValue.Of(less),
            ">=" => ExpressionValue.Of(!less),
            "<=" => ExpressionValue.Of(less || a == b),
            _ => ExpressionValue.Of(!less && a != b),
        };
    }

    private static ExpressionValue Divide(ExpressionType type, ulong a, ulong b, bool remainder)
    {
        if (b == 0)
        {
            return ExpressionValue.Unavailable(Unavailability.DivisionByZero);
        }

        if (!type.IsSigned())
        {
            return ExpressionValue.Of(type, remainder ? a % b : a / b);
        }

        // The lowest number has no opposite: the CPU would raise #DE, C# throws.
        return (long)b == -1 ? ExpressionValue.Of(type, remainder ? 0 : 0 - a)
            : ExpressionValue.Of(type, (ulong)(remainder ? (long)a % (long)b : (long)a / (long)b));
    }

    private ExpressionValue Shift(in ExpressionValue x, in ExpressionValue y)
    {
        ExpressionType type = x.Type.Promoted();
        ulong bits = type.Fit(x.Bits);
        bool all = y.Bits >= (ulong)(8 * type.Size());
        int count = (int)y.Bits & 63;
        return operation == "<<" ? ExpressionValue.Of(type, all ? 0 : bits << count)
            : type.IsSigned() ? ExpressionValue.Of(type, (ulong)((long)bits >> (all ? 63 : count)))
            : ExpressionValue.Of(type, all ? 0 : bits >> count);
    }
}
