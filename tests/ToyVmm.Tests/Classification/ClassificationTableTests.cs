using Iced.Intel;
using ToyVmm.Engines;
using ToyVmm.Engines.Classification;
using Xunit;

namespace ToyVmm.Tests.Classification;

/// <summary>The stored classification: it is what the search finds, its witnesses hold, and it says what the literature and the manuals say.</summary>
public sealed class ClassificationTableTests
{
    private static readonly string s_file = Path.Combine(RepositoryFiles.Root, "src", "ToyVmm.Engines", "Classification", "classification.tsv");

    /// <summary>The rows that are not innocuous in some mode, and a sample of the others; with TOYVMM_ACCEPT=1 everything is searched and written anew.</summary>
    [Fact]
    public void The_table_is_what_the_search_finds()
    {
        using ClassificationSearch search = new();
        if (Environment.GetEnvironmentVariable("TOYVMM_ACCEPT") == "1")
        {
            using StreamWriter writer = new(s_file);
            ClassificationTable.Write(ClassificationSearch.FormNames.Select(search.Classify).OfType<InstructionClassification>(), writer);
            return;
        }

        Dictionary<string, InstructionClassification> rows = ClassificationTable.Rows.ToDictionary(row => row.Name);
        int number = 0;
        foreach (string name in ClassificationSearch.FormNames)
        {
            bool isPlain = !rows.TryGetValue(name, out InstructionClassification? row) || (row.IsInnocuous && row.Witnesses.Length == 0);
            if (!isPlain || number++ % 24 == 0)
            {
                Assert.Equal(Text(row), Text(search.Classify(name)));
            }
        }
    }

    [Fact]
    public void Every_witness_holds()
    {
        using ClassificationSearch search = new();
        int count = 0;
        foreach (InstructionClassification row in ClassificationTable.Rows)
        {
            foreach (Witness witness in row.Witnesses)
            {
                WitnessReport report = search.Check(row.Name, witness);
                Assert.True(report.Holds, $"{row.Form}, {witness}: {report.Finding}");
                count++;
            }
        }

        Assert.InRange(count, 500, 5000);
    }

    /// <summary>A witness that claims too much is found out: the check can fail.</summary>
    [Fact]
    public void A_false_witness_does_not_hold()
    {
        using ClassificationSearch search = new();
        foreach (SystemAspects aspect in Enum.GetValues<SystemAspects>().Where(aspect => aspect is not SystemAspects.None))
        {
            Witness witness = new(Sensitivity.State, ExecutionMode.Ring3, aspect, 0);
            Assert.False(search.Check(nameof(Code.Add_r32_rm32), witness).Holds, aspect.ToString());
        }

        Assert.False(search.Check(nameof(Code.Add_r32_rm32), new Witness(Sensitivity.Control, ExecutionMode.Ring0, SystemAspects.None, 0)).Holds);
        Assert.Equal("it does not complete", search.Check(nameof(Code.Hlt), new Witness(Sensitivity.Control, ExecutionMode.Ring3, SystemAspects.None, 0)).Finding);
        _ = Assert.Throws<ArgumentException>(() => search.Check("Frobnicate", default));
        _ = Assert.Throws<ArgumentException>(() => search.Classify("1"));
    }

    /// <summary>Each of Robin and Irvine's 18 mnemonics, in every form: sensitive, not privileged, and sensitive in user states.</summary>
    [Fact]
    public void Robin_and_Irvine_are_found_again()
    {
        Assert.Equal(18, RobinIrvine.Mnemonics.Length);
        foreach (string entry in RobinIrvine.Mnemonics)
        {
            List<InstructionClassification> forms = [.. ClassificationTable.Rows.Where(row => RobinIrvine.EntryOf(row) == entry)];
            Assert.NotEmpty(forms);
            Assert.All(forms, row => Assert.True(row is { IsHole: true, IsUserSensitive: true, IsPrivileged: false }, row.Form));
        }
    }

    [Fact]
    public void What_they_did_not_have_is_this()
    {
        Assert.Equal(
            ["CPUID", "FNSAVE", "FNSTENV", "FXSAVE", "INT1", "INT3", "INTO", "IRET", "IRETD", "LDS", "LES", "LFS", "LGS", "LSS", "SYSENTER"],
            Names(ClassificationTable.Rows.Where(row => row.IsHole && RobinIrvine.EntryOf(row) is null)));
    }

    [Fact]
    public void Privileged_are_those_that_the_manual_calls_so()
    {
        // SDM 3A 5.9, and what IOPL, CR4.TSD and CR4.PCE guard; VMCALL is this monitor's.
        Assert.Equal(
            ["CLTS", "HLT", "INVD", "INVLPG", "LGDT", "LIDT", "LLDT", "LMSW", "LTR", "MOV", "RDMSR", "SYSEXIT", "VMCALL", "WBINVD", "WRMSR"],
            Names(ClassificationTable.Rows.Where(row => row.IsPrivileged && row.OpenedBy == Guards.None)));
        Assert.Equal(
            ["CLI", "IN", "INSB", "INSD", "INSW", "OUT", "OUTSB", "OUTSD", "OUTSW", "STI"],
            Names(ClassificationTable.Rows.Where(row => row.OpenedBy == Guards.Iopl)));
        Assert.Equal(["RDTSC"], Names(ClassificationTable.Rows.Where(row => row.OpenedBy == Guards.TimeStampDisable)));
        Assert.Equal(["RDPMC"], Names(ClassificationTable.Rows.Where(row => row.OpenedBy == Guards.PerformanceCounters)));
    }

