using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>A fact that is skipped, with the reason, where one of the named programs is not on the PATH.</summary>
/// <remarks>xunit 2.9.3 cannot skip a running test, so this is decided when the tests are discovered.</remarks>
[AttributeUsage(AttributeTargets.Method)]
public sealed class RequiresToolFactAttribute : FactAttribute
{
    /// <summary>Names the programs.</summary>
    public RequiresToolFactAttribute(params string[] tools)
    {
        ArgumentNullException.ThrowIfNull(tools);
        Tools = tools;
        Skip = ToolProcess.ReasonToSkip(tools);
    }

    /// <summary>The programs that the test needs.</summary>
    public IReadOnlyList<string> Tools { get; }
}

/// <summary>A theory that is skipped, with the reason, where one of the named programs is not on the PATH.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class RequiresToolTheoryAttribute : TheoryAttribute
{
    /// <summary>Names the programs.</summary>
    public RequiresToolTheoryAttribute(params string[] tools)
    {
        ArgumentNullException.ThrowIfNull(tools);
        Tools = tools;
        Skip = ToolProcess.ReasonToSkip(tools);
    }

    /// <summary>The programs that the test needs.</summary>
    public IReadOnlyList<string> Tools { get; }
}
