using System.Globalization;
using ToyVmm.Engines.Translation;
using ToyVmm.Tests.Interpretation;
using Xunit;

namespace ToyVmm.Tests.Translation;

/// <summary>The listing of translated code: every difference from what the guest wrote comes with its reason.</summary>
public sealed unsafe class TranslationListingTests
{
    [TranslatorTheory]
    [MemberData(nameof(FaultInjectionTests.Templates), MemberType = typeof(FaultInjectionTests))]
    public void Every_template_says_why_it_is_not_the_guests(string name, string code)
    {
        using TestCpu cpu = new();
        cpu.Load([0x90, .. Convert.FromHexString(code), 0xF4]);
        List<TranslationLine> lines = [];
        Show(cpu, 4, lines);
        string? unexplained = Unexplained(lines, name);
        Assert.True(unexplained is null, unexplained);
    }

    /// <summary>Noise: a million bytes' worth of blocks, every instruction explained.</summary>
    [TranslatorTheory]
    [InlineData(1)]
    [InlineData(2)]
    public void Random_code_is_explained(int seed)
    {
        Random random = new(seed);
        using TestCpu cpu = new();
        byte[] code = new byte[0x8000];
        random.NextBytes(code);
        cpu.Load(code);
        List<TranslationLine> lines = [];
        Show(cpu, 3000, lines);
        string? unexplained = Unexplained(lines, string.Create(CultureInfo.InvariantCulture, $"seed {seed}"));
        Assert.True(unexplained is null, unexplained);
        Assert.Contains(lines, line => line.Reason.Contains("interpreted: a port: a device answers", StringComparison.Ordinal));
        Assert.Contains(lines, line => line.Reason.Contains("memory operand in the view", StringComparison.Ordinal));
    }

    [TranslatorTheory]
    [InlineData(false, true, "interpreted: 16-bit code")]
    [InlineData(true, false, "interpreted: a 16-bit stack")]
    public void Code_that_the_translator_does_not_take_is_told(bool code32, bool stack32, string reason)
    {
        using TestCpu cpu = new(code32, stack32);
        cpu.Load(0x40, 0xF4);
        List<TranslationLine> lines = [];
        Show(cpu, 1, lines);
        Assert.All(lines, line => Assert.Equal(("", reason), (line.Host, line.Reason)));
    }

    [TranslatorTheory]
    [InlineData("in eax, dx", "ED", "interpreted: a port: a device answers")]
    [InlineData("cpuid", "0FA2", "interpreted: the host would answer with its own state")]
    [InlineData("mov ds, ax", "8ED8", "interpreted: loads a segment register")]
    [InlineData("ud2", "0F0B", "interpreted: undefined, #UD")]
    [InlineData("xchg ah, [ecx], DS with a base", "8621", "interpreted: a rare form")]
    public void What_is_interpreted_says_why(string name, string code, string reason)
    {
        using TestCpu cpu = new() { Bases = new SegmentBases(0, 0, 0, 0x1000) };
        cpu.Reset();

        // As the first instruction of a block, and behind another.
        cpu.Load([.. Convert.FromHexString(code), 0xEB, 0x00, 0x90, .. Convert.FromHexString(code), 0xF4]);
        List<TranslationLine> lines = [];
        Show(cpu, 3, lines);
        Assert.True(lines.Count(line => line.Address is not null && line.Reason == reason) >= 2, $"{name}: {string.Join('\n', lines)}");
    }

    [TranslatorFact]
    public void In_ring_3_what_only_ring_0_may_says_so()
    {
        using TestCpu cpu = new();
        cpu.State->Cpl = 3;
        cpu.Vcpu.NotifyStateChanged();
        cpu.Load(0xFA, 0xF4);
        List<TranslationLine> lines = [];
        Show(cpu, 1, lines);
        Assert.Equal("interpreted: ring 3 may not do it, or not always", lines[0].Reason);
    }

    [TranslatorFact]
    public void A_small_segment_is_told()
    {
        using TestCpu cpu = new();
        cpu.State->Es.LoadNull(0);
        cpu.Vcpu.NotifyStateChanged();
        cpu.Load(0x40, 0xF4);
        List<TranslationLine> lines = [];
        Show(cpu, 1, lines);
        Assert.All(lines, line => Assert.Equal("interpreted: a segment without 4 GiB to read (CS) or to read and write", line.Reason));
    }

    private static void Show(TestCpu cpu, int blocks, List<TranslationLine> lines)
    {
        using TranslationListing listing = new(cpu.Vcpu);
        uint? at = TestCpu.Origin;
        for (int n = 0; n < blocks && at is { } eip; n++)
        {
            at = listing.Translate(eip, out IReadOnlyList<TranslationLine> more);
            lines.AddRange(more);
        }
    }

    // An instruction is as the guest wrote it when one host instruction with the same text stands beside it.
    private static string? Unexplained(List<TranslationLine> lines, string what)
    {
        const int OffsetColumn = 6;
        for (int n = 0; n < lines.Count; n++)
        {
            TranslationLine line = lines[n];
            bool isSame = line.Host.Length > OffsetColumn && line.Host[OffsetColumn..] == line.Guest;
            bool isFirst = line.Address is not null || n == 0;
            if (isFirst && !isSame && line.Reason.Length == 0)
            {
                return $"{what}: {line}";
            }
        }

        return null;
    }
}