    [Theory]
    [InlineData("SAHF")]
    [InlineData("LAHF")]
    [InlineData("ARPL")]
    [InlineData("CLD")]
    [InlineData("BOUND")]
    [InlineData("LEA")]
    [InlineData("MOVSB")]
    [InlineData("FLDENV")]
    [InlineData("LDMXCSR")]
    [InlineData("RET")]
    public void Innocuous_ones_are_not_suspected(string mnemonic) =>
        Assert.All(ClassificationTable.Rows.Where(row => row.Mnemonic == mnemonic), row => Assert.True(row.IsInnocuous, row.Form));

    [Theory]
    [InlineData(nameof(Code.Popfd), Sensitivity.Mode, SystemAspects.PrivilegeLevel)]
    [InlineData(nameof(Code.Pushfd), Sensitivity.State, SystemAspects.InterruptFlag)]
    [InlineData(nameof(Code.Sgdt_m1632), Sensitivity.Location, SystemAspects.Relocation)]
    [InlineData(nameof(Code.Smsw_r32m16), Sensitivity.State, SystemAspects.TaskSwitched)]
    [InlineData(nameof(Code.Str_rm16), Sensitivity.Location, SystemAspects.Selectors)]
    [InlineData(nameof(Code.Lar_r32_r32m16), Sensitivity.Mode, SystemAspects.PrivilegeLevel)]
    [InlineData(nameof(Code.Mov_r32m16_Sreg), Sensitivity.Mode, SystemAspects.PrivilegeLevel)]
    [InlineData(nameof(Code.Mov_Sreg_r32m16), Sensitivity.Control, SystemAspects.None)]
    [InlineData(nameof(Code.Fnsave_m108byte), Sensitivity.Location, SystemAspects.CoprocessorPointers)]
    public void It_is_sensitive_for_the_right_reason(string form, Sensitivity kind, SystemAspects aspect)
    {
        InstructionClassification row = ClassificationTable.Rows.Single(row => row.Name == form);
        Assert.Contains(row.Witnesses, witness => witness.Kind == kind && witness.Mode == ExecutionMode.Ring3 && witness.Changed == aspect);
    }

    /// <summary>In virtual-8086 mode, with IOPL 0, the flag instructions do trap (SDM 3A 20.2.8): only there could x86 be virtualized so.</summary>
    [Theory]
    [InlineData("PUSHF")]
    [InlineData("POPFD")]
    [InlineData("IRET")]
    [InlineData("INT")]
    [InlineData("CLI")]
    [InlineData("HLT")]
    public void Virtual_8086_mode_traps_what_ring_3_does_not(string mnemonic) =>
        Assert.All(ClassificationTable.Rows.Where(row => row.Mnemonic == mnemonic),
            row => Assert.Equal(new ModeOutcome(ExecutionMode.Virtual8086, false, Hardware.Cpu.Vector.GeneralProtection), row.Outcome(ExecutionMode.Virtual8086)));

    /// <summary>Nothing that the decoder and the CPU model have is missing.</summary>
    [Fact]
    public void Every_instruction_of_the_model_is_classified()
    {
        HashSet<string> rows = [.. ClassificationTable.Rows.Select(row => row.Name)];
        foreach (Code code in Interpretation.InstructionCoverageTests.ExecutableCodes)
        {
            Assert.Contains(code.ToString(), rows);
        }

        Assert.All(ClassificationTable.Rows, row => Assert.Contains(row.Outcomes, outcome => outcome.Completes));
    }

    [Fact]
    public void Rows_are_read_as_they_were_written()
    {
        StringWriter text = new();
        ClassificationTable.Write(ClassificationTable.Rows, text);
        Assert.Equal(File.ReadAllText(s_file), text.ToString());
        _ = Assert.Throws<FormatException>(() => ClassificationTable.Read(new StringReader("Add_rm8_r8\t+ + + +")).ToList());
        _ = Assert.Throws<FormatException>(() => ClassificationTable.Read(new StringReader("Frob\t+ + + +\t-\t-\t\t")).ToList());
        _ = Assert.Throws<FormatException>(() => ClassificationTable.Read(new StringReader("Add_rm8_r8\t+ + + +\t-\t-\t\t1:2:3")).ToList());
    }

    private static string[] Names(IEnumerable<InstructionClassification> rows) => [.. rows.Select(row => row.Mnemonic).Distinct().Order(StringComparer.Ordinal)];

    private static string Text(InstructionClassification? row)
    {
        StringWriter text = new();
        ClassificationTable.Write(row is null ? [] : [row], text);
        return text.ToString();
    }
}
