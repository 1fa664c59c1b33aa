using ToyVmm.Debugging.Expressions;

namespace ToyVmm.Debugging;

/// <summary>One breakpoint, watchpoint or log point of a session.</summary>
public sealed class Breakpoint
{
    internal Breakpoint(int id, BreakpointSpec spec)
    {
        Id = id;
        Spec = spec;
    }

    /// <summary>Its number in the session, from 1.</summary>
    public int Id { get; }

    /// <summary>What it waits for.</summary>
    public BreakpointSpec Spec { get; }

    /// <summary>False while it is switched off.</summary>
    public bool IsEnabled { get; set; } = true;

    /// <summary>Asked at each hit, false to go on; null for always. Looks, and changes nothing.</summary>
    public Func<DebugSession, bool>? Condition { get; set; }

    /// <summary>Gives it a condition. Where the value is unavailable it does not hold.</summary>
    /// <param name="condition">The condition, in which <c>hits</c> is <see cref="Reached"/>, this time included; null for none.</param>
    public void SetCondition(Expression? condition)
    {
        ConditionText = condition?.Text;
        Condition = condition is null ? null : session => condition.Evaluate(session.ContextFor(Reached)).IsTrue;
    }

    /// <summary>The condition as the user wrote it; null where there is none.</summary>
    public string? ConditionText { get; set; }

    /// <summary>How often the guest has come here, whether the condition held or not; what <c>hits</c> is in a condition. Going back does not count.</summary>
    public ulong Reached { get; internal set; }

    /// <summary>So many hits are still to be passed over.</summary>
    public ulong IgnoreCount { get; set; }

    /// <summary>Hits whose condition held, those passed over included. Going back does not take any of them away.</summary>
    public ulong Hits { get; internal set; }

    /// <summary>True to be removed when it has stopped the guest once.</summary>
    public bool IsTemporary { get; set; }

    /// <summary>Makes it a log point: asked for a line at each hit, which goes to <see cref="DebugOptions.Log"/>, and the guest goes on. Null for a breakpoint.</summary>
    public Func<DebugSession, string>? LogLine { get; set; }

    /// <summary>The log line as the user wrote it; null where there is none.</summary>
    public string? LogText { get; set; }

    /// <summary>Of a watchpoint, what its bytes were when the guest was let go.</summary>
    internal byte[] LastValue { get; set; } = [];
}
