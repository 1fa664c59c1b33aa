namespace ToyVmm.Mutants.Running;

/// <summary>Filters of <c>dotnet test</c>, from the names in the records.</summary>
internal static class TestFilter
{
    /// <summary>
    /// What is asked when the expected tests notice nothing: all but the slow ones (oracles, fuzzing, the search for sensitive instructions,
    /// the MMU's histories) and those that look at the sources or surface of the product, which weaving has changed.
    /// </summary>
    public const string Wide =
        "FullyQualifiedName!~.Oracle.&FullyQualifiedName!~.Fuzz.&FullyQualifiedName!~FuzzTests&FullyQualifiedName!~.Classification.&FullyQualifiedName!~MmuPropertyTests"
        + "&FullyQualifiedName!~.Tidy.&FullyQualifiedName!~.Golden.";

    /// <summary>The tests of these names.</summary>
    public static string Of(IEnumerable<string> tests) => string.Join('|', tests.Distinct().Select(test => $"FullyQualifiedName~.{Ended(test)}"));

    /// <summary>True when a test that ran has such a name.</summary>
    public static bool Matches(string test, string fullName) => fullName.Contains($".{Ended(test)}", StringComparison.Ordinal);

    /// <summary>A test's name as a person would say it: class and method, without namespace and arguments.</summary>
    public static string Short(string fullName)
    {
        int arguments = fullName.IndexOf('(', StringComparison.Ordinal);
        string[] parts = (arguments < 0 ? fullName : fullName[..arguments]).Split('.');
        return string.Join('.', parts.TakeLast(2));
    }

    // A class's name is followed by a dot, so that StringTests is not StringTestsOfBytes.
    private static string Ended(string test) => test.Contains('.', StringComparison.Ordinal) ? test : test + ".";
}
