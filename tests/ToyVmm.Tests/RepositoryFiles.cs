namespace ToyVmm.Tests;

/// <summary>The clone that the tests run from.</summary>
internal static class RepositoryFiles
{
    /// <summary>The folder that holds ToyVmm.sln.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>The C# files of a folder, without build output.</summary>
    public static IEnumerable<string> Sources(string folder) =>
        Directory.EnumerateFiles(Path.Combine(Root, folder), "*.cs", SearchOption.AllDirectories)
            .Where(file => !file.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal)
                && !file.Contains($"{Path.DirectorySeparatorChar}bin{Path.DirectorySeparatorChar}", StringComparison.Ordinal));

    private static string FindRoot()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "ToyVmm.sln")))
            {
                return folder.FullName;
            }
        }

        throw new DirectoryNotFoundException("ToyVmm.sln is in no folder above the tests: run them from a clone");
    }
}
