using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Globalization;
using System.Reflection;
using Iced.Intel;

namespace ToyVmm.Engines.Classification;

/// <summary>
/// The table that <see cref="ClassificationSearch"/> has found, as it is kept with the program: a line a form, written by <see cref="Write"/>. A test
/// searches anew and compares; another looks at each witness.
/// </summary>
public static class ClassificationTable
{
    private const string Resource = "ToyVmm.Engines.Classification.classification.tsv";

    private static readonly Lazy<ImmutableArray<InstructionClassification>> s_rows = new(ReadResource);
    private static readonly Lazy<FrozenDictionary<Code, InstructionClassification>> s_byCode =
        new(() => Rows.ToFrozenDictionary(row => Enum.Parse<Code>(row.Name)));

    /// <summary>All rows, in the decoder's order.</summary>
    public static ImmutableArray<InstructionClassification> Rows => s_rows.Value;

    /// <summary>The row of a form; null where the processor has no such instruction.</summary>
    internal static InstructionClassification? Find(Code code) => s_byCode.Value.GetValueOrDefault(code);

    /// <summary>Writes rows, to be read by <see cref="Read"/>.</summary>
    /// <param name="rows">The rows.</param>
    /// <param name="output">Takes the lines.</param>
    public static void Write(IEnumerable<InstructionClassification> rows, TextWriter output)
    {
        ArgumentNullException.ThrowIfNull(rows);
        ArgumentNullException.ThrowIfNull(output);
        output.Write("# form\treal ring0 ring3 v8086\tprivileged, opened by\tenters a handler\tchanges\twitnesses: kind:mode:aspect:trial\n");
        foreach (InstructionClassification row in rows)
        {
            output.Write(string.Join('\t',
                row.Name,
                string.Join(' ', row.Outcomes.Select(Outcome)),
                row.IsPrivileged ? ((int)row.OpenedBy).ToString(CultureInfo.InvariantCulture) : "-",
                row.EntersHandler ? "+" : "-",
                string.Join(',', row.Changes),
                string.Join(' ', row.Witnesses.Select(w => string.Create(CultureInfo.InvariantCulture, $"{(int)w.Kind}:{(int)w.Mode}:{(int)w.Changed}:{w.Trial}")))));
            output.Write('\n');
        }
    }

    /// <summary>Reads rows.</summary>
    /// <param name="input">The lines.</param>
    /// <exception cref="FormatException">A line is malformed.</exception>
    public static IEnumerable<InstructionClassification> Read(TextReader input)
    {
        ArgumentNullException.ThrowIfNull(input);
        while (input.ReadLine() is { } line)
        {
            if (!line.StartsWith('#'))
            {
                yield return ReadRow(line);
            }
        }
    }

    private static ImmutableArray<InstructionClassification> ReadResource()
    {
        using Stream stream = Assembly.GetExecutingAssembly().GetManifestResourceStream(Resource)
            ?? throw new InvalidOperationException($"{Resource} is not in the assembly: a bug in ToyVmm's build");
        using StreamReader reader = new(stream);
        return [.. Read(reader)];
    }

    private static string Outcome(ModeOutcome outcome) =>
        outcome.Completes ? "+" : outcome.Vector < 0 ? "-" : outcome.Vector.ToString(CultureInfo.InvariantCulture);

    private static InstructionClassification ReadRow(string line)
    {
        string[] fields = line.Split('\t');
        if (fields.Length != 6 || !Enum.TryParse(fields[0], out Code code) || code.ToString() != fields[0])
        {
            throw new FormatException($"not a row of the classification: {line}");
        }

        OpCodeInfo info = code.ToOpCode();
        string[] outcomes = fields[1].Split(' ');
        return new InstructionClassification
        {
            Name = fields[0],
            Form = info.ToInstructionString(),
            Encoding = info.ToOpCodeString(),
            Mnemonic = code.Mnemonic().ToString().ToUpperInvariant(),
            Outcomes = [.. outcomes.Select((text, n) => new ModeOutcome((ExecutionMode)n, text == "+", text is "+" or "-" ? -1 : Number(text)))],
            IsPrivileged = fields[2] != "-",
            OpenedBy = fields[2] == "-" ? Guards.None : (Guards)Number(fields[2]),
            EntersHandler = fields[3] == "+",
            Changes = fields[4].Length == 0 ? [] : [.. fields[4].Split(',')],
            Witnesses = fields[5].Length == 0 ? [] : [.. fields[5].Split(' ').Select(ReadWitness)],
        };
    }

    private static Witness ReadWitness(string text)
    {
        string[] parts = text.Split(':');
        return parts.Length == 4
            ? new Witness((Sensitivity)Number(parts[0]), (ExecutionMode)Number(parts[1]), (SystemAspects)Number(parts[2]), Number(parts[3]))
            : throw new FormatException($"not a witness: {text}");
    }

    private static int Number(string text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number)
        ? number
        : throw new FormatException($"not a number of the classification: {text}");
}
