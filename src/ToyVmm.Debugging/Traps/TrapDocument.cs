using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using ToyVmm.Engines;
using ToyVmm.Engines.Probing;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Debugging.Traps;

/// <summary>A trap as one line of JSON: docs/json.md describes the fields. What the guest's machine holds is written in hexadecimal, counts are numbers.</summary>
internal sealed record TrapDocument
{
    public required ulong Number { get; init; }

    public required ulong Instructions { get; init; }

    public required ulong Events { get; init; }

    public required ulong Clock { get; init; }

    public required string Kind { get; init; }

    public required string Summary { get; init; }

    public required TrapInstructionDocument Instruction { get; init; }

    public required IReadOnlyList<TrapEventDocument> Delivered { get; init; }

    public required TrapReasonDocument Reason { get; init; }

    public required IReadOnlyList<TrapStepDocument> Steps { get; init; }

    public required ulong StepsLeftOut { get; init; }

    public required IReadOnlyDictionary<string, string> Before { get; init; }

    public required IReadOnlyList<TrapChangeDocument> Changes { get; init; }

    public required TrapCostDocument Cost { get; init; }

    /// <summary>The line, without its end.</summary>
    public static string Write(Trap trap) => JsonSerializer.Serialize(From(trap), TrapDocumentContext.Readable.TrapDocument);

    private static TrapDocument From(Trap trap) => new()
    {
        Number = trap.Number,
        Instructions = trap.Point.Instructions,
        Events = trap.Point.Events,
        Clock = trap.Clock,
        Kind = Name(trap.Kind),
        Summary = TrapText.What(trap),
        Instruction = new TrapInstructionDocument
        {
            Cs = Hex(trap.Instruction.Selector, 4),
            Eip = Hex(trap.Instruction.Offset),
            Linear = Hex(trap.Instruction.Linear),
            Bytes = Convert.ToHexStringLower(trap.Instruction.Bytes.Span),
            Text = trap.Instruction.Text,
            Symbol = trap.Instruction.Symbol,
            Source = trap.Instruction.Source,
        },
        Delivered = [.. trap.Events.Select(item => new TrapEventDocument
        {
            Source = Name(item.Source),
            Vector = item.Vector,
            ErrorCode = item.Source == TrapSource.Exception && Vector.HasErrorCode(item.Vector) ? Hex(item.ErrorCode) : null,
            Address = item.Source == TrapSource.Exception && item.Vector == Vector.PageFault ? Hex(item.FaultAddress) : null,
        })],
        Reason = new TrapReasonDocument
        {
            Rule = trap.Reason.Rule,
            Class = trap.Reason.Class,
            Fault = trap.Reason.Fault == FaultNature.None ? null : Name(trap.Reason.Fault),
            Translator = trap.Reason.Translation,
        },
        Steps = [.. trap.Steps.Select(TrapStepDocument.From)],
        StepsLeftOut = trap.StepsLeftOut,
        Before = Registers(trap.Before),
        Changes = [.. trap.Changes.Select(change => new TrapChangeDocument { Register = change.Name, Before = change.Before, After = change.After, Note = change.Note })],
        Cost = new TrapCostDocument
        {
            Instructions = trap.Cost.Instructions,
            Steps = trap.Cost.Steps,
            Walks = trap.Cost.Walks,
            Fills = trap.Cost.Fills,
            HostNanoseconds = trap.Cost.HostTime?.TotalNanoseconds,
        },
    };

    /// <summary>A name in documents.</summary>
    internal static string Name(Enum value) => JsonNamingPolicy.SnakeCaseLower.ConvertName(value.ToString());

    /// <summary>A word in hexadecimal.</summary>
    internal static string Hex(ulong value, int digits = 8) => "0x" + value.ToString("x" + digits.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);

