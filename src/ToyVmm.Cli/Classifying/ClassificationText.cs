using System.Globalization;
using ToyVmm.Engines.Classification;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Cli.Classifying;

/// <summary>The classification as a table of text, with what follows from it.</summary>
/// <param name="output">Takes the lines.</param>
/// <param name="witnesses">Shows each row's witnesses, executed again; null shows none.</param>
internal sealed class ClassificationText(TextWriter output, ClassificationSearch? witnesses)
{
    private static readonly (SystemAspects Aspect, string Name)[] s_aspects =
    [
        (SystemAspects.Relocation, "where it lies"), (SystemAspects.Selectors, "selectors"), (SystemAspects.PrivilegeLevel, "CPL"), (SystemAspects.InterruptFlag, "IF"),
        (SystemAspects.IoPrivilege, "IOPL"), (SystemAspects.TaskSwitched | SystemAspects.Coprocessor | SystemAspects.Protection, "CR0"), (SystemAspects.FaultAddress, "CR2"),
        (SystemAspects.PageDirectory, "CR3"), (SystemAspects.Cr4, "CR4"), (SystemAspects.TimeStamp, "TSC"), (SystemAspects.Sysenter, "SYSENTER MSRs"), (SystemAspects.Debug, "debug registers"),
        (SystemAspects.Efer, "EFER"), (SystemAspects.ApicBase, "APIC base"), (SystemAspects.CoprocessorPointers, "FCS, FDS"), (SystemAspects.TableLimits, "table limits"),
    ];

    /// <summary>Writes the table and, where it is the whole one, the summary.</summary>
    public void Write(IReadOnlyList<InstructionClassification> rows, ClassFilter filter)
    {
        output.WriteLine($"{"FORM",-18} {"ENCODING",-14} REAL  R0  R3  V86  {"CLASS",-24} {"SENSITIVE",-16} DEPENDS ON; CHANGES");
        foreach (InstructionClassification row in rows.Where(filter.Accepts))
        {
            WriteRow(row);
        }

        if (filter is { Class: null, Mnemonic: null })
        {
            output.WriteLine();
            ClassificationSummary.Write(output, rows);
        }
    }

    /// <summary>The classes of a form: "privileged (unless IOPL)", "hole", "innocuous".</summary>
    public static string ClassOf(InstructionClassification row)
    {
        if (!row.IsPrivileged)
        {
            return row.IsHole ? row.IsUserSensitive ? "hole" : "hole in ring 0" : "innocuous";
        }

        return row.OpenedBy switch
        {
            Guards.Iopl => "privileged unless IOPL=3",
            Guards.TimeStampDisable => "privileged with CR4.TSD",
            Guards.PerformanceCounters => "privileged but CR4.PCE",
            _ => "privileged",
        };
    }

    /// <summary>The kinds of sensitivity, in letters: C L M S.</summary>
    public static string Letters(Sensitivity kinds) =>
        $"{Letter(kinds, Sensitivity.Control, 'C')}{Letter(kinds, Sensitivity.Location, 'L')}{Letter(kinds, Sensitivity.Mode, 'M')}{Letter(kinds, Sensitivity.State, 'S')}";

    /// <summary>The aspects of the system in words.</summary>
    public static string Words(SystemAspects aspects) => string.Join(", ", s_aspects.Where(pair => (aspects & pair.Aspect) != 0).Select(pair => pair.Name));

    private static char Letter(Sensitivity kinds, Sensitivity kind, char letter) => (kinds & kind) != 0 ? letter : '.';

    private static string Outcome(ModeOutcome outcome) => outcome.Completes ? "+" : outcome.Vector < 0 ? "-" : Vector.Name(outcome.Vector);

    private void WriteRow(InstructionClassification row)
    {
        string where = $"{Outcome(row.Outcome(ExecutionMode.Real)),-4}  {Outcome(row.Outcome(ExecutionMode.Ring0)),-3} {Outcome(row.Outcome(ExecutionMode.Ring3)),-3} {Outcome(row.Outcome(ExecutionMode.Virtual8086)),-4}";
        string letters = row.Sensitivity == Sensitivity.None ? "" : $"{Letters(row.Sensitivity)} user {Letters(row.In(ExecutionMode.Ring3))}";
        SystemAspects aspects = row.Witnesses.Where(w => w.Mode is ExecutionMode.Ring0 or ExecutionMode.Ring3).Aggregate(SystemAspects.None, (all, w) => all | w.Changed);
        string depends = Words(aspects);
        string changes = row.Changes.Length > 0 ? $"; changes {string.Join(", ", row.Changes)}" : "";
        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{row.Form,-18} {row.Encoding,-14} {where}  {ClassOf(row),-24} {letters,-16} {depends}{changes}").TrimEnd());
        if (witnesses is null)
        {
            return;
        }

        foreach (Witness witness in row.Witnesses)
        {
            WitnessReport report = witnesses.Check(row.Name, witness);
            string differs = witness.Kind == Sensitivity.Control ? "" : $"{Words(witness.Changed)} differs: ";
            output.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"    {witness.Kind.ToString().ToLowerInvariant(),-8} {ModeName(witness.Mode),-5} trial {witness.Trial,-4} {report.Instruction,-28} {differs}{report.Finding}{(report.Holds ? "" : " - IT DOES NOT HOLD")}"));
        }
    }

    private static string ModeName(ExecutionMode mode) => mode switch
    {
        ExecutionMode.Real => "real",
        ExecutionMode.Ring0 => "ring0",
        ExecutionMode.Ring3 => "ring3",
        _ => "v8086",
    };
}
