using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace ToyVmm.Engines.Metering;

/// <summary>
/// Attributes the host time of a virtual CPU to what it is spent on (<see cref="Vcpu.Costs"/>). At each moment the run is in exactly one part;
/// where it goes from one to the next the clock is read once, so that the parts add up to the whole.
/// </summary>
/// <remarks>
/// Reading the clock costs as much as a short call-out does. What one reading takes is measured when a report is made, and taken off each
/// stretch; the report says how much that was in all. Not thread-safe; only between <see cref="Start"/> and <see cref="Stop"/>.
/// </remarks>
/// <param name="profile">Attributes it to the guest's instructions beside; null for nobody.</param>
public sealed class CostMeter(InterventionProfile? profile = null)
{
    private const int FirstExit = (int)CostKind.Sleep + 1;

    // A part inside a part: port accesses in a call-out, decoding in a look-up. Two deep at most; four are room enough.
    private const int Deepest = 4;

    private static readonly int s_parts = FirstExit + Enum.GetValues<ExitReason>().Length;

    private readonly InterventionProfile? _profile = profile;
    private readonly ulong[] _counts = new ulong[s_parts];
    private readonly ulong[] _stretches = new ulong[s_parts];
    private readonly long[] _ticks = new long[s_parts];
    private readonly int[] _outer = new int[Deepest];
    private double? _reading;
    private int _current;
    private int _depth;
    private long _since;

    // What the part that was begun last had before.
    private long _ticksBefore;
    private ulong _stretchesBefore;

    /// <summary>What attributes it to the guest's instructions; null where nothing does.</summary>
    public InterventionProfile? Profile => _profile;

    /// <summary>Time runs from here on, for <see cref="CostKind.Monitor"/> at first.</summary>
    public void Start()
    {
        _depth = 0;
        _current = (int)CostKind.Monitor;
        _counts[_current]++;
        _since = Stopwatch.GetTimestamp();
    }

    /// <summary>Time runs to here, until the next <see cref="Start"/>.</summary>
    public void Stop()
    {
        Switch(_current);
        _profile?.Close();
    }

    /// <summary>From here on time goes to another part, which counts once more.</summary>
    /// <param name="kind">The part.</param>
    public void Begin(CostKind kind)
    {
        Switch((int)kind);
        _profile?.Close();
        _counts[(int)kind]++;
        _ticksBefore = _ticks[(int)kind];
        _stretchesBefore = _stretches[(int)kind];
    }

    /// <summary>From here on time goes to an exit.</summary>
    /// <remarks>An intervention that is open stays so: the exit may be what it was for (<see cref="InterventionProfile.BeginExit"/>).</remarks>
    /// <param name="reason">Why the engine left. <see cref="ExitReason.PortIoPerformed"/> goes on with the access it was, and counts nothing.</param>
    public void Begin(ExitReason reason)
    {
        bool isPerformed = reason == ExitReason.PortIoPerformed;
        int part = IndexOf(isPerformed ? ExitReason.PortIo : reason);
        Switch(part);
        _counts[part] += isPerformed ? 0u : 1;
    }

    /// <summary>The interpreter runs a block: the clock is not read where it ran the one before.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public void Interpret()
    {
        if (_current != (int)CostKind.Interpretation)
        {
            Switch((int)CostKind.Interpretation);
            _profile?.Close();
        }

        _counts[(int)CostKind.Interpretation]++;
    }

    /// <summary>The part that was begun last turns out to be another one, from its begin on; no part within it is open.</summary>
    /// <param name="kind">What it is.</param>
    public void Become(CostKind kind)
    {
        long ticks = _ticks[_current] - _ticksBefore;
        ulong stretches = _stretches[_current] - _stretchesBefore;
        _counts[_current]--;
        _ticks[_current] -= ticks;
        _stretches[_current] -= stretches;
        _current = (int)kind;
        _ticksBefore = _ticks[_current];
        _stretchesBefore = _stretches[_current];
        _counts[_current]++;
        _ticks[_current] += ticks;
        _stretches[_current] += stretches;
        if (_profile is not null)
        {
            Refine(kind);
        }
    }