    private static unsafe Dictionary<string, string> Registers(CpuState s) => new()
    {
        ["eax"] = Hex(s.Eax),
        ["ebx"] = Hex(s.Ebx),
        ["ecx"] = Hex(s.Ecx),
        ["edx"] = Hex(s.Edx),
        ["esi"] = Hex(s.Esi),
        ["edi"] = Hex(s.Edi),
        ["ebp"] = Hex(s.Ebp),
        ["esp"] = Hex(s.Esp),
        ["eflags"] = Hex(LazyFlags.GetEflags(&s)),
        ["cpl"] = s.Cpl.ToString(CultureInfo.InvariantCulture),
        ["cs"] = Hex(s.Cs.Selector, 4),
        ["ss"] = Hex(s.Ss.Selector, 4),
        ["ds"] = Hex(s.Ds.Selector, 4),
        ["es"] = Hex(s.Es.Selector, 4),
        ["fs"] = Hex(s.Fs.Selector, 4),
        ["gs"] = Hex(s.Gs.Selector, 4),
        ["cr0"] = Hex(s.Cr0),
        ["cr2"] = Hex(s.Cr2),
        ["cr3"] = Hex(s.Cr3),
        ["cr4"] = Hex(s.Cr4),
    };
}

/// <summary>The guest's instruction.</summary>
internal sealed record TrapInstructionDocument
{
    public required string Cs { get; init; }

    public required string Eip { get; init; }

    public required string Linear { get; init; }

    public required string Bytes { get; init; }

    public required string Text { get; init; }

    public string? Symbol { get; init; }

    public string? Source { get; init; }
}

/// <summary>An interrupt or exception that was delivered.</summary>
internal sealed record TrapEventDocument
{
    public required string Source { get; init; }

    public required int Vector { get; init; }

    public string? ErrorCode { get; init; }

    public string? Address { get; init; }
}

/// <summary>Why.</summary>
internal sealed record TrapReasonDocument
{
    public required string Rule { get; init; }

    public required string Class { get; init; }

    public string? Fault { get; init; }

    public required string Translator { get; init; }
}

/// <summary>A micro-step.</summary>
internal sealed record TrapStepDocument
{
    public required string Kind { get; init; }

    public required string Text { get; init; }

    public string? Address { get; init; }

    public string? Value { get; init; }

    public int? Size { get; init; }

    public string? Selector { get; init; }

    public string? Detail { get; init; }

    /// <summary>Fills it: fields that say nothing are left out.</summary>
    public static TrapStepDocument From(MicroStep step) => new()
    {
        Kind = TrapDocument.Name(step.Kind),
        Text = MicroStepText.Describe(step),
        Address = step.Kind is MicroStepKind.Slept or MicroStepKind.HypercallMade or MicroStepKind.CheckFailed or MicroStepKind.TlbFlushed ? null : TrapDocument.Hex(step.Address),
        Value = step.Value == 0 && step.Size == 0 ? null : TrapDocument.Hex(step.Value, Math.Max(step.Size * 2, 8)),
        Size = step.Size == 0 ? null : step.Size,
        Selector = step.Selector == 0 ? null : TrapDocument.Hex(step.Selector, 4),
        Detail = step.Detail == 0 ? null : TrapDocument.Hex(step.Detail),
    };
}

/// <summary>A register that has changed.</summary>
internal sealed record TrapChangeDocument
{
    public required string Register { get; init; }

    public required string Before { get; init; }

    public required string After { get; init; }

    public string? Note { get; init; }
}

/// <summary>The cost.</summary>
internal sealed record TrapCostDocument
{
    public required ulong Instructions { get; init; }

    public required ulong Steps { get; init; }

    public required int Walks { get; init; }

    public required int Fills { get; init; }

    public double? HostNanoseconds { get; init; }
}

/// <summary>Serializers made at compile time.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(TrapDocument))]
[JsonSerializable(typeof(TimelineEvent))]
internal sealed partial class TrapDocumentContext : JsonSerializerContext
{
    /// <summary>Escapes what JSON must have escaped, and not what HTML would: people read these lines too.</summary>
    public static TrapDocumentContext Readable { get; } = new(new JsonSerializerOptions
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    });
}
