using System.Runtime.Intrinsics.X86;
using Xunit;

namespace ToyVmm.Tests.Oracle;

/// <summary>How many cases the floating-point and vector oracles judge: at least two million in a default run, divided among all forms.</summary>
public static class FloatingPointBudget
{
    /// <summary>The least number in all.</summary>
    public const long Least = 2_000_000;

    private const long StandardVectorCases = 1_560_000;
    private const long StandardX87Cases = 600_000;

    /// <summary>Cases for each form of <see cref="SseForm"/>.</summary>
    public static int CasesPerVectorForm => PerForm(OracleSettings.Cases(StandardVectorCases), SseForm.Judged.Count);

    /// <summary>Cases for each form of <see cref="X87Form"/>.</summary>
    public static int CasesPerX87Form => PerForm(OracleSettings.Cases(StandardX87Cases), X87Form.Every.Count);

    /// <summary>The cases of a run where the environment asks for nothing else.</summary>
    public static long Standard =>
        ((long)PerForm(StandardVectorCases, SseForm.Judged.Count) * SseForm.Judged.Count) + ((long)PerForm(StandardX87Cases, X87Form.Every.Count) * X87Form.Every.Count);

    private static int PerForm(long cases, int forms) => (int)Math.Max(OracleSettings.LeastCasesPerForm, (cases + forms - 1) / forms);
}

/// <summary>
/// The count, and what is left out of it. Run with DOTNET_EnableHWIntrinsic=0, the same oracles judge the vectors that .NET computes without the
/// host's instructions: that is the portable path, and it has the same bits.
/// </summary>
public sealed class FloatingPointBudgetTests
{
    // What the host's oracles leave out, with the reasons that SseForm and X87Oracle give.
    private static readonly string[] s_excluded = ["Fxsave_m512byte", "Fxrstor_m512byte", "Ldmxcsr_m32"];

    [Fact]
    public void At_least_two_million_cases_are_judged_by_the_host() =>
        Assert.True(FloatingPointBudget.Standard >= FloatingPointBudget.Least, $"{FloatingPointBudget.Standard}");

    [Fact]
    public void Only_what_every_case_begins_and_ends_with_is_excluded()
    {
        if (Sse.IsSupported)
        {
            Assert.Equal(s_excluded, SseForm.Every.Where(form => form.ReasonToExclude is not null).Select(form => form.Name));
        }

        Assert.Equal(394, SseForm.Every.Count);
    }
}
