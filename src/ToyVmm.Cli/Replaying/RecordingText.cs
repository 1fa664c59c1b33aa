using System.Globalization;
using ToyVmm.Hardware;
using ToyVmm.VirtualMachines.Replay;

namespace ToyVmm.Cli.Replaying;

/// <summary>What the user is told of a recording.</summary>
internal static class RecordingText
{
    /// <summary>A run has been recorded.</summary>
    public static string Written(string path, long bytes) => string.Create(
        CultureInfo.InvariantCulture, $"toyvmm: {path}: the run is recorded in {bytes} bytes; do it again with `toyvmm replay {path}`");

    /// <summary>A replay is over.</summary>
    public static string Verdict(Recording recording, ReplayVerdict verdict) =>
        verdict.Difference is { } difference ? $"toyvmm: {difference}"
        : verdict.IsComplete ? $"toyvmm: the replay is the recorded run: {Marks(verdict)} agree{(recording.Marks.Count == 1 ? "s" : "")}"
        : recording.End is null ? $"toyvmm: the recording {recording.Path} has no end: it was cut, or whoever wrote it was. As far as it goes, {Marks(verdict)} agree"
        : $"toyvmm: the replay did not come to its end; so far {Marks(verdict)} of {recording.Marks.Count} agree";

    /// <summary>What is in a recording.</summary>
    public static IEnumerable<string> Describe(Recording recording)
    {
        yield return Line("recording", $"{recording.Path}, {recording.Bytes} bytes, by ToyVmm {recording.WrittenBy}");
        yield return Line("run of", $"{recording.Title}, executed by the {recording.Engine}");
        yield return Line("machine", $"{recording.Cpu}, {recording.Machine.MemorySize >> 20} MiB, {recording.Machine.InstructionsPerSecond} instructions a second, started at {recording.Machine.StartTime:u}");
        foreach (RecordedFile file in recording.Files.Where(file => file.Length > 0))
        {
            yield return Line(file.Describe(), $"{(file.IsInside ? "in the recording" : file.Path)}, {file.Length} bytes, SHA-256 {file.Sha256}");
        }

        foreach (DiskConfig disk in recording.Machine.Disks)
        {
            yield return Line("disk", $"{disk.Path} ({(disk.Access == DiskAccess.Snapshot ? "snapshot" : "readonly")})");
        }

        if (recording.Machine.CdRom is { } disc)
        {
            yield return Line("CD-ROM", disc);
        }

        if (recording.Start.Instructions != 0)
        {
            yield return Line("begins at", $"instruction {recording.Start.Instructions}");
        }

        double seconds = (recording.LastMoment.Clock - recording.Start.Clock) / (double)recording.Machine.InstructionsPerSecond;
        yield return Line("length", $"{recording.LastMoment.Instructions - recording.Start.Instructions} instructions, {seconds:0.######} s of the guest's time");
        yield return Line("inputs", Inputs(recording.Log));
        yield return Line("marks", $"{recording.Marks.Count}, {recording.Marks.Count(mark => mark.Fingerprint is { Memory: not null })} of them with memory");
        yield return Line("end", recording.End is { } end ? $"{end.Stop.Detail}, exit status {end.ExitStatus}" : "none: the recording is not whole");
    }

    private static string Inputs(InputLog log)
    {
        Dictionary<string, int> kinds = [];
        for (int n = 0; n < log.Count; n++)
        {
            string kind = log[n].Event.GetType().Name.Replace("Input", "", StringComparison.Ordinal).ToLowerInvariant();
            kinds[kind] = kinds.GetValueOrDefault(kind) + 1;
        }

        string parts = string.Join(", ", kinds.OrderBy(kind => kind.Key, StringComparer.Ordinal).Select(kind => $"{kind.Key} {kind.Value}"));
        return parts.Length == 0 ? "none" : $"{log.Count}: {parts}";
    }

    private static string Marks(ReplayVerdict verdict) => verdict.MarksPassed == 1 ? "1 mark" : string.Create(CultureInfo.InvariantCulture, $"{verdict.MarksPassed} marks");

    private static string Line(string name, FormattableString text) => $"{name,-18}{text.ToString(CultureInfo.InvariantCulture)}";

    private static string Line(string name, string text) => $"{name,-18}{text}";
}
