using ToyVmm.Engines.Interpretation;
using Xunit;

namespace ToyVmm.Tests.Translation;

/// <summary>A fact that needs a host on which emitted code runs; skipped, with the reason, elsewhere.</summary>
public sealed class TranslatorFactAttribute : FactAttribute
{
    /// <summary>Sets the reason to skip.</summary>
    public TranslatorFactAttribute() => Skip = Interpreter.TranslationUnavailable;
}
