using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>A test with rows that needs one of several files; skipped, with the reason, where none is there.</summary>
public sealed class RequiresFileTheoryAttribute : TheoryAttribute
{
    /// <summary>Names the files.</summary>
    /// <param name="paths">Absolute, or relative to the repository.</param>
    public RequiresFileTheoryAttribute(params string[] paths)
    {
        Paths = paths;
        Skip = new RequiresFileFactAttribute(paths).Skip;
    }

    /// <summary>The files, one of which must be there.</summary>
    public IReadOnlyList<string> Paths { get; }

    /// <summary>One more file that must be there.</summary>
    public string? Also
    {
        get;
        set
        {
            field = value;
            Skip ??= new RequiresFileFactAttribute([.. Paths]) { Also = value }.Skip;
        }
    }
}
