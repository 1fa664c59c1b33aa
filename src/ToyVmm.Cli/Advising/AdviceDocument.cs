using System.Text.Json;
using ToyVmm.VirtualMachines.Advising;

namespace ToyVmm.Cli.Advising;

/// <summary>What a guest left its code for and what would spare it, as part of the document that --json writes.</summary>
internal sealed record AdviceDocument
{
    /// <summary>Where and why, the costliest first.</summary>
    public required IReadOnlyList<AdviceRowDocument> Rows { get; init; }

    /// <summary>The calls that would save something.</summary>
    public required IReadOnlyList<CallAdviceDocument> Calls { get; init; }

    /// <summary>Fills the document.</summary>
    public static AdviceDocument From(AdviceReport report) => new()
    {
        Rows = [.. report.Rows.Select(AdviceRowDocument.From)],
        Calls = [.. report.Calls.Select(CallAdviceDocument.From)],
    };

    /// <summary>A call's name; null for none.</summary>
    public static string? Name(ParavirtualCall call) => call == ParavirtualCall.None ? null : JsonNamingPolicy.SnakeCaseLower.ConvertName(call.ToString());
}

/// <summary>One place and one reason.</summary>
internal sealed record AdviceRowDocument
{
    /// <summary>The function or label; null where nothing is known.</summary>
    public required string? Symbol { get; init; }

    /// <summary>The lowest linear address.</summary>
    public required uint Address { get; init; }

    /// <summary>How many instructions of the function.</summary>
    public required int Places { get; init; }

    /// <summary>The reason.</summary>
    public required string Kind { get; init; }

    /// <summary>The reason in words.</summary>
    public required string Detail { get; init; }

    /// <summary>How often.</summary>
    public required ulong Count { get; init; }

    /// <summary>Host time.</summary>
    public required double Milliseconds { get; init; }

    /// <summary>What would spare it, or null.</summary>
    public required string? Call { get; init; }

    /// <summary>How many of them.</summary>
    public required ulong Spared { get; init; }

    /// <summary>True where that is an upper bound.</summary>
    public required bool IsBound { get; init; }

    /// <summary>Fills the row.</summary>
    public static AdviceRowDocument From(AdviceRow row) => new()
    {
        Symbol = row.Symbol,
        Address = row.Address,
        Places = row.Places,
        Kind = JsonNamingPolicy.SnakeCaseLower.ConvertName(row.Kind.ToString()),
        Detail = row.Detail,
        Count = row.Count,
        Milliseconds = row.Time.TotalMilliseconds,
        Call = AdviceDocument.Name(row.Call),
        Spared = row.Spared,
        IsBound = row.IsBound,
    };
}

/// <summary>What a call would save.</summary>
internal sealed record CallAdviceDocument
{
    /// <summary>The call.</summary>
    public required string? Call { get; init; }

    /// <summary>What would not happen.</summary>
    public required ulong Spared { get; init; }

    /// <summary>What would happen instead.</summary>
    public required ulong Calls { get; init; }

    /// <summary>The balance.</summary>
    public required ulong Saved { get; init; }

    /// <summary>True where it is an upper bound.</summary>
    public required bool IsBound { get; init; }

    /// <summary>Why.</summary>
    public required string Reason { get; init; }

    /// <summary>Fills the row.</summary>
    public static CallAdviceDocument From(CallAdvice call) => new()
    {
        Call = AdviceDocument.Name(call.Call),
        Spared = call.Spared,
        Calls = call.Calls,
        Saved = call.Saved,
        IsBound = call.IsBound,
        Reason = call.Reason,
    };
}