    /// <summary>What looked like a fault for another reason was a fault of the shadow.</summary>
    internal void BecomeHidden()
    {
        if (_current == (int)CostKind.OtherFault)
        {
            Become(CostKind.HiddenFault);
        }
    }

    /// <summary>A part within the present one begins; <see cref="Leave"/> ends it.</summary>
    /// <param name="kind">The part.</param>
    public void Enter(CostKind kind)
    {
        _outer[_depth++] = _current;
        Switch((int)kind);
        _profile?.Suspend();
        _counts[(int)kind]++;
    }

    /// <summary>An exit that is handled within the present part begins; <see cref="Leave"/> ends it.</summary>
    /// <param name="reason">Which.</param>
    public void Enter(ExitReason reason)
    {
        _outer[_depth++] = _current;
        Begin(reason);
    }

    /// <summary>The part around the present one goes on.</summary>
    public void Leave()
    {
        bool isExit = _current >= FirstExit;
        Switch(_outer[--_depth]);
        if (_profile is not null)
        {
            LeaveProfile(isExit);
        }
    }

    /// <summary>What one reading of the clock takes, in its ticks.</summary>
    internal double ReadingTicks => _reading ??= MeasureReading();

    /// <summary>What was measured so far; not while time runs.</summary>
    public CostReport Report()
    {
        double reading = ReadingTicks;
        TimeSpan total = TimeSpan.Zero;
        TimeSpan net = TimeSpan.Zero;
        Dictionary<CostKind, CostPart> parts = [];
        Dictionary<ExitReason, CostPart> exits = [];
        for (int n = 0; n < s_parts; n++)
        {
            if (_stretches[n] == 0)
            {
                continue;
            }

            CostPart part = new(_counts[n], Time((long)Math.Max(_ticks[n] - (_stretches[n] * reading), 0)));
            total += Time(_ticks[n]);
            net += part.Time;
            if (n < FirstExit)
            {
                parts[(CostKind)n] = part;
            }
            else
            {
                exits[(ExitReason)(n - FirstExit)] = part;
            }
        }

        return new CostReport(total, total - net, parts, exits);
    }

    /// <summary>What the parts were entered and took, in ticks of the host's clock, the meter's own time in it. For tests.</summary>
    internal IEnumerable<(ulong Count, long Ticks)> Gross => _counts.Zip(_ticks);

    private static TimeSpan Time(long ticks) => Stopwatch.GetElapsedTime(0, ticks);

    private static int IndexOf(ExitReason reason) => FirstExit + (int)reason;

    // Once, in code that is as fast at the first call as it will ever be.
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private void Switch(int part)
    {
        long now = Stopwatch.GetTimestamp();
        _ticks[_current] += now - _since;
        _stretches[_current]++;
        _profile?.Add(now - _since);
        _current = part;
        _since = now;
    }

    private void Refine(CostKind kind)
    {
        switch (kind)
        {
            case CostKind.BudgetEnd:
                _profile!.Drop();
                break;
            case CostKind.HiddenFault:
                _profile!.Refine(InterventionKind.HiddenFault);
                break;
            case CostKind.TrueFault:
                _profile!.Refine(InterventionKind.PageFault);
                break;
        }
    }

    private void LeaveProfile(bool isExit)
    {
        if (isExit)
        {
            _profile!.LeaveExit();
        }
        else
        {
            _profile!.Resume();
        }
    }

    // What a stretch between two readings takes when nothing lies between them, in ticks: the least of some averages, because the host
    // has other things to do too.
    private static double MeasureReading()
    {
        const int Batches = 16;
        const int Readings = 256;
        CostMeter empty = new();
        double least = double.MaxValue;
        for (int batch = 0; batch < Batches; batch++)
        {
            long started = Stopwatch.GetTimestamp();
            for (int n = 0; n < Readings; n++)
            {
                empty.Switch(0);
            }

            least = Math.Min(least, (Stopwatch.GetTimestamp() - started) / (double)Readings);
        }

        return least;
    }
}
