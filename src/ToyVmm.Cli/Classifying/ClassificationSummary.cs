using System.Globalization;
using ToyVmm.Engines.Classification;

namespace ToyVmm.Cli.Classifying;

/// <summary>What follows from the classification: the counts, Robin and Irvine's list, and Popek and Goldberg's theorems.</summary>
internal static class ClassificationSummary
{
    private const int Width = 118;

    /// <summary>Writes it.</summary>
    public static void Write(TextWriter output, IReadOnlyList<InstructionClassification> rows)
    {
        List<InstructionClassification> holes = [.. rows.Where(row => row.IsHole)];
        output.WriteLine("""
            REAL, R0, R3, V86: + completes, or the fault that always comes (IOPL 0, CR4.TSD set, CR4.PCE clear, no I/O bitmap).
            SENSITIVE: Control; behaviour by Location, Mode (CPL), other system State; user: in ring 3. A hole is sensitive and not privileged.
            """);
        output.WriteLine();
        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{rows.Count} forms: {rows.Count(row => row.IsInnocuous)} innocuous, {rows.Count(row => row.IsPrivileged)} privileged, {rows.Count(row => row.Sensitivity != Sensitivity.None)} sensitive, of which {holes.Count} not privileged ({holes.Count(row => row.IsUserSensitive)} user-sensitive)."));
        output.WriteLine();

        List<string> found = [.. RobinIrvine.Mnemonics.Where(entry => holes.Any(row => RobinIrvine.EntryOf(row) == entry))];
        Wrap(output, string.Create(CultureInfo.InvariantCulture, $"Robin and Irvine (2000), {found.Count} of {RobinIrvine.Mnemonics.Length} found again: {string.Join(", ", found)}."));
        IEnumerable<string> others = holes.Where(row => RobinIrvine.EntryOf(row) is null).Select(row => row.Mnemonic).Distinct().Order(StringComparer.Ordinal);
        Wrap(output, $"Not on their list, and found: {string.Join(", ", others)}.");
        IEnumerable<string> guarded = rows.Where(row => row.OpenedBy != Guards.None).Select(row => row.Mnemonic).Distinct().Order(StringComparer.Ordinal);
        Wrap(output, $"Privileged only while the monitor keeps the switch closed (IOPL, CR4.TSD, CR4.PCE): {string.Join(", ", guarded)}.");
        string[] innocent = [.. ((string[])["SAHF", "LAHF", "CLD", "STD", "ARPL", "PUSHA", "BOUND", "XLATB"]).Where(name => rows.Where(row => row.Mnemonic == name).All(row => row.IsInnocuous))];
        Wrap(output, $"Suspected sometimes, and innocuous: {string.Join(", ", innocent)}.");
        output.WriteLine();
        WriteTheorems(output, holes);
    }

    private static void WriteTheorems(TextWriter output, List<InstructionClassification> holes)
    {
        List<InstructionClassification> user = [.. holes.Where(row => row.IsUserSensitive)];
        if (holes.Count == 0)
        {
            output.WriteLine("Theorem 1 holds: every sensitive instruction is privileged.");
            return;
        }

        Wrap(output, string.Create(CultureInfo.InvariantCulture,
            $"Theorem 1 (a monitor may be built if the sensitive instructions are a subset of the privileged ones) does not apply: {holes.Count} forms are sensitive and complete in ring 3 without a trap, POPF for one, which in ring 0 sets IF and in ring 3 leaves it."));
        Wrap(output, string.Create(CultureInfo.InvariantCulture,
            $"Theorem 3 (a hybrid monitor, which interprets all supervisor code, may be built if the user-sensitive instructions are a subset of the privileged ones) does not apply either: {user.Count} of them are sensitive in states that are user's - SGDT tells user code where the monitor's table lies, PUSH CS and STR show its selectors, and a loaded segment changes the relocation bounds."));
        output.WriteLine("That is why the translator replaces each of them, and the naive engine (toyvmm run popek --engine naive) is wrong.");
    }

    // Lines of a width for terminals, whatever the lists come to.
    private static void Wrap(TextWriter output, string text)
    {
        int column = 0;
        foreach (string word in text.Split(' '))
        {
            if (column > 0 && column + 1 + word.Length > Width)
            {
                output.WriteLine();
                column = 0;
            }

            if (column > 0)
            {
                output.Write(' ');
                column++;
            }

            output.Write(word);
            column += word.Length;
        }

        output.WriteLine();
    }
}
