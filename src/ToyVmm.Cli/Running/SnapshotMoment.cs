namespace ToyVmm.Cli.Running;

/// <summary>When a snapshot is taken: one of these is set. The moment is the same in every run, whatever the engine.</summary>
internal sealed record SnapshotMoment
{
    /// <summary>After so many instructions since power-on.</summary>
    public ulong? Instructions { get; init; }

    /// <summary>When the guest's clock has come so far.</summary>
    public TimeSpan? Time { get; init; }

    /// <summary>When the guest leaves this mark.</summary>
    public uint? Mark { get; init; }

    /// <summary>When the guest has sent this text through COM1.</summary>
    public string? SerialText { get; init; }

    /// <summary>The moment in words: "before ..." what.</summary>
    public override string ToString() => this switch
    {
        { Instructions: { } count } => $"it had executed {count} instructions",
        { Time: { } time } => $"its clock had come to {time.TotalSeconds:0.######} s",
        { Mark: { } mark } => $"it left the mark {mark}",
        _ => $"it sent \"{SerialText}\"",
    };
}
