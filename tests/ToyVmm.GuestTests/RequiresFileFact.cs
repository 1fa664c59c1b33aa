using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>A test that needs one of several files; skipped, with the reason, where none is there.</summary>
public sealed class RequiresFileFactAttribute : FactAttribute
{
    /// <summary>Names the files.</summary>
    /// <param name="paths">Absolute, or relative to the repository.</param>
    public RequiresFileFactAttribute(params string[] paths)
    {
        Paths = paths;
        if (!paths.Any(path => File.Exists(Path.Combine(GuestCatalog.RepositoryRoot, path))))
        {
            Skip = $"not there: {string.Join(", ", paths)} (tools/install-test-tools.sh fetches it)";
        }
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
            Skip ??= value is null || File.Exists(Path.Combine(GuestCatalog.RepositoryRoot, value))
                ? null
                : $"not there: {value} (tools/install-test-tools.sh fetches it)";
        }
    }

    /// <summary>A program that must be on the PATH too.</summary>
    public string? Tool
    {
        get;
        set
        {
            field = value;
            Skip ??= value is null ? null : ToolProcess.ReasonToSkip([value]);
        }
    }
}
