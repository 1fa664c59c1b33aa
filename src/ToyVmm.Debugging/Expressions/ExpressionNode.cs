using ToyVmm.Debugging.Inspecting;
using ToyVmm.Debugging.Registers;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Debugging.Expressions;

/// <summary>A node of a parsed expression. Evaluating one allocates nothing and changes nothing.</summary>
internal abstract class ExpressionNode
{
    /// <summary>Computes the value.</summary>
    public abstract ExpressionValue Evaluate(in ExpressionContext context);
}

/// <summary>A number, or a symbol's address.</summary>
internal sealed class ConstantNode(ExpressionValue value) : ExpressionNode
{
    /// <inheritdoc/>
    public override ExpressionValue Evaluate(in ExpressionContext context) => value;
}

/// <summary>A register of at most 64 bits, or a part of one.</summary>
internal sealed class RegisterNode(RegisterField register) : ExpressionNode
{
    private readonly ExpressionType _type = ExpressionTypes.OfBits(register.Bits);

    /// <summary>The register.</summary>
    public RegisterField Field => register;

    /// <inheritdoc/>
    public override ExpressionValue Evaluate(in ExpressionContext context) => new((ulong)register.Read(context.Machine), _type);
}

/// <summary>What is counted beside the registers.</summary>
internal enum Count
{
    /// <summary>Instructions retired.</summary>
    Instructions,

    /// <summary>Events delivered.</summary>
    Events,

    /// <summary>How often the breakpoint was reached.</summary>
    Hits,

    /// <summary>The machine's clock in its ticks.</summary>
    Ticks,

    /// <summary>The machine's clock in nanoseconds.</summary>
    Time,

    /// <summary>The linear address of the next instruction.</summary>
    ProgramCounter,
}

/// <summary>A count, a time, or the program counter.</summary>
internal sealed unsafe class CountNode(Count count) : ExpressionNode
{
    private const ulong NanosecondsPerSecond = 1_000_000_000;

    /// <inheritdoc/>
    public override ExpressionValue Evaluate(in ExpressionContext context) => count switch
    {
        Count.Instructions => new(context.Machine.InstructionsRetired, ExpressionType.U64),
        Count.Events => new(context.Events, ExpressionType.U64),
        Count.Hits => new(context.Hits, ExpressionType.U64),
        Count.Ticks => new(context.Machine.Machine.Clock.Now, ExpressionType.U64),
        Count.Time => new(context.Machine.Machine.Clock.Ticks(NanosecondsPerSecond), ExpressionType.U64),
        _ => new(context.Machine.Vcpu.State->Cs.Base + context.Machine.Vcpu.State->Eip, ExpressionType.U32),
    };
}

/// <summary>segment:offset, as a linear address.</summary>
/// <param name="segment">A segment register, whose base counts, or a number: a selector, or a segment of real mode.</param>
/// <param name="offset">The offset.</param>
internal sealed unsafe class SegmentedNode(ExpressionNode segment, ExpressionNode offset) : ExpressionNode
{
    // ES CS SS DS FS GS, as CpuState has them; -1 for a number.
    private readonly int _register = segment is RegisterNode { Field: { IsWhole: true, Register.Name: var name } } ? Array.IndexOf(s_names, name) : -1;

    private static readonly string[] s_names = ["es", "cs", "ss", "ds", "fs", "gs"];

    /// <summary>True for the name of a segment register.</summary>
    public static bool IsSegmentRegister(string name) => Array.IndexOf(s_names, name.ToLowerInvariant()) >= 0;

    /// <inheritdoc/>
    public override ExpressionValue Evaluate(in ExpressionContext context)
    {
        ExpressionValue where = offset.Evaluate(context);
        if (!where.IsAvailable)
        {
            return where;
        }

        CpuState* s = context.Machine.Vcpu.State;
        if (_register >= 0)
        {
            return ExpressionValue.Of(ExpressionType.U32, (&s->Es + _register)->Base + where.Bits);
        }

        ExpressionValue selector = segment.Evaluate(context);
        if (!selector.IsAvailable)
        {
            return selector;
        }

        if ((s->Cr0 & Cr0.PE) == 0 || (s->OtherFlags & Eflags.VM) != 0)
        {
            return ExpressionValue.Of(ExpressionType.U32, (selector.Bits << 4) + where.Bits);
        }

        return DescriptorReader.Find(context.Machine, (ushort)selector.Bits) is { IsCodeOrData: true } descriptor
            ? ExpressionValue.Of(ExpressionType.U32, descriptor.Base + where.Bits)
            : ExpressionValue.Unavailable(Unavailability.UnknownSelector, (ushort)selector.Bits);
    }
}

/// <summary>Memory.</summary>
/// <param name="address">Where.</param>
/// <param name="type">What.</param>
/// <param name="isPhysical">True for a guest-physical address, false for a linear one.</param>
internal sealed class MemoryNode(ExpressionNode address, ExpressionType type, bool isPhysical) : ExpressionNode
{
    /// <inheritdoc/>
    public override ExpressionValue Evaluate(in ExpressionContext context)
    {
        ExpressionValue where = address.Evaluate(context);
        if (!where.IsAvailable)
        {
            return where;
        }

        ulong at = isPhysical ? where.Bits : where.Address;
        return new GuestReader(context.Machine, isPhysical).TryRead(at, type.Size(), out ulong bits)
            ? ExpressionValue.Of(type, bits)
            : ExpressionValue.Unavailable(Unavailability.UnreadableMemory, at);
    }

    /// <summary>The place that it stands for.</summary>
    /// <returns>Null where the address has no value.</returns>
    public ExpressionPlace? Place(in ExpressionContext context, out ExpressionValue where)
    {
        where = address.Evaluate(context);
        return where.IsAvailable ? new ExpressionPlace(null, isPhysical ? where.Bits : where.Address, type.Size(), isPhysical) : null;
    }
}

/// <summary>A cast to a type.</summary>
internal sealed class CastNode(ExpressionNode operand, ExpressionType type) : ExpressionNode
{
    /// <inheritdoc/>
    public override ExpressionValue Evaluate(in ExpressionContext context)
    {
        ExpressionValue value = operand.Evaluate(context);
        return value.IsAvailable ? ExpressionValue.Of(type, value.Bits) : value;
    }
}

/// <summary>condition ? yes : no. Only the one that is asked for is evaluated, and the value has its type.</summary>
internal sealed class ConditionalNode(ExpressionNode condition, ExpressionNode yes, ExpressionNode no) : ExpressionNode
{
    /// <inheritdoc/>
    public override ExpressionValue Evaluate(in ExpressionContext context)
    {
        ExpressionValue decision = condition.Evaluate(context);
        return !decision.IsAvailable ? decision : decision.Bits != 0 ? yes.Evaluate(context) : no.Evaluate(context);
    }
}
