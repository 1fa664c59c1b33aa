using ToyVmm.Engines.Interpretation;
using Xunit;

namespace ToyVmm.Tests.Translation;

/// <summary>A theory that needs a host on which emitted code runs; skipped, with the reason, elsewhere.</summary>
public sealed class TranslatorTheoryAttribute : TheoryAttribute
{
    /// <summary>Sets the reason to skip.</summary>
    public TranslatorTheoryAttribute() => Skip = Interpreter.TranslationUnavailable;
}
