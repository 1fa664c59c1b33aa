using System.Globalization;
using System.Text.Json;
using ToyVmm.Engines.Probing;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Debugging.Traps;

/// <summary>
/// Traps as events of the trace event format, which Perfetto and Chrome's tracing show: a track for each mode and ring of the guest, one for the VMM, one
/// for each device that is used. Time is the guest's, in which the VMM takes none: a trap is drawn as long as one instruction.
/// </summary>
/// <param name="frequency">Ticks of the guest's clock a second.</param>
internal sealed class TrapTimeline(ulong frequency)
{
    private const int GuestProcess = 1;
    private const int MonitorProcess = 2;
    private const int DeviceProcess = 3;
    private const int AsleepTrack = 7;
    private const int MonitorTrack = 1;

    private static readonly string[] s_tracks = ["ring 0", "ring 1", "ring 2", "ring 3", "real mode", "virtual-8086 mode", "", "asleep"];

    private readonly Dictionary<string, int> _devices = [];
    private readonly HashSet<int> _named = [];
    private int _track = -1;
    private ulong _since;

    /// <summary>What stands at the beginning of the document.</summary>
    public static string Head => "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n"
        + "{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":1,\"args\":{\"name\":\"guest\"}},\n"
        + "{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":2,\"args\":{\"name\":\"VMM\"}},\n"
        + "{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":3,\"args\":{\"name\":\"devices\"}},\n"
        + "{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":2,\"tid\":1,\"args\":{\"name\":\"traps\"}}";

    /// <summary>What stands at its end.</summary>
    public static string Tail => "\n]}\n";

    /// <summary>The events of a trap.</summary>
    public IEnumerable<string> Add(Trap trap)
    {
        ulong end = trap.Clock + Math.Max(trap.Cost.Instructions, 1);
        int before = TrackOf(trap.Before);
        if (_track != before)
        {
            foreach (string span in EndSpan(trap.Clock))
            {
                yield return span;
            }

            (_track, _since) = (before, trap.Clock);
        }

        int after = trap.Kind == TrapKind.Halt ? AsleepTrack : TrackOf(trap.After);
        if (after != before)
        {
            foreach (string span in EndSpan(trap.Clock + trap.Cost.Instructions))
            {
                yield return span;
            }

            (_track, _since) = (after, trap.Clock + trap.Cost.Instructions);
        }

        yield return Write(new TimelineEvent
        {
            Name = $"{TrapText.Name(trap.Kind)}: {TrapText.What(trap)}",
            Cat = TrapDocument.Name(trap.Kind),
            Ph = "X",
            Pid = MonitorProcess,
            Tid = MonitorTrack,
            Ts = Time(trap.Clock),
            Dur = Time(end) - Time(trap.Clock),
            Args = new Dictionary<string, string>
            {
                ["trap"] = trap.Number.ToString(CultureInfo.InvariantCulture),
                ["instructions"] = trap.Point.Instructions.ToString(CultureInfo.InvariantCulture),
                ["at"] = string.Create(CultureInfo.InvariantCulture, $"{trap.Instruction.Selector:x4}:{trap.Instruction.Offset:x8}{(trap.Instruction.Symbol is { } symbol ? " " + symbol : "")}"),
                ["why"] = trap.Reason.Rule,
                ["class"] = trap.Reason.Class,
                ["steps"] = string.Join("; ", trap.Steps.Select(step => MicroStepText.Describe(step))),
            },
        });

        foreach (MicroStep step in trap.Steps)
        {
            if (step.Kind is not (MicroStepKind.PortRead or MicroStepKind.PortWritten or MicroStepKind.DeviceRead or MicroStepKind.DeviceWritten))
            {
                continue;
            }

            string device = step.Text ?? "nobody";
            if (!_devices.TryGetValue(device, out int tid))
            {
                _devices.Add(device, tid = _devices.Count + 1);
                yield return Name(DeviceProcess, tid, device);
            }

            yield return Write(new TimelineEvent
            {
                Name = MicroStepText.Describe(step),
                Cat = TrapDocument.Name(step.Kind),
                Ph = "X",
                Pid = DeviceProcess,
                Tid = tid,
                Ts = Time(trap.Clock),
                Dur = Time(end) - Time(trap.Clock),
            });
        }
    }

    /// <summary>The event that ends the document: what the guest ran in last.</summary>
    /// <param name="clock">The guest's clock now.</param>
    public IEnumerable<string> End(ulong clock) => EndSpan(clock);

    private static int TrackOf(in CpuState state) =>
        state.Halted != 0 ? AsleepTrack : (state.Cr0 & Cr0.PE) == 0 ? 4 : (state.OtherFlags & Eflags.VM) != 0 ? 5 : (int)state.Cpl;

    private static string Name(int process, int track, string name) => Write(new TimelineEvent
    {
        Name = "thread_name",
        Ph = "M",
        Pid = process,
        Tid = track,
        Args = new Dictionary<string, string> { ["name"] = name },
    });

    private static string Write(TimelineEvent item) => JsonSerializer.Serialize(item, TrapDocumentContext.Readable.TimelineEvent);

    private IEnumerable<string> EndSpan(ulong clock)
    {
        if (_track < 0 || clock <= _since)
        {
            yield break;
        }

        if (_named.Add(_track))
        {
            yield return Name(GuestProcess, _track + 1, s_tracks[_track]);
        }

        yield return Write(new TimelineEvent { Name = s_tracks[_track], Cat = "guest", Ph = "X", Pid = GuestProcess, Tid = _track + 1, Ts = Time(_since), Dur = Time(clock) - Time(_since) });
    }

    // Microseconds, to a nanosecond: a decimal has the same digits on every host.
    private decimal Time(ulong clock) => Math.Round((decimal)clock * 1_000_000m / frequency, 3);
}

/// <summary>One event of the trace event format; its names are one letter or two.</summary>
internal sealed record TimelineEvent
{
    public required string Name { get; init; }

    public string? Cat { get; init; }

    public required string Ph { get; init; }

    public required int Pid { get; init; }

    public int? Tid { get; init; }

    public decimal? Ts { get; init; }

    public decimal? Dur { get; init; }

    public IReadOnlyDictionary<string, string>? Args { get; init; }
}
